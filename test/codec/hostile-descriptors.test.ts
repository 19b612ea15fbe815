import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { FieldDescriptorProto_Type as Type } from "@bufbuild/protobuf/wkt";
import { afterEach, describe, expect, test } from "vitest";
import { CodecError, createCodecs } from "#codec";
import { allWays, expectUntouched, handmade, roundTrip, text, turns } from "./handmade.ts";

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
  `\0"; ${attack}; "`,
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
/** Half of a surrogate pair: no UTF-8 text can hold it. */
const broken = `a\ud800"; ${attack}; "`;

const shown = (name: string) => JSON.stringify(name.length > 40 ? `${name.slice(0, 40)}...` : name);
const rows = (of: readonly string[]) => of.map((name) => [shown(name), name] as const);
/** Those that are names of the language; others do not get past the registry, except as JSON names and packages. */
const identifiers = names.filter((name) => /^[A-Za-z_]\w*$/.test(name));

const one = new BinaryWriter().tag(1, WireType.LengthDelimited).string("a").finish();

afterEach(expectUntouched);

describe.each(rows([...names, broken].filter((name) => !identifiers.includes(name))))(
  "%s is no name of",
  (_shown, name) => {
    test("a field", () => {
      expect(() => handmade({ field: [text(name, 1, "shown")] })).toThrow();
    });

    test("an enum", () => {
      expect(() => handmade({}, { enumType: [{ name, value: [{ name: "ZERO", number: 0 }] }] })).toThrow();
    });

    test("an enum's value", () => {
      expect(() => handmade({}, { enumType: [{ name: "E", value: [{ name, number: 0 }] }] })).toThrow();
    });

    test("a message", () => {
      expect(() => handmade({}, { messageType: [{ name }] })).toThrow();
    });

    test("a oneof", () => {
      expect(() =>
        handmade({ field: [{ ...text("f", 1), oneofIndex: 0 }], oneofDecl: [{ name }] }),
      ).toThrow();
    });
  },
);

describe.each(allWays)("%s", (_way, options) => {
  test.each(rows(names))("a field called %s", (_shown, name) => {
    const { type, registry } = handmade({ field: [text("f", 1, name === "" ? "f" : name), text("g", 2)] });
    const wire = new BinaryWriter()
      .tag(1, WireType.LengthDelimited)
      .string("a")
      .tag(2, WireType.LengthDelimited)
      .string("b")
      .finish();
    const codec = createCodecs(registry, options).message(type);
    roundTrip(codec, wire, `{${JSON.stringify(name === "" ? "f" : name)}:"a","g":"b"}`);
  });

  test("a field called by half of a surrogate pair is printed with its escape", () => {
    const { type, registry } = handmade({ field: [text("f", 1, broken)] });
    const codec = createCodecs(registry, options).message(type);
    const json = `{${JSON.stringify(broken)}:"a"}`;
    for (let turn = 0; turn < turns; turn++) {
      expect(Buffer.from(codec.toJson(one)).toString()).toBe(json);
      expect(Buffer.from(codec.fromJson(Buffer.from('{"f":"a"}')))).toEqual(Buffer.from(one));
      expect(() => codec.fromJson(Buffer.from(`{${JSON.stringify(`${broken}x`)}:"a"}`))).toThrow(CodecError);
    }
  });

  test.each(rows(identifiers))("a field named %s", (_shown, name) => {
    const { type, registry } = handmade({ field: [text(name, 1, "shown")] });
    const codec = createCodecs(registry, { ...options, protoNames: true }).message(type);
    roundTrip(codec, one, `{${JSON.stringify(name)}:"a"}`);
  });

  test.each(rows(identifiers))("an enum and its value called %s", (_shown, name) => {
    const enumType = {
      name,
      value: [
        { name: "ZERO", number: 0 },
        { name, number: 1 },
      ],
    };
    // Values are names of the scope around their enum: a package of its own.
    const { type, registry } = handmade(
      { field: [{ ...text("kind", 1), type: Type.ENUM, typeName: `.t.Scope.${name}` }] },
      { messageType: [{ name: "Scope", enumType: [enumType] }] },
    );
    const codec = createCodecs(registry, options).message(type);
    roundTrip(codec, Buffer.of(8, 1), `{"kind":${JSON.stringify(name)}}`);
    expect(() => codec.fromJson(Buffer.from('{"kind":"NOPE"}'))).toThrow(CodecError);
  });

  test.each(rows(identifiers))("messages, packages and oneofs called %s", (_shown, name) => {
    const { type, registry } = handmade(
      {
        field: [
          { ...text("child", 1), type: Type.MESSAGE, typeName: `.${name}.${name}` },
          { ...text("only", 2), oneofIndex: 0 },
        ],
        oneofDecl: [{ name }],
      },
      { package: name, messageType: [{ name, field: [text("s", 1)] }] },
    );
    const wire = new BinaryWriter()
      .tag(1, WireType.LengthDelimited)
      .bytes(one)
      .tag(2, WireType.LengthDelimited)
      .string("b");
    const codec = createCodecs(registry, options).message(type);
    roundTrip(codec, wire.finish(), '{"child":{"s":"a"},"only":"b"}');
    // Names in messages of errors are data too.
    expect(() => codec.fromJson(Buffer.from('{"child":{"s":1}}'))).toThrow(CodecError);
    expect(() => codec.fromJson(Buffer.from('{"nope":1}'))).toThrow(CodecError);
  });

  // The registry lets any text through as a package.
  test.each(rows([...names, broken].filter((name) => name !== "")))("a package called %s", (_shown, name) => {
    const { type, registry } = handmade(
      {
        field: [
          { ...text("m", 1), type: Type.MESSAGE, typeName: `.${name}.M` },
          { ...text("kind", 2), type: Type.ENUM, typeName: `.${name}.E` },
        ],
      },
      { package: name, enumType: [{ name: "E", value: [{ name: "ZERO", number: 0 }] }] },
    );
    const codec = createCodecs(registry, options).message(type);
    roundTrip(codec, Buffer.of(10, 2, 16, 5), '{"m":{"kind":5}}');
    // The names of types stand in messages of errors.
    expect(() => codec.toJson(Buffer.of(10, 2, 1))).toThrow(CodecError);
    expect(() => codec.fromJson(Buffer.from('{"kind":"NOPE"}'))).toThrow(CodecError);
  });

  test.each(rows(names))("the default %s of a field", (_shown, defaultValue) => {
    const { type, registry } = handmade({ field: [{ ...text("f", 1), defaultValue }] }, { syntax: "proto2" });
    const codec = createCodecs(registry, { ...options, emitDefaults: "all" }).message(type);
    for (let turn = 0; turn < turns; turn++) {
      expect(Buffer.from(codec.toJson(Buffer.of())).toString()).toBe('{"f":null}');
    }
  });

  test.each(rows(names))("the key %s of a map", (_shown, key) => {
    const { type, registry } = handmade({
      field: [{ ...text("map", 1), type: Type.MESSAGE, label: 3, typeName: ".t.M.MapEntry" }],
      nestedType: [
        { name: "MapEntry", options: { mapEntry: true }, field: [text("key", 1), text("value", 2)] },
      ],
    });
    const entry = new BinaryWriter()
      .tag(1, WireType.LengthDelimited)
      .string(key)
      .tag(2, WireType.LengthDelimited)
      .string("b")
      .finish();
    const wire = new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(entry).finish();
    const codec = createCodecs(registry, options).message(type);
    roundTrip(codec, wire, `{"map":{${JSON.stringify(key)}:"b"}}`);
  });
});
