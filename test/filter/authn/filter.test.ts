import { createHmac } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { anonymousFilter, authnFilter, IdentityHeaders, subjectHeader } from "#filter/authn";
import { type Call, Code } from "#rpc";
import { failure, makeCall, unaryReply } from "../support/call.ts";
import { type Authenticator, authenticator } from "./support/authenticate.ts";
import { type KeyServer, startKeyServer } from "./support/key-server.ts";
import { issuer, makeKey, rawToken, type SigningKey } from "./support/tokens.ts";

let keys: { readonly es: SigningKey; readonly rs: SigningKey; readonly stranger: SigningKey };
let server: KeyServer;
let at: Authenticator;

beforeAll(async () => {
  keys = { es: await makeKey("es"), rs: await makeKey("rs", "RS256"), stranger: await makeKey("es") };
  server = await startKeyServer([keys.es, keys.rs]);
  at = authenticator(server.url);
});
afterAll(async () => {
  await at[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

type Claims = Readonly<Record<string, unknown>>;

const seconds = (): number => Math.floor(Date.now() / 1000);

describe("a good token", () => {
  test.each(["es", "rs"] as const)(
    "signed with %s tells who calls, and ends at the gateway",
    async (name) => {
      const token = await keys[name].sign({ scope: "a  b", tenant: "t1" });
      const { header, context } = await at.authenticate(token, {
        [subjectHeader]: "root",
        "x-other": "kept",
      });
      expect(context.principal).toMatchObject({
        subject: "ann",
        provider: "main",
        scopes: ["a", "b"],
        claims: { tenant: "t1" },
      });
      expect([...header]).toEqual([
        ["x-other", "kept"],
        [subjectHeader, "ann"],
      ]);
    },
  );

  test.each<[string, Claims, readonly string[]]>([
    ["a text", { scope: "orders.read orders.write" }, ["orders.read", "orders.write"]],
    ["a list", { scope: ["a", "b", 3] }, ["a", "b"]],
    ["scp", { scp: ["a"] }, ["a"]],
    ["none", {}, []],
    ["nonsense", { scope: { a: true } }, []],
  ])("has scopes: %s", async (_name, claims, scopes) => {
    const { context } = await at.authenticate(await keys.es.sign(claims));
    expect(context.principal?.scopes).toEqual(scopes);
  });

  test.each<[string, () => Claims]>([
    ["for several audiences, one of them ours", () => ({ aud: ["x", "other-shop"] })],
    ["that expired within the skew", () => ({ exp: seconds() - 10 })],
    ["that begins within the skew", () => ({ nbf: seconds() + 10 })],
  ])("%s", async (_name, claims) => {
    expect((await at.authenticate(await keys.es.sign(claims()))).context.principal?.subject).toBe("ann");
  });

  test("whose subject no header can carry", async () => {
    const { header, context } = await at.authenticate(await keys.es.sign({ sub: "ann\r\nx: é" }));
    expect(context.principal?.subject).toBe("ann\r\nx: é");
    expect(header.get(subjectHeader)).toBe("ann%0D%0Ax%3A%20%C3%A9");
  });

  test("without kid is tried with every key", async () => {
    expect(await at.authenticate(await keys.es.sign({}, { kid: undefined }))).toBeDefined();
  });
});

const invalid = "credentials_invalid";

interface Bad {
  readonly name: string;
  readonly token: () => Promise<string> | string;
  readonly reason: string;
  readonly message: RegExp;
}

const signed = (name: string, message: RegExp, claims: () => Claims, reason = invalid): Bad => ({
  name,
  token: () => keys.es.sign(claims()),
  reason,
  message,
});
const malformed = (name: string, token: () => Promise<string> | string): Bad => ({
  name,
  token,
  reason: invalid,
  message: /malformed/,
});
const goodClaims = () => ({ iss: issuer, aud: "shop", sub: "root", exp: seconds() + 3600 });

const bad: readonly Bad[] = [
  signed("expired", /has expired/, () => ({ exp: seconds() - 31 }), "credentials_expired"),
  signed("without an end", /no valid exp/, () => ({ exp: undefined })),
  signed("whose end is a text", /no valid exp/, () => ({ exp: "tomorrow" })),
  signed("that begins later", /not valid yet/, () => ({ nbf: seconds() + 60 })),
  signed("for another audience", /another audience/, () => ({ aud: "bank" })),
  signed("for no audience", /another audience/, () => ({ aud: undefined })),
  signed("from another issuer", /trusted issuer/, () => ({ iss: `${issuer}/` })),
  signed("from no issuer", /trusted issuer/, () => ({ iss: undefined })),
  signed("without subject", /no valid sub/, () => ({ sub: undefined })),
  signed("with an empty subject", /no valid sub/, () => ({ sub: "" })),
  signed("whose subject is a number", /no valid sub/, () => ({ sub: 7 })),
  {
    name: "signed by a stranger under a known kid",
    token: () => keys.stranger.sign(),
    reason: invalid,
    message: /signature/,
  },
  {
    name: "of kid unknown",
    token: () => keys.es.sign({}, { kid: "who" }),
    reason: invalid,
    message: /signature/,
  },
  {
    name: "with another's kid",
    token: () => keys.es.sign({}, { kid: "rs" }),
    reason: invalid,
    message: /signature/,
  },
  {
    name: "that brings its own key",
    token: () => keys.stranger.sign({}, { jwk: keys.stranger.jwk, kid: "es" }),
    reason: invalid,
    message: /signature/,
  },
  {
    name: "that says where its key is",
    token: () => keys.stranger.sign({}, { jku: server.url, x5u: server.url }),
    reason: invalid,
    message: /signature/,
  },
  ...["none", "None", "NONE", ""].map((alg) => ({
    name: `of alg "${alg}"`,
    token: () => rawToken({ alg, kid: "es" }, goodClaims()),
    reason: invalid,
    message: /algorithm/,
  })),
  malformed("of alg none without a signature", () => rawToken({ alg: "none" }, goodClaims(), "")),
  {
    name: "signed by HMAC with the public key as the secret",
    token: () => {
      const [head, claims] = rawToken({ alg: "HS256", kid: "rs" }, goodClaims()).split(".");
      const pem = keys.rs.publicKey.export({ format: "pem", type: "spki" });
      return `${head}.${claims}.${createHmac("sha256", pem).update(`${head}.${claims}`).digest("base64url")}`;
    },
    reason: invalid,
    message: /algorithm/,
  },
  {
    name: "of an algorithm that its issuer does not use",
    token: async () => (await makeKey("es", "ES384")).sign(),
    reason: invalid,
    message: /algorithm/,
  },
  {
    name: "with a critical extension",
    token: () => rawToken({ alg: "ES256", kid: "es", crit: ["b64"], b64: false }, goodClaims()),
    reason: invalid,
    message: /extension/,
  },
  {
    name: "whose claims were changed",
    token: async () => {
      const [head, , signature] = (await keys.es.sign()).split(".");
      return `${head}.${Buffer.from(JSON.stringify(goodClaims())).toString("base64url")}.${signature}`;
    },
    reason: invalid,
    message: /signature/,
  },
  malformed("of two parts", () => "a.b"),
  malformed("of four parts", () => "a.b.c.d"),
  malformed("that is no base64url", async () => (await keys.es.sign()).replace(".", "+.")),
  malformed("that is padded", async () => `${await keys.es.sign()}=`),
  malformed("with blanks in it", async () => (await keys.es.sign()).replace(".", ". ")),
  malformed("whose header is no JSON", () => "e30x.e30.c2ln"),
  malformed("whose header is a list", () => rawToken([], goodClaims())),
  malformed("whose claims are null", () => rawToken({ alg: "ES256" }, null)),
  malformed("of 20 KiB", async () => keys.es.sign({ fat: "x".repeat(20_000) })),
];

test.each(bad)("a token $name is refused, with a challenge", async ({ token, reason, message }) => {
  const given = await token();
  const error = await failure(at.authenticate(given));
  expect(error).toMatchObject({
    code: Code.UNAUTHENTICATED,
    reason,
    message: expect.stringMatching(message),
    challenge: expect.stringMatching(/^Bearer error="invalid_token", error_description="[^"\\]+"$/),
  });
  expect(await failure(at.authenticate(given)), "once more: nothing was remembered").toMatchObject({
    reason,
  });
});

test.each([
  ["none", {}],
  ["another scheme", { authorization: "Basic YTpi" }],
  ["empty", { authorization: "" }],
  ["a token without a scheme", { authorization: "e30.e30.c2ln" }],
])("credentials: %s", async (_name, header) => {
  expect(await failure(at.authenticate(undefined, header))).toMatchObject({
    code: Code.UNAUTHENTICATED,
    reason: "credentials_missing",
    challenge: "Bearer",
  });
});

test("two credentials are refused, even when both are good", async () => {
  const call = makeCall();
  for (let i = 0; i < 2; i++) call.header.append("authorization", `Bearer ${await keys.es.sign()}`);
  const outcome = authnFilter(at.options)(async () => unaryReply())(call);
  expect(await failure(outcome)).toMatchObject({
    reason: invalid,
    message: expect.stringMatching(/more than one/),
  });
});

test("a token that was verified is good for its method until it ends, however often it comes", async () => {
  const token = await keys.es.sign({ exp: seconds() + 60 });
  for (let i = 0; i < 3; i++) expect((await at.authenticate(token)).context.principal?.subject).toBe("ann");
  const principal = (await at.authenticate(token)).context.principal;
  const { cache } = at.options;
  expect(cache.get(token, (principal?.expiresAt ?? 0) - 1)?.principal).toBe(principal);
  expect(cache.get(token, principal?.expiresAt ?? 0)).toBeUndefined();
});

test("on public methods nobody can pretend to be somebody, and credentials go on", async () => {
  let passed: Call | undefined;
  const handle = anonymousFilter(new IdentityHeaders())(async (call) => {
    passed = call;
    return unaryReply();
  });
  await handle(makeCall({ header: { [subjectHeader]: "root", authorization: "Basic YTpi" } }));
  expect([...(passed?.header ?? [])]).toEqual([["authorization", "Basic YTpi"]]);
  expect(passed?.context.principal).toBeUndefined();
});
