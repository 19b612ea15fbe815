import type { FileIndex, SymbolIndex } from "./file-index.ts";
import type { FieldOutline, MessageOutline } from "./outline.ts";
import { type Range, WireCursor } from "./wire-cursor.ts";

/** Field numbers and values of google/protobuf/descriptor.proto. */
const inMessage = { field: 2 } as const;
const inField = { name: 1, label: 4, type: 5, typeName: 6 } as const;
const labelRepeated = 3;
const typeGroup = 10;
const typeMessage = 11;

/** Where a message is defined. */
export interface Definition {
  readonly file: FileIndex;
  readonly symbol: SymbolIndex;
}

interface Field {
  name: string;
  label: number;
  type: number;
  typeName: string;
}

/** A message type known by its index alone: fields are read off its bytes when they are asked for, and not kept. */
export class IndexOutline implements MessageOutline {
  readonly #definition: Definition;
  readonly #find: (typeName: string) => MessageOutline | undefined;

  /** @param find the outline of a message that a field has for its type */
  constructor(definition: Definition, find: (typeName: string) => MessageOutline | undefined) {
    this.#definition = definition;
    this.#find = find;
  }

  get typeName(): string {
    return this.#definition.symbol.name;
  }

  field(name: string): FieldOutline | undefined {
    const { file, symbol } = this.#definition;
    const cursor = new WireCursor(file.bytes);
    cursor.seek(symbol.start);
    for (let no = cursor.next(symbol.end); no !== 0; no = cursor.next(symbol.end)) {
      if (no !== inMessage.field) {
        cursor.skip();
        continue;
      }
      const range = cursor.range();
      const field = readField(cursor, range);
      if (field.name === name) return this.#outline(field);
      cursor.seek(range.end);
    }
    return undefined;
  }

  #outline({ name, label, type, typeName }: Field): FieldOutline {
    const repeated = label === labelRepeated;
    const scalar = type !== typeMessage && type !== typeGroup;
    return {
      name,
      repeated,
      scalar,
      message: !repeated && !scalar ? this.#find(typeName.replace(/^\./, "")) : undefined,
    };
  }
}

function readField(cursor: WireCursor, { start, end }: Range): Field {
  const field = { name: "", label: 0, type: 0, typeName: "" };
  cursor.seek(start);
  for (let no = cursor.next(end); no !== 0; no = cursor.next(end)) {
    if (no === inField.name) field.name = cursor.string();
    else if (no === inField.label) field.label = cursor.varint();
    else if (no === inField.type) field.type = cursor.varint();
    else if (no === inField.typeName) field.typeName = cursor.string();
    else cursor.skip();
  }
  return field;
}
