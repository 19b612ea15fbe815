import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  authnFilter,
  IdentityHeaders,
  type IntrospectionOptions,
  Introspector,
  subjectHeader,
  TokenCache,
} from "#filter/authn";
import { type Call, Code, type Peer } from "#rpc";
import { createLogger } from "#telemetry";
import { failure, makeCall, unaryReply } from "../support/call.ts";
import { authenticator } from "./support/authenticate.ts";
import { type IntrospectionServer, startIntrospectionServer } from "./support/introspection-server.ts";
import { startKeyServer } from "./support/key-server.ts";
import { audience, issuer, makeKey, rawToken } from "./support/tokens.ts";

const seconds = (): number => Math.floor(Date.now() / 1000);
const good = () => ({
  active: true,
  sub: "ann",
  aud: audience,
  iss: issuer,
  exp: seconds() + 60,
  scope: "a b",
});

let server: IntrospectionServer;
beforeEach(async () => {
  server = await startIntrospectionServer(good());
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
});

interface Asker {
  readonly introspector: Introspector;
  readonly log: readonly string[];
  readonly clock: { now: number };
  ask(token: string, peer?: Peer): Promise<Call>;
}

function asker(over: Partial<IntrospectionOptions> = {}): Asker {
  const log: string[] = [];
  const clock = { now: Date.now() };
  const options: IntrospectionOptions = {
    name: "remote",
    endpoint: server.url,
    client: { id: "gate:way", secret: { reveal: () => "pass word+%" }, method: "basic" },
    issuer,
    audiences: [audience],
    tokens: "opaque",
    subject: "sub",
    skewMs: 30_000,
    timeoutMs: 5000,
    cacheMs: 30_000,
    ...over,
  };
  const introspector = new Introspector(
    options,
    createLogger({ write: (line) => log.push(line) }),
    () => clock.now,
  );
  let passed: Call | undefined;
  const handle = authnFilter({
    issuers: [],
    introspectors: [introspector],
    keyRings: [],
    userLists: [],
    logins: [],
    certificates: [],
    keyHeaders: [],
    cache: new TokenCache(),
    identity: new IdentityHeaders(),
    optional: false,
    forwardCredentials: false,
    allowsOrigin: () => false,
  })(async (call) => {
    passed = call;
    return unaryReply();
  });
  return {
    introspector,
    log,
    clock,
    async ask(token, peer) {
      passed = undefined;
      await handle(
        makeCall({
          header: { authorization: `Bearer ${token}` },
          context: peer === undefined ? {} : { peer },
        }),
      );
      if (passed === undefined) throw new Error("the call did not come through");
      return passed;
    },
  };
}

const refused = { code: Code.UNAUTHENTICATED, reason: "credentials_invalid" };
const unavailable = { code: Code.UNAVAILABLE, reason: "introspection_unavailable", retryAfter: 1 };

test("an active token tells who calls, and ends at the gateway", async () => {
  const { header, context } = await asker().ask("opaque~1");
  expect(context.principal).toMatchObject({ subject: "ann", provider: "remote", scopes: ["a", "b"] });
  expect(context.principal?.expiresAt).toBeGreaterThan(Date.now() + 80_000);
  expect(context.principal?.claims).not.toHaveProperty("active");
  expect([...header]).toEqual([[subjectHeader, "ann"]]);
});

test("the server is asked by POST, as a client that it knows", async () => {
  await asker().ask("opaque");
  await asker({ client: { id: "gate", secret: { reveal: () => "s" }, method: "post" } }).ask("opaque");
  const [basic, post] = server.asked;
  expect(basic?.method).toBe("POST");
  expect(Object.fromEntries(basic?.form ?? [])).toEqual({ token: "opaque", token_type_hint: "access_token" });
  const credentials = Buffer.from(basic?.authorization?.replace("Basic ", "") ?? "", "base64").toString();
  expect(credentials).toBe("gate%3Away:pass+word%2B%25");
  expect(post?.authorization).toBeUndefined();
  expect(Object.fromEntries(post?.form ?? [])).toMatchObject({ client_id: "gate", client_secret: "s" });
});

describe("an answer", () => {
  test.each<[string, () => Readonly<Record<string, unknown>>, object | string]>([
    ["not active", () => ({ active: false }), refused],
    ["not active, whatever else it says", () => ({ ...good(), active: false }), refused],
    ["for another audience", () => ({ ...good(), aud: ["bank"] }), refused],
    ["for no audience", () => ({ ...good(), aud: undefined }), refused],
    ["for several audiences", () => ({ ...good(), aud: ["bank", audience] }), "ann"],
    ["from another issuer", () => ({ ...good(), iss: "https://evil.test" }), refused],
    ["from no issuer", () => ({ ...good(), iss: undefined }), refused],
    ["that expired", () => ({ ...good(), exp: seconds() - 31 }), { reason: "credentials_expired" }],
    ["that expired within the skew", () => ({ ...good(), exp: seconds() - 10 }), "ann"],
    ["without an end", () => ({ ...good(), exp: undefined }), "ann"],
    ["whose end is a text", () => ({ ...good(), exp: "9999999999" }), refused],
    ["that begins later", () => ({ ...good(), nbf: seconds() + 60 }), refused],
    ["that is issued later", () => ({ ...good(), iat: seconds() + 60 }), refused],
    ["without subject", () => ({ ...good(), sub: undefined }), refused],
    ["of bearer type", () => ({ ...good(), token_type: "Bearer" }), "ann"],
    ["of a refresh token", () => ({ ...good(), token_type: "refresh_token" }), refused],
    ["of a token bound to a key", () => ({ ...good(), cnf: { jkt: "x" } }), refused],
    ["whose active is a text", () => ({ ...good(), active: "true" }), unavailable],
    ["that says nothing of being active", () => ({ sub: "root" }), unavailable],
  ])("%s", async (_name, answer, expected) => {
    server.tell(answer());
    const outcome = asker().ask("opaque");
    if (typeof expected === "string") expect((await outcome).context.principal?.subject).toBe(expected);
    else expect(await failure(outcome)).toMatchObject(expected);
  });

  test("tells who calls by another member, where that is configured", async () => {
    server.tell({ ...good(), sub: undefined, client_id: "robot" });
    expect((await asker({ subject: "client_id" }).ask("opaque")).context.principal?.subject).toBe("robot");
  });

  test("for any audience, where that is configured", async () => {
    server.tell({ ...good(), aud: undefined, iss: undefined });
    expect(await asker({ audiences: undefined, issuer: undefined }).ask("opaque")).toBeDefined();
  });
});

describe("a server that does not tell lets nobody in", () => {
  test.each<[string, Parameters<IntrospectionServer["answer"]>[0]]>([
    ["an error", (response) => response.writeHead(500).end(JSON.stringify(good()))],
    ["the gateway is refused", (response) => response.writeHead(401).end()],
    [
      "another good status",
      (response) =>
        response.writeHead(203, { "content-type": "application/json" }).end(JSON.stringify(good())),
    ],
    [
      "another type",
      (response) => response.setHeader("content-type", "text/html").end(JSON.stringify(good())),
    ],
    ["no type", (response) => response.end(JSON.stringify(good()))],
    ["no JSON", (response) => response.setHeader("content-type", "application/json").end("active")],
    ["a list", (response) => response.setHeader("content-type", "application/json").end("[true]")],
    [
      "too many bytes",
      (response) =>
        response
          .setHeader("content-type", "application/json")
          .end(JSON.stringify({ ...good(), pad: "x".repeat(300 * 1024) })),
    ],
    ["a connection that breaks", (response) => response.destroy()],
  ])("%s", async (_name, answer) => {
    server.answer(answer);
    const { ask, log } = asker();
    for (let i = 0; i < 3; i++) expect(await failure(ask("opaque"))).toMatchObject(unavailable);
    expect(server.asked).toHaveLength(3);
    expect(log).toHaveLength(1);
    expect(log.join()).not.toMatch(/opaque|pass/);
  });

  test("a redirect is not followed", async () => {
    await using other = await startIntrospectionServer(good());
    for (const status of [302, 307, 308]) {
      server.answer((response) => response.writeHead(status, { location: other.url }).end());
      expect(await failure(asker().ask("opaque"))).toMatchObject(unavailable);
    }
    expect(other.asked).toHaveLength(0);
  });

  test.each<[string, Parameters<IntrospectionServer["answer"]>[0]]>([
    ["that never answers", () => {}],
    ["that never ends", (response) => response.setHeader("content-type", "application/json").write("{")],
  ])("%s", async (_name, answer) => {
    server.answer(answer);
    expect(await failure(asker({ timeoutMs: 50 }).ask("opaque"))).toMatchObject(unavailable);
  });

  test("that is down", async () => {
    const { ask } = asker({ endpoint: "http://127.0.0.1:1/" });
    expect(await failure(ask("opaque"))).toMatchObject(unavailable);
  });
});

describe("what was told is remembered", () => {
  test("as long as configured", async () => {
    const { ask, clock } = asker();
    await ask("opaque");
    clock.now += 29_999;
    await ask("opaque");
    expect(server.asked).toHaveLength(1);
    clock.now += 1;
    server.tell({ active: false });
    expect(await failure(ask("opaque"))).toMatchObject(refused);
    expect(server.asked).toHaveLength(2);
  });

  test("never past the end of the token", async () => {
    const { ask, clock } = asker({ cacheMs: 3_600_000 });
    await ask("opaque");
    clock.now += 95_000;
    expect(await failure(ask("opaque"))).toMatchObject({ reason: "credentials_expired" });
    expect(server.asked).toHaveLength(2);
  });

  test("not at all, where that is configured", async () => {
    const { ask } = asker({ cacheMs: 0 });
    await ask("opaque");
    await ask("opaque");
    expect(server.asked).toHaveLength(2);
  });

  test("for a second, of a token that is not active", async () => {
    server.tell({ active: false });
    const { ask, clock } = asker();
    for (let i = 0; i < 5; i++) expect(await failure(ask("opaque"))).toMatchObject(refused);
    expect(server.asked).toHaveLength(1);
    clock.now += 1000;
    server.tell(good());
    expect(await ask("opaque")).toBeDefined();
  });

  test("calls with one token wait for one answer", async () => {
    const { ask } = asker();
    await Promise.all(Array.from({ length: 30 }, () => ask("opaque")));
    expect(server.asked).toHaveLength(1);
  });

  test("binding is checked for everybody who shows it", async () => {
    const fingerprint256 = "ab".repeat(32);
    const certificate = { subject: "CN=a", subjectAltNames: [], fingerprint256, pem: "" };
    const bound = Buffer.from(fingerprint256, "hex").toString("base64url");
    server.tell({ ...good(), cnf: { "x5t#S256": bound } });
    const { ask } = asker();
    const peer = { address: "192.0.2.1", port: 1 };
    expect(await ask("opaque", { ...peer, certificate })).toBeDefined();
    expect(await failure(ask("opaque", peer))).toMatchObject(refused);
    expect(server.asked).toHaveLength(1);
  });
});

test("more tokens at once than may be asked about are turned away, and the others are not", async () => {
  const waiting: (() => void)[] = [];
  let asked = 0;
  server.answer((response) => {
    waiting.push(() => response.setHeader("content-type", "application/json").end(JSON.stringify(good())));
    if (asked++ >= 99) for (const go of waiting.splice(0)) go();
  });
  const { ask } = asker();
  const outcomes = await Promise.allSettled(Array.from({ length: 120 }, (_, index) => ask(`t${index}`)));
  const turnedAway = outcomes.filter(({ status }) => status === "rejected");
  expect(turnedAway).toHaveLength(20);
  for (const outcome of turnedAway)
    expect(outcome.status === "rejected" && outcome.reason).toMatchObject(unavailable);
});

describe("which tokens are asked about", () => {
  const jwt = rawToken({ alg: "ES256" }, { iss: "https://other.test" });
  test.each<[string, string, Partial<IntrospectionOptions>, boolean]>([
    ["an opaque one", "abc.DEF~+/-_==", {}, true],
    ["a JWT", jwt, {}, false],
    ["a JWT, where that is configured", jwt, { tokens: "any" }, true],
    ["what is no token", 'a"b', {}, false],
    ["a huge one", "x".repeat(17_000), {}, false],
  ])("%s", async (_name, token, over, is) => {
    const outcome = asker(over).ask(token);
    if (is) expect(await outcome).toBeDefined();
    else expect(await failure(outcome)).toMatchObject(refused);
    expect(server.asked).toHaveLength(is ? 1 : 0);
  });

  test("beside an issuer: what is from it is verified, never asked about", async () => {
    const key = await makeKey("es");
    await using keys = await startKeyServer([key]);
    const { introspector } = asker({ tokens: "any" });
    await using at = authenticator(keys.url, { filter: { introspectors: [introspector] } });
    expect((await at.authenticate(await key.sign())).context.principal?.provider).toBe("main");
    const forged = await (await makeKey("es")).sign();
    expect(await failure(at.authenticate(forged))).toMatchObject(refused);
    expect(server.asked).toHaveLength(0);
    expect((await at.authenticate("opaque")).context.principal?.provider).toBe("remote");
    expect((await at.authenticate(jwt)).context.principal?.provider).toBe("remote");
    expect(server.asked).toHaveLength(2);
  });

  test("the next is asked when one does not know a token; who cannot tell keeps it open", async () => {
    await using other = await startIntrospectionServer({ active: false });
    const two = [asker({ endpoint: other.url }).introspector, asker().introspector];
    await using at = authenticator("/nowhere", { filter: { issuers: [], introspectors: two } });
    expect(await at.authenticate("opaque")).toBeDefined();
    other.answer((response) => response.writeHead(500).end());
    server.tell({ active: false });
    expect(await failure(at.authenticate("another"))).toMatchObject(unavailable);
  });
});
