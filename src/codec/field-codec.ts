import type { DescField } from "@bufbuild/protobuf";
import type { FieldCodec } from "./codec.ts";
import { CodecError } from "./error.ts";
import { fieldFromJson } from "./interpret-from-json.ts";
import { isNull } from "./json-scan.ts";
import { memory } from "./memory.ts";
import type { FieldPlan } from "./plan.ts";
import type { Plans } from "./plans.ts";
import { jsonReader, wireReader } from "./run.ts";

const nullText = Buffer.from("null");

/** Converts one field of a message. @throws CodecError for a field that has no form on the wire, such as one of number 0 */
export function fieldCodec(field: DescField, plans: Plans): FieldCodec {
  const alone = plans.alone(field);
  const plan = alone.fields.find(({ descriptor }) => descriptor === field);
  if (plan === undefined) throw new CodecError("json", field.name, "the field has no form on the wire");
  const objectToJson = wireReader(alone);
  return {
    field,
    toJson(wire) {
      const object = objectToJson(wire);
      if (object.length === 2 || (field.oneof !== undefined && !isOf(plan, object))) return nullText;
      return object.subarray(plan.chunk.length, object.length - 1);
    },
    fromJson: jsonReader(field, (pos, at) => {
      if (isNull(pos) && !(plan.value.takesNull && plan.shape === "singular")) {
        memory.at = at;
        return pos + 4;
      }
      return fieldFromJson(plan, pos, at, 1, alone.ignoreUnknown);
    }),
  };
}

/** Whether an object of one member, `{"name":value}`, is the field's. Its chunk has a comma for the brace. */
function isOf({ chunk }: FieldPlan, object: Uint8Array): boolean {
  return Buffer.compare(object.subarray(1, chunk.length), chunk.subarray(1)) === 0;
}
