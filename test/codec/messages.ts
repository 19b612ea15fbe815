import { readFileSync } from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { createFileRegistry, type DescMessage, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { type Codec, CodecError, type CodecOptions, createCodecs } from "#codec";

const file = path.resolve(import.meta.dirname, "../conformance/messages.binpb.gz");

/** The messages of the protobuf conformance suite, every kind of field there is, as a FileDescriptorSet. */
export const image: Uint8Array = gunzipSync(readFileSync(file));
export const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, image));

export function messageType(name: string): DescMessage {
  const type = registry.getMessage(name);
  if (type === undefined) throw new Error(`no type ${name}`);
  return type;
}

export const proto3 = messageType("protobuf_test_messages.proto3.TestAllTypesProto3");
export const proto2 = messageType("protobuf_test_messages.proto2.TestAllTypesProto2");

/** Both ways in which a codec may be made; every table holds for both. */
export const ways: readonly (readonly [name: string, options: CodecOptions])[] = [
  ["compiled", { compile: "at first" }],
  ["closures", { compile: "never" }],
];

export function codecOf(type: DescMessage, options: CodecOptions): Codec {
  return createCodecs(registry, options).message(type);
}

/** What the conversion gives, as text. */
export function printed(codec: Codec, wire: Uint8Array): string {
  return Buffer.from(codec.toJson(wire)).toString();
}

/** The CodecError that a conversion ends with. */
export function faultOf(run: () => unknown): CodecError {
  try {
    run();
  } catch (error) {
    if (error instanceof CodecError) return error;
    throw error;
  }
  throw new Error("expected a CodecError, but it went well");
}
