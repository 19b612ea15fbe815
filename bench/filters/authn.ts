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
  TokenCache,
  UserList,
} from "#filter/authn";
import { Health } from "#gen/grpc/health/v1/health_pb";
import { type Call, type Handler, Metadata, Payload, type UnaryReply, unaryOf } from "#rpc";
import { createLogger } from "#telemetry";

// Run as `npm run bench:authn`: prints as Markdown what it costs a call to find out who makes it.

const rounds = 20;
const issuer = "https://id.test";
const audience = "shop";
const dir = mkdtempSync(path.join(tmpdir(), "dragoman-bench-"));
const logger = createLogger({ write: () => {} });
const codec = { toJson: (wire: Uint8Array) => wire, fromJson: (json: Uint8Array) => json };
const signal = new AbortController().signal;

function callOf(header: readonly string[]): Call {
  return {
    kind: "unary",
    method: {
      descriptor: Health.method.check,
      name: "bench.B/M",
      path: "/bench.B/M",
      service: "bench.B",
      kind: "unary",
      idempotent: false,
      declared: { public: undefined, scopes: [], timeoutMs: undefined },
      location: undefined,
    },
    header: new Metadata(["accept", "application/json", "user-agent", "bench", ...header]),
    deadline: undefined,
    signal,
    request: Payload.fromProto(new Uint8Array(0), codec),
    context: {
      requestId: "bench",
      protocol: "rest",
      peer: { address: "192.0.2.1", port: 1 },
      secure: true,
      httpMethod: "GET",
      httpPath: "/",
      route: "/",
      startedAt: 0,
      principal: undefined,
      upstream: undefined,
      endpoint: undefined,
      tried: [],
      attempts: 0,
      queuedMs: 0,
      upstreamMs: undefined,
    },
  };
}

const reply: UnaryReply = {
  kind: "unary",
  header: new Metadata(),
  response: Payload.fromProto(new Uint8Array(0), codec),
  trailer: new Metadata(),
};
const nothing: Handler = Object.assign(async () => reply, {
  unary: (_call: Call, sink: { succeeded(reply: UnaryReply): void }) => sink.succeeded(reply),
});

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

/** Nanoseconds of a call, the least of the rounds: what disturbs only adds. */
async function cost(
  handler: Handler,
  headers: readonly (readonly string[])[],
  perRound: number,
): Promise<number> {
  const unary = unaryOf(handler);
  const make = (call: Call): Promise<void> =>
    new Promise((resolve, reject) => {
      if (call.kind === "unary") unary(call, { succeeded: () => resolve(), failed: reject });
    });
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const calls = Array.from({ length: perRound }, (_, index) =>
      callOf(headers[index % headers.length] ?? []),
    );
    const startedAt = process.hrtime.bigint();
    for (const call of calls) await make(call);
    least = Math.min(least, Number(process.hrtime.bigint() - startedAt) / perRound);
  }
  return least;
}

const bearer = (token: string): readonly string[] => ["authorization", `Bearer ${token}`];
const basic = `Basic ${Buffer.from("ann:secret word").toString("base64")}`;

console.log("| what | ns a call |\n| --- | --- |");
const report = (name: string, ns: number): void => console.log(`| ${name} | ${Math.round(ns)} |`);

report("nothing", await cost(nothing, [[]], 20_000));
for (const key of signing) {
  const [token = ""] = await tokensOf(key, 1);
  const filter = authnFilter({ ...none, issuers });
  report(`${key.alg}, one token again and again`, await cost(filter(nothing), [bearer(token)], 20_000));
}
const [es256] = signing.slice(1);
if (es256 !== undefined) {
  const many = (await tokensOf(es256, 5000)).map(bearer);
  const handler = authnFilter({ ...none, issuers })(nothing);
  await cost(handler, many, 5000);
  report("ES256, 5,000 tokens by turns", await cost(handler, many, 20_000));
}
report(
  "an API key",
  await cost(authnFilter({ ...none, keyRings: [ring] })(nothing), [["x-api-key", apiKey]], 20_000),
);
report(
  "a password, remembered",
  await cost(authnFilter({ ...none, userLists: [list] })(nothing), [["authorization", basic]], 20_000),
);
for (const key of signing) {
  const tokens = await tokensOf(key, 500);
  const forgetful = authnFilter({ ...none, issuers, cache: new TokenCache(0) })(nothing);
  report(`${key.alg}, a token never seen`, await cost(forgetful, tokens.map(bearer), 500));
  const publicKey = await importJWK(key.jwk, key.alg);
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const startedAt = process.hrtime.bigint();
    for (const token of tokens)
      await jwtVerify(token, publicKey, { issuer, audience, algorithms: [key.alg] });
    least = Math.min(least, Number(process.hrtime.bigint() - startedAt) / tokens.length);
  }
  report(`${key.alg}, bare jose`, least);
}

ring.close();
list.close();
await keys.close();
rmSync(dir, { recursive: true });
