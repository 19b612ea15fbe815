import { type Payload, Pump, type PumpTarget, pullSource, type Reply } from "#rpc";
import type { Session } from "./session.ts";

/** Sends a reply at the pace at which the client reads. Rejects when it fails, or cannot be shown. */
export async function sendReply(session: Session, reply: Reply): Promise<void> {
  session.sendHeader(reply.header);
  if (reply.kind === "unary") {
    session.send(reply.response);
    return;
  }
  const responses = reply.responses[Symbol.asyncIterator]();
  await new Promise<void>((resolve, reject) => {
    new Sending(session, responses, resolve, reject).start();
  });
}

/** The responses of one stream on their way. */
class Sending implements PumpTarget<Payload> {
  readonly #session: Session;
  readonly #responses: AsyncIterator<Payload>;
  readonly #resolve: () => void;
  readonly #reject: (error: unknown) => void;
  readonly #pump: Pump<Payload>;

  constructor(
    session: Session,
    responses: AsyncIterator<Payload>,
    resolve: () => void,
    reject: (error: unknown) => void,
  ) {
    this.#session = session;
    this.#responses = responses;
    this.#resolve = resolve;
    this.#reject = reject;
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
      this.#reject(error);
      return false;
    }
    full?.then(() => this.#pump.run());
    return full === undefined;
  }

  ended(): void {
    this.#resolve();
  }

  failed(error: unknown): void {
    this.#reject(error);
  }
}
