/** The one message of the matrix, in the two forms in which clients send it. Written by hand: the judge shares no code with the gateway. */
export interface Step {
  readonly index: number;
  readonly text: string;
  readonly padding: Uint8Array;
}

export const stepType = "matrix.v1.Step";

/** The .proto of the message. */
export const stepProto = `message Step {
  uint32 index = 1;
  string text = 2;
  bytes padding = 3;
}`;

export function step(index: number, text = "", padding: Uint8Array = new Uint8Array(0)): Step {
  return { index, text, padding };
}

export function toWire({ index, text, padding }: Step): Buffer {
  const parts: Buffer[] = [];
  if (index !== 0) parts.push(Buffer.from([0x08]), varint(index));
  if (text !== "") parts.push(delimited(2, Buffer.from(text)));
  if (padding.length > 0) parts.push(delimited(3, Buffer.from(padding)));
  return Buffer.concat(parts);
}

export function fromWire(bytes: Uint8Array): Step {
  let read = step(0);
  for (const { number, value } of fieldsOf(bytes)) {
    if (number === 1 && typeof value === "number") read = { ...read, index: value };
    if (number === 2 && typeof value !== "number") read = { ...read, text: value.toString() };
    if (number === 3 && typeof value !== "number") read = { ...read, padding: value };
  }
  return read;
}

export function toJson({ index, text, padding }: Step): string {
  return JSON.stringify({ index, text, padding: Buffer.from(padding).toString("base64") });
}

/** @param json parsed */
export function fromJson(json: unknown): Step {
  if (typeof json !== "object" || json === null) throw new Error(`not a message: ${JSON.stringify(json)}`);
  const fields = json as Readonly<Record<string, unknown>>;
  return step(
    Number(fields.index ?? 0),
    String(fields.text ?? ""),
    Buffer.from(String(fields.padding ?? ""), "base64"),
  );
}

export function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}

/** A varint and where it ends; undefined when more bytes are to come. */
export function readVarint(bytes: Uint8Array, at: number): { value: number; end: number } | undefined {
  let value = 0;
  for (let i = 0; at + i < bytes.length; i++) {
    const byte = bytes[at + i] as number;
    value += (byte & 127) * 2 ** (7 * i);
    if (byte < 128) return { value, end: at + i + 1 };
  }
  return undefined;
}

export function delimited(number: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([(number << 3) | 2]), varint(bytes.length), bytes]);
}

interface WireField {
  readonly number: number;
  readonly value: number | Buffer;
}

/** The fields of a message that has only varints and what has a length. */
export function fieldsOf(bytes: Uint8Array): WireField[] {
  const fields: WireField[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = readVarint(bytes, at);
    const first = tag === undefined ? undefined : readVarint(bytes, tag.end);
    if (tag === undefined || first === undefined) throw new Error("a truncated message");
    const number = tag.value >> 3;
    if ((tag.value & 7) === 0) {
      fields.push({ number, value: first.value });
      at = first.end;
    } else {
      at = first.end + first.value;
      fields.push({ number, value: Buffer.from(bytes.subarray(first.end, at)) });
    }
  }
  return fields;
}
