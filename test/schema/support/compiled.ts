import { fromBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { type FileDescriptorProto, FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import type { FileIndex } from "../../../src/schema/file-index.ts";
import { ProtoFolder } from "../../../src/schema/proto-folder.ts";
import type { SourceResult } from "../../../src/schema/source.ts";
import { tempFolder } from "../../support/temp-folder.ts";

/** What a folder with these files compiles to. */
export async function compiled(files: Readonly<Record<string, string>>): Promise<SourceResult> {
  await using folder = await tempFolder(files);
  const result = await new ProtoFolder(folder.dir).load();
  if (result.problems.length > 0) throw new Error(JSON.stringify(result.problems));
  return { ...result, label: "folder" };
}

export function protoOf({ bytes }: FileIndex): FileDescriptorProto {
  return fromBinary(FileDescriptorProtoSchema, bytes);
}

/** A `google.protobuf.FileDescriptorSet`. */
export function setOf(files: Iterable<Uint8Array>): Uint8Array {
  const writer = new BinaryWriter();
  for (const bytes of files) writer.tag(1, WireType.LengthDelimited).bytes(bytes);
  return writer.finish();
}

/** A file with one service, `pkg.Service/Method`. */
export function service(name: string, method = "Say", imports: readonly string[] = []): string {
  const cut = name.lastIndexOf(".");
  const lines = imports.map((each) => `import "${each}";\n`).join("");
  return `syntax = "proto3";
package ${name.slice(0, cut)};
${lines}service ${name.slice(cut + 1)} { rpc ${method}(Text) returns (Text); }
message Text { string text = 1; }
`;
}
