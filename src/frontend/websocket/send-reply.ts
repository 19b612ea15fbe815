import { type Payload, Pump, type PumpTarget, pullSource, type Reply } from "#rpc";
import type { Session } from "./session.ts";

/** Hears when all of a reply was sent, or why not: once. */
export type ReplyEnd = (failure: { readonly error: unknown } | undefined) => void;

/** Sends a reply at the pace at which the client reads; it fails where it cannot be shown. */
export function sendReply(session: Session, reply: Reply, ended: ReplyEnd): void {
  try {
    session.sendHeader(reply.header);
    if (reply.kind === "stream") {
      new Sending(session, reply.responses[Symbol.asyncIterator](), ended).start();
      return;
    }
    session.send(reply.response);
  } catch (error) {
    ended({ error });
    return;
  }
  ended(undefined);
}

/** The responses of one stream on their way. */
class Sending implements PumpTarget<Payload> {
  readonly #session: Session;
  readonly #responses: AsyncIterator<Payload>;
  readonly #ended: ReplyEnd;
  readonly #pump: Pump<Payload>;

  constructor(session: Session, responses: AsyncIterator<Payload>, ended: ReplyEnd) {
    this.#session = session;
    this.#responses = responses;
    this.#ended = ended;
    this.#pump = new Pump(pullSource(responses), this);
  }

  start(): void {
    this.#pump.run();
  }

  message(response: Payload): boolean {
    let full: Promise<void> | undefined;
    try {
      full = this.#session.send(response);
    } catch (error) {
      this.#responses.return?.()?.then(undefined, () => {});
      this.failed(error);
      return false;
    }
    full?.then(() => this.#pump.run());
    return full === undefined;
  }

  ended(): void {
    this.#ended(undefined);
  }

  failed(error: unknown): void {
    this.#ended({ error });
  }
}
