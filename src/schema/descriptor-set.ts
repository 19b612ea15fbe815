import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { fromBinary } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { failedSource, type SourceResult } from "./source.ts";

/** A descriptor set larger than this, once unpacked, is taken for a mistake. */
const maxBytes = 512 * 1024 * 1024;

/** Files that are only ever imported: nobody means to serve what is defined in them. */
const importsOnly =
  /^(?:google\/(?:protobuf|api|rpc|type|longrunning)|grpc\/(?:health|reflection)|buf\/validate|dragoman\/v1)\//;

/**
 * Loads a file that holds a `google.protobuf.FileDescriptorSet`, such as `buf build -o` and
 * `protoc --descriptor_set_out --include_imports` write, gzipped or not. Never rejects.
 */
export async function loadDescriptorSet(file: string): Promise<SourceResult> {
  const label = path.resolve(file);
  const fail = (message: string): SourceResult => failedSource(label, [{ severity: "error", message, file }]);
  let bytes: Uint8Array;
  try {
    bytes = await readFile(label);
  } catch (error) {
    const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
    return fail(missing ? "the descriptor set does not exist" : "the descriptor set cannot be read");
  }
  try {
    if (bytes[0] === 0x1f && bytes[1] === 0x8b) bytes = gunzipSync(bytes, { maxOutputLength: maxBytes });
    const { file: files } = fromBinary(FileDescriptorSetSchema, bytes);
    if (files.length === 0 || files.some(({ name }) => name === ""))
      return fail("the file is not a descriptor set");
    return {
      label,
      files,
      targets: targetsOf(files),
      problems: [],
      fingerprint: createHash("sha256").update(bytes).digest("hex"),
      display: (name) => name,
    };
  } catch {
    return fail("the file is not a descriptor set");
  }
}

/** What a set of files is there to serve, when only the files themselves can tell. */
export function targetsOf(files: readonly FileDescriptorProto[]): Set<string> {
  return new Set(files.map(({ name }) => name).filter((name) => !importsOnly.test(name)));
}
