import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Code } from "#rpc";
import { failure } from "../support/call.ts";
import { authenticator } from "./support/authenticate.ts";
import { type KeyServer, startKeyServer } from "./support/key-server.ts";
import { audience, issuer, makeKey, type SigningKey } from "./support/tokens.ts";

let key: SigningKey;
let server: KeyServer;
beforeAll(async () => {
  key = await makeKey("es");
  server = await startKeyServer([key]);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

const refused = { code: Code.UNAUTHENTICATED, reason: "credentials_invalid" };

describe("the type of a token", () => {
  test.each<[string | undefined, unknown, boolean]>([
    [undefined, undefined, true],
    [undefined, "JWT", true],
    [undefined, "application/at+jwt", true],
    [undefined, "logout+jwt", false],
    [undefined, "dpop+jwt", false],
    [undefined, 7, false],
    ["at+jwt", "at+jwt", true],
    ["at+jwt", "application/AT+JWT", true],
    ["at+jwt", "JWT", false],
    ["at+jwt", undefined, false],
  ])("wanted %s, given %s", async (wanted, typ, good) => {
    await using at = authenticator(server.url, wanted === undefined ? {} : { typ: wanted });
    const outcome = at.authenticate(await key.sign({}, typ === undefined ? {} : { typ }));
    if (good) expect(await outcome).toBeDefined();
    else expect(await failure(outcome)).toMatchObject(refused);
  });
});

test("a token that was issued in the future is refused", async () => {
  await using at = authenticator(server.url);
  const now = Math.floor(Date.now() / 1000);
  expect(await failure(at.authenticate(await key.sign({ iat: now + 60 })))).toMatchObject(refused);
  expect(await at.authenticate(await key.sign({ iat: now + 10 }))).toBeDefined();
});

describe("a token that is bound", () => {
  const fingerprint256 = createHash("sha256").update("a certificate").digest("hex");
  const bound = Buffer.from(fingerprint256, "hex").toString("base64url");
  const certificate = { subject: "CN=a", subjectAltNames: [], fingerprint256, pem: "" };
  const peer = { address: "192.0.2.1", port: 1 };

  test.each<[string, unknown, boolean, boolean]>([
    ["to the certificate that is shown", { "x5t#S256": bound }, true, true],
    ["to a certificate, and none is shown", { "x5t#S256": bound }, false, false],
    ["to another certificate", { "x5t#S256": `A${bound.slice(1, -1)}A` }, true, false],
    ["to a key that nobody can show here", { jkt: "x" }, true, false],
    ["to a certificate and more", { "x5t#S256": bound, jkt: "x" }, true, false],
    ["to nothing", {}, true, false],
    ["to nonsense", "x", true, false],
  ])("%s", async (_name, cnf, shown, good) => {
    const context = { peer: shown ? { ...peer, certificate } : peer };
    await using at = authenticator(server.url, { context });
    const token = await key.sign({ cnf });
    for (let i = 0; i < 2; i++) {
      if (good) expect(await at.authenticate(token)).toBeDefined();
      else expect(await failure(at.authenticate(token))).toMatchObject(refused);
    }
  });

  test("is not good for others because it was good for its client", async () => {
    await using its = authenticator(server.url, { context: { peer: { ...peer, certificate } } });
    await using others = authenticator(server.url, {
      context: { peer },
      filter: { cache: its.options.cache },
    });
    const token = await key.sign({ cnf: { "x5t#S256": bound } });
    expect(await its.authenticate(token)).toBeDefined();
    expect(await failure(others.authenticate(token))).toMatchObject(refused);
  });
});

test("a token that is remembered ends when its key is withdrawn", async () => {
  const [old, fresh] = [await makeKey("old"), await makeKey("new")];
  await using rotating = await startKeyServer([old]);
  const clock = { now: 0 };
  await using at = authenticator(rotating.url, { now: () => clock.now });
  const token = await old.sign();
  expect(await at.authenticate(token)).toBeDefined();
  rotating.show([fresh]);
  clock.now += 6000;
  expect(await at.authenticate(await fresh.sign())).toBeDefined();
  expect(await failure(at.authenticate(token))).toMatchObject(refused);
});

test("one issuer may be trusted by two names for two audiences", async () => {
  await using at = authenticator(server.url);
  const [main] = at.options.issuers;
  if (main === undefined) throw new Error("there is one");
  const of = (name: string, aud: string) => ({
    ...main,
    options: { ...main.options, name, audiences: [aud] },
  });
  await using both = authenticator(server.url, {
    filter: { issuers: [of("one", audience), of("two", "desk")] },
  });
  expect((await both.authenticate(await key.sign({ aud: "desk" }))).context.principal?.provider).toBe("two");
  expect((await both.authenticate(await key.sign())).context.principal?.provider).toBe("one");
  expect(await failure(both.authenticate(await key.sign({ aud: "x" })))).toMatchObject(refused);
});

describe("discovery", () => {
  test.each<[string, (own: string) => unknown, boolean]>([
    ["about itself", (own) => ({ issuer: own, jwks_uri: `${own}/keys` }), true],
    ["about another issuer", (own) => ({ issuer, jwks_uri: `${own}/keys` }), false],
    ["without keys", (own) => ({ issuer: own }), false],
    ["with keys elsewhere in the clear", (own) => ({ issuer: own, jwks_uri: "http://id.test/keys" }), false],
    ["with keys in a file", (own) => ({ issuer: own, jwks_uri: "file:///etc/passwd" }), false],
    ["that is a list", () => [], false],
    ["that is text", () => undefined, false],
  ])("a document %s", async (_name, document, good) => {
    await using provider = await startKeyServer([key]);
    const own = new URL(provider.url).origin;
    provider.answer((response) => {
      if (response.req.url === "/keys") response.end(JSON.stringify({ keys: [key.jwk] }));
      else if (response.req.url === "/.well-known/openid-configuration")
        response.end(JSON.stringify(document(own)) ?? "<html>");
      else response.writeHead(404).end();
    });
    await using at = authenticator(undefined, { issuer: own });
    const outcome = at.authenticate(await key.sign({ iss: own }));
    if (good) expect((await outcome).context.principal?.subject).toBe("ann");
    else expect(await failure(outcome)).toMatchObject({ code: Code.UNAVAILABLE, reason: "keys_unavailable" });
    expect(at.keys.available).toBe(good);
  });
});
