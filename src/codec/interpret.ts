import { interpretFromJson } from "./interpret-from-json.ts";
import { interpretToJson } from "./interpret-to-json.ts";
import type { Implementation } from "./message-plan.ts";
import type { MessagePlan } from "./plan.ts";

/** The functions of a message as closures over its plan. */
export function interpret(plan: MessagePlan): Implementation {
  const toJson = interpretToJson(plan);
  return { toJson, toJsonCarefully: toJson, fromJson: interpretFromJson(plan) };
}
