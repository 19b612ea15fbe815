import type { Readable } from "node:stream";
import type { RpcError } from "#rpc";
import { bodyStalled, bodyTooLarge, clientGone } from "../body-error.ts";

export interface BodyLimits {
  /** Announced by content-length, if it was. */
  readonly declared: number | undefined;
  readonly limit: number;
  /** Milliseconds that may pass between two pieces. */
  readonly idleMs: number;
}

/** Reads a whole body; stops reading, without destroying the stream, as soon as it breaks a limit. */
export function readWhole(source: Readable, { declared, limit, idleMs }: BodyLimits): Promise<Uint8Array> {
  if (declared !== undefined && declared > limit) return Promise.reject(bodyTooLarge(limit));
  // node:http2 tells of the end of an empty body whether anybody reads or not, and does not tell again.
  if (source.readableEnded) return Promise.resolve(new Uint8Array(0));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    let timer: NodeJS.Timeout | undefined;
    let settled = false;
    const settle = (error?: RpcError): void => {
      settled = true;
      clearTimeout(timer);
      source
        .off("data", onData)
        .off("end", onEnd)
        .off("error", onClose)
        .off("aborted", onClose)
        .off("close", onClose);
      if (error === undefined)
        resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, size));
      else {
        source.pause();
        // A late error of a stream that nobody reads any more must not take the process down.
        source.on("error", () => {});
        reject(error);
      }
    };
    const onData = (chunk: Buffer): void => {
      size += chunk.length;
      if (size > limit) {
        settle(bodyTooLarge(limit));
        return;
      }
      chunks.push(chunk);
      timer?.refresh();
    };
    const onEnd = (): void => settle();
    const onClose = (): void => settle(clientGone());
    source
      .on("data", onData)
      .on("end", onEnd)
      .on("error", onClose)
      .on("aborted", onClose)
      .on("close", onClose);
    // A body that is already here needs no timer.
    setImmediate(() => {
      if (settled) return;
      timer = setTimeout(() => settle(bodyStalled(idleMs)), idleMs);
      timer.unref();
    });
  });
}

/** The body in pieces. Pulling one reads one; nothing is read ahead but what the socket's window lets through. */
export async function* readPieces(source: Readable, idleMs: number): AsyncGenerator<Uint8Array> {
  let wake: (() => void) | undefined;
  let closed = false;
  const onReadable = (): void => wake?.();
  const onClose = (): void => {
    closed = true;
    wake?.();
  };
  source
    .on("readable", onReadable)
    .on("end", onReadable)
    .on("close", onClose)
    .on("error", onClose)
    .on("aborted", onClose);
  try {
    for (;;) {
      const chunk = source.read() as Buffer | null;
      if (chunk !== null) {
        yield chunk;
        continue;
      }
      if (source.readableEnded) return;
      if (closed || source.destroyed) throw clientGone();
      let stalled = false;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(() => {
          stalled = true;
          resolve();
        }, idleMs);
        timer.unref();
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      wake = undefined;
      if (stalled) throw bodyStalled(idleMs);
    }
  } finally {
    source
      .off("readable", onReadable)
      .off("end", onReadable)
      .off("close", onClose)
      .off("error", onClose)
      .off("aborted", onClose)
      .on("error", () => {});
  }
}
