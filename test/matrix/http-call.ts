import type { Ask, ClientCall, Fields, Kind, Outcome } from "./client.ts";
import type { Step } from "./step.ts";
import type { Gate, HttpCall, HttpRequestHead, HttpResponseHead, HttpVersion } from "./wire.ts";

/** How one protocol lays a call out on one HTTP request and its answer. */
export interface Layout {
  /** @param message the sole request of a method that takes one, for those that put it into the path */
  head(ask: Ask, message: Step | undefined): HttpRequestHead;
  /** One request of the body, the `index`th. Undefined when the head has said it all. */
  request(message: Step, index: number, kind: Kind): Uint8Array | undefined;
  /** What stands in the body after the last of `count` requests. */
  afterRequests?(count: number, kind: Kind): Uint8Array | undefined;
  /** Yields the responses; returns how the call ended. Throws when the answer was torn down. */
  answer(
    ask: Ask,
    head: HttpResponseHead,
    body: AsyncGenerator<Buffer>,
    trailers: () => Fields,
  ): AsyncGenerator<Step, Outcome>;
}

/** A call by a protocol of HTTP requests. */
export function callOverHttp(gate: Gate, version: HttpVersion, layout: Layout, ask: Ask): ClientCall {
  const takesOne = ask.kind === "Unary" || ask.kind === "Server";
  let call: HttpCall | undefined;
  let count = 0;
  let ended: Outcome | undefined;
  const begun = (message: Step | undefined): HttpCall => {
    call ??= gate.call(version, layout.head(ask, message));
    return call;
  };
  // The head of a stream of requests does not wait for the first.
  if (!takesOne) begun(undefined);
  async function* answered(): AsyncGenerator<Step, Outcome> {
    let header: Fields = {};
    try {
      const http = begun(undefined);
      const head = await http.head();
      header = head.fields;
      return yield* layout.answer(ask, head, http.body(), () => http.trailers());
    } catch (error) {
      if (error instanceof SyntaxError || error instanceof TypeError) throw error;
      return { status: undefined, header, trailer: {}, shown: "torn down" };
    }
  }
  const answers = answered();
  return {
    async send(message) {
      const http = begun(message);
      const bytes = layout.request(message, count++, ask.kind);
      if (bytes === undefined) return;
      for (const piece of ask.inPieces === true ? pieces(bytes) : [bytes]) {
        await http.write(piece);
        if (ask.inPieces === true) await new Promise((resolve) => setImmediate(resolve));
      }
    },
    async end() {
      const http = begun(undefined);
      const rest = layout.afterRequests?.(count, ask.kind);
      if (rest !== undefined) await http.write(rest);
      http.end();
    },
    cancel: () => call?.destroy(),
    async read() {
      const next = await answers.next();
      if (next.done !== true) return next.value;
      ended = next.value ?? ended;
      return undefined;
    },
    outcome() {
      if (ended === undefined) throw new Error("the call has not ended");
      return ended;
    },
  };
}

export function pieces(bytes: Uint8Array): Uint8Array[] {
  const third = Math.ceil(bytes.length / 3);
  return [bytes.subarray(0, third), bytes.subarray(third, 2 * third), bytes.subarray(2 * third)];
}

export async function whole(body: AsyncGenerator<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** A frame of gRPC, gRPC-Web and Connect streams: flags, length, bytes. */
export function frame(flags: number, bytes: Uint8Array): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = flags;
  prefix.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([prefix, bytes]);
}

export interface Frame {
  readonly flags: number;
  readonly bytes: Buffer;
}

export async function* frames(body: AsyncGenerator<Buffer>): AsyncGenerator<Frame> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of body) {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 5 && rest.length >= 5 + rest.readUInt32BE(1)) {
      const end = 5 + rest.readUInt32BE(1);
      yield { flags: rest[0] as number, bytes: rest.subarray(5, end) };
      rest = rest.subarray(end);
    }
  }
  if (rest.length > 0) throw new Error("the answer ends within a frame");
}
