import {
  create,
  createFileRegistry,
  type FileRegistry,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import { protoCamelCase } from "@bufbuild/protobuf/reflect";
import {
  type DescriptorProtoSchema,
  Edition,
  FeatureSet_EnumType,
  FeatureSet_FieldPresence,
  FeatureSet_MessageEncoding,
  FeatureSet_RepeatedFieldEncoding,
  type FieldDescriptorProtoSchema,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  file_google_protobuf_any,
  file_google_protobuf_duration,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from "@bufbuild/protobuf/wkt";
import type { Random } from "./random.ts";

type FieldInit = MessageInitShape<typeof FieldDescriptorProtoSchema>;
type MessageInit = MessageInitShape<typeof DescriptorProtoSchema>;

const imports = [
  file_google_protobuf_any,
  file_google_protobuf_duration,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
];

const scalars: readonly Type[] = [
  Type.DOUBLE,
  Type.FLOAT,
  Type.INT64,
  Type.UINT64,
  Type.INT32,
  Type.FIXED64,
  Type.FIXED32,
  Type.BOOL,
  Type.STRING,
  Type.BYTES,
  Type.UINT32,
  Type.SFIXED32,
  Type.SFIXED64,
  Type.SINT32,
  Type.SINT64,
];
const keys = scalars.filter((type) => ![Type.DOUBLE, Type.FLOAT, Type.BYTES].includes(type));
const wellKnown = [
  "Timestamp",
  "Duration",
  "Struct",
  "Value",
  "ListValue",
  "FieldMask",
  "Int64Value",
  "StringValue",
  "FloatValue",
  "BytesValue",
  "BoolValue",
  "Any",
].map((name) => `.google.protobuf.${name}`);
/** Some that code would stumble over, if it took names for code; the reference library does over has_own_property. */
const names = ["__proto__", "constructor", "to_string", "a_b_c", "value", "x9", "value_of", "field_"];

export const messageCount = 4;

/** A schema of a few message types that refer to each other. */
export interface RandomSchema {
  readonly registry: FileRegistry;
  /** As a descriptor set. */
  readonly image: Uint8Array;
  readonly syntax: string;
}

export function randomSchema(random: Random): RandomSchema {
  const syntax = random.pick(["proto2", "proto3", "editions"]);
  const file = create(FileDescriptorProtoSchema, {
    name: "fuzz.proto",
    package: "fuzz",
    syntax,
    dependency: imports.map(({ proto }) => proto.name),
    messageType: Array.from({ length: messageCount }, (_, index) => randomMessageType(random, index, syntax)),
    enumType: [
      {
        name: "Color",
        value: [
          { name: "COLOR_NONE", number: 0 },
          { name: "COLOR_RED", number: 1 },
          { name: "COLOR_BLUE", number: 200 },
          { name: "COLOR_NEGATIVE", number: -5 },
        ],
      },
    ],
  });
  if (syntax === "editions") {
    file.edition = random.pick([Edition.EDITION_2023, Edition.EDITION_2024]);
    file.options = create(FileDescriptorProtoSchema, {
      options: {
        features: {
          fieldPresence: random.pick([FeatureSet_FieldPresence.EXPLICIT, FeatureSet_FieldPresence.IMPLICIT]),
          enumType: FeatureSet_EnumType.OPEN,
          repeatedFieldEncoding: random.pick([
            FeatureSet_RepeatedFieldEncoding.PACKED,
            FeatureSet_RepeatedFieldEncoding.EXPANDED,
          ]),
          messageEncoding: random.pick([
            FeatureSet_MessageEncoding.LENGTH_PREFIXED,
            FeatureSet_MessageEncoding.DELIMITED,
          ]),
        },
      },
    }).options!;
  }
  const set = create(FileDescriptorSetSchema, { file: [...imports.map(({ proto }) => proto), file] });
  return { registry: createFileRegistry(set), image: toBinary(FileDescriptorSetSchema, set), syntax };
}

function randomMessageType(random: Random, index: number, syntax: string): MessageInit {
  const count = 1 + random.int(random.chance(0.2) ? 45 : 10);
  const field: FieldInit[] = [];
  const nestedType: MessageInit[] = [];
  const oneofDecl: { name: string }[] = [];
  let number = 0;
  for (let at = 0; at < count; at++) {
    number += random.chance(0.9) ? 1 : 1 + random.int(5000);
    if (number >= 19000 && number < 20000) number = 20000;
    const name = random.chance(0.2)
      ? `${random.pick(names)}${at === 0 ? "" : `_${at}`}`
      : `field_${at}${random.pick(["", "_long_name_here", "_x"])}`;
    const jsonName = random.chance(0.7) && /^[a-z0-9_]*[a-z0-9]$/.test(name) ? protoCamelCase(name) : name;
    if (random.chance(0.15)) {
      const entry = entryType(random, `${camel(name)}Entry`);
      nestedType.push(entry);
      field.push({
        name,
        jsonName,
        number,
        label: Label.REPEATED,
        type: Type.MESSAGE,
        typeName: `.fuzz.M${index}.${entry.name}`,
      });
      continue;
    }
    const repeated = random.chance(0.3);
    const init: FieldInit = {
      name,
      jsonName,
      number,
      label: repeated ? Label.REPEATED : Label.OPTIONAL,
      ...valueType(random),
    };
    if (!repeated && random.chance(0.2)) {
      if (oneofDecl.length === 0 || random.chance(0.3))
        oneofDecl.push({ name: `choice_${oneofDecl.length}` });
      init.oneofIndex = oneofDecl.length - 1;
    }
    if (repeated && syntax !== "editions" && isPackable(init.type))
      init.options = { packed: random.chance(0.5) };
    field.push(init);
  }
  return { name: `M${index}`, field, nestedType, oneofDecl };
}

/** As protoc names a map's entry. */
function camel(name: string): string {
  return name.replace(/(?:^|_+)([a-z0-9])/g, (_, letter: string) => letter.toUpperCase()).replace(/_/g, "");
}

function isPackable(type: Type | undefined): boolean {
  return type !== Type.STRING && type !== Type.BYTES && type !== Type.MESSAGE;
}

function valueType(random: Random): FieldInit {
  if (random.chance(0.6)) return { type: random.pick(scalars) };
  if (random.chance(0.3)) return { type: Type.ENUM, typeName: ".fuzz.Color" };
  if (random.chance(0.5)) return { type: Type.MESSAGE, typeName: random.pick(wellKnown) };
  return { type: Type.MESSAGE, typeName: `.fuzz.M${random.int(messageCount)}` };
}

function entryType(random: Random, name: string): MessageInit {
  return {
    name,
    options: { mapEntry: true },
    field: [
      { name: "key", jsonName: "key", number: 1, label: Label.OPTIONAL, type: random.pick(keys) },
      { name: "value", jsonName: "value", number: 2, label: Label.OPTIONAL, ...valueType(random) },
    ],
  };
}
