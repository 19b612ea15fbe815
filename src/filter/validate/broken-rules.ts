import { create, type DescMessage } from "@bufbuild/protobuf";
import { CompilationError } from "@bufbuild/protovalidate";
import type { SchemaRegistry } from "#schema";
import { constraintsOf, typesWithin } from "./constraints.ts";
import { validatorOf } from "./rules.ts";

/** Rules of `buf.validate` that can be used on no message. */
export interface BrokenRules {
  /** The type that has them, by its full name. */
  readonly type: string;
  readonly cause: Error;
}

/**
 * Compiles the rules of everything that requests of this type can hold. For when there is time, as in a check of the
 * configuration: requests compile what they need when they come.
 */
export function brokenRules(root: DescMessage, registry: SchemaRegistry): readonly BrokenRules[] {
  if (!constraintsOf(root).rules) return [];
  const validator = validatorOf(registry);
  const types = [...typesWithin(root)];
  const hasMaps = types.some(
    (type) =>
      type.typeName === "google.protobuf.Struct" || type.fields.some((field) => field.fieldKind === "map"),
  );
  return types.flatMap((type) => {
    const { kind, error } = validator.validate(type, create(type));
    return kind === "error" && isBroken(error, hasMaps) ? [{ type: type.typeName, cause: error }] : [];
  });
}

/**
 * Whether a rule that failed on an empty message fails on every one. Rules are not checked for types: what is wrong with
 * one shows when it runs, and much of that may be for what the message does not have.
 */
function isBroken(error: Error, hasMaps: boolean): boolean {
  if (error instanceof CompilationError) return true;
  const { message } = error;
  // The same is said of the key of a map, which a message may well have.
  if (message.startsWith("field not found")) return !hasMaps;
  if (message.startsWith("found no matching overload")) return !/null|dyn/.test(message);
  return message.startsWith("unbound function") || message.startsWith("error parsing regexp");
}
