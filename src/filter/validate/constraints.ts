import { type DescField, type DescMessage, getOption, hasOption } from "@bufbuild/protobuf";
import {
  field as fieldRules,
  message as messageRules,
  oneof as oneofRules,
} from "#gen/buf/validate/validate_pb";
import { FieldBehavior, field_behavior } from "#gen/google/api/field_behavior_pb";

/** What the schema demands of a message, or of a message within it. */
export interface Constraints {
  /** By `buf.validate`. */
  readonly rules: boolean;
  /** By `google.api.field_behavior`. */
  readonly required: boolean;
}

/** What a message must satisfy. Looks at every type that it can hold, once each. */
export function constraintsOf(root: DescMessage): Constraints {
  let rules = false;
  let required = false;
  for (const desc of typesWithin(root)) {
    rules ||= hasOption(desc, messageRules) || desc.oneofs.some((oneof) => hasOption(oneof, oneofRules));
    for (const field of desc.fields) {
      rules ||= hasOption(field, fieldRules);
      required ||= isRequired(field);
    }
    if (rules && required) break;
  }
  return { rules, required };
}

/** A type and all that its messages can hold. */
export function* typesWithin(root: DescMessage): Generator<DescMessage> {
  const seen = new Set<DescMessage>();
  const waiting: DescMessage[] = [root];
  for (let desc = waiting.pop(); desc !== undefined; desc = waiting.pop()) {
    if (seen.has(desc)) continue;
    seen.add(desc);
    for (const field of desc.fields) if (field.message !== undefined) waiting.push(field.message);
    yield desc;
  }
}

/** `google.api.field_behavior` says REQUIRED. */
export function isRequired(field: DescField): boolean {
  return (
    hasOption(field, field_behavior) && getOption(field, field_behavior).includes(FieldBehavior.REQUIRED)
  );
}
