import {
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from "@bufbuild/protobuf/wkt";
import { afterEach, describe, expect, test } from "vitest";
import { CodecError, createCodecs } from "#codec";
import {
  allWays,
  expectUntouched,
  type FieldInit,
  type FileInit,
  handmade,
  roundTrip,
  text,
} from "./handmade.ts";
import { outcomes } from "./outcomes.ts";

const { OPTIONAL, REPEATED, REQUIRED } = Label;
const proto2: FileInit = { syntax: "proto2" };
const enumE = (...numbers: readonly number[]): FileInit => ({
  enumType: [
    { name: "E", value: numbers.map((number) => ({ name: `V${number}`.replace("-", "N"), number })) },
  ],
});
const field = (number: number, type: Type, more: FieldInit = {}): FieldInit => ({
  ...text("f", number),
  type,
  ...more,
});
const self = { typeName: ".t.M" };
const map = { ...field(1, Type.MESSAGE), label: REPEATED, typeName: ".t.M.FEntry" };
const entry = (...fields: readonly FieldInit[]) => ({
  nestedType: [{ name: "FEntry", options: { mapEntry: true }, field: [...fields] }],
});

afterEach(expectUntouched);

/** A schema, and one message of it: its wire form and its JSON. */
type Shape = readonly [
  name: string,
  schema: Parameters<typeof handmade>,
  wire: readonly number[],
  json: string,
];
const shapes: readonly Shape[] = [
  [
    "an enum without values",
    [{ field: [field(1, Type.ENUM, { typeName: ".t.E" })] }, enumE()],
    [8, 5],
    '{"f":5}',
  ],
  [
    "an enum that lacks 0",
    [{ field: [field(1, Type.ENUM, { typeName: ".t.E" })] }, enumE(7)],
    [8, 7],
    '{"f":"V7"}',
  ],
  [
    "an enum of the smallest number",
    [{ field: [field(1, Type.ENUM, { typeName: ".t.E" })] }, enumE(0, 2147483647, -2147483648)],
    [8, 128, 128, 128, 128, 248, 255, 255, 255, 255, 1],
    '{"f":"VN2147483648"}',
  ],
  [
    "a map whose entry has further fields",
    [{ field: [map], ...entry(text("key", 1), text("value", 2), text("more", 3)) }],
    [10, 6, 10, 1, 97, 18, 1, 98],
    '{"f":{"a":"b"}}',
  ],
  [
    "a map in a oneof",
    [
      {
        field: [
          { ...map, oneofIndex: 0 },
          { ...text("g", 2), oneofIndex: 0 },
        ],
        oneofDecl: [{ name: "o" }],
        ...entry(text("key", 1), text("value", 2)),
      },
    ],
    [18, 1, 98],
    '{"g":"b"}',
  ],
  [
    "a list in a oneof",
    [
      {
        field: [
          { ...text("f", 1), label: REPEATED, oneofIndex: 0 },
          { ...text("g", 2), oneofIndex: 0 },
        ],
        oneofDecl: [{ name: "o" }],
      },
    ],
    [18, 1, 98],
    '{"g":"b"}',
  ],
  [
    "a oneof without fields",
    [{ field: [{ ...text("f", 1), oneofIndex: 1 }], oneofDecl: [{ name: "o" }, { name: "p" }] }],
    [10, 1, 97],
    '{"f":"a"}',
  ],
  [
    "required members of a oneof",
    [
      {
        field: [text("f", 1), text("g", 2)].map((each) => ({ ...each, label: REQUIRED, oneofIndex: 0 })),
        oneofDecl: [{ name: "o" }],
      },
      proto2,
    ],
    [18, 1, 98],
    '{"g":"b"}',
  ],
  [
    "two fields of one number",
    [{ field: [text("f", 1), field(1, Type.INT32, { name: "g", jsonName: "g" })] }],
    [10, 1, 97],
    '{"f":"a"}',
  ],
  ["two fields of one name", [{ field: [text("f", 1), field(2, Type.INT32)] }], [10, 1, 97], '{"f":"a"}'],
  ["two fields of one JSON name", [{ field: [text("f", 1), text("h", 2, "f")] }], [10, 1, 97], '{"f":"a"}'],
  [
    "a JSON name that is another's name",
    [{ field: [text("f", 1, "g"), text("g", 2, "h")] }],
    [10, 1, 97, 18, 1, 98],
    '{"g":"a","h":"b"}',
  ],
  [
    "packed strings",
    [{ field: [{ ...text("f", 1), label: REPEATED, options: { packed: true } }] }],
    [10, 1, 97],
    '{"f":["a"]}',
  ],
  [
    "packed messages",
    [{ field: [field(1, Type.MESSAGE, { ...self, label: REPEATED, options: { packed: true } })] }],
    [10, 0, 10, 0],
    '{"f":[{},{}]}',
  ],
  [
    "a field of a type that is none",
    [{ field: [field(1, 99 as Type), text("g", 2)] }],
    [18, 1, 98],
    '{"g":"b"}',
  ],
  ["a field of type 0", [{ field: [field(1, 0 as Type), text("g", 2)] }], [18, 1, 98], '{"g":"b"}'],
  [
    "a label that is none",
    [{ field: [field(1, Type.STRING, { label: 99 as Label })] }],
    [10, 1, 97],
    '{"f":"a"}',
  ],
  [
    "a required field in proto3",
    [{ field: [field(1, Type.STRING, { label: REQUIRED })] }],
    [10, 1, 97],
    '{"f":"a"}',
  ],
  [
    "a proto3 optional without its oneof",
    [{ field: [field(1, Type.STRING, { proto3Optional: true })] }],
    [10, 1, 97],
    '{"f":"a"}',
  ],
  ["a group in proto3", [{ field: [field(1, Type.GROUP, self)] }], [11, 11, 12, 12], '{"f":{"f":{}}}'],
  [
    "an extension with a field's number",
    [
      { field: [text("f", 1)], extensionRange: [{ start: 1, end: 9 }] },
      {
        ...proto2,
        extension: [
          { ...text("x", 1), extendee: ".t.M" },
          { ...text("g", 2), extendee: ".t.M" },
        ],
      },
    ],
    [10, 1, 97, 18, 1, 98],
    '{"f":"a","[t.g]":"b"}',
  ],
  [
    "a message set",
    [{ field: [text("f", 1)], options: { messageSetWireFormat: true } }, proto2],
    [10, 1, 97],
    '{"f":"a"}',
  ],
  ["a type within itself", [{ field: [field(1, Type.MESSAGE, self)] }], [10, 2, 10, 0], '{"f":{"f":{}}}'],
  [
    "a type within itself by a map",
    [{ field: [map], ...entry(text("key", 1), { ...text("value", 2), type: Type.MESSAGE, ...self }) }],
    [10, 5, 10, 1, 97, 18, 0],
    '{"f":{"a":{}}}',
  ],
  // Only the types of google/protobuf/*.proto have a JSON form of their own, not what has but their names.
  ...["Struct", "ListValue", "Value"].map(
    (name): Shape => [
      `another google.protobuf.${name}`,
      [{ name, field: [text("f", 1), text("g", 2)] }, { package: "google.protobuf" }],
      [10, 1, 97],
      '{"f":"a"}',
    ],
  ),
];

describe.each(shapes)("%s", (_name, [message, more], wire, json) => {
  test.each(allWays)("converts, %s", (_way, options) => {
    const { type, registry } = handmade(message, more);
    roundTrip(createCodecs(registry, options).message(type), Buffer.from(wire), json);
  });

  test("whatever is sent is converted alike in all ways, or refused", () => {
    const { type, registry } = handmade(message, more);
    const [first, ...others] = allWays.map(([, options]) => outcomes(type, registry, options));
    for (const other of others) expect(other).toEqual(first);
  });
});

const standIns =
  "Any Timestamp Duration FieldMask Struct ListValue Value Int64Value StringValue BytesValue Empty";
test.each(standIns.split(" "))("no google.protobuf.%s that is none makes a codec fail", (name) => {
  const within = { typeName: `.google.protobuf.${name}` };
  for (const message of [
    { name },
    { name, field: [text("f", 1)] },
    {
      name,
      field: [field(1, Type.GROUP, { ...within, label: REPEATED }), field(2, Type.INT32, { name: "g" })],
    },
    {
      name,
      field: [{ ...map, typeName: `.google.protobuf.${name}.FEntry` }],
      ...entry(field(1, Type.INT32, { name: "key" }), { ...text("value", 2), type: Type.MESSAGE, ...within }),
    },
  ]) {
    const { type, registry } = handmade(message, { package: "google.protobuf" });
    const [first, ...others] = allWays.map(([, options]) => outcomes(type, registry, options));
    for (const other of others) expect(other).toEqual(first);
  }
});

test.each<readonly [string, FieldInit[]]>([
  ["no value", [text("key", 1)]],
  ["no key", [text("value", 2)]],
  ["neither", []],
  ["other numbers", [text("key", 7), text("value", 9)]],
  ["a repeated key", [{ ...text("key", 1), label: REPEATED }, text("value", 2)]],
  ["a repeated value", [text("key", 1), { ...text("value", 2), label: REPEATED }]],
  ["a double as the key", [field(1, Type.DOUBLE, { name: "key" }), text("value", 2)]],
  ["bytes as the key", [field(1, Type.BYTES, { name: "key" }), text("value", 2)]],
  ["a message as the key", [field(1, Type.MESSAGE, { name: "key", ...self }), text("value", 2)]],
  ["itself as the value", [text("key", 1), { ...map, name: "value", number: 2 }]],
])("a map whose entry has %s does not get past the registry", (_name, fields) => {
  expect(() => handmade({ field: [map], ...entry(...fields) })).toThrow();
});

test.each<readonly [string, Parameters<typeof handmade>]>([
  ["a type that is not there", [{ field: [field(1, Type.MESSAGE, { typeName: ".t.No" })] }]],
  ["an enum for a message", [{ field: [field(1, Type.MESSAGE, { typeName: ".t.E" })] }, enumE(0)]],
  ["a message for an enum", [{ field: [field(1, Type.ENUM, self)] }]],
  [
    "a map that is not repeated",
    [{ field: [{ ...map, label: OPTIONAL }], ...entry(text("key", 1), text("value", 2)) }],
  ],
  ["a oneof that is not there", [{ field: [{ ...text("f", 1), oneofIndex: 5 }] }]],
])("a field of %s does not get past the registry", (_name, schema) => {
  expect(() => handmade(...schema)).toThrow();
});

describe.each(allWays)("%s", (_way, options) => {
  test.each([1, 15, 16, 2047, 2048, 19_000, 536_870_911])("the field number %i", (number) => {
    const { type, registry } = handmade({ field: [text("f", number)] });
    const tag = (number * 8 + 2) >>> 0;
    const bytes: number[] = [];
    for (let rest = tag; ; rest >>>= 7) {
      if (rest < 128) {
        bytes.push(rest);
        break;
      }
      bytes.push((rest & 127) | 128);
    }
    roundTrip(createCodecs(registry, options).message(type), Buffer.from([...bytes, 1, 97]), '{"f":"a"}');
  });

  test.each([0, -1, 1.5, Number.NaN, 536_870_912, 2_147_483_647])(
    "a field of number %d, which no wire can have, is as good as not there",
    (number) => {
      const { type, registry } = handmade({ field: [text("f", number), text("g", 1)] });
      const codecs = createCodecs(registry, options);
      const codec = codecs.message(type);
      roundTrip(codec, Buffer.of(10, 1, 97), '{"g":"a"}');
      expect(() => codec.fromJson(Buffer.from('{"f":"a"}'))).toThrow(CodecError);
      expect(() => codecs.field(type.fields[0] ?? expect.fail("no field"))).toThrow(CodecError);
    },
  );

  test("a type within itself, as deep as it may be", () => {
    const { type, registry } = handmade({
      field: [field(1, Type.MESSAGE, { ...self, name: "m", jsonName: "m" })],
    });
    const codec = createCodecs(registry, options).message(type);
    const nested = (depth: number) => Buffer.from(`${'{"m":'.repeat(depth)}{}${"}".repeat(depth)}`);
    expect(Buffer.from(codec.toJson(codec.fromJson(nested(99))))).toEqual(nested(99));
    expect(() => codec.fromJson(nested(100))).toThrow(CodecError);
    expect(() => codec.fromJson(nested(100_000))).toThrow(CodecError);
  });
});
