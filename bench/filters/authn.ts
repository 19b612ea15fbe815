import { createHash, generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { importJWK, jwtVerify, SignJWT } from "jose";
import {
  type AuthnOptions,
  authnFilter,
  hashPassword,
  IdentityHeaders,
  KeyRing,
  KeySource,
  Login,
  type LoginOptions,
  RefreshLedger,
  TokenCache,
  UserList,
} from "#filter/authn";
import { Health } from "#gen/grpc/health/v1/health_pb";
import { type Handler, Metadata } from "#rpc";
import type { Method } from "#schema";
import { createLogger } from "#telemetry";
import { answering, type Case, callOf, costsOf } from "./measure.ts";

// Run as `npm run bench:authn`: prints as Markdown what it costs a call to find out who makes it.

const issuer = "https://id.test";
const audience = "shop";
const dir = mkdtempSync(path.join(tmpdir(), "dragoman-bench-"));
const method: Method = {
  descriptor: Health.method.check,
  name: "bench.B/M",
  path: "/bench.B/M",
  service: "bench.B",
  kind: "unary",
  idempotent: false,
  declared: { public: undefined, scopes: [], timeoutMs: undefined },
  location: undefined,
};
const logger = createLogger({ write: () => {} });
interface SigningKey {
  readonly alg: string;
  readonly privateKey: KeyObject;
  readonly jwk: Readonly<Record<string, unknown>>;
}

function signingKey(alg: string, pair: { publicKey: KeyObject; privateKey: KeyObject }): SigningKey {
  return {
    alg,
    privateKey: pair.privateKey,
    jwk: { ...pair.publicKey.export({ format: "jwk" }), kid: alg, alg, use: "sig" },
  };
}

const signing = [
  signingKey("RS256", generateKeyPairSync("rsa", { modulusLength: 2048 })),
  signingKey("ES256", generateKeyPairSync("ec", { namedCurve: "P-256" })),
  signingKey("EdDSA", generateKeyPairSync("ed25519")),
];

function tokensOf({ alg, privateKey }: SigningKey, count: number): Promise<string[]> {
  const exp = Math.floor(Date.now() / 1000) + 3600;
  const claims = { iss: issuer, aud: audience, exp, scope: "orders.read orders.write", tenant: "t1" };
  return Promise.all(
    Array.from({ length: count }, (_, index) =>
      new SignJWT({ ...claims, sub: `user-${index}` }).setProtectedHeader({ alg, kid: alg }).sign(privateKey),
    ),
  );
}

writeFileSync(path.join(dir, "jwks.json"), JSON.stringify({ keys: signing.map(({ jwk }) => jwk) }));
const keys = new KeySource(
  {
    name: "main",
    issuer,
    jwks: path.join(dir, "jwks.json"),
    audiences: [audience],
    algorithms: signing.map(({ alg }) => alg),
    typ: undefined,
    skewMs: 30_000,
  },
  logger,
);
await keys.known;

const apiKey = "a".repeat(43);
const sha256 = createHash("sha256").update(apiKey).digest("hex");
writeFileSync(path.join(dir, "keys.json"), JSON.stringify({ consumers: { acme: { keys: [{ sha256 }] } } }));
const ring = new KeyRing(
  { name: "partners", header: "x-api-key", file: path.join(dir, "keys.json") },
  logger,
);

const users = { ann: { password: await hashPassword("secret word") } };
writeFileSync(path.join(dir, "users.json"), JSON.stringify({ users }));
const list = new UserList(
  { name: "desk", file: path.join(dir, "users.json"), realm: "shop", insecure: false },
  logger,
);

const loginOptions: LoginOptions = {
  name: "shop",
  issuer: "http://127.0.0.1:9",
  client: { id: "shop", secret: undefined, method: "none" },
  origin: "https://shop.test",
  path: "/.dragoman",
  scopes: ["openid"],
  parameters: {},
  secrets: [{ reveal: () => "a secret of the bench, long enough for it" }],
  maxAgeMs: 43_200_000,
  idleMs: 3_600_000,
  graceMs: 300_000,
  claims: undefined,
  userinfo: false,
  keepsAccessToken: false,
  afterLogout: "/",
  algorithms: ["ES256"],
  skewMs: 30_000,
  timeoutMs: 5000,
};

const none: AuthnOptions = {
  issuers: [],
  introspectors: [],
  keyRings: [],
  userLists: [],
  logins: [],
  certificates: [],
  keyHeaders: ["x-api-key"],
  cache: new TokenCache(),
  identity: new IdentityHeaders(),
  optional: false,
  forwardCredentials: false,
  allowsOrigin: () => false,
};
const issuers = [
  {
    keys,
    options: {
      name: "main",
      issuer,
      jwks: undefined,
      audiences: [audience],
      algorithms: signing.map(({ alg }) => alg),
      typ: undefined,
      skewMs: 30_000,
    },
  },
];

const bearer = (token: string): readonly string[] => ["authorization", `Bearer ${token}`];
const basic = `Basic ${Buffer.from("ann:secret word").toString("base64")}`;
/** Over one connection. */
const peer = { address: "192.0.2.1", port: 1 };
const showing = (handler: Handler, headers: readonly (readonly string[])[]): Case => ({
  handler,
  calls: (index) => callOf({ method, peer, header: headers[index % headers.length] ?? [] }),
});
const authenticated = (options: Partial<AuthnOptions>): Handler =>
  authnFilter({ ...none, ...options })(answering());

const remembered: Record<string, Case> = { nothing: showing(answering(), [[]]) };
const unknown: Record<string, Case> = {};
for (const key of signing) {
  const tokens = await tokensOf(key, 500);
  const publicKey = await importJWK(key.jwk, key.alg);
  const jose: Handler = async (call) => {
    const token = call.header.get("authorization")?.slice(7) ?? "";
    await jwtVerify(token, publicKey, { issuer, audience, algorithms: [key.alg] });
    return answering()(call);
  };
  remembered[`${key.alg}, one token again and again`] = showing(
    authenticated({ issuers }),
    tokens.slice(0, 1).map(bearer),
  );
  unknown[`${key.alg}, a token never seen`] = showing(
    authenticated({ issuers, cache: new TokenCache(0) }),
    tokens.map(bearer),
  );
  unknown[`${key.alg}, bare jose`] = showing(jose, tokens.map(bearer));
}
const [, es256] = signing;
if (es256 !== undefined)
  remembered["ES256, 2,000 tokens by turns"] = showing(
    authenticated({ issuers }),
    (await tokensOf(es256, 2000)).map(bearer),
  );
remembered["an API key"] = showing(authenticated({ keyRings: [ring] }), [["x-api-key", apiKey]]);
remembered["a password, remembered"] = showing(authenticated({ userLists: [list] }), [
  ["authorization", basic],
]);

const login = new Login(loginOptions, new RefreshLedger(), logger);
const grant = {
  claims: { sub: "ann", email: "ann@shop.test", groups: ["staff", "orders"] },
  scopes: ["openid", "orders.read"],
  accessToken: "a".repeat(800),
  expiresInMs: 600_000,
  refreshToken: "r".repeat(200),
};
const sessions = Array.from({ length: 20_000 }, () => [
  "sec-fetch-site",
  "same-origin",
  "cookie",
  (login.sessions.begin(new Metadata(), grant) ?? []).map((field) => field.split(";")[0]).join("; "),
]);
const bySession = authenticated({ logins: [login] });
remembered["a session, one cookie again and again"] = showing(bySession, sessions.slice(0, 1));
let seen = 0;
unknown["a session never seen"] = {
  handler: bySession,
  calls: () => callOf({ method, peer, header: sessions[seen++ % sessions.length] ?? [] }),
};

console.log("| what | ns a call |\n| --- | --- |");
for (const [cases, options] of [
  [remembered, { rounds: 100, perRound: 2000 }],
  [unknown, { rounds: 30, perRound: 100 }],
] as const) {
  for (const [name, ns] of await costsOf(cases, options)) console.log(`| ${name} | ${Math.round(ns)} |`);
}

await login.close();
ring.close();
list.close();
await keys.close();
rmSync(dir, { recursive: true });
