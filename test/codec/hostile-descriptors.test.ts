import { create, createFileRegistry, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import {
  DescriptorProtoSchema,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from "@bufbuild/protobuf/wkt";
import { afterEach, describe, expect, test } from "vitest";
import { type Codec, CodecError, createCodecs } from "#codec";
import { ways as eagerWays } from "./messages.ts";

type Message = Omit<MessageInitShape<typeof DescriptorProtoSchema>, "$typeName" | "$unknown">;

/** Also code that replaces closures half-way. */
const ways = [...eagerWays, ["in use", { compile: "in use" }] as const];

/** Types that no compiler would let through: `t.M`, with whatever else is given. */
function typeOf(
  message: Message,
  more: MessageInitShape<typeof FileDescriptorProtoSchema> = {},
): {
  readonly type: DescMessage;
  readonly codecs: (options: (typeof ways)[number][1]) => (type: DescMessage) => Codec;
} {
  const file = create(FileDescriptorProtoSchema, {
    name: "t.proto",
    package: "t",
    syntax: "proto3",
    ...more,
  });
  file.messageType.unshift(create(DescriptorProtoSchema, { name: "M", ...message }));
  const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: [file] }));
  const type = registry.getMessage(`${file.package}.M`);
  if (type === undefined) throw new Error("no type");
  return { type, codecs: (options) => (of) => createCodecs(registry, options).message(of) };
}

const text = (name: string, number: number, jsonName = name) => ({
  name,
  jsonName,
  number,
  type: Type.STRING,
  label: Label.OPTIONAL,
});

const attack = "globalThis.attacked = true";
const names = [
  '"',
  "'",
  "`",
  "\\",
  '\\\\"',
  "\n",
  "\r\n",
  "\u2028\u2029",
  "\0",
  "*/",
  "//",
  "${1}",
  `"; ${attack}; "`,
  `'; ${attack}; '`,
  `\`; ${attack}; \``,
  `\${${attack}}`,
  `*/ ${attack} /*`,
  `\n${attack}\n`,
  `\u2028${attack}\u2028`,
  `]; ${attack}; [`,
  `}; ${attack}; {`,
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "hasOwnProperty",
  "at",
  "bytes",
  "case",
  "ä",
  "😀",
  "",
  " ",
  "x".repeat(100_000),
];

/** Those that are names of the language; others do not get past the registry, except as JSON names. */
const identifiers = names.filter((name) => /^[A-Za-z_]\w*$/.test(name));

const shown = (name: string) => JSON.stringify(name.length > 40 ? `${name.slice(0, 40)}...` : name);

afterEach(() => {
  expect(globalThis).not.toHaveProperty("attacked");
  expect(Object.keys(Object.prototype)).toEqual([]);
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
});

/** Both directions, often enough for code to replace closures. */
function roundTrip(codec: Codec, wire: Uint8Array, json: string): void {
  for (let turn = 0; turn < 40; turn++) {
    expect(Buffer.from(codec.toJson(wire)).toString()).toBe(json);
    expect(Buffer.from(codec.fromJson(Buffer.from(json)))).toEqual(Buffer.from(wire));
  }
}

test.each(names.filter((name) => !identifiers.includes(name)).map((name) => [shown(name), name] as const))(
  "no field can be named %s",
  (_shown, name) => {
    expect(() => typeOf({ field: [text(name, 1, "shown")] })).toThrow();
  },
);

describe.each(ways)("%s", (_way, options) => {
  test.each(names.map((name) => [shown(name), name] as const))("a field called %s", (_shown, name) => {
    const { type, codecs } = typeOf({ field: [text("f", 1, name === "" ? "f" : name), text("g", 2)] });
    const wire = new BinaryWriter()
      .tag(1, WireType.LengthDelimited)
      .string("a")
      .tag(2, WireType.LengthDelimited)
      .string("b")
      .finish();
    roundTrip(codecs(options)(type), wire, `{${JSON.stringify(name === "" ? "f" : name)}:"a","g":"b"}`);
  });

  test.each(identifiers.map((name) => [shown(name), name] as const))("a field named %s", (_shown, name) => {
    const { type, codecs } = typeOf({ field: [text(name, 1, "shown")] });
    const wire = new BinaryWriter().tag(1, WireType.LengthDelimited).string("a").finish();
    roundTrip(codecs({ ...options, protoNames: true })(type), wire, `{${JSON.stringify(name)}:"a"}`);
  });

  test.each(identifiers.map((name) => [shown(name), name] as const))(
    "an enum value called %s",
    (_shown, name) => {
      const { type, codecs } = typeOf(
        { field: [{ ...text("kind", 1), type: Type.ENUM, typeName: ".t.E" }] },
        {
          enumType: [
            {
              name: "E",
              value: [
                { name: "ZERO", number: 0 },
                { name, number: 1 },
              ],
            },
          ],
        },
      );
      const wire = new BinaryWriter().tag(1, WireType.Varint).int32(1).finish();
      roundTrip(codecs(options)(type), wire, `{"kind":${JSON.stringify(name)}}`);
    },
  );

  test.each(identifiers.map((name) => [shown(name), name] as const))(
    "messages, packages and oneofs called %s",
    (_shown, name) => {
      const { type, codecs } = typeOf(
        {
          field: [
            { ...text("child", 1), type: Type.MESSAGE, typeName: `.${name}.${name}` },
            { ...text("only", 2), oneofIndex: 0 },
          ],
          oneofDecl: [{ name }],
        },
        { package: name, messageType: [{ name, field: [text("s", 1)] }] },
      );
      const child = new BinaryWriter().tag(1, WireType.LengthDelimited).string("a").finish();
      const wire = new BinaryWriter()
        .tag(1, WireType.LengthDelimited)
        .bytes(child)
        .tag(2, WireType.LengthDelimited)
        .string("b");
      roundTrip(codecs(options)(type), wire.finish(), '{"child":{"s":"a"},"only":"b"}');
      // Names in messages of errors are data too.
      const codec = codecs(options)(type);
      expect(() => codec.fromJson(Buffer.from('{"child":{"s":1}}'))).toThrow(CodecError);
      expect(() => codec.fromJson(Buffer.from('{"nope":1}'))).toThrow(CodecError);
    },
  );

  test("a JSON name that is another field's own name", () => {
    const { type, codecs } = typeOf({ field: [text("a", 1, "b"), text("b", 2, "c")] });
    const codec = codecs(options)(type);
    const read = (json: string) => Buffer.from(codec.toJson(codec.fromJson(Buffer.from(json)))).toString();
    expect(read('{"b":"x","c":"y"}')).toBe('{"b":"x","c":"y"}');
    expect(read('{"a":"x"}')).toBe('{"b":"x"}');
  });

  test("two fields with one JSON name", () => {
    const { type, codecs } = typeOf({ field: [text("a", 1, "same"), text("b", 2, "same")] });
    const codec = codecs(options)(type);
    expect(Buffer.from(codec.toJson(codec.fromJson(Buffer.from('{"same":"x"}')))).toString()).toMatch(
      /^\{"same":"x"\}$/,
    );
  });

  test.each([1, 15, 16, 2047, 2048, 19_000, 536_870_911])("the field number %i", (number) => {
    const { type, codecs } = typeOf({ field: [text("f", number)] });
    const wire = new BinaryWriter().tag(number, WireType.LengthDelimited).string("a").finish();
    roundTrip(codecs(options)(type), wire, '{"f":"a"}');
  });

  test.each([0, -1, 536_870_912, 2_147_483_647])("the field number %i, which no wire can have", (number) => {
    const { type, codecs } = typeOf({ field: [text("f", number), text("g", 1)] });
    const codec = codecs(options)(type);
    const good = new BinaryWriter().tag(1, WireType.LengthDelimited).string("a").finish();
    for (let turn = 0; turn < 40; turn++)
      expect(Buffer.from(codec.toJson(good)).toString()).toBe('{"g":"a"}');
  });

  test("an enum without values", () => {
    const { type, codecs } = typeOf(
      { field: [{ ...text("kind", 1), type: Type.ENUM, typeName: ".t.E" }] },
      { enumType: [{ name: "E" }] },
    );
    const codec = codecs(options)(type);
    for (let turn = 0; turn < 40; turn++) {
      expect(Buffer.from(codec.toJson(Buffer.from([8, 5]))).toString()).toBe('{"kind":5}');
      expect(() => codec.fromJson(Buffer.from('{"kind":"A"}'))).toThrow(CodecError);
    }
  });

  test("a type within itself, as deep as it may be", () => {
    const { type, codecs } = typeOf({ field: [{ ...text("m", 1), type: Type.MESSAGE, typeName: ".t.M" }] });
    const codec = codecs(options)(type);
    const nested = (depth: number) => `${'{"m":'.repeat(depth)}{}${"}".repeat(depth)}`;
    expect(Buffer.from(codec.toJson(codec.fromJson(Buffer.from(nested(90))))).toString()).toBe(nested(90));
    expect(() => codec.fromJson(Buffer.from(nested(101)))).toThrow(CodecError);
    expect(() => codec.fromJson(Buffer.from(nested(100_000)))).toThrow(CodecError);
  });
});
