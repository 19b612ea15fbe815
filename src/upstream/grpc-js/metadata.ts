import { Metadata as GrpcMetadata } from "@grpc/grpc-js";
import { formatGrpcTimeout, Metadata } from "#rpc";
import type { TransportCall } from "../transport.ts";

/**
 * Names that are the connection's or the HTTP message's, which grpc-js sets itself. Those of RFC 9113 8.2.2 would even
 * make node:http2 refuse the request, which grpc-js takes for a broken connection.
 */
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

/** The metadata of a request. What gRPC cannot carry, and what it reserves, is left out. */
export function requestMetadata(call: TransportCall): GrpcMetadata {
  const result = new GrpcMetadata();
  for (const [name, value] of call.header) {
    if (unsent.has(name) || name.startsWith("grpc-") || name.startsWith(":")) continue;
    // grpc-js breaks off a call that has two of them.
    if (name === "authorization" && result.get(name).length > 0) continue;
    try {
      result.add(name, name.endsWith("-bin") ? Buffer.from(value, "base64") : value);
    } catch {
      // HTTP allows characters in names that gRPC does not.
    }
  }
  if (call.deadline !== undefined) {
    result.set("grpc-timeout", formatGrpcTimeout(call.deadline - Date.now()));
  }
  if (call.previousAttempts > 0) result.set("grpc-previous-rpc-attempts", String(call.previousAttempts));
  return result;
}

/** The metadata of an answer, without what is reserved. */
export function answerMetadata(metadata: GrpcMetadata | undefined): Metadata {
  const pairs: string[] = [];
  if (metadata === undefined) return new Metadata(pairs);
  const fields = metadata.toHttp2Headers();
  for (const name in fields) {
    if (unreceived.has(name) || (name.startsWith("grpc-") && name !== pushback)) continue;
    const value = fields[name];
    if (typeof value === "string") pairs.push(name, value);
    else if (Array.isArray(value)) for (const each of value) pairs.push(name, each);
  }
  return new Metadata(pairs);
}
