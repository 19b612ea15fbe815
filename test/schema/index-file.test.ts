import { describe, expect, test } from "vitest";
import { indexFile, indexFileSet } from "../../src/schema/index-file.ts";
import { WireError } from "../../src/schema/wire-cursor.ts";
import { compiled, protoOf, setOf } from "./support/compiled.ts";

const { files } = await compiled({
  "a.proto": `syntax = "proto2";
package a.b;
import public "c.proto";
import "google/protobuf/descriptor.proto";
// A message.
message Outer {
  extensions 100 to 200;
  optional Inner inner = 1;
  map<string, c.C> all = 2;
  message Inner { enum Kind { NONE = 0; } optional Kind kind = 1; }
  extend Outer { optional c.C nested = 101; }
}
extend google.protobuf.MethodOptions { optional string mark = 50000; }
service S {
  option deprecated = true;
  rpc Chat(stream Outer) returns (stream c.C) { option (mark) = "x"; }
  rpc Ask(Outer) returns (Outer);
}
`,
  "c.proto": 'syntax = "proto3";\npackage c;\nmessage C {}\n',
});
const index = files.find(({ name }) => name === "a.proto");
if (index === undefined) throw new Error("a.proto was not compiled");

test("what a file defines and needs", () => {
  expect(index).toMatchObject({
    name: "a.proto",
    dependencies: ["c.proto", "google/protobuf/descriptor.proto"],
    publicDependencies: ["c.proto"],
    isImport: false,
  });
  expect(index.symbols.map(({ kind, name }) => `${kind} ${name}`)).toEqual([
    "message a.b.Outer",
    "message a.b.Outer.AllEntry",
    "message a.b.Outer.Inner",
    "enum a.b.Outer.Inner.Kind",
    "service a.b.S",
  ]);
  expect(index.extensions).toEqual([
    { name: "a.b.Outer.nested", extendee: "a.b.Outer", number: 101 },
    { name: "a.b.mark", extendee: "google.protobuf.MethodOptions", number: 50000 },
  ]);
  expect([...index.references.keys()].sort()).toEqual([
    "a.b.Outer",
    "a.b.Outer.AllEntry",
    "a.b.Outer.Inner",
    "a.b.Outer.Inner.Kind",
    "c.C",
    "google.protobuf.MethodOptions",
  ]);
  expect(index.services).toMatchObject([
    {
      name: "a.b.S",
      methods: [
        { name: "Chat", input: "a.b.Outer", output: "c.C", clientStreaming: true, serverStreaming: true },
        {
          name: "Ask",
          input: "a.b.Outer",
          output: "a.b.Outer",
          clientStreaming: false,
          serverStreaming: false,
        },
      ],
    },
  ]);
  expect(index.services[0]?.options).not.toHaveLength(0);
  expect(index.services[0]?.methods[1]?.options).toHaveLength(0);
});

test("source code info is set apart, and nothing else is lost", () => {
  const proto = protoOf(index);
  expect(proto.sourceCodeInfo?.location.length).toBeGreaterThan(10);
  expect(index.sourceInfo?.length).toBeGreaterThan(100);
  const rest = protoOf(indexFile(Buffer.concat(index.body)));
  delete proto.sourceCodeInfo;
  expect(rest).toEqual(proto);
});

describe("bytes that are no descriptor", () => {
  test.each([
    ["no name", [0x12, 1, 0x61]],
    ["a group", [0x0b]],
    ["a field with number 0", [0x02, 0]],
    ["a length beyond the end", [0x0a, 5, 0x61]],
    ["a varint without end", [0x0a, ...Array.from({ length: 11 }, () => 0xff)]],
    ["a name that is a number", [0x08, 1]],
    ["a field that reaches beyond its message", [0x0a, 1, 0x61, 0x22, 2, 0x0a, 1, 0x62, 0x63]],
  ])("%s", (_, bytes) => {
    expect(() => indexFile(new Uint8Array(bytes))).toThrow(WireError);
  });

  test("cut short anywhere, a set is refused", () => {
    const set = setOf([index.bytes]);
    for (let end = 1; end < set.length; end++) {
      expect(() => indexFileSet(set.subarray(0, end)), `${end}`).toThrow(WireError);
    }
  });

  test("damaged anywhere, it is indexed or refused, and never more than that", () => {
    for (let at = 0; at < index.bytes.length; at++) {
      const damaged = Uint8Array.from(index.bytes);
      damaged[at] = (damaged[at] as number) ^ 0xff;
      try {
        indexFile(damaged);
      } catch (error) {
        expect(error, `${at}`).toBeInstanceOf(WireError);
      }
    }
  });
});
