import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { anyFromJson, anyToJson } from "./any.ts";
import { durationFromJson, durationToJson } from "./duration.ts";
import { fieldMaskFromJson, fieldMaskToJson } from "./field-mask.ts";
import type { Implementation } from "./message-plan.ts";
import type { MessagePlan } from "./plan.ts";
import type { Plans } from "./plans.ts";
import {
  listValueFromJson,
  listValueToJson,
  structFromJson,
  structToJson,
  valueMessageFromJson,
  valueMessageToJson,
} from "./struct.ts";
import { timestampFromJson, timestampToJson } from "./timestamp.ts";
import { wrapperFromJson, wrappers, wrapperToJson } from "./wrapper.ts";

type Functions = Omit<Implementation, "toJsonCarefully">;

const makers: ReadonlyMap<string, (plan: MessagePlan, plans: Plans) => Functions> = new Map<
  string,
  (plan: MessagePlan, plans: Plans) => Functions
>([
  [
    "google.protobuf.Any",
    (plan, plans) => ({ toJson: anyToJson(plans), fromJson: anyFromJson(plans, plan.ignoreUnknown) }),
  ],
  ["google.protobuf.Timestamp", () => ({ toJson: timestampToJson, fromJson: timestampFromJson })],
  ["google.protobuf.Duration", () => ({ toJson: durationToJson, fromJson: durationFromJson })],
  ["google.protobuf.FieldMask", () => ({ toJson: fieldMaskToJson, fromJson: fieldMaskFromJson })],
  ["google.protobuf.Struct", (plan) => ({ toJson: structToJson(plan), fromJson: structFromJson(plan) })],
  [
    "google.protobuf.ListValue",
    (plan) => ({ toJson: listValueToJson(plan), fromJson: listValueFromJson(plan) }),
  ],
  [
    "google.protobuf.Value",
    (plan) => ({ toJson: valueMessageToJson(plan), fromJson: valueMessageFromJson(plan) }),
  ],
]);

/** Whether ProtoJSON gives the type a form of its own. One that only has the name of such a type is like any other. */
export function isWellKnown(type: DescMessage): boolean {
  return wrappers.has(type.typeName) || (makers.has(type.typeName) && isAsDefined(type));
}

/** Whether the types of struct.proto, whose fields are read by what the descriptor says of them, are those of that file. */
function isAsDefined({ typeName, fields }: DescMessage): boolean {
  switch (typeName) {
    case "google.protobuf.Struct":
      return areFields(fields, ["1 map google.protobuf.Value"]);
    case "google.protobuf.ListValue":
      return areFields(fields, ["1 list google.protobuf.Value"]);
    case "google.protobuf.Value":
      return areFields(fields, [
        "1 enum google.protobuf.NullValue",
        `2 scalar ${ScalarType.DOUBLE}`,
        `3 scalar ${ScalarType.STRING}`,
        `4 scalar ${ScalarType.BOOL}`,
        "5 message google.protobuf.Struct",
        "6 message google.protobuf.ListValue",
      ]);
    default:
      return true;
  }
}

function areFields(fields: readonly DescField[], expected: readonly string[]): boolean {
  return (
    fields.length === expected.length &&
    fields.every((field, index) => {
      const of = field.message?.typeName ?? field.enum?.typeName ?? field.scalar;
      return `${field.number} ${field.fieldKind} ${of}` === expected[index];
    })
  );
}

/** The functions of a type that has a JSON form of its own. */
export function wellKnown(plan: MessagePlan, plans: Plans): Implementation | undefined {
  const { typeName } = plan.type;
  const wrapped = wrappers.get(typeName);
  const functions: Functions | undefined =
    wrapped === undefined
      ? makers.get(typeName)?.(plan, plans)
      : {
          toJson: (pos, end, at) => wrapperToJson(wrapped, pos, end, at),
          fromJson: (pos, at) => wrapperFromJson(wrapped, pos, at),
        };
  return functions === undefined ? undefined : { ...functions, toJsonCarefully: functions.toJson };
}
