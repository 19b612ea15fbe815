import { Code, type Metadata, type Payload, type RpcError, type StreamReply } from "#rpc";
import { BatchedWriter } from "../batched-writer.ts";
import { CompressedBody } from "../compressed-body.ts";
import type { Coding } from "../content-coding.ts";
import type { Exchange } from "../exchange.ts";
import { appendMetadata } from "../response-fields.ts";
import type { StreamOptions } from "../routes.ts";
import { writeResponses } from "../write-responses.ts";
import type { HeadHold } from "./head-hold.ts";
import type { StreamFormat } from "./stream-format.ts";

export interface StreamWriteOptions {
  readonly exchange: Exchange;
  readonly reply: StreamReply;
  /** Chosen once the first message is there, or undefined when there is none, or none in time. */
  readonly format: (first: Payload | undefined) => StreamFormat;
  /** The bytes of one message in the form that the format wants. @throws RpcError */
  readonly bytes: (payload: Payload, format: StreamFormat) => Uint8Array;
  /** Fields of the answer beside those of the format and of the reply. */
  readonly fields: readonly string[];
  /** `google.rpc.Status` as JSON. */
  readonly statusJson: (error: RpcError) => string;
  /** Trailers that tell of an error beside its metadata. */
  readonly statusFields: (error: RpcError) => readonly string[];
  readonly streams: StreamOptions;
  /** How a body of a media type goes out; adds to the fields what that depends on. */
  readonly coding: (fields: string[], mediaType: string) => Coding | undefined;
  /** How long the head waits for the first message; undefined for as long as that takes. */
  readonly hold: HeadHold | undefined;
  /** Ends the call of a request that wants no more than the head. */
  readonly leave: (() => void) | undefined;
}

/**
 * Writes a stream of responses. The head is held back for the first message, so that a stream that fails at once has its
 * real status; one that is merely quiet must still let the client see that it was accepted. Rejects with the error of a
 * stream that fails before anything was written; later failures are told in band, or by tearing the answer down where
 * the format cannot.
 */
export async function writeStream(options: StreamWriteOptions): Promise<void> {
  const { exchange, reply, streams } = options;
  const responses = reply.responses[Symbol.asyncIterator]();
  const pending = responses.next();
  const { hold } = options;
  const first = await (hold === undefined ? pending : Promise.race([pending, hold.over])).finally(() =>
    hold?.end(),
  );
  let format: StreamFormat;
  try {
    format = options.format(first === undefined || first.done === true ? undefined : first.value);
  } catch (error) {
    // A first message that cannot be shown ends a call that may still be running.
    leave(responses);
    throw error;
  }
  const fields = ["content-type", format.mediaType, ...format.fields, "x-accel-buffering", "no"];
  fields.push(...options.fields);
  appendMetadata(fields, reply.header);
  const coding = options.coding(fields, format.mediaType);
  if (coding !== undefined) fields.push("content-encoding", coding.name);
  const writer = exchange.open(200, fields);
  if (exchange.head.method === "HEAD") {
    // Its head is all that is wanted of it.
    pending.catch(() => {});
    leave(responses);
    options.leave?.();
    writer.end();
    return;
  }
  const batch = new BatchedWriter(exchange, CompressedBody.over(exchange, writer, coding), streams.unreadMs);
  const start = format.start();
  if (start !== undefined) {
    batch.push(start);
    batch.commit();
  }
  const heart = heartbeat(batch, format, streams.heartbeatMs);
  const push = (part: Uint8Array): void => batch.push(part);
  const error = await writeResponses(
    responses,
    exchange,
    batch,
    (payload) => {
      heart?.refresh();
      format.message(options.bytes(payload, format), payload.proto(), push);
    },
    pending,
  );
  clearInterval(heart);
  if (error === undefined) {
    const end = format.end();
    if (end !== undefined) batch.push(end);
    batch.end(trailerFields(reply.trailer));
    return;
  }
  const status = options.statusJson(error);
  const inBand = exchange.signal.aborted ? undefined : format.error(status);
  if (inBand !== undefined) {
    batch.push(inBand);
    batch.end(trailerFields(error.metadata, options.statusFields(error)));
    return;
  }
  const last = exchange.signal.aborted ? undefined : format.torn(status);
  if (last === undefined) batch.drop();
  else {
    batch.push(last);
    batch.writeNow();
    // What was written leaves in this turn.
    await new Promise(setImmediate);
  }
  exchange.reset(error.code === Code.CANCELLED ? "cancel" : "internal");
}

function leave(responses: AsyncIterator<Payload>): void {
  void responses.return?.()?.then(undefined, () => {});
}

/** Says something that means nothing whenever nothing was said for so long. */
function heartbeat(
  batch: BatchedWriter,
  { heartbeat: beat }: StreamFormat,
  everyMs: number | undefined,
): NodeJS.Timeout | undefined {
  if (beat === undefined || everyMs === undefined) return undefined;
  return setInterval(() => {
    if (batch.blocked) return;
    batch.push(beat);
    batch.commit();
  }, everyMs).unref();
}

function trailerFields(metadata: Metadata, own: readonly string[] = []): string[] | undefined {
  if (metadata.size === 0 && own.length === 0) return undefined;
  const fields = [...own];
  appendMetadata(fields, metadata);
  return fields.length === 0 ? undefined : fields;
}
