import { Code, RpcError } from "#rpc";

const alphabet = /^[A-Za-z0-9+/]*={0,2}$/;

/**
 * Undoes the base64 of `application/grpc-web-text`, which comes in pieces of any length: several texts after each other,
 * each padded by itself.
 */
export class TextDecoderStream {
  #rest = "";

  /** @throws RpcError for what is not base64 */
  push(chunk: Uint8Array): Uint8Array {
    const text = this.#rest + Buffer.from(chunk).toString("latin1");
    const whole = text.length - (text.length % 4);
    this.#rest = text.slice(whole);
    return decodeText(text.slice(0, whole));
  }

  /** @throws RpcError when the text ends within a group of four */
  end(): void {
    if (this.#rest !== "") throw malformed();
  }
}

/** Base64 whose padding may stand in its midst. @throws RpcError */
function decodeText(text: string): Uint8Array {
  if (!text.includes("=")) return decodeGroups(text);
  const parts: Uint8Array[] = [];
  for (let from = 0; from < text.length; ) {
    const padding = text.indexOf("=", from);
    const to = padding < 0 ? text.length : padding - (padding % 4) + 4;
    parts.push(decodeGroups(text.slice(from, to)));
    from = to;
  }
  return Buffer.concat(parts);
}

function decodeGroups(text: string): Uint8Array {
  if (!alphabet.test(text)) throw malformed();
  return Buffer.from(text, "base64");
}

function malformed(): RpcError {
  return new RpcError(Code.INTERNAL, "the body is not base64", { reason: "malformed_frame" });
}

export async function* decodedText(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const decoder = new TextDecoderStream();
  const source = chunks[Symbol.asyncIterator]();
  // The chunk itself is held by nobody while what it says waits to be taken.
  const decodeNext = async (): Promise<Uint8Array | undefined> => {
    const next = await source.next();
    return next.done === true ? undefined : decoder.push(next.value);
  };
  try {
    for (let bytes = await decodeNext(); bytes !== undefined; bytes = await decodeNext()) yield bytes;
    decoder.end();
  } finally {
    await source.return?.();
  }
}

export async function decodedWhole(body: Promise<Uint8Array>): Promise<Uint8Array> {
  const decoder = new TextDecoderStream();
  const bytes = decoder.push(await body);
  decoder.end();
  return bytes;
}

/** A piece of an answer as text, padded by itself. */
export function encodeText(bytes: Uint8Array): Uint8Array {
  return Buffer.from(Buffer.from(bytes).toString("base64"), "latin1");
}
