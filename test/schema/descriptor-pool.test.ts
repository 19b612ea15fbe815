import { createFileRegistry, fromBinary, getExtension, hasExtension } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import { DescriptorPool } from "../../src/schema/descriptor-pool.ts";
import { outlineOfDescriptor } from "../../src/schema/outline.ts";
import { compiled, service, setOf } from "./support/compiled.ts";

const { files } = await compiled({
  "a.proto": `syntax = "proto2";
package a;
import "b.proto";
message Outer {
  extensions 100 to 200;
  optional Inner inner = 1;
  map<string, c.C> all = 2;
  repeated c.C many = 3;
  optional group Grouped = 4 { optional int32 x = 1; }
  message Inner { enum Kind { NONE = 0; } optional Kind kind = 1; optional Outer outer = 2; }
}
extend Outer { optional int32 second = 102; optional c.C first = 101; }
`,
  "b.proto": 'syntax = "proto3";\npackage b;\nimport public "c.proto";\nmessage B { c.C c = 1; }\n',
  "c.proto": `syntax = "proto3";
package c;
import "google/protobuf/descriptor.proto";
// A comment of C.
message C {}
extend google.protobuf.MethodOptions { string mark = 50000; }
`,
  "d.proto": `syntax = "proto3";
package d;
import "c.proto";
service D { rpc Mark(c.C) returns (c.C) { option (c.mark) = "here"; } }
`,
});

describe("descriptors built on demand", () => {
  test("are those that the library builds at once", () => {
    const pool = new DescriptorPool(files);
    const all = createFileRegistry(
      fromBinary(FileDescriptorSetSchema, setOf(files.map(({ bytes }) => bytes))),
    );
    const summary = (registry: typeof all) =>
      [...registry].map((type) => [
        String(type),
        type.kind === "message"
          ? type.fields.map((field) => `${field} ${field.message ?? field.enum ?? ""}`)
          : [],
      ]);
    expect(summary(pool).sort()).toEqual(summary(all).sort());
    expect([...pool.files].map(String).sort()).toEqual([...all.files].map(String).sort());
  });

  test("are the same object from wherever they are reached", () => {
    const pool = new DescriptorPool(files);
    const outer = pool.getMessage("a.Outer");
    const c = pool.getMessage("c.C");
    expect(outer?.field.many?.message).toBe(c);
    expect(pool.getMessage("b.B")?.field.c?.message).toBe(c);
    expect(outer?.file.dependencies).toEqual([pool.getFile("b.proto")]);
    expect(pool.getFile("b.proto")?.dependencies[0]).toBe(c?.file);
    expect(pool.getMessage("a.Outer")).toBe(outer);
  });

  test("are not there for what they are not", () => {
    const pool = new DescriptorPool(files);
    expect(pool.getEnum("a.Outer.Inner.Kind")?.values).toHaveLength(1);
    expect(pool.getMessage("a.Outer.Inner.Kind")).toBeUndefined();
    expect(pool.getService("a.Outer")).toBeUndefined();
    expect(pool.get("a.Nothing")).toBeUndefined();
    expect(pool.getFile("nothing.proto")).toBeUndefined();
  });

  test("extensions are found by message and number", () => {
    const pool = new DescriptorPool(files);
    const outer = pool.getMessage("a.Outer");
    if (outer === undefined) throw new Error("no a.Outer");
    expect(pool.extensionsOf(outer).map(({ typeName }) => typeName)).toEqual(["a.first", "a.second"]);
    expect(pool.getExtensionFor(outer, 102)?.typeName).toBe("a.second");
    expect(pool.getExtensionFor(outer, 103)).toBeUndefined();
    expect(pool.getExtension("a.first")?.message).toBe(pool.getMessage("c.C"));
  });

  test("keep custom options and comments", () => {
    const pool = new DescriptorPool(files);
    const mark = pool.getExtension("c.mark");
    const options = pool.getService("d.D")?.methods[0]?.proto.options;
    if (mark === undefined || options === undefined) throw new Error("no option");
    expect(hasExtension(options, mark) && getExtension(options, mark)).toBe("here");
    const proto = pool.getFile("c.proto")?.proto;
    const comments = proto?.sourceCodeInfo?.location.map(({ leadingComments }) => leadingComments);
    expect(comments).toContain(" A comment of C.\n");
    expect(proto?.sourceCodeInfo).toBe(proto?.sourceCodeInfo);
  });

  test("a mesh of imports takes no longer than its files", async () => {
    const layers = 80;
    const mesh: Record<string, string> = { "l0.proto": service("l0.S") };
    for (let i = 1; i < layers; i++) {
      mesh[`l${i}.proto`] = service(`l${i}.S`, "Say", [
        `l${i - 1}.proto`,
        ...(i > 1 ? [`l${i - 2}.proto`] : []),
      ]);
    }
    const pool = new DescriptorPool((await compiled(mesh)).files);
    expect(pool.getService(`l${layers - 1}.S`)?.methods).toHaveLength(1);
  });
});

test("outlines say what the descriptors say", () => {
  const pool = new DescriptorPool(files);
  const built = new DescriptorPool(files).getMessage("a.Outer");
  if (built === undefined) throw new Error("no a.Outer");
  for (const outline of [pool.outline("a.Outer"), outlineOfDescriptor(built)]) {
    expect(outline?.typeName).toBe("a.Outer");
    expect(outline?.field("inner")).toMatchObject({ name: "inner", repeated: false });
    expect(outline?.field("inner")?.message?.field("outer")?.message?.typeName).toBe("a.Outer");
    expect(outline?.field("inner")?.message?.field("kind")).toMatchObject({
      repeated: false,
      message: undefined,
    });
    expect(outline?.field("all")).toMatchObject({ repeated: true, message: undefined });
    expect(outline?.field("many")).toMatchObject({ repeated: true, message: undefined });
    expect(outline?.field("grouped")?.message?.field("x")).toMatchObject({ repeated: false });
    expect(outline?.field("nothing")).toBeUndefined();
  }
  expect(pool.outline("a.Outer.Inner.Kind")).toBeUndefined();
  expect(pool.outline("a.Nothing")).toBeUndefined();
});
