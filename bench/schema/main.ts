import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { FileIndex } from "../../src/schema/file-index.ts";
import { ProtoFolder } from "../../src/schema/proto-folder.ts";
import { generate, googleapis } from "./generate.ts";
import type { Step } from "./measure.ts";

// Run as `npm run build && node dist/bench/schema/main.js`: makes a schema of the size of all googleapis and prints what
// loading it costs, as Markdown.

async function measure(kind: string, of: string): Promise<readonly Step[]> {
  const script = path.join(import.meta.dirname, "measure.js");
  const { stdout } = await promisify(execFile)(process.execPath, ["--expose-gc", script, kind, of], {
    maxBuffer: 2 ** 24,
  });
  return JSON.parse(stdout) as readonly Step[];
}

function print(title: string, steps: readonly Step[]): void {
  console.log(
    `\n### ${title}\n\n| step | ms | RSS MiB | heap MiB | buffers MiB |\n| --- | --- | --- | --- | --- |`,
  );
  for (const { what, ms, rss, heap, buffers } of steps) {
    console.log(`| ${what} | ${ms} | ${rss} | ${heap} | ${buffers} |`);
  }
  const total = steps.reduce((sum, { what, ms }) => (what === "every descriptor built" ? sum : sum + ms), 0);
  console.log(`| **all but the last** | **${total}** | | | |`);
}

/** A `google.protobuf.FileDescriptorSet` of files, with or without comments and places. */
function descriptorSet(files: readonly FileIndex[], withSourceInfo: boolean): Uint8Array {
  const writer = new BinaryWriter();
  for (const { bytes, body } of files) {
    writer.tag(1, WireType.LengthDelimited).bytes(withSourceInfo ? bytes : Buffer.concat(body));
  }
  return writer.finish();
}

function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}

const folder = await mkdtemp(path.join(os.tmpdir(), "dragoman-bench-"));
try {
  const protos = path.join(folder, "proto");
  await generate(protos, googleapis);
  const { files, problems } = await new ProtoFolder(protos).load();
  if (problems.length > 0) throw new Error(JSON.stringify(problems.slice(0, 3)));
  const bare = descriptorSet(files, false);
  const full = descriptorSet(files, true);
  await writeFile(path.join(folder, "bare.binpb"), bare);
  await writeFile(path.join(folder, "full.binpb"), full);
  const sum = (count: (file: FileIndex) => number): number =>
    files.reduce((total, file) => total + count(file), 0);
  const { methods, bindings, verbs } = googleapis;
  console.log(
    `${files.length} files, ${sum(({ services }) => services.length)} services, ${methods} methods, ${bindings} bindings ` +
      `(${verbs} methods with a verb), ${sum(({ symbols }) => symbols.length)} types; ` +
      `${mebibytes(bare.length)} MiB of descriptors, with comments and places ${mebibytes(full.length)} MiB.\n` +
      `Node ${process.version}, ${os.cpus().length} x ${os.cpus()[0]?.model ?? "?"}.`,
  );
  print("Descriptor set", await measure("descriptors", path.join(folder, "bare.binpb")));
  print(
    "Descriptor set with comments and places",
    await measure("descriptors", path.join(folder, "full.binpb")),
  );
  print("Folder of .proto files, compiled by buf", await measure("folder", protos));
  print(
    "For comparison, all by the library at once",
    await measure("library", path.join(folder, "bare.binpb")),
  );
  print("The same with comments and places", await measure("library", path.join(folder, "full.binpb")));
} finally {
  await rm(folder, { recursive: true, force: true });
}
