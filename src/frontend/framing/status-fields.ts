import type { Metadata, RpcError } from "#rpc";
import { hopByHop } from "../fields.ts";
import { statusToWire } from "../status.ts";
import { percentEncode } from "./grpc-message.ts";

const reserved: ReadonlySet<string> = new Set([...hopByHop, "content-type", "content-length"]);

/** Appends metadata as gRPC puts it on the wire. */
export function appendGrpcMetadata(fields: string[], metadata: Metadata): void {
  const { pairs } = metadata;
  for (let i = 0; i < pairs.length; i += 2) {
    const name = pairs[i] as string;
    if (reserved.has(name) || name.startsWith("grpc-") || name.startsWith(":")) continue;
    fields.push(name, pairs[i + 1] as string);
  }
}

/** The fields that end a call that went well. */
export function okFields(trailer: Metadata): string[] {
  const fields = ["grpc-status", "0"];
  appendGrpcMetadata(fields, trailer);
  return fields;
}

/** The fields that end a call that did not. */
export function errorFields(error: RpcError): string[] {
  const fields = ["grpc-status", String(error.code)];
  if (error.message !== "") fields.push("grpc-message", percentEncode(error.message));
  if (error.details.length > 0) {
    fields.push(
      "grpc-status-details-bin",
      Buffer.from(statusToWire(error)).toString("base64").replace(/=+$/, ""),
    );
  }
  if (error.reason !== undefined) fields.push("x-dragoman-reason", error.reason);
  if (error.retryAfter !== undefined) {
    fields.push("grpc-retry-pushback-ms", String(Math.ceil(error.retryAfter * 1000)));
  }
  appendGrpcMetadata(fields, error.metadata);
  return fields;
}
