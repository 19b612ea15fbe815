import { type BytesSink, Code, Payload, type PayloadSource, RpcError } from "#rpc";
import type { Exchange } from "../exchange.ts";
import type { ServedMethod } from "../routes.ts";
import type { Unpack } from "./compression.ts";
import { FrameReader, prefixBytes, soleFrame } from "./frame.ts";

/** A body without a byte. */
export async function* none(): AsyncGenerator<Uint8Array> {}

/** The messages of a stream, each as soon as its last byte is there. @throws RpcError */
export async function* readMessages(
  chunks: AsyncIterable<Uint8Array>,
  served: ServedMethod,
  unpack: Unpack,
): AsyncGenerator<Payload> {
  const reader = new FrameReader(served.messageBytes);
  const count = countRequests(served);
  for await (const chunk of chunks) {
    for (const frame of reader.push(chunk)) {
      count.next();
      yield Payload.fromProto(await unpack(frame), served.input);
    }
  }
  reader.end();
  count.end();
}

/** Sees to it that a method which takes one request gets one. @throws RpcError UNIMPLEMENTED */
export function countRequests({ method }: ServedMethod): { next(): void; end(): void } {
  const sole = method.kind === "unary" || method.kind === "server_streaming";
  let count = 0;
  return {
    next() {
      if (++count > 1 && sole) throw cardinality("more than one request");
    },
    end() {
      if (count === 0 && sole) throw cardinality("no request");
    },
  };
}

/** The one request of a unary call. @param whole reads its body @throws RpcError */
export async function readSole(
  whole: () => Promise<Uint8Array>,
  served: ServedMethod,
  unpack: Unpack,
): Promise<Uint8Array> {
  return await soleMessage(await whole(), served, unpack);
}

/** The one message of a whole body. @throws RpcError */
export function soleMessage(
  body: Uint8Array,
  served: ServedMethod,
  unpack: Unpack,
): Uint8Array | Promise<Uint8Array> {
  const sole = soleFrame(body, served.messageBytes);
  if (sole !== undefined) return unpack(sole);
  const reader = new FrameReader(served.messageBytes);
  const [frame, more] = reader.push(body);
  if (more !== undefined) throw cardinality("more than one request");
  reader.end();
  if (frame === undefined) throw cardinality("no request");
  return unpack(frame);
}

/** The same for a body that is still to come, without a promise unless it is compressed. */
export class SoleMessage implements PayloadSource, BytesSink {
  readonly #exchange: Exchange;
  readonly #served: ServedMethod;
  readonly #unpack: Unpack;
  #sink: BytesSink | undefined;

  constructor(exchange: Exchange, served: ServedMethod, unpack: Unpack) {
    this.#exchange = exchange;
    this.#served = served;
    this.#unpack = unpack;
  }

  load(sink: BytesSink): void {
    this.#sink = sink;
    this.#exchange.takeBody(this.#served.messageBytes + prefixBytes, this);
  }

  /** The body has come. */
  succeeded(body: Uint8Array): void {
    const sink = this.#sink as BytesSink;
    let message: Uint8Array | Promise<Uint8Array>;
    try {
      message = soleMessage(body, this.#served, this.#unpack);
    } catch (error) {
      sink.failed(error);
      return;
    }
    if (message instanceof Uint8Array) sink.succeeded(message);
    else
      message.then(
        (unpacked) => sink.succeeded(unpacked),
        (error: unknown) => sink.failed(error),
      );
  }

  failed(error: unknown): void {
    this.#sink?.failed(error);
  }
}

function cardinality(message: string): RpcError {
  return new RpcError(Code.UNIMPLEMENTED, `${message} for a method that takes one`, {
    reason: "malformed_frame",
  });
}
