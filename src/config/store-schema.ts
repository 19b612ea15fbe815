import { z } from "zod";
import { Secret } from "./secret.ts";
import { durationPattern, parseDuration } from "./units.ts";

const address =
  /^rediss?:\/\/(?:(?:[^\s:@/%]|%[\da-fA-F]{2})*(?::(?:[^\s@/%]|%[\da-fA-F]{2})*)?@)?(?:[\w.-]+|\[[\da-fA-F:.]+\])(?::\d{1,5})?(?:\/\d{0,5})?$/;
const location = z
  .string()
  .regex(
    address,
    "expected redis://HOST:PORT or rediss://HOST:PORT; a password in it must be percent-encoded",
  );

export const storeSchema = z
  .union([
    z.literal("memory").describe("Each process for itself."),
    location,
    z.strictObject({
      url: location.describe("A Redis or Valkey; rediss:// for TLS."),
      username: z.string().optional(),
      password: z.string().optional().describe("As it is; a reference such as ${env:REDIS_PASSWORD}."),
      ca: z.string().optional().describe("PEM file of whom to trust; the system's roots when absent."),
      timeout: z
        .string()
        .regex(durationPattern, "expected a duration such as 250ms, 5s or 1m")
        .transform(parseDuration)
        .prefault("100ms")
        .describe("How long a call waits for an answer."),
      prefix: z
        .string()
        .regex(/^[\x21-\x7e]*$/, "expected text without blanks")
        .default("dragoman:")
        .describe("What every key begins with."),
    }),
  ])
  .describe("Where limits are counted: by each process, or by all gateways together.");

type Written = z.output<typeof storeSchema>;

/** Where what gateways share is kept. */
export type StoreConfig = { readonly kind: "memory" } | RedisConfig;

export interface RedisConfig {
  readonly kind: "redis";
  readonly host: string;
  readonly port: number;
  readonly database: number;
  readonly username: string | undefined;
  readonly password: Secret | undefined;
  /** Undefined for plaintext. */
  readonly tls: { readonly ca: string | undefined } | undefined;
  readonly timeoutMs: number;
  readonly prefix: string;
}

/** @param resolve makes a path of the file absolute */
export function storeOf(written: Written, resolve: (file: string) => string): StoreConfig {
  if (written === "memory") return { kind: "memory" };
  if (typeof written === "string")
    return storeOf({ url: written, timeout: 100, prefix: "dragoman:" }, resolve);
  const url = new URL(written.url);
  const { ca } = written;
  const password = written.password ?? decoded(url.password);
  return {
    kind: "redis",
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: url.port === "" ? 6379 : Number(url.port),
    database: Number(url.pathname.slice(1)),
    username: written.username ?? decoded(url.username),
    password: password === undefined ? undefined : new Secret(password),
    tls: url.protocol === "rediss:" ? { ca: ca === undefined ? undefined : resolve(ca) } : undefined,
    timeoutMs: written.timeout,
    prefix: written.prefix,
  };
}

function decoded(part: string): string | undefined {
  return part === "" ? undefined : decodeURIComponent(part);
}
