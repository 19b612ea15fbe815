import { Code, type Metadata, type Payload, RpcError, type StreamReply } from "#rpc";
import type { BodyWriter, Exchange } from "../exchange.ts";
import { appendMetadata } from "../response-fields.ts";
import type { StreamFormat } from "./stream-format.ts";

export interface StreamWriteOptions {
  readonly exchange: Exchange;
  readonly reply: StreamReply;
  /** Chosen once the first message is there, or undefined when the head must go out before. */
  readonly format: (first: Payload | undefined) => StreamFormat;
  /** The bytes of one message in the form that the format wants. @throws RpcError */
  readonly bytes: (payload: Payload, format: StreamFormat) => Uint8Array;
  /** Fields of the answer beside those of the format and of the reply. */
  readonly fields: readonly string[];
  /** `google.rpc.Status` as JSON. */
  readonly statusJson: (error: RpcError) => string;
}

/**
 * How long the head of an answer is held back for the first message, in milliseconds, so that a stream that fails at
 * once has its real status. A stream that is merely quiet must still let the client see that it was accepted.
 */
const holdMs = 1000;

/**
 * Writes a stream of responses. Rejects with the error of a stream that fails before anything was written; later
 * failures are told in band, or by tearing the answer down where the format cannot.
 */
export async function writeStream(options: StreamWriteOptions): Promise<void> {
  const { exchange, reply } = options;
  const responses = reply.responses[Symbol.asyncIterator]();
  let pending = responses.next();
  const first = await within(pending, holdMs);
  const begin = (): { format: StreamFormat; writer: BodyWriter } => {
    const format = options.format(first === "late" || first.done === true ? undefined : first.value);
    const { mediaType } = format;
    const fields = [
      "content-type",
      mediaType,
      ...format.fields,
      "x-accel-buffering",
      "no",
      ...options.fields,
    ];
    appendMetadata(fields, reply.header);
    return { format, writer: exchange.open(200, fields) };
  };
  let begun: ReturnType<typeof begin>;
  try {
    begun = begin();
  } catch (error) {
    // A first message that cannot be shown ends a call that may still be running.
    void responses.return?.()?.then(undefined, () => {});
    throw error;
  }
  const { format, writer } = begun;
  try {
    for (;;) {
      const next = await pending;
      if (next.done === true) break;
      const full = writer.write(format.message(options.bytes(next.value, format)));
      if (full !== undefined) await full;
      if (exchange.signal.aborted) throw exchange.signal.reason;
      pending = responses.next();
    }
    const end = format.end();
    if (end !== undefined) writer.write(end);
    writer.end(trailerFields(reply.trailer));
  } catch (thrown) {
    // A message of the upstream that cannot be shown ends a call that may still be running.
    void responses.return?.()?.then(undefined, () => {});
    const error = RpcError.from(thrown);
    const inBand = exchange.signal.aborted ? undefined : format.error(options.statusJson(error));
    if (inBand === undefined) exchange.reset(error.code === Code.CANCELLED ? "cancel" : "internal");
    else {
      writer.write(inBand);
      writer.end(trailerFields(error.metadata));
    }
  }
}

function trailerFields(metadata: Metadata): string[] | undefined {
  if (metadata.size === 0) return undefined;
  const fields: string[] = [];
  appendMetadata(fields, metadata);
  return fields.length === 0 ? undefined : fields;
}

/** What a promise resolves to, or "late" after so many milliseconds. */
async function within<T>(promise: Promise<T>, ms: number): Promise<T | "late"> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<"late">((resolve) => {
    timer = setTimeout(resolve, ms, "late");
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
