import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Browser } from "../support/browser.ts";
import { type LoginWorld, loginWorld, origin, secrets, sessionCookie } from "../support/login-world.ts";
import { makeKey, rawToken, type SigningKey } from "../support/tokens.ts";

let world: LoginWorld;
let stranger: SigningKey;

beforeAll(async () => {
  world = await loginWorld();
  stranger = await makeKey("k1");
});
afterAll(() => world[Symbol.asyncDispose]());
beforeEach(() => world.provider.behave({}));

const isIn = async (browser: Browser): Promise<boolean> =>
  (await browser.visit(`${origin}/mine`)).status === 200;
const asked = (): number => world.provider.asked.length;
const stateOf = (answer: URLSearchParams): string => answer.get("state") ?? "";

test("an answer with a forged state is refused before anybody is asked", async () => {
  const browser = world.browser();
  const answer = world.provider.authorize(await world.begin(browser));
  const before = asked();
  for (const state of [
    "",
    "x".repeat(43),
    `${stateOf(answer).slice(0, 42)}_`,
    `${stateOf(answer)}\r\nset-cookie: a=b`,
  ]) {
    const forged = new URLSearchParams(answer);
    forged.set("state", state);
    expect(await world.comeBack(browser, forged)).toMatchObject({ status: 400, reason: "login_failed" });
  }
  expect(await world.comeBack(browser, `${answer}&state=${stateOf(answer)}`)).toMatchObject({ status: 400 });
  expect(asked()).toBe(before);
  expect(await isIn(browser)).toBe(false);
});

test("an answer to one browser does not log another in: no login that somebody else began", async () => {
  const [attacker, victim] = [world.browser(), world.browser()];
  const answer = world.provider.authorize(await world.begin(attacker));
  const before = asked();
  expect(await world.comeBack(victim, answer)).toMatchObject({ status: 400, reason: "login_failed" });
  await world.begin(victim);
  expect((await world.comeBack(victim, answer)).status).toBe(400);
  expect(asked()).toBe(before);
  expect(await isIn(victim)).toBe(false);
});

test("an answer counts once in its browser", async () => {
  const browser = world.browser();
  const answer = world.provider.authorize(await world.begin(browser));
  expect((await world.comeBack(browser, answer)).status).toBe(303);
  const before = asked();
  expect(await world.comeBack(browser, answer)).toMatchObject({ status: 400, reason: "login_failed" });
  expect(asked()).toBe(before);
});

test("a failed answer does not count again either", async () => {
  const browser = world.browser();
  const answer = world.provider.authorize(await world.begin(browser));
  world.provider.behave({ claims: { nonce: "other" } });
  expect((await world.comeBack(browser, answer)).status).toBe(400);
  world.provider.behave({});
  const before = asked();
  expect((await world.comeBack(browser, answer)).status).toBe(400);
  expect(asked()).toBe(before);
});

test("the code of another login is of no use: the provider is told by PKCE", async () => {
  const [attacker, victim] = [world.browser(), world.browser()];
  const stolen = world.provider.authorize(await world.begin(victim));
  const own = world.provider.authorize(await world.begin(attacker));
  own.set("code", stolen.get("code") ?? "");
  expect(await world.comeBack(attacker, own)).toMatchObject({ status: 400, reason: "login_failed" });
  expect(await isIn(attacker)).toBe(false);
});

test.each([
  ["another issuer's", (answer: URLSearchParams) => answer.set("iss", "https://evil.test")],
  ["nobody's, though this provider always says whose", (answer: URLSearchParams) => answer.delete("iss")],
  ["two issuers'", (answer: URLSearchParams) => answer.append("iss", "https://evil.test")],
])("an answer that is %s goes to no token endpoint (RFC 9207)", async (_name, change) => {
  const browser = world.browser();
  const answer = world.provider.authorize(await world.begin(browser));
  change(answer);
  const before = asked();
  expect(await world.comeBack(browser, answer)).toMatchObject({ status: 400, reason: "login_failed" });
  expect(asked()).toBe(before);
});

describe("an ID token that proves nothing", () => {
  const now = (): number => Math.floor(Date.now() / 1000);
  const bad: readonly (readonly [string, () => Parameters<LoginWorld["provider"]["behave"]>[0]])[] = [
    ["for another nonce", () => ({ claims: { nonce: "another" } })],
    ["without a nonce", () => ({ claims: { nonce: undefined } })],
    ["for another client", () => ({ claims: { aud: "bank" } })],
    ["for several clients, and given to another", () => ({ claims: { aud: ["shop", "bank"], azp: "bank" } })],
    ["of another issuer", () => ({ claims: { iss: "https://evil.test" } })],
    ["without a subject", () => ({ claims: { sub: undefined } })],
    ["that has expired", () => ({ claims: { iat: now() - 900, exp: now() - 300 } })],
    ["without an end", () => ({ claims: { exp: undefined } })],
    ["of the future", () => ({ claims: { iat: now() + 300 } })],
    ["signed by another key of the same name", () => ({ key: stranger })],
    ["that is missing", () => ({ tokens: { id_token: undefined } })],
    ["that is signed by nobody", () => ({ tokens: { id_token: unsigned(world.provider.issuer) } })],
  ];
  test.each(bad)("%s lets nobody in", async (_name, behaviour) => {
    const browser = world.browser();
    const answer = world.provider.authorize(await world.begin(browser));
    world.provider.behave(behaviour());
    const page = await world.comeBack(browser, answer);
    expect(page).toMatchObject({ status: 400, reason: "login_failed", location: "" });
    expect(page.text).toContain("does not prove who you are");
    expect([...browser.jar(origin).keys()]).toEqual([]);
  });

  function unsigned(issuer: string): string {
    const claims = { iss: issuer, aud: "shop", sub: "ann", iat: now(), exp: now() + 600 };
    return rawToken({ alg: "none" }, claims, "");
  }
});

test("a provider that says no is believed, and its words are not shown", async () => {
  const browser = world.browser();
  const state = new URL(await world.begin(browser)).searchParams.get("state") ?? "";
  const said = "<script>alert(1)</script>";
  const answer = new URLSearchParams({
    error: "access_denied",
    error_description: said,
    state,
    iss: world.provider.issuer,
  });
  const page = await world.comeBack(browser, answer);
  expect(page).toMatchObject({ status: 403, reason: "login_denied" });
  expect(page.headers["content-type"]).toBe("text/html; charset=utf-8");
  expect(page.headers["content-security-policy"]).toContain("default-src 'none'");
  expect(page.text).not.toContain("script");
});

test.each([
  "//evil.test",
  "///evil.test",
  "/\\evil.test",
  "\\\\evil.test",
  "https://evil.test",
  "https:evil.test",
  "https:/evil.test",
  "javascript:alert(1)",
  "/\t/evil.test",
  "/\n/evil.test",
  "\t//evil.test",
  " //evil.test",
  "/a\\..\\evil",
  "/\u0000",
  "/ä",
  "%2F%2Fevil.test",
  "evil.test",
  "@evil.test",
  ".evil.test",
  "",
  `/${"a".repeat(3000)}`,
])("nobody is sent to %j after login", async (returnTo) => {
  const browser = world.browser();
  const page = await browser.visit(`${origin}/.dragoman/login?return_to=${encodeURIComponent(returnTo)}`);
  expect(page).toMatchObject({ status: 400, reason: "malformed_query", location: "" });
  expect([...browser.jar(origin).keys()]).toEqual([]);
});

test.each(["/", "/a?b=c&d=//evil.test", "/%2F%2Fevil.test", "/.//evil.test", "/@evil.test", "/a#b"])(
  "%j is a path of this site, and stays one",
  async (returnTo) => {
    const page = await world.logIn(world.browser(), returnTo);
    expect(page.location).toBe(`${origin}${returnTo}`);
    expect(new URL(page.location).origin).toBe(origin);
  },
);

test("two places to return to are none", async () => {
  const page = await world.browser().visit(`${origin}/.dragoman/login?return_to=/a&return_to=//evil.test`);
  expect(page).toMatchObject({ status: 400, reason: "malformed_query" });
});

test("where to return to is not what the host field says", async () => {
  const page = await world
    .browser()
    .visit(`${origin}/mine`, { host: "evil.test", "x-forwarded-host": "evil.test" });
  expect(page.location).toMatch(/^https:\/\/shop\.test\//);
});

describe("a session cookie", () => {
  let good: string;
  const outcome = async (cookies: Readonly<Record<string, string>>, path = "/mine") => {
    const browser = world.browser();
    for (const [name, value] of Object.entries(cookies)) browser.jar(origin).set(name, value);
    const { status, reason } = await browser.send(`${origin}${path}`);
    return { status, reason };
  };
  const refused = { status: 401, reason: "credentials_missing" };

  beforeAll(async () => {
    world.provider.behave({});
    const browser = world.browser();
    await world.logIn(browser);
    good = browser.jar(origin).get(sessionCookie) ?? "";
    expect(await outcome({ [sessionCookie]: good })).toMatchObject({ status: 200 });
  });

  test("with any character changed is none", async () => {
    for (let i = 0; i < good.length; i += 7) {
      const changed = `${good.slice(0, i)}${good[i] === "A" ? "B" : "A"}${good.slice(i + 1)}`;
      expect(await outcome({ [sessionCookie]: changed }), `at ${i}`).toEqual(refused);
    }
  });

  test.each([
    ["cut off", () => good.slice(0, -1)],
    ["cut off at its front", () => `1.${good.slice(6)}`],
    ["longer", () => `${good}A`],
    ["empty", () => ""],
    ["of no bytes", () => "1."],
    ["of few bytes", () => "1.AAAA"],
    ["said to be longer than it is", () => good.replace("1.", "2.")],
    ["said to be of no cookies", () => good.replace("1.", "0.")],
    ["said to be of very many", () => good.replace("1.", "999999999.")],
    ["quoted", () => `"${good}"`],
    ["made of JSON", () => `1.${Buffer.from('{"v":1,"sub":"ann"}').toString("base64url")}`],
    ["of a megabyte's beginning", () => `1.${"A".repeat(30_000)}`],
  ])("that is %s is none", async (_name, value) => {
    expect(await outcome({ [sessionCookie]: value() })).toEqual(refused);
    expect(await outcome({ [sessionCookie]: value() }, "/maybe")).toMatchObject({ status: 200 });
  });

  test("sent twice is none", async () => {
    const browser = world.browser();
    const page = await browser.send(`${origin}/mine`, {
      headers: { cookie: `${sessionCookie}=${good}; ${sessionCookie}=${good}` },
    });
    expect(page.status).toBe(401);
  });

  test("of another login of the same gateway's is none, nor is that of an attempt", async () => {
    await using other = await loginWorld({ login: { client: { id: "other", method: "none" } } });
    const browser = other.browser();
    browser.jar(origin).set(sessionCookie, good);
    expect((await browser.send(`${origin}/mine`)).status).toBe(401);
    const trying = world.browser();
    await world.begin(trying);
    const [attempt = ""] = trying.jar(origin).values();
    expect(await outcome({ [sessionCookie]: `1.${attempt}` })).toEqual(refused);
  });

  test("opens with the secrets before, and not with others", async () => {
    const { provider } = world;
    const shown = async (list: readonly string[]) => {
      await using other = await loginWorld({ login: { issuer: provider.issuer, secrets: list } });
      const browser = other.browser();
      browser.jar(origin).set(sessionCookie, good);
      return (await browser.send(`${origin}/mine`)).status;
    };
    expect(await shown([secrets[1], secrets[0]])).toBe(200);
    expect(await shown([secrets[1]])).toBe(401);
  });

  test("that was planted before does not outlive a login", async () => {
    const victim = world.browser();
    victim.jar(origin).set(sessionCookie, good);
    world.provider.behave({ claims: { sub: "victim" } });
    await world.logIn(victim);
    expect(victim.jar(origin).get(sessionCookie)).not.toBe(good);
    expect(JSON.parse((await victim.visit(`${origin}/mine`)).text)).toMatchObject({
      "x-dragoman-subject": "victim",
    });
  });
});

test("what stands in a session is not what a client says beside it", async () => {
  const browser = world.browser();
  await world.logIn(browser);
  const page = await browser.visit(`${origin}/mine`, {
    "x-dragoman-subject": "admin",
    "x-email": "admin@shop.test",
    x_email: "admin@shop.test",
  });
  expect(JSON.parse(page.text)).toMatchObject({ "x-dragoman-subject": "ann", "x-email": "ann@shop.test" });
  expect(page.text).not.toContain("admin");
});
