import { CelScalar, type CelType, listType, mapType, objectType } from "@bufbuild/cel";
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";

const { BOOL, BYTES, DOUBLE, DYN, INT, STRING, UINT } = CelScalar;

/** Messages that CEL takes for values of its own ("Dynamic Values", langdef.md); their wrappers may be null. */
const own: ReadonlyMap<string, CelType> = new Map([
  ["google.protobuf.Struct", mapType(STRING, DYN)],
  ["google.protobuf.ListValue", listType(DYN)],
  ...[
    "Any",
    "Value",
    "BoolValue",
    "BytesValue",
    "DoubleValue",
    "FloatValue",
    "Int32Value",
    "Int64Value",
    "StringValue",
    "UInt32Value",
    "UInt64Value",
  ].map((name): [string, CelType] => [`google.protobuf.${name}`, DYN]),
]);

/** What a message is to an expression. */
export function messageType(desc: DescMessage): CelType {
  return own.get(desc.typeName) ?? objectType(desc);
}

/** What a field of a message is to an expression. */
export function fieldType(field: DescField): CelType {
  switch (field.fieldKind) {
    case "scalar":
      return scalarType(field.scalar);
    case "enum":
      return INT;
    case "message":
      return messageType(field.message);
    case "list":
      return listType(
        field.listKind === "message"
          ? messageType(field.message)
          : field.listKind === "enum"
            ? INT
            : scalarType(field.scalar),
      );
    case "map":
      return mapType(
        keyType(field.mapKey),
        field.mapKind === "message"
          ? messageType(field.message)
          : field.mapKind === "enum"
            ? INT
            : scalarType(field.scalar),
      );
  }
}

function scalarType(scalar: ScalarType): CelType {
  switch (scalar) {
    case ScalarType.BOOL:
      return BOOL;
    case ScalarType.STRING:
      return STRING;
    case ScalarType.BYTES:
      return BYTES;
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return DOUBLE;
    case ScalarType.UINT32:
    case ScalarType.UINT64:
    case ScalarType.FIXED32:
    case ScalarType.FIXED64:
      return UINT;
    default:
      return INT;
  }
}

function keyType(scalar: ScalarType): typeof BOOL | typeof STRING | typeof UINT | typeof INT {
  switch (scalar) {
    case ScalarType.BOOL:
      return BOOL;
    case ScalarType.STRING:
      return STRING;
    case ScalarType.UINT32:
    case ScalarType.UINT64:
    case ScalarType.FIXED32:
    case ScalarType.FIXED64:
      return UINT;
    default:
      return INT;
  }
}
