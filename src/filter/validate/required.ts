import { type DescField, type DescMessage, isMessage, type Message, ScalarType } from "@bufbuild/protobuf";
import { isReflectMessage, type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { FeatureSet_FieldPresence, FieldMaskSchema } from "@bufbuild/protobuf/wkt";
import { isRequired } from "./constraints.ts";
import { updateMaskField, type Written, writtenBy } from "./update-mask.ts";
import { fieldPath, mapKey, type Violation } from "./violation.ts";

/** Says which REQUIRED fields of a message are missing. */
export type RequiredCheck = (message: Message) => Violation[];

/** A type with what has to be looked at in its messages. */
interface Plan {
  readonly desc: DescMessage;
  readonly required: readonly DescField[];
  /** Fields that hold messages with required fields, directly or further down. */
  readonly nested: readonly { readonly field: DescField; readonly plan: Plan }[];
}

/**
 * Compiles the check of `google.api.field_behavior` REQUIRED for a type (AIP-203): such a field must be set, and not to
 * nothing. Of a number or a bool without presence nothing can be said: 0 and false are values too.
 *
 * What an update does not write needs not be there: where a request has an `update_mask`, only the fields of the other
 * messages that the mask names are looked at. Without a mask, an update writes what is set (AIP-134).
 */
export function compileRequired(type: DescMessage): RequiredCheck {
  const plan = planOf(type);
  const mask = updateMaskField(type);
  return (message) => {
    const violations: Violation[] = [];
    const root = reflect(type, message);
    const written = mask === undefined ? "all" : writtenIn(root, mask, plan);
    check(root, plan, { path: "", written, violations });
    return violations;
  };
}

function planOf(root: DescMessage): Plan {
  const plans = new Map<DescMessage, DraftPlan>();
  const draft = (desc: DescMessage): DraftPlan => {
    let plan = plans.get(desc);
    if (plan === undefined) {
      plan = {
        desc,
        required: desc.fields.filter((field) => canBeMissing(field) && isRequired(field)),
        nested: [],
      };
      plans.set(desc, plan);
      waiting.push(plan);
    }
    return plan;
  };
  const waiting: DraftPlan[] = [];
  const plan = draft(root);
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    for (const field of next.desc.fields)
      if (field.message !== undefined) next.nested.push({ field, plan: draft(field.message) });
  }
  prune([...plans.values()]);
  return plan;
}

interface DraftPlan extends Plan {
  nested: { readonly field: DescField; readonly plan: DraftPlan }[];
}

/** Leaves out what leads to no required field. */
function prune(plans: readonly DraftPlan[]): void {
  const holders = new Map<DraftPlan, DraftPlan[]>();
  for (const plan of plans) {
    for (const { plan: within } of plan.nested) {
      const known = holders.get(within);
      if (known === undefined) holders.set(within, [plan]);
      else known.push(plan);
    }
  }
  const leads = new Set<DraftPlan>();
  const waiting = plans.filter(({ required }) => required.length > 0);
  for (let plan = waiting.pop(); plan !== undefined; plan = waiting.pop()) {
    if (leads.has(plan)) continue;
    leads.add(plan);
    waiting.push(...(holders.get(plan) ?? []));
  }
  for (const plan of plans) plan.nested = plan.nested.filter((each) => leads.has(each.plan));
}

function canBeMissing(field: DescField): boolean {
  if (field.fieldKind !== "scalar" || field.presence !== FeatureSet_FieldPresence.IMPLICIT) return true;
  return field.scalar === ScalarType.STRING || field.scalar === ScalarType.BYTES;
}

/** All of a request itself, and of its messages what the mask says of the one that is updated. */
function writtenIn(root: ReflectMessage, mask: DescField, { desc }: Plan): Written {
  const value: unknown = root.isSet(mask) ? root.get(mask) : undefined;
  const paths =
    isReflectMessage(value) && isMessage(value.message, FieldMaskSchema) ? value.message.paths : [];
  const updated = writtenBy(paths);
  return new Map(
    desc.fields.map((field): [string, Written] => [
      field.name,
      field.fieldKind === "message" && field !== mask ? updated : "all",
    ]),
  );
}

interface At {
  readonly path: string;
  readonly written: Written;
  readonly violations: Violation[];
}

function check(message: ReflectMessage, { required, nested }: Plan, { path, written, violations }: At): void {
  for (const field of required) {
    if ((written === "all" || written.get(field.name) === "all") && !message.isSet(field))
      violations.push({ field: fieldPath(path, field), description: "the field is required" });
  }
  for (const { field, plan } of nested) {
    const within = written === "all" ? "all" : written.get(field.name);
    if (within === undefined) continue;
    const at = fieldPath(path, field);
    switch (field.fieldKind) {
      case "message":
        // A mask that names a field within a message which is not there sets that field to nothing.
        if (message.isSet(field) || within !== "all") {
          check(message.get(field), plan, { path: at, written: within, violations });
        }
        break;
      case "list":
        for (const [index, each] of [...message.get(field)].entries())
          if (isReflectMessage(each))
            check(each, plan, { path: `${at}[${index}]`, written: "all", violations });
        break;
      case "map":
        for (const [key, each] of message.get(field))
          if (isReflectMessage(each))
            check(each, plan, { path: at + mapKey(key), written: "all", violations });
        break;
    }
  }
}
