import { Metadata as GrpcMetadata } from "@grpc/grpc-js";
import { Metadata } from "#rpc";

/** Metadata for grpc-js; what ends in `-bin` becomes bytes. Names that it keeps to itself are left out. */
export function toGrpcJs(metadata: Metadata): GrpcMetadata {
  const result = new GrpcMetadata();
  for (const [name, value] of metadata) {
    if (name.startsWith("grpc-") && name !== "grpc-previous-rpc-attempts") continue;
    result.add(name, name.endsWith("-bin") ? Buffer.from(value, "base64") : value);
  }
  return result;
}

/** Fields of the HTTP message, which are none of the RPC's. */
const dropped: ReadonlySet<string> = new Set([
  "content-type",
  "grpc-encoding",
  "grpc-accept-encoding",
  "grpc-status",
  "grpc-message",
]);

/** Metadata from grpc-js. */
export function fromGrpcJs(metadata: GrpcMetadata | undefined): Metadata {
  const pairs: string[] = [];
  if (metadata === undefined) return new Metadata(pairs);
  for (const name of Object.keys(metadata.getMap())) {
    if (dropped.has(name)) continue;
    for (const value of metadata.get(name)) {
      pairs.push(name, typeof value === "string" ? value : value.toString("base64"));
    }
  }
  return new Metadata(pairs);
}
