import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { displayPath } from "./display-path.ts";
import type { FileIndex } from "./file-index.ts";
import { indexFileSet } from "./index-file.ts";
import { failedSource, type SourceResult } from "./source.ts";

/** A descriptor set larger than this, once unpacked, is taken for a mistake. */
const maxBytes = 512 * 1024 * 1024;

/** Files that are there for others to import: nobody means to serve what is defined in them. */
const importsOnly =
  /^(?:google\/(?:protobuf|api|rpc|type|longrunning)|grpc\/(?:health|reflection)|buf\/validate|dragoman\/v1)\//;

const unpack = promisify(gunzip);

/**
 * Loads a file that holds a `google.protobuf.FileDescriptorSet` or a buf image, such as `buf build -o` and
 * `protoc --descriptor_set_out --include_imports` write, gzipped or not. Never rejects.
 */
export async function loadDescriptorSet(file: string): Promise<SourceResult> {
  const label = displayPath(path.resolve(file));
  const fail = (message: string): SourceResult =>
    failedSource(label, [{ severity: "error", message, file: label }]);
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
    return fail(
      code === "ENOENT" ? "the descriptor set does not exist" : `the descriptor set cannot be read (${code})`,
    );
  }
  const fingerprint = createHash("sha256").update(bytes).digest("hex");
  let files: FileIndex[];
  try {
    if (bytes[0] === 0x1f && bytes[1] === 0x8b) bytes = await unpack(bytes, { maxOutputLength: maxBytes });
    files = indexFileSet(bytes);
  } catch {
    return fail("the file is no descriptor set (google.protobuf.FileDescriptorSet), or is cut short");
  }
  if (files.length === 0) return fail("the descriptor set has no file");
  return { label, files, targets: targetsOf(files), problems: [], fingerprint, display: (name) => name };
}

/** An image says which of its files are mere imports; in a plain set only their names tell. */
function targetsOf(files: readonly FileIndex[]): Set<string> {
  const isTarget = files.some(({ isImport }) => isImport)
    ? ({ isImport }: FileIndex) => !isImport
    : ({ name }: FileIndex) => !importsOnly.test(name);
  return new Set(files.filter(isTarget).map(({ name }) => name));
}
