// The messages of the protobuf conformance suite, and of its pipe protocol.
import { readFileSync } from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

const file = path.join(import.meta.dirname, "messages.binpb.gz");

export function loadMessages() {
  return createFileRegistry(fromBinary(FileDescriptorSetSchema, gunzipSync(readFileSync(file))));
}
