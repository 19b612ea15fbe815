import { generateFromJson } from "./generate-from-json.ts";
import { generateToJson } from "./generate-to-json.ts";
import { interpret } from "./interpret.ts";
import { interpretToJson } from "./interpret-to-json.ts";
import type { Implementation } from "./message-plan.ts";
import type { MessagePlan } from "./plan.ts";

/** Functions for more fields would be too long for the engine to optimise. */
const mostFields = 200;

/** The functions of a message as code made for it. */
export function generate(plan: MessagePlan): Implementation {
  if (plan.fields.length > mostFields) return interpret(plan);
  return {
    toJson: generateToJson(plan),
    toJsonCarefully: interpretToJson(plan),
    fromJson: generateFromJson(plan),
  };
}

/** So many messages of a type are converted before it is worth its code. */
const usesBefore = 16;

/** The functions of a message as closures, which code replaces, each when it has been called a few times. */
export function generateInUse(plan: MessagePlan): Implementation {
  if (plan.fields.length > mostFields) return interpret(plan);
  const slow = interpret(plan);
  let printed = 0;
  let read = 0;
  return {
    toJson(pos, end, at, depth) {
      if (++printed === usesBefore) plan.toJson = generateToJson(plan);
      return slow.toJson(pos, end, at, depth);
    },
    toJsonCarefully: slow.toJson,
    fromJson(pos, at, depth) {
      if (++read === usesBefore) plan.fromJson = generateFromJson(plan);
      return slow.fromJson(pos, at, depth);
    },
  };
}

/** Whether code may be made of strings (`--disallow-code-generation-from-strings` forbids it). */
export function canGenerate(): boolean {
  try {
    return new Function("return true")() === true;
  } catch {
    return false;
  }
}
