import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { benchProto } from "../load/schema.ts";
import { type Subject, start } from "./proxies.ts";

const root = path.resolve(import.meta.dirname, "../../..");

export interface GatewayOptions {
  readonly label: string;
  /** Of several with one label. */
  readonly instance?: number;
  readonly folder: string;
  readonly upstream: number;
  readonly engine: "dragoman" | "node";
  /** Tokens, limits and a log on top of what is always on. */
  readonly filters: boolean;
  /** Processes, and the processors they run on; one on the first when absent. */
  readonly workers?: { readonly count: number; readonly processors: string };
}

/** Starts a gateway with a folder of its own; `npm run build` has been run. */
export async function startGateway(options: GatewayOptions): Promise<Subject> {
  const { label, instance, engine, filters, upstream, workers } = options;
  const name = instance === undefined ? label : `${label} ${instance}`;
  const folder = path.join(options.folder, name.replaceAll(/\W+/g, "-"));
  // Not the folder that the log is written to: the gateway watches it.
  await mkdir(path.join(folder, "proto"), { recursive: true });
  await writeFile(path.join(folder, "proto/bench.proto"), benchProto);
  await writeFile(
    path.join(folder, "gateway.yaml"),
    JSON.stringify({
      version: 1,
      listen: {
        https: { host: "127.0.0.1", port: 0, tls: "dev" },
        http: { mode: "off" },
        engine,
        limits: { streamsPerConnection: 512 },
      },
      admin: { port: 0 },
      ...(workers === undefined ? {} : { workers: workers.count }),
      schema: [{ proto: "proto" }],
      upstreams: {
        bench: {
          endpoints: [`127.0.0.1:${upstream}`],
          transport: engine === "node" ? "grpc-js" : "dragoman",
          health: { enabled: false },
          ...(filters ? { maxInFlight: 10_000 } : {}),
        },
      },
      ...(filters
        ? {
            auth: {
              issuers: {
                main: { issuer, jwks: "../keys.json", audiences: ["bench"], algorithms: ["ES256"] },
              },
            },
            limits: { "per-user": { key: "caller.sub", rate: "1000000/s" } },
          }
        : {}),
      routes: [
        filters ? { match: "*", auth: { any: ["main"] }, limit: ["per-user"] } : { match: "*", public: true },
      ],
      telemetry: { accessLog: filters ? "json" : "off", log: "warn" },
    }),
  );
  return start({
    label,
    folder,
    processor: workers?.processors ?? "0",
    command: [process.execPath, path.join(root, "dist/src/main.js"), "serve", "--config", "gateway.yaml"],
    url: (output) => (/serves \d+ methods/.test(output) ? /https:\/\/\S+/.exec(output)?.[0] : undefined),
  });
}

const issuer = "https://id.bench.test";

/** Writes the keys that tokens are checked with, and returns a token. */
export async function makeToken(folder: string): Promise<string> {
  const { publicKey, privateKey } = await generateKeyPair("ES256");
  const key = { ...(await exportJWK(publicKey)), kid: "bench", alg: "ES256", use: "sig" };
  await writeFile(path.join(folder, "keys.json"), JSON.stringify({ keys: [key] }));
  return new SignJWT({ scope: "bench.read bench.write", tenant: "acme" })
    .setProtectedHeader({ alg: "ES256", kid: "bench" })
    .setIssuer(issuer)
    .setAudience("bench")
    .setSubject("somebody")
    .setIssuedAt()
    .setExpirationTime("1h")
    .sign(privateKey);
}
