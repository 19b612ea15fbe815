import { createRegistry, type DescMessage, type Message } from "@bufbuild/protobuf";
import { createValidator, type Validator } from "@bufbuild/protovalidate";
import { FieldRulesSchema } from "#gen/buf/validate/validate_pb";
import type { SchemaRegistry } from "#schema";
import { jsonPath, type Violation } from "./violation.ts";

/** Says which rules of `buf.validate` a message breaks. @throws Error when a rule itself cannot be used */
export type RulesCheck = (message: Message) => Violation[];

/** One for all types of a schema: what it compiles of a type that many requests hold is compiled once. */
const validators = new WeakMap<SchemaRegistry, Validator>();

/** Compiles the rules of a type, when its first message comes. */
export function compileRules(type: DescMessage, registry: SchemaRegistry): RulesCheck {
  const validator = validatorOf(registry);
  return (message) => {
    const result = validator.validate(type, message);
    if (result.kind === "error") throw result.error;
    if (result.kind === "valid") return [];
    return result.violations.map(({ field, message: description, ruleId }) => ({
      field: jsonPath(field),
      description: description === "" ? `breaks the rule ${ruleId}` : description,
    }));
  };
}

/** The validator of a schema. */
export function validatorOf(registry: SchemaRegistry): Validator {
  let known = validators.get(registry);
  if (known === undefined) {
    known = createValidator({ registry: createRegistry(...predefinedRules(registry)) });
    validators.set(registry, known);
  }
  return known;
}

/** Rules that the schema adds to those of `buf.validate`: extensions of `StringRules` and its like. */
function predefinedRules(registry: SchemaRegistry) {
  return FieldRulesSchema.fields.flatMap(({ message }) =>
    message === undefined ? [] : registry.extensionsOf(message),
  );
}
