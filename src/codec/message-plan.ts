import type { DescMessage } from "@bufbuild/protobuf";
import type { FieldPlan, FromJson, MessagePlan, ToJson } from "./plan.ts";

/** The two functions of a message, and the careful one of wire -> JSON. */
export interface Implementation {
  readonly toJson: ToJson;
  readonly toJsonCarefully: ToJson;
  readonly fromJson: FromJson;
}

/** The fields of a message, and how they are found. */
export type Fields = Pick<MessagePlan, "fields" | "byNumber" | "byKey">;

/** What a plan is made of. */
export interface MessagePlanParts {
  readonly type: DescMessage;
  readonly ignoreUnknown: boolean;
  readonly special: boolean;
  /** Looks at the fields, once. */
  readonly prepare: () => Fields;
  /** Makes the functions, once. */
  readonly implement: (plan: MessagePlan) => Implementation;
}

/**
 * A plan whose fields are looked at when the first message of the type arrives: types refer to each other in circles, and
 * most of a large schema is never used. A class, because generated code calls nested messages by way of their plans: what
 * is made of one class is fast to look into, which an object that is put together is not.
 */
export class LazyMessagePlan implements MessagePlan {
  readonly type: DescMessage;
  readonly ignoreUnknown: boolean;
  readonly special: boolean;
  toJson: ToJson;
  toJsonCarefully: ToJson;
  fromJson: FromJson;
  readonly #prepare: () => Fields;
  #prepared: Fields | undefined;

  constructor({ type, ignoreUnknown, special, prepare, implement }: MessagePlanParts) {
    this.type = type;
    this.ignoreUnknown = ignoreUnknown;
    this.special = special;
    this.#prepare = prepare;
    const implemented = () => Object.assign(this, implement(this));
    this.toJson = (pos, end, at, depth) => implemented().toJson(pos, end, at, depth);
    this.toJsonCarefully = (pos, end, at, depth) => implemented().toJsonCarefully(pos, end, at, depth);
    this.fromJson = (pos, at, depth) => implemented().fromJson(pos, at, depth);
  }

  get fields(): readonly FieldPlan[] {
    return this.#fields.fields;
  }

  get byNumber(): ReadonlyMap<number, FieldPlan> {
    return this.#fields.byNumber;
  }

  get byKey(): ReadonlyMap<string, FieldPlan> {
    return this.#fields.byKey;
  }

  get oneofs(): number {
    return this.type.oneofs.length;
  }

  get #fields(): Fields {
    this.#prepared ??= this.#prepare();
    return this.#prepared;
  }
}
