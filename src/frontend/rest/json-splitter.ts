import { Code, RpcError } from "#rpc";

const [quote, backslash, comma, open, close, openList, closeList] = [34, 92, 44, 123, 125, 91, 93];

type State =
  /** Before the first byte that says whether the values stand in one array. */
  | "start"
  /** Between values. */
  | "between"
  /** After a value of an array: a comma or the end. */
  | "after"
  /** After a comma of an array: a value must follow. */
  | "due"
  /** Within an object, array or string, by depth. */
  | "nested"
  /** Within a number or word, which only what follows ends. */
  | "plain"
  /** After the end of the array. */
  | "done";

/**
 * Cuts a stream of bytes into JSON values as soon as each is whole: NDJSON, values one after the other, or the elements
 * of one array. It only finds where values begin and end; whether they are JSON is the codec's business. Memory is
 * bounded by `limit`, the bytes of one value.
 */
export class JsonSplitter {
  readonly #limit: number;
  #state: State = "start";
  #inArray = false;
  #depth = 0;
  #inString = false;
  #escaped = false;
  #parts: Uint8Array[] = [];
  #size = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The values that end in this chunk. @throws RpcError for what cannot be a sequence of JSON values */
  push(chunk: Uint8Array): Uint8Array[] {
    const values: Uint8Array[] = [];
    let begin = this.#state === "nested" || this.#state === "plain" ? 0 : -1;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i] as number;
      if (this.#state === "nested") {
        if (this.#insideNested(byte)) continue;
        values.push(this.#take(chunk, begin, i + 1));
        begin = -1;
        this.#state = this.#inArray ? "after" : "between";
      } else if (this.#state === "plain") {
        if (!endsPlain(byte)) continue;
        values.push(this.#take(chunk, begin, i));
        begin = -1;
        this.#state = this.#inArray ? "after" : "between";
        this.#outside(byte);
      } else if (this.#outside(byte)) begin = i;
    }
    if (begin >= 0) this.#keep(chunk.subarray(begin));
    return values;
  }

  /** At the end of the stream: the last value, if only the end made it whole. @throws RpcError if one is cut short */
  end(): Uint8Array | undefined {
    if (this.#state === "plain" && !this.#inArray) return this.#take(new Uint8Array(0), 0, 0);
    if (this.#state === "nested" || (this.#inArray && this.#state !== "done")) {
      throw malformed("the body ends in the middle of a value");
    }
    return undefined;
  }

  /** A byte outside of any value; true when it begins one. */
  #outside(byte: number): boolean {
    // Blanks, and what stands before each text of a sequence (RFC 7464).
    if (byte === 32 || byte === 10 || byte === 13 || byte === 9 || byte === 30) return false;
    // A byte order mark, which some clients write.
    if (this.#state === "start" && (byte === 0xef || byte === 0xbb || byte === 0xbf)) return false;
    if (this.#state === "done") throw malformed("more follows the end of the array");
    if (this.#state === "start" && byte === openList) {
      this.#inArray = true;
      this.#state = "between";
      return false;
    }
    if (this.#inArray && byte === closeList && this.#state !== "due") {
      this.#state = "done";
      return false;
    }
    if (this.#inArray && byte === comma && this.#state === "after") {
      this.#state = "due";
      return false;
    }
    if (this.#state === "after" || byte === comma || byte === closeList || byte === close) {
      throw malformed("expected a JSON value");
    }
    this.#state = byte === open || byte === openList || byte === quote ? "nested" : "plain";
    this.#depth = byte === quote ? 0 : 1;
    this.#inString = byte === quote;
    this.#escaped = false;
    return true;
  }

  /** False when the byte ends the value. */
  #insideNested(byte: number): boolean {
    if (this.#inString) {
      if (this.#escaped) this.#escaped = false;
      else if (byte === backslash) this.#escaped = true;
      else if (byte === quote) {
        this.#inString = false;
        return this.#depth > 0;
      }
      return true;
    }
    if (byte === quote) this.#inString = true;
    else if (byte === open || byte === openList) this.#depth++;
    else if (byte === close || byte === closeList) return --this.#depth > 0;
    return true;
  }

  #keep(part: Uint8Array): void {
    this.#size += part.length;
    if (this.#size > this.#limit) {
      throw new RpcError(Code.RESOURCE_EXHAUSTED, `a message is larger than ${this.#limit} bytes`, {
        reason: "message_too_large",
        httpStatus: 413,
      });
    }
    this.#parts.push(part);
  }

  #take(chunk: Uint8Array, begin: number, end: number): Uint8Array {
    this.#keep(chunk.subarray(begin, end));
    const value =
      this.#parts.length === 1 ? (this.#parts[0] as Uint8Array) : Buffer.concat(this.#parts, this.#size);
    this.#parts = [];
    this.#size = 0;
    return value;
  }
}

function endsPlain(byte: number): boolean {
  return (
    byte <= 32 ||
    byte === comma ||
    byte === closeList ||
    byte === close ||
    byte === open ||
    byte === openList ||
    byte === quote
  );
}

function malformed(message: string): RpcError {
  return new RpcError(Code.INVALID_ARGUMENT, message, { reason: "malformed_body" });
}
