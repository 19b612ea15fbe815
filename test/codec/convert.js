// Converts messages in a process of its own. Reads `{ image, messages }` as JSON from stdin: a FileDescriptorSet in base64,
// and pairs of a type and a wire form. Prints, for each, its JSON and the wire form of that, or the fault; and whether code
// can be made of strings here.
import { readFileSync } from "node:fs";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { CodecError, createCodecs } from "#codec";

const { image, messages } = JSON.parse(readFileSync(0, "utf8"));
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, Buffer.from(image, "base64")));
const codecs = createCodecs(registry, { compile: "at first" });
const results = messages.map(([type, wire]) => {
  const codec = codecs.message(registry.getMessage(type));
  try {
    const json = Buffer.from(codec.toJson(Buffer.from(wire, "base64")));
    return [json.toString(), Buffer.from(codec.fromJson(json)).toString("base64")];
  } catch (error) {
    if (error instanceof CodecError) return [error.message];
    throw error;
  }
});
let generates = true;
try {
  new Function("");
} catch {
  generates = false;
}
console.log(JSON.stringify({ generates, results }));
