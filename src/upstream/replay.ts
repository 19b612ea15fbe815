import type { Payload } from "#rpc";

/** Bytes of requests that are kept for another attempt. */
const maxKept = 256 * 1024;

const done: IteratorResult<Uint8Array> = { done: true, value: undefined };

/**
 * The requests of a stream, kept from the first on for as long as another attempt may need them. Attempts follow one
 * another: what one was still waiting for goes to the next.
 */
export class Replay {
  readonly #source: AsyncIterator<Payload>;
  #kept: Uint8Array[] = [];
  #keptBytes = 0;
  #attempt = 0;
  #pulling: Promise<IteratorResult<Uint8Array>> | undefined;
  /** Nothing is kept any more: an attempt that starts now would miss what went before. */
  #committed = false;

  constructor(requests: AsyncIterable<Payload>) {
    this.#source = requests[Symbol.asyncIterator]();
  }

  get replayable(): boolean {
    return !this.#committed;
  }

  /** There will be no other attempt. */
  commit(): void {
    this.#committed = true;
  }

  /** Nobody wants the rest. Of a source that is being waited for this takes effect later. */
  close(): void {
    this.#committed = true;
    this.#source.return?.()?.then(undefined, () => {});
  }

  /** All requests, for the attempt that begins. The iterables of earlier attempts end. */
  requests(): AsyncIterableIterator<Uint8Array> {
    return new AttemptRequests(this, ++this.#attempt);
  }

  /** For the requests of an attempt: what comes at this place of them. */
  next(attempt: number, at: number): Promise<IteratorResult<Uint8Array>> {
    if (attempt !== this.#attempt) return Promise.resolve(done);
    const kept = this.#kept[at];
    if (kept !== undefined) return Promise.resolve({ done: false, value: kept });
    if (this.#committed) {
      if (this.#kept.length > 0) this.#kept = [];
      // The rest is for nobody else.
      if (this.#pulling === undefined) return this.#source.next().then(wireResult);
    }
    this.#pulling ??= this.#source.next().then(wireResult);
    return this.#pulling.then((result) => {
      if (attempt !== this.#attempt) return done;
      this.#pulling = undefined;
      if (result.done !== true) this.#keep(result.value);
      return result;
    });
  }

  #keep(message: Uint8Array): void {
    if (this.#committed) return;
    this.#keptBytes += message.length;
    if (this.#keptBytes > maxKept) this.#committed = true;
    else this.#kept.push(message);
  }
}

/** No generator: that makes several objects of each message, and the calls of many WebSockets wait in it. */
class AttemptRequests implements AsyncIterableIterator<Uint8Array> {
  readonly #replay: Replay;
  readonly #attempt: number;
  #at = 0;
  #over = false;

  constructor(replay: Replay, attempt: number) {
    this.#replay = replay;
    this.#attempt = attempt;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    return this.#over ? Promise.resolve(done) : this.#replay.next(this.#attempt, this.#at++);
  }

  return(): Promise<IteratorResult<Uint8Array>> {
    this.#over = true;
    return Promise.resolve(done);
  }
}

function wireResult(
  result: IteratorResult<Payload>,
): IteratorResult<Uint8Array> | Promise<IteratorResult<Uint8Array>> {
  if (result.done === true) return done;
  const { value: payload } = result;
  const loading = payload.load();
  if (loading !== undefined) return loading.then(() => ({ done: false, value: payload.proto() }));
  return { done: false, value: payload.proto() };
}
