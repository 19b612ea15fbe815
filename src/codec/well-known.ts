import type { DescMessage } from "@bufbuild/protobuf";
import { anyFromJson, anyToJson } from "./any.ts";
import { durationFromJson, durationToJson } from "./duration.ts";
import { fieldMaskFromJson, fieldMaskToJson } from "./field-mask.ts";
import type { MessagePlan } from "./plan.ts";
import type { Implementation, Plans } from "./plans.ts";
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

/** Whether ProtoJSON gives the type a form of its own. */
export function isWellKnown({ typeName }: DescMessage): boolean {
  return makers.has(typeName) || wrappers.has(typeName);
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
