// What the programs of `npm run conformance:rpc` share: the messages that the suite and a server under test exchange
// over stdin and stdout, each after its length in four bytes.
import { readFileSync } from "node:fs";
import { create, createFileRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

/** The types of the messages, out of what the suite's .proto files compile to. */
export function compatTypes(descriptors) {
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(descriptors)));
  const typeOf = (name) => registry.getMessage(`connectrpc.conformance.v1.${name}`);
  return { Request: typeOf("ServerCompatRequest"), Response: typeOf("ServerCompatResponse") };
}

/** The first message of a stream. */
export async function readMessage(stream, type) {
  let bytes = Buffer.alloc(0);
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    bytes = Buffer.concat([bytes, chunk]);
    if (bytes.length >= 4 && bytes.length >= 4 + bytes.readUInt32BE()) break;
  }
  return fromBinary(type, bytes.subarray(4, 4 + bytes.readUInt32BE()));
}

export function framed(type, message) {
  const bytes = toBinary(type, create(type, message));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
