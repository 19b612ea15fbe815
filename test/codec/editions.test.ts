import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  create,
  createFileRegistry,
  fromBinary,
  fromJsonString,
  toBinary,
  toJsonString,
} from "@bufbuild/protobuf";
import {
  Edition,
  FeatureSet_EnumType,
  FeatureSet_FieldPresence,
  FeatureSet_JsonFormat,
  FeatureSet_MessageEncoding,
  FeatureSet_RepeatedFieldEncoding,
  FeatureSet_Utf8Validation,
  type FeatureSetSchema,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import { CodecError, createCodecs } from "#codec";
import { allWays, type FieldInit, turns } from "./handmade.ts";
import { bytes, group, join, text, varint } from "./wire.ts";

type Features = Exclude<MessageInitShape<typeof FeatureSetSchema>, { $typeName: string }>;

/** A message `M` of one field of each kind, each with the features, and of an edition with its own defaults. */
function schema(edition: Edition, features: Features = {}, onFile = true) {
  const field = (name: string, number: number, type: Type, more: FieldInit = {}): FieldInit => ({
    name,
    jsonName: name,
    number,
    type,
    label: Label.OPTIONAL,
    ...more,
    ...(onFile ? {} : { options: { features } }),
  });
  const file = create(FileDescriptorProtoSchema, {
    name: "t.proto",
    package: "t",
    syntax: "editions",
    edition,
    options: onFile ? { features } : {},
    messageType: [
      {
        name: "M",
        field: [
          field("i", 1, Type.INT32),
          field("s", 2, Type.STRING),
          field("e", 3, Type.ENUM, { typeName: ".t.E" }),
          field("m", 4, Type.MESSAGE, { typeName: ".t.M" }),
          field("is", 5, Type.INT32, { label: Label.REPEATED }),
          field("es", 6, Type.ENUM, { label: Label.REPEATED, typeName: ".t.E" }),
          field("ms", 7, Type.MESSAGE, { label: Label.REPEATED, typeName: ".t.M" }),
          field("ss", 8, Type.STRING, { label: Label.REPEATED }),
          { ...field("map", 9, Type.MESSAGE, { label: Label.REPEATED, typeName: ".t.M.MapEntry" }) },
        ],
        nestedType: [
          {
            name: "MapEntry",
            options: { mapEntry: true },
            field: [
              { ...field("key", 1, Type.STRING), options: undefined as never },
              { ...field("value", 2, Type.MESSAGE, { typeName: ".t.M" }), options: undefined as never },
            ],
          },
        ],
      },
    ],
    enumType: [
      {
        name: "E",
        value: [
          { name: "ZERO", number: 0 },
          { name: "ONE", number: 1 },
        ],
      },
    ],
  });
  const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: [file] }));
  const type = registry.getMessage("t.M");
  if (type === undefined) throw new Error("no type");
  return { registry, type };
}

const editions = [
  ["2023", Edition.EDITION_2023],
  ["2024", Edition.EDITION_2024],
] as const;
const rows = editions.flatMap(([edition, number]) =>
  allWays.map(([way, options]) => [edition, way, number, options] as const),
);

describe.each(rows)("edition %s, %s", (_edition, _way, edition, options) => {
  /** JSON and the wire mean each other, in all turns of the codec, and to the reference library. */
  const same = (features: Features, json: string, wire: Uint8Array, onFile = true) => {
    const { registry, type } = schema(edition, features, onFile);
    const codec = createCodecs(registry, options).message(type);
    for (let turn = 0; turn < turns; turn++) {
      expect(Buffer.from(codec.toJson(wire)).toString()).toBe(json);
      expect(Buffer.from(codec.fromJson(Buffer.from(json)))).toEqual(Buffer.from(wire));
    }
    expect(toJsonString(type, fromBinary(type, wire))).toBe(json);
    expect(Buffer.from(toBinary(type, fromJsonString(type, json)))).toEqual(Buffer.from(wire));
  };
  const codecWith = (features: Features) => {
    const { registry, type } = schema(edition, features);
    return createCodecs(registry, options).message(type);
  };
  const print = (features: Features, wire: Uint8Array) =>
    Buffer.from(codecWith(features).toJson(wire)).toString();

  test("fields have presence, lists are packed and enums open, unless features say otherwise", () => {
    same({}, '{"i":0,"s":"","e":"ZERO"}', join(varint(1, 0), text(2, ""), varint(3, 0)));
    same({}, '{"is":[1,2],"es":["ONE",7]}', join(bytes(5, Buffer.of(1, 2)), bytes(6, Buffer.of(1, 7))));
    same({}, '{"m":{"i":1}}', bytes(4, varint(1, 1)));
    same({}, '{"e":7}', varint(3, 7));
  });

  test("implicit presence: what is at its default is not there", () => {
    const fieldPresence = FeatureSet_FieldPresence.IMPLICIT;
    const zeros = join(varint(1, 0), text(2, ""), varint(3, 0));
    expect(print({ fieldPresence }, zeros)).toBe("{}");
    const codec = codecWith({ fieldPresence });
    expect(codec.fromJson(Buffer.from('{"i":0,"s":"","e":"ZERO"}'))).toHaveLength(0);
    same({ fieldPresence }, '{"i":1,"m":{}}', join(varint(1, 1), bytes(4, Buffer.of())));
  });

  test("legacy required", () => {
    const codec = codecWith({ fieldPresence: FeatureSet_FieldPresence.LEGACY_REQUIRED });
    expect(() => codec.fromJson(Buffer.from('{"i":1}'))).toThrow(CodecError);
    expect(() => codec.toJson(varint(1, 1))).toThrow(CodecError);
  });

  test("closed enums", () => {
    const enumType = FeatureSet_EnumType.CLOSED;
    expect(print({ enumType }, join(varint(3, 7), varint(6, 7), varint(6, 1)))).toBe('{"es":["ONE"]}');
    expect(print({ enumType }, bytes(6, Buffer.of(7, 1, 7)))).toBe('{"es":["ONE"]}');
    expect(() => codecWith({ enumType }).fromJson(Buffer.from('{"e":7}'))).toThrow(CodecError);
    expect(() => codecWith({ enumType }).fromJson(Buffer.from('{"es":["ONE",7]}'))).toThrow(CodecError);
  });

  test.each([true, false])("expanded lists (for the whole file: %s), which are read packed too", (onFile) => {
    const features = { repeatedFieldEncoding: FeatureSet_RepeatedFieldEncoding.EXPANDED };
    // As features of fields they are only for lists of scalars, which the registry does not check.
    same(features, '{"is":[1,2],"es":["ONE"]}', join(varint(5, 1), varint(5, 2), varint(6, 1)), onFile);
    expect(print(features, join(varint(5, 1), bytes(5, Buffer.of(2, 3)), varint(5, 4)))).toBe(
      '{"is":[1,2,3,4]}',
    );
    expect(print({}, join(varint(5, 1), bytes(5, Buffer.of(2, 3)), varint(5, 4)))).toBe('{"is":[1,2,3,4]}');
  });

  test("delimited messages, but for maps and their values", () => {
    const features = { messageEncoding: FeatureSet_MessageEncoding.DELIMITED };
    same(features, '{"m":{"m":{"i":1}}}', group(4, group(4, varint(1, 1))));
    same(features, '{"ms":[{},{"i":1}]}', join(group(7, Buffer.of()), group(7, varint(1, 1))));
    same(features, '{"map":{"k":{"i":1}}}', bytes(9, join(text(1, "k"), bytes(2, varint(1, 1)))));
    // The other form is another wire type, and so not the field.
    expect(print(features, bytes(4, varint(1, 1)))).toBe("{}");
    expect(print({}, group(4, varint(1, 1)))).toBe("{}");
    // Pieces merge.
    expect(print(features, join(group(4, varint(1, 1)), varint(1, 9), group(4, text(2, "x"))))).toBe(
      '{"m":{"i":1,"s":"x"},"i":9}',
    );
    expect(() => codecWith(features).toJson(join(group(4, varint(1, 1)).subarray(0, -1)))).toThrow(
      CodecError,
    );
  });

  test("without checks of UTF-8 a text that is none still has no JSON", () => {
    const features = { utf8Validation: FeatureSet_Utf8Validation.NONE };
    same(features, '{"s":"ü"}', text(2, "ü"));
    for (const wire of [bytes(2, Buffer.of(0xff)), bytes(8, Buffer.of(0xed, 0xa0, 0x80))]) {
      expect(() => codecWith(features).toJson(wire)).toThrow(CodecError);
    }
  });

  test("legacy JSON is the same JSON", () => {
    const features = { jsonFormat: FeatureSet_JsonFormat.LEGACY_BEST_EFFORT };
    same(
      features,
      '{"i":1,"map":{"k":{}}}',
      join(varint(1, 1), bytes(9, join(text(1, "k"), bytes(2, Buffer.of())))),
    );
  });
});
