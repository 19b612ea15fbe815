import type http from "node:http";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { until } from "../../../support/until.ts";
import type { Behaviour } from "../support/fake-provider.ts";
import { begunBefore, type LoginWorld, loginWorld, origin, sessionCookie } from "../support/login-world.ts";
import { makeKey } from "../support/tokens.ts";

let world: LoginWorld;

beforeEach(async () => {
  world = await loginWorld({ login: { timeout: "1500ms" } });
});
afterEach(() => world[Symbol.asyncDispose]());

type Answer = NonNullable<Behaviour["answer"]>;

/** Answers for some paths in place of the provider. */
const at =
  (path: string, answer: (response: http.ServerResponse) => void): Answer =>
  (request, response) => {
    if (request.url !== path) return false;
    answer(response);
    return true;
  };
const metadata = "/.well-known/openid-configuration";
const json = { "content-type": "application/json" };

/** Ways not to answer a question. */
const failures: readonly (readonly [string, (response: http.ServerResponse) => void])[] = [
  ["breaks the connection", (response) => response.destroy()],
  ["never answers", () => {}],
  [
    "stops in the middle",
    (response) => response.writeHead(200, { ...json, "content-length": "100" }).write("{"),
  ],
  ["fails", (response) => response.writeHead(500, json).end("{}")],
  ["redirects", (response) => response.writeHead(302, { location: "http://127.0.0.1:1/elsewhere" }).end()],
  [
    "answers with a page",
    (response) => response.writeHead(200, { "content-type": "text/html" }).end("<p>hello"),
  ],
  ["answers with no JSON", (response) => response.writeHead(200, json).end("{")],
  ["answers with a list", (response) => response.writeHead(200, json).end("[]")],
  [
    "answers without end",
    (response) => {
      response.writeHead(200, json).write("[");
      const more = (): void => {
        while (!response.destroyed && response.write(`"${"x".repeat(60_000)}",`));
      };
      response.on("drain", more);
      more();
    },
  ],
];

describe.each(failures)("a provider that %s", (kind, answer) => {
  test("when it is asked about itself: a page says that nobody can log in now, and when to come again", async () => {
    world.provider.behave({ answer: at(metadata, answer) });
    const browser = world.browser();
    const page = await browser.visit(`${origin}/.dragoman/login?return_to=/mine`);
    expect(page).toMatchObject({ status: 503, reason: "login_unavailable", location: "" });
    expect(page.headers).toMatchObject({
      "retry-after": "5",
      "cache-control": "no-store",
      "content-type": "text/html; charset=utf-8",
    });
    expect(page.text).toContain('<a href="/.dragoman/login?return_to=%2Fmine">Try again</a>');
    const program = await browser.send(`${origin}/.dragoman/login`);
    expect(JSON.parse(program.text)).toMatchObject({ code: 14, details: [] });
  });

  test("when it is asked for tokens: nobody is let in", async () => {
    const browser = world.browser();
    const answered = world.provider.authorize(await world.begin(browser));
    world.provider.behave({ answer: at("/token", answer) });
    const page = await world.comeBack(browser, answered);
    // An answer that came, and is none, is known to be of no use.
    const status = kind.endsWith("a list") ? 400 : 503;
    expect(page).toMatchObject({ status, location: "" });
    expect([...browser.jar(origin).keys()]).toEqual([]);
    expect(world.at.log.join("")).not.toMatch(/code-\d|access-\d|client secret/);
  });
});

describe("what a provider says of itself is not believed when it", () => {
  test.each([
    ["is about another issuer", { issuer: "https://evil.test" }],
    ["has browsers log in at no address", { authorization_endpoint: "javascript:alert(1)" }],
    ["has browsers log in nowhere", { authorization_endpoint: undefined }],
  ])("%s", async (_name, changed) => {
    world.provider.behave({ metadata: changed });
    const page = await world.browser().visit(`${origin}/.dragoman/login`);
    expect(page).toMatchObject({ status: 503, reason: "login_unavailable", location: "" });
  });
});

test("a redirect is not followed, even to where the right answer is", async () => {
  const { issuer } = world.provider;
  world.provider.behave({
    answer: (request, response) => {
      if (request.url === metadata) {
        response.writeHead(302, { location: `${issuer}/moved` }).end();
        return true;
      }
      if (request.url !== "/moved") return false;
      const right = {
        issuer,
        authorization_endpoint: `${issuer}/authorize`,
        token_endpoint: `${issuer}/token`,
      };
      response.writeHead(200, json).end(JSON.stringify(right));
      return true;
    },
  });
  expect((await world.browser().visit(`${origin}/.dragoman/login`)).status).toBe(503);
});

test("what a provider says of itself is about its very name, to the last slash", async () => {
  world.provider.behave({ metadata: { issuer: `${world.provider.issuer}/` } });
  expect((await world.browser().visit(`${origin}/.dragoman/login`)).status).toBe(503);
});

test("a provider that was down is asked again, though not at once", async () => {
  world.provider.behave({ answer: at(metadata, (response) => response.destroy()) });
  let asked = 0;
  const browser = world.browser();
  expect((await browser.visit(`${origin}/.dragoman/login`)).status).toBe(503);
  world.provider.behave({
    answer: (request) => {
      if (request.url === metadata) asked++;
      return false;
    },
  });
  for (let i = 0; i < 5; i++) await browser.visit(`${origin}/.dragoman/login`);
  // The keys of its ID tokens are looked for besides, and not more often.
  expect(asked).toBeLessThanOrEqual(1);
});

test("sessions do not need the provider", async () => {
  const browser = world.browser();
  await world.logIn(browser);
  world.provider.behave({ answer: (_request, response) => response.destroy() !== undefined });
  expect((await browser.visit(`${origin}/mine`)).status).toBe(200);
});

test("a provider's keys may change: ID tokens by a new one are good once it is shown, those by the old one no more", async () => {
  const fresh = await makeKey("k2");
  expect((await world.logIn(world.browser())).status).toBe(303);
  world.provider.behave({ key: fresh });
  expect((await world.logIn(world.browser())).status).toBe(400);
  world.provider.behave({ key: fresh, shown: [fresh] });
  await until(
    "the new key is known",
    async () => (await world.logIn(world.browser())).status === 303,
    15_000,
  );
  world.provider.behave({ shown: [fresh] });
  expect((await world.logIn(world.browser())).status).toBe(400);
});

test("more logins than the provider can be asked about at once are told to come again", async () => {
  await using patient = await loginWorld({ login: { timeout: "30s" } });
  const { provider } = patient;
  const start = async () => {
    const browser = patient.browser();
    const answer = provider.authorize(await patient.begin(browser));
    return () => patient.comeBack(browser, answer);
  };
  const starts: Awaited<ReturnType<typeof start>>[] = [];
  for (let i = 0; i < 103; i++) starts.push(await start());
  const stale = patient.browser();
  await begunBefore(provider, stale, 11 * 60_000);
  const before = provider.asked.length;
  const release = provider.hold();
  const waiting = starts.slice(0, 100).map((go) => go());
  await until("a hundred wait", () => provider.asked.length === before + 100);
  for (const go of starts.slice(100))
    expect(await go()).toMatchObject({ status: 503, reason: "login_unavailable" });
  // Those who are in already are not kept out by those who pretend to come.
  const member = patient.browser();
  member.jar(origin).set(sessionCookie, stale.jar(origin).get(sessionCookie) ?? "");
  const page = member.visit(`${origin}/mine`);
  await until("the session is asked about, too", () => provider.asked.length === before + 101);
  release();
  expect((await page).status).toBe(200);
  for (const page of await Promise.all(waiting)) expect(page.status).toBe(303);
});

test("claims of userinfo are the person's too, those of the ID token count more", async () => {
  await using asking = await loginWorld({
    login: { userinfo: true, forward: { "x-name": "name", "x-email": "email" } },
  });
  const browser = asking.browser();
  expect((await asking.logIn(browser)).status).toBe(303);
  const heard = JSON.parse((await browser.visit(`${origin}/mine`)).text);
  expect(heard).toMatchObject({ "x-name": "Ann", "x-email": "ann@shop.test" });
  asking.provider.behave({
    answer: at("/userinfo", (response) => response.writeHead(200, json).end('{"sub":"bob"}')),
  });
  expect(await asking.logIn(asking.browser())).toMatchObject({ status: 400, reason: "login_failed" });
});

test("a public client authenticates by PKCE alone, one by post in the form", async () => {
  for (const [client, form] of [
    [{ id: "shop" }, { client_id: "shop", client_secret: null }],
    [
      { id: "shop", secret: "a b", method: "post" },
      { client_id: "shop", client_secret: "a b" },
    ],
  ] as const) {
    await using other = await loginWorld({ login: { client } });
    expect((await other.logIn(other.browser())).status).toBe(303);
    const asked = other.provider.asked.at(-1);
    expect(asked?.authorization).toBeUndefined();
    for (const [name, value] of Object.entries(form)) expect(asked?.form.get(name)).toBe(value);
  }
});

test("the provider is asked with what is configured besides, which changes nothing of the rest", async () => {
  await using other = await loginWorld({
    login: { parameters: { prompt: "login", audience: "https://api.test" } },
  });
  const asks = new URL(await other.begin(other.browser())).searchParams;
  expect([asks.get("prompt"), asks.get("audience"), asks.get("response_type")]).toEqual([
    "login",
    "https://api.test",
    "code",
  ]);
});

test("login can be limited, by address for one", async () => {
  await using few = await loginWorld({
    login: { limit: ["logins"] },
    limits: { logins: { key: "peer.ip", rate: "2/min" } },
  });
  const statuses: number[] = [];
  for (let i = 0; i < 3; i++) statuses.push((await few.browser().visit(`${origin}/.dragoman/login`)).status);
  expect(statuses).toEqual([302, 302, 429]);
});
