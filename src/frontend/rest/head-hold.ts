import { type Handler, Metadata, type Payload, type Reply, type StreamReply } from "#rpc";

/**
 * Bounds how long the head of an answer is held back for the first message, so that a stream that fails at once has its
 * real status, and one that is merely quiet still shows that it was accepted. One object serves one stream.
 */
export class HeadHold {
  /** Resolves with undefined when the head must not wait any longer. */
  readonly over: Promise<undefined>;
  readonly #ms: number;
  #resolve: (nothing: undefined) => void = () => {};
  #timer: NodeJS.Timeout | undefined;

  constructor(ms: number) {
    this.#ms = ms;
    this.over = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** From when the time counts: what is wrong with a request that is still being read has a status of its own. */
  begin(): void {
    this.#timer ??= setTimeout(this.#resolve, this.#ms, undefined).unref();
  }

  /** Nobody waits any more. */
  end(): void {
    clearTimeout(this.#timer);
  }
}

/** The reply of a handler, or one that stands for it when that takes longer: its metadata come too late for a head then. */
export function withinHold(handler: Handler, hold: HeadHold): Handler {
  return async (call) => {
    const pending = handler(call);
    try {
      return (await Promise.race([pending, hold.over])) ?? lateReply(pending);
    } catch (error) {
      hold.end();
      throw error;
    }
  };
}

function lateReply(pending: Promise<Reply>): StreamReply {
  const trailer = new Metadata();
  async function* responses(): AsyncGenerator<Payload> {
    const reply = await pending;
    if (reply.kind === "unary") yield reply.response;
    else yield* reply.responses;
    trailer.merge(reply.trailer);
  }
  return { kind: "stream", header: new Metadata(), responses: responses(), trailer };
}
