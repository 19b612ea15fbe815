import { formatGrpcTimeout, Metadata } from "#rpc";
import type { TransportCall } from "../transport.ts";

/** Names that are the connection's, the HTTP message's, or the transport's own to set. */
const unsent: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
  "host",
  "te",
  "content-type",
  "content-length",
  "accept-encoding",
  "user-agent",
]);

/** Fields of an answer that belong to its HTTP message and not to the call. */
const unreceived: ReadonlySet<string> = new Set(["content-type", "content-length", "date", "trailer"]);

/** What the server asks of those who might retry (gRFC A6): the one reserved name that layers above need. */
const pushback = "grpc-retry-pushback-ms";

const legalName = /^[0-9a-z_.-]+$/;
const legalValue = /^[\x20-\x7e]*$/;
const base64 = /^[A-Za-z0-9+/=,]*$/;

type NameKind = "unsent" | "authorization" | "binary" | "text";

/** Names that were looked at already. */
const kinds = new Map<string, NameKind>();
const maxKinds = 1000;

function kindOf(name: string): NameKind {
  const kind =
    unsent.has(name) || name.startsWith("grpc-") || !legalName.test(name)
      ? "unsent"
      : name === "authorization"
        ? "authorization"
        : name.endsWith("-bin")
          ? "binary"
          : "text";
  if (kinds.size >= maxKinds) kinds.clear();
  kinds.set(name, kind);
  return kind;
}

/** The field section of a request ("PROTOCOL-HTTP2.md", Request-Headers). What gRPC cannot carry is left out. */
export function requestFields(call: TransportCall, scheme: "https" | "http", authority: string): string[] {
  const fields = [
    ":method",
    "POST",
    ":scheme",
    scheme,
    ":path",
    call.path,
    ":authority",
    authority,
    "te",
    "trailers",
    "content-type",
    "application/grpc",
    "user-agent",
    "dragoman",
    "grpc-accept-encoding",
    "identity,gzip,deflate",
  ];
  if (call.deadline !== undefined) fields.push("grpc-timeout", formatGrpcTimeout(call.deadline - Date.now()));
  if (call.previousAttempts > 0) fields.push("grpc-previous-rpc-attempts", String(call.previousAttempts));
  let authorized = false;
  const { pairs } = call.header;
  for (let i = 0; i < pairs.length; i += 2) {
    const name = pairs[i]!;
    const value = pairs[i + 1]!;
    const kind = kinds.get(name) ?? kindOf(name);
    if (kind === "unsent") continue;
    if (kind === "authorization") {
      // Which of two is meant nobody can say.
      if (authorized) continue;
      authorized = true;
    }
    if (kind === "binary") {
      fields.push(name, base64.test(value) ? value : Buffer.from(value, "base64").toString("base64"));
    } else if (legalValue.test(value)) fields.push(name, value.trim());
  }
  return fields;
}

/** The metadata of an answer, without what is reserved. */
export function answerMetadata(fields: readonly string[]): Metadata {
  const pairs: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!;
    if (unreceived.has(name) || (name.startsWith("grpc-") && name !== pushback)) continue;
    pairs.push(name, fields[i + 1]!);
  }
  return new Metadata(pairs);
}

/** The first value of a field. */
export function fieldOf(fields: readonly string[], name: string): string | undefined {
  for (let i = 0; i < fields.length; i += 2) if (fields[i] === name) return fields[i + 1];
  return undefined;
}
