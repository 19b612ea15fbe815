import type { DescField, DescMessage } from "@bufbuild/protobuf";
import type { FieldMask } from "./json-view.ts";

/** A mask that names what there is not, or is none at all. The text is fit for callers. */
export class FieldMaskError extends Error {
  override readonly name = "FieldMaskError";
}

type Tree = Map<string, Tree | undefined>;

/**
 * Reads the fields that a caller wants of an answer: `name,items(id,price.units),owner/email`, by JSON or proto names,
 * `*` for all. @throws FieldMaskError
 */
export function parseResponseFields(text: string, type: DescMessage | undefined): FieldMask | undefined {
  const reader = new Reader(text);
  const mask = reader.list(type);
  if (!reader.atEnd) throw new FieldMaskError("unbalanced parentheses");
  return mask;
}

/** Fields whose members are no fields of a message: any name may stand below them. */
const free = /^google\.protobuf\.(?:Struct|Value|ListValue|Any)$/;

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get atEnd(): boolean {
    return this.#at === this.#text.length;
  }

  /** @param type undefined where any name may stand */
  list(type: DescMessage | undefined): Tree | undefined {
    const tree: Tree = new Map();
    let all = false;
    do {
      if (this.#take("*")) all = true;
      else this.#item(tree, type);
    } while (this.#take(","));
    return all ? undefined : tree;
  }

  #item(tree: Tree, type: DescMessage | undefined): void {
    const name = /[^,()./*]*/y;
    name.lastIndex = this.#at;
    const found = name.exec(this.#text)?.[0].trim() ?? "";
    if (found === "") throw new FieldMaskError("expected the name of a field");
    this.#at = name.lastIndex;
    const field = type?.fields.find((each) => each.jsonName === found || each.name === found);
    if (type !== undefined && field === undefined) {
      throw new FieldMaskError(`${type.typeName} has no field ${found}`);
    }
    const names = field === undefined ? [found] : [field.jsonName, field.name];
    const below = this.#below(field);
    const known = names.map((each) => tree.get(each)).find((each) => each !== undefined);
    const whole = below === undefined || (tree.has(names[0] as string) && known === undefined);
    const merged = whole ? undefined : new Map([...(known ?? []), ...below]);
    for (const each of names) tree.set(each, merged);
  }

  /** What is wanted of a field; undefined for all of it. */
  #below(field: DescField | undefined): Tree | undefined {
    const next = this.#text[this.#at];
    if (next !== "(" && next !== "." && next !== "/") return undefined;
    if (field !== undefined && field.message === undefined && field.fieldKind !== "map") {
      throw new FieldMaskError(`${field.name} has no fields`);
    }
    const type = field?.fieldKind === "map" ? undefined : innerType(field?.message);
    if (this.#take("(")) {
      const tree = this.list(type);
      if (!this.#take(")")) throw new FieldMaskError("unbalanced parentheses");
      return tree;
    }
    this.#at++;
    if (this.#take("*")) return undefined;
    const tree: Tree = new Map();
    this.#item(tree, type);
    return tree;
  }

  #take(token: string): boolean {
    if (this.#text[this.#at] !== token) return false;
    this.#at++;
    return true;
  }
}

function innerType(message: DescMessage | undefined): DescMessage | undefined {
  return message === undefined || free.test(message.typeName) ? undefined : message;
}
