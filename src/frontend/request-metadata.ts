import { Code, type Context, Metadata, parseGrpcTimeout, RpcError, turnDate } from "#rpc";
import type { RequestHead } from "./exchange.ts";
import { connectionOptions, type Fields, field, hopByHop } from "./fields.ts";
import { forwardedMetadata } from "./forwarded.ts";

/**
 * Fields that end at the gateway: those of one connection, those that describe the HTTP message and
 * not the call, and those that the gateway sets itself.
 */
const dropped: ReadonlySet<string> = new Set([
  ...hopByHop,
  "host",
  "content-length",
  "content-type",
  "content-encoding",
  "accept",
  "accept-encoding",
  "accept-charset",
  "expect",
  "range",
  "if-match",
  "if-none-match",
  "if-modified-since",
  "if-unmodified-since",
  "if-range",
  "forwarded",
  "x-forwarded-client-cert",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-forwarded-port",
  "x-real-ip",
  "x-request-id",
  "x-request-timeout",
  "x-server-timeout",
  "connect-timeout-ms",
  "connect-protocol-version",
  "connect-accept-encoding",
  "connect-content-encoding",
  "sec-websocket-key",
  "sec-websocket-version",
  "sec-websocket-protocol",
  "sec-websocket-extensions",
  "access-control-request-method",
  "access-control-request-headers",
]);

/** "PROTOCOL-HTTP2.md", Header-Name. */
const legalName = /^[0-9a-z_.-]+$/;

type NameKind = "dropped" | "text" | "binary" | "illegal";

/** Names that were looked at already. */
const kinds = new Map<string, NameKind>();
const maxKinds = 1000;

function kindOf(name: string): NameKind {
  const kind =
    dropped.has(name) || name.startsWith("grpc-") || name.startsWith("proxy-")
      ? "dropped"
      : !legalName.test(name)
        ? "illegal"
        : name.endsWith("-bin")
          ? "binary"
          : "text";
  if (kinds.size >= maxKinds) kinds.clear();
  kinds.set(name, kind);
  return kind;
}

const binaryValue = /^(?:[A-Za-z0-9+/_-]*={0,2})$/;
const asciiValue = /^[\x20-\x7e]*$/;

/** What of a request's fields belongs to the call. @throws RpcError INVALID_ARGUMENT for what gRPC cannot carry */
export function requestMetadata({ fields, memo }: Pick<RequestHead, "fields" | "memo">): Metadata {
  if (memo === undefined) return new Metadata(metadataPairs(fields));
  memo.metadata ??= metadataPairs(fields);
  return new Metadata(memo.metadata.slice());
}

/** The same with what the upstream is told of who called and how. */
export function callMetadata(arrival: { readonly head: RequestHead }, context: Context): Metadata {
  const { memo } = arrival.head;
  const known = memo?.told;
  // What is told depends on the configuration, too, and that may change while the connection stays.
  if (
    known !== undefined &&
    known.peer === context.peer &&
    known.secure === context.secure &&
    known.forwardedHost === context.forwardedHost &&
    known.via === context.via
  ) {
    const pairs = known.metadata.slice();
    pairs[known.requestIdAt] = context.requestId;
    return new Metadata(pairs);
  }
  const header = requestMetadata(arrival.head);
  const requestIdAt = header.size * 2 + 1;
  forwardedMetadata(header, arrival, context);
  if (memo !== undefined) {
    const { peer, secure, forwardedHost, via } = context;
    memo.told = { peer, secure, forwardedHost, via, metadata: header.pairs.slice(), requestIdAt };
  }
  return header;
}

function metadataPairs(fields: Fields): string[] {
  const named = connectionOptions(fields);
  const pairs: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    const value = fields[i + 1] as string;
    const kind = kinds.get(name) ?? kindOf(name);
    if (kind === "dropped" || named.includes(name)) continue;
    if (kind === "illegal") throw malformed("the name of a header is none that gRPC can carry");
    if (kind === "binary") {
      // One field may hold several values, joined by commas.
      for (const part of value.split(",")) {
        const text = part.trim();
        if (!binaryValue.test(text) || text.replace(/=+$/, "").length % 4 === 1)
          throw malformed(`${name} is not base64`);
        pairs.push(name, text);
      }
    } else if (asciiValue.test(value)) pairs.push(name, value);
    else throw malformed(`the value of ${name} is not printable ASCII`);
  }
  return pairs;
}

const requestTimeout = /^(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h)?$/;
const serverTimeout = /^\d{1,9}(?:\.\d{1,9})?$/;
const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/**
 * When the caller wants its call to have ended, in milliseconds since the epoch: by `grpc-timeout`,
 * `connect-timeout-ms`, `x-request-timeout: 2.5s`, or the seconds of `x-server-timeout: 2.5`. @throws RpcError INVALID_ARGUMENT for what breaks its grammar
 */
export function requestDeadline({ fields, memo }: Pick<RequestHead, "fields" | "memo">): number | undefined {
  const timeout = memo?.timeoutMs ?? timeoutMs(fields) ?? -1;
  if (memo !== undefined) memo.timeoutMs = timeout;
  // By the clock that what is left is told by, or the upstream would be told more.
  return timeout < 0 ? undefined : turnDate() + timeout;
}

function timeoutMs(fields: Fields): number | undefined {
  const grpc = field(fields, "grpc-timeout");
  if (grpc !== undefined) return parseGrpcTimeout(grpc) ?? refuse("grpc-timeout");
  const connect = field(fields, "connect-timeout-ms");
  if (connect !== undefined)
    return /^\d{1,10}$/.test(connect) ? Number(connect) : refuse("connect-timeout-ms");
  const plain = field(fields, "x-request-timeout");
  if (plain === undefined) return serverTimeoutMs(fields);
  const match = requestTimeout.exec(plain);
  return match === null
    ? refuse("x-request-timeout")
    : Number(match[1]) * (unitMs[match[2] ?? "s"] as number);
}

/** As clients of Google's APIs say it. */
function serverTimeoutMs(fields: Fields): number | undefined {
  const seconds = field(fields, "x-server-timeout");
  if (seconds === undefined) return undefined;
  return serverTimeout.test(seconds) ? Number(seconds) * 1000 : refuse("x-server-timeout");
}

function refuse(name: string): never {
  throw malformed(`${name} is not a duration`);
}

function malformed(message: string): RpcError {
  return new RpcError(Code.INVALID_ARGUMENT, message, { reason: "malformed_header" });
}
