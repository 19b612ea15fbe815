import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Login, type LoginOptions, RefreshLedger } from "#filter/authn";
import { Metadata } from "#rpc";
import { createLogger } from "#telemetry";
import { Browser } from "../support/browser.ts";
import { type FakeProvider, startFakeProvider } from "../support/fake-provider.ts";
import { origin, secrets, sessionCookie } from "../support/login-world.ts";

const minute = 60_000;
let provider: FakeProvider;
let now: number;
let log: string[];
let login: Login;
let ledger: RefreshLedger;
let browser: Browser;

const options = (more: Partial<LoginOptions> = {}): LoginOptions => ({
  name: "shop",
  issuer: provider.issuer,
  client: { id: "shop", secret: { reveal: () => "client secret" }, method: "basic" },
  origin,
  path: "/.dragoman",
  scopes: ["openid", "orders.read"],
  parameters: {},
  secrets: [{ reveal: () => secrets[0] }],
  maxAgeMs: 12 * 60 * minute,
  idleMs: 60 * minute,
  graceMs: 5 * minute,
  claims: undefined,
  userinfo: false,
  keepsAccessToken: false,
  afterLogout: "/",
  algorithms: ["ES256"],
  skewMs: 30_000,
  timeoutMs: 20_000,
  ...more,
});
const make = (more: Partial<LoginOptions> = {}, shared = ledger): Login =>
  new Login(options(more), shared, createLogger({ write: (line) => void log.push(line) }), () => now);

beforeEach(async () => {
  provider = await startFakeProvider();
  now = Date.now();
  log = [];
  ledger = new RefreshLedger(() => now);
  login = make();
  browser = new Browser({});
});
afterEach(async () => {
  await login.close();
  await provider[Symbol.asyncDispose]();
});

const header = (own = browser): Metadata =>
  Metadata.from([["cookie", [...own.jar(origin)].map(([name, value]) => `${name}=${value}`).join("; ")]]);
const request = (query: string) => ({ header: header(), query, allowsOrigin: () => false });
const keep = (fields: readonly string[]): void =>
  browser.keep(
    origin,
    fields.filter((_, i) => fields[i - 1] === "set-cookie" && i % 2 === 1),
  );

async function logIn(at = login): Promise<void> {
  const begun = await at.endpoints.login(request("return_to=/"));
  keep(begun.fields);
  keep((await at.endpoints.callback(request(provider.authorize(begun.fields[1] ?? "").toString()))).fields);
}
/** What the session is now; its cookies are kept. */
async function look(at = login, renews = true, own = header()) {
  const outcome = await at.sessions.find(own, renews);
  if (outcome?.kind === "known") browser.keep(origin, outcome.cookies);
  return outcome;
}
const refreshes = (): number =>
  provider.asked.filter(({ form }) => form.get("grant_type") === "refresh_token").length;

describe("with a refresh token", () => {
  beforeEach(() => logIn());

  test("a session is as it was until its access token ends; then the provider is asked, once", async () => {
    now += 9 * minute;
    expect(await look()).toMatchObject({ kind: "known", cookies: [], principal: { subject: "ann" } });
    expect(refreshes()).toBe(0);
    now += minute;
    provider.behave({ claims: { email: "new@shop.test" }, tokens: { scope: "openid orders.write" } });
    const renewed = await look();
    expect(renewed).toMatchObject({
      principal: { claims: { email: "new@shop.test" }, scopes: ["openid", "orders.write"] },
    });
    expect(refreshes()).toBe(1);
    expect(await look()).toMatchObject({ kind: "known", cookies: [] });
    expect(refreshes()).toBe(1);
  });

  test("it is asked well before the session is idle, however long access tokens live", async () => {
    provider.behave({ tokens: { expires_in: 86_400 } });
    await logIn();
    now += 29 * minute;
    expect(await look()).toMatchObject({ cookies: [] });
    now += minute;
    expect(await look()).toMatchObject({ cookies: [expect.stringContaining(sessionCookie)] });
    expect(refreshes()).toBe(1);
  });

  test("requests at once use it once, and all get the same session", async () => {
    now += 10 * minute;
    const release = provider.hold();
    const looks = Array.from({ length: 20 }, () => login.sessions.find(header(), true));
    release();
    const outcomes = await Promise.all(looks);
    expect(
      new Set(outcomes.map((outcome) => (outcome?.kind === "known" ? outcome.cookies[0] : outcome?.kind)))
        .size,
    ).toBe(1);
    expect(outcomes[0]).toMatchObject({ kind: "known" });
    expect(refreshes()).toBe(1);
  });

  test("two processes that share what they know use it once", async () => {
    now += 10 * minute;
    const other = make();
    const release = provider.hold();
    const looks = [login, other, login, other].map((each) => each.sessions.find(header(), true));
    release();
    for (const outcome of await Promise.all(looks)) expect(outcome).toMatchObject({ kind: "known" });
    expect(refreshes()).toBe(1);
    await other.close();
  });

  test("one who comes late, with the cookie from before, gets the new session; nobody is logged out", async () => {
    const before = header();
    now += 10 * minute;
    await look();
    for (const later of [0, 1, 3]) {
      now += later * minute;
      const late = await login.sessions.find(before, true);
      expect(late).toMatchObject({ kind: "known", cookies: [expect.stringContaining(sessionCookie)] });
    }
    expect(refreshes()).toBe(1);
    // Once nobody knows of it any more, the provider takes it for stolen.
    now += 2 * minute;
    expect(await login.sessions.find(before, true)).toEqual({ kind: "over" });
  });

  test("a provider that ends the session ends it, and is not asked again with every request", async () => {
    now += 10 * minute;
    provider.behave({
      answer: (asked, response) => {
        if (asked.url !== "/token") return false;
        response.writeHead(400, { "content-type": "application/json" }).end('{"error":"invalid_grant"}');
        ended++;
        return true;
      },
    });
    let ended = 0;
    for (let i = 0; i < 3; i++) expect(await look()).toEqual({ kind: "over" });
    expect(ended).toBe(1);
  });

  test.each(["[]", "{}", "<p>hello", '{"error":"server_error"}'])(
    "a provider that answers %j has not ended it",
    async (text) => {
      now += 10 * minute;
      provider.behave({
        answer: (asked, response) => {
          if (asked.url !== "/token") return false;
          response
            .writeHead(text.includes("error") ? 400 : 200, { "content-type": "application/json" })
            .end(text);
          return true;
        },
      });
      expect(await look()).toMatchObject({ kind: "known" });
      now += 5 * minute;
      expect(await look()).toEqual({ kind: "unavailable" });
    },
  );

  test("a session does not become somebody else's", async () => {
    now += 10 * minute;
    provider.behave({ claims: { sub: "bob" } });
    expect(await look()).toEqual({ kind: "over" });
  });

  test("while the provider is down a session goes on, as long as configured, and the provider is left alone meanwhile", async () => {
    now += 10 * minute;
    let asked = 0;
    provider.behave({
      answer: (_request, response) => {
        asked++;
        response.destroy();
        return true;
      },
    });
    for (let i = 0; i < 3; i++) expect(await look()).toMatchObject({ kind: "known", cookies: [] });
    expect(asked).toBe(1);
    now += 4 * minute;
    expect(await look()).toMatchObject({ kind: "known" });
    now += minute;
    expect(await look()).toEqual({ kind: "unavailable" });
    // And as soon as it is back it is as if nothing had been.
    provider.behave({});
    now += minute;
    expect(await look()).toMatchObject({ kind: "known", cookies: [expect.stringContaining(sessionCookie)] });
  });

  test("what it lets in ends when the provider has not confirmed it for too long", async () => {
    const outcome = await look();
    const end = now + 10 * minute - 10_000 + 5 * minute;
    if (outcome?.kind !== "known") throw new Error("no session");
    expect(outcome.principal.expiresAt).toBeGreaterThanOrEqual(end - 2000);
    expect(outcome.principal.expiresAt).toBeLessThanOrEqual(end + 2000);
  });

  test("where the answer cannot set cookies it is not refreshed: it goes on for its grace", async () => {
    now += 10 * minute;
    expect(await look(login, false)).toMatchObject({ kind: "known", cookies: [] });
    expect(refreshes()).toBe(0);
    now += 5 * minute;
    expect(await look(login, false)).toEqual({ kind: "over" });
  });

  test("one that the provider does not change is kept", async () => {
    provider.behave({ tokens: { refresh_token: undefined, id_token: undefined, scope: undefined } });
    now += 10 * minute;
    expect(await look()).toMatchObject({
      kind: "known",
      principal: { subject: "ann", claims: { email: "ann@shop.test" } },
    });
    const [token] = login.sessions.peek(header())?.refresh?.token ?? "";
    expect(token).toBe("r");
  });
});

describe("without a refresh token", () => {
  beforeEach(async () => {
    provider.behave({ tokens: { refresh_token: undefined } });
    await logIn();
  });

  test("a session that is used goes on, without a new cookie each time", async () => {
    now += 14 * minute;
    expect(await look()).toMatchObject({ cookies: [] });
    for (let i = 0; i < 10; i++) {
      now += 40 * minute;
      expect(await look()).toMatchObject({
        kind: "known",
        cookies: [expect.stringMatching(/Max-Age=3(?:599|600);/)],
      });
    }
  });

  test("one that is not used ends", async () => {
    now += 60 * minute;
    expect(await look()).toEqual({ kind: "over" });
  });

  test("one that is used ends all the same, at its greatest age", async () => {
    for (let i = 0; i < 17; i++) {
      now += 40 * minute;
      expect(await look()).toMatchObject({ kind: "known" });
    }
    now += 39 * minute;
    const last = await look();
    expect(last).toMatchObject({ kind: "known", cookies: [expect.stringContaining("Max-Age=60;")] });
    now += minute;
    expect(await look()).toEqual({ kind: "over" });
  });

  test("a greatest age that was made shorter holds for sessions that had begun", async () => {
    now += 30 * minute;
    const shorter = make({ maxAgeMs: 20 * minute });
    expect(await look(shorter)).toEqual({ kind: "over" });
    await shorter.close();
  });
});

test("an attempt that took too long is none", async () => {
  const begun = await login.endpoints.login(request("return_to=/"));
  keep(begun.fields);
  const answer = provider.authorize(begun.fields[1] ?? "").toString();
  now += 10 * minute;
  await expect(login.endpoints.callback(request(answer))).rejects.toMatchObject({ reason: "login_failed" });
});

test("claims are those of the person, or those that are to be kept", async () => {
  provider.behave({ claims: { groups: ["a"], at_hash: undefined } });
  await logIn();
  const all = await look();
  if (all?.kind !== "known") throw new Error("no session");
  expect(Object.keys(all.principal.claims).sort()).toEqual(["email", "groups", "iss"]);
  const few = make({ claims: ["groups"] });
  await logIn(few);
  expect(await look(few)).toMatchObject({ principal: { subject: "ann", claims: { groups: ["a"] } } });
  await few.close();
});

describe("whose refresh it is", () => {
  test("passes to the next who waits when the first one has gone", async () => {
    expect(await ledger.claim("k")).toBeUndefined();
    const [second, third] = [ledger.claim("k"), ledger.claim("k")];
    ledger.release("k");
    expect(await second).toBeUndefined();
    ledger.settle("k", { kind: "renewed", sealed: "s" });
    expect(await third).toEqual({ kind: "renewed", sealed: "s" });
    ledger.release("other");
    expect(await ledger.claim("other")).toBeUndefined();
  });

  test("is forgotten in time, and never more is remembered than bounded", async () => {
    for (let i = 0; i < 10_050; i++) {
      await ledger.claim(`k${i}`);
      ledger.settle(`k${i}`, { kind: "refused" });
    }
    expect(await ledger.claim("k0")).toBeUndefined();
    expect(await ledger.claim("k10049")).toEqual({ kind: "refused" });
    now += 5 * minute;
    expect(await ledger.claim("k10049")).toBeUndefined();
  });
});
