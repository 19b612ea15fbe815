import { generateKeyPairSync } from "node:crypto";
import path from "node:path";
import { SignJWT } from "jose";
import { type TestGateway, testGateway } from "../support/gateway.ts";
import { type TempFolder, tempFolder } from "../support/temp-folder.ts";
import { kinds } from "./client.ts";
import type { World } from "./stage.ts";
import { stepProto } from "./step.ts";
import { startUpstream, type Upstream } from "./upstream.ts";
import { type Gate, gateTo } from "./wire.ts";

/** Open to everybody, with a token, over its limit at once, and before an upstream that can be cut off. */
const services = ["Open", "Private", "Limited", "Frail"] as const;

export const serviceNames = services.map((service) => `matrix.v1.${service}`);

/** Bytes of a message, both ways. */
const limit = "64KiB";

export function matrixProto(): string {
  const methods = {
    Unary: "rpc Unary(Step) returns (Step)",
    Server: "rpc Server(Step) returns (stream Step)",
    Client: "rpc Client(stream Step) returns (Step)",
    Bidi: "rpc Bidi(stream Step) returns (stream Step)",
  };
  const declared = services.map((service) => {
    const rpcs = kinds.map((kind) => {
      const rule = `/v1/${service.toLowerCase()}/${kind.toLowerCase()}`;
      const options =
        kind === "Unary" || kind === "Server"
          ? `option idempotency_level = NO_SIDE_EFFECTS; option (google.api.http) = { get: "${rule}" };`
          : `option (google.api.http) = { post: "${rule}" body: "*" };`;
      return `  ${methods[kind]} { ${options} }`;
    });
    return `service ${service} {\n${rpcs.join("\n")}\n}`;
  });
  return `syntax = "proto3";
package matrix.v1;
import "google/api/annotations.proto";
${declared.join("\n")}
${stepProto}
`;
}

/** What the gateway of the matrix is configured with, beside where it listens. */
export function matrixConfig({ address, frailAddress }: Upstream, jwks: string) {
  return {
    listen: { limits: { messageBytes: limit, bodyBytes: limit, streamsPerConnection: 1000 } },
    upstreams: {
      steady: { endpoints: [address], maxMessageBytes: limit },
      frail: { endpoints: [frailAddress], maxMessageBytes: limit },
    },
    auth: {
      issuers: {
        main: {
          issuer: "https://id.test",
          jwks,
          audiences: ["matrix"],
        },
      },
    },
    limits: { once: { key: "peer.ip", rate: "1/h", burst: 1 } },
    routes: [
      { match: "matrix.v1.Open/*", to: "steady", public: true },
      { match: "matrix.v1.Private/*", to: "steady", auth: { any: ["main"] } },
      { match: "matrix.v1.Limited/*", to: "steady", public: true, limit: ["once"] },
      { match: "matrix.v1.Frail/*", to: "frail", public: true },
    ],
  };
}

export interface MatrixWorld extends World, AsyncDisposable {
  readonly gate: Gate;
  readonly gateway: TestGateway;
  readonly upstream: Upstream;
}

/** A gateway before an upstream that does what it is told. */
export async function startWorld(): Promise<MatrixWorld> {
  const upstream = await startUpstream(serviceNames);
  const { folder, token } = await identities();
  const gateway = await testGateway(
    { "matrix.proto": matrixProto() },
    matrixConfig(upstream, path.join(folder.dir, "jwks.json")),
  );
  const gate = gateTo(gateway.url, gateway.ca);
  return {
    gate,
    gateway,
    upstream,
    token,
    async [Symbol.asyncDispose]() {
      gate[Symbol.dispose]();
      await gateway[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

async function identities(): Promise<{ folder: TempFolder; token: string }> {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const key = { ...publicKey.export({ format: "jwk" }), kid: "one", alg: "ES256", use: "sig" };
  const folder = await tempFolder({ "jwks.json": JSON.stringify({ keys: [key] }) });
  const token = await new SignJWT({})
    .setProtectedHeader({ alg: "ES256", kid: "one" })
    .setIssuer("https://id.test")
    .setAudience("matrix")
    .setSubject("ann")
    .setExpirationTime("1h")
    .sign(privateKey);
  return { folder, token };
}
