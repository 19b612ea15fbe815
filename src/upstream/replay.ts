import { nextOf, type Payload, type PullSink, type PullSource, pullSource } from "#rpc";

/** Bytes of requests that are kept for another attempt. */
const maxKept = 256 * 1024;

/** How the requests ended. */
type End = { readonly kind: "ended" } | { readonly kind: "failed"; readonly error: unknown };

/**
 * The requests of a stream, kept from the first on for as long as another attempt may need them. Attempts follow one
 * another: what one was still waiting for goes to the next.
 */
export class Replay implements PullSink<Payload> {
  readonly #iterator: AsyncIterator<Payload>;
  readonly #source: PullSource<Payload>;
  #kept: Uint8Array[] = [];
  #keptBytes = 0;
  #attempt = 0;
  #pulling = false;
  #waiting: PullSink<Uint8Array> | undefined;
  /** Came when the attempt that had asked for it was over. */
  #early: Uint8Array | undefined;
  #end: End | undefined;
  /** Nothing is kept any more: an attempt that starts now would miss what went before. */
  #committed = false;

  constructor(requests: AsyncIterable<Payload>) {
    this.#iterator = requests[Symbol.asyncIterator]();
    this.#source = pullSource(this.#iterator);
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
    this.#iterator.return?.()?.then(undefined, () => {});
  }

  /** All requests, for the attempt that begins. The iterables of earlier attempts end. */
  requests(): AsyncIterableIterator<Uint8Array> & PullSource<Uint8Array> {
    this.#attempt++;
    this.#waited()?.ended();
    return new AttemptRequests(this, this.#attempt);
  }

  /** For the requests of an attempt: asks for what comes at this place of them. */
  pullAt(attempt: number, at: number, sink: PullSink<Uint8Array>): void {
    if (attempt !== this.#attempt) {
      sink.ended();
      return;
    }
    const kept = this.#kept[at];
    if (kept !== undefined) {
      sink.message(kept);
      return;
    }
    if (this.#committed && this.#kept.length > 0) this.#kept = [];
    const early = this.#early;
    if (early !== undefined) {
      this.#early = undefined;
      this.#keep(early);
      sink.message(early);
    } else if (this.#end !== undefined) tell(this.#end, sink);
    else {
      this.#waiting = sink;
      if (this.#pulling) return;
      this.#pulling = true;
      this.#source.pull(this);
    }
  }

  message(payload: Payload): void {
    const loading = payload.load();
    if (loading === undefined) this.#loaded(payload);
    else
      loading.then(
        () => this.#loaded(payload),
        (error: unknown) => this.failed(error),
      );
  }

  ended(): void {
    this.#ends({ kind: "ended" });
  }

  failed(error: unknown): void {
    this.#ends({ kind: "failed", error });
  }

  #loaded(payload: Payload): void {
    let wire: Uint8Array;
    try {
      wire = payload.proto();
    } catch (error) {
      this.failed(error);
      return;
    }
    this.#pulling = false;
    const waiting = this.#waited();
    if (waiting === undefined) {
      this.#early = wire;
      return;
    }
    this.#keep(wire);
    waiting.message(wire);
  }

  #ends(end: End): void {
    this.#pulling = false;
    this.#end = end;
    const waiting = this.#waited();
    if (waiting !== undefined) tell(end, waiting);
  }

  #waited(): PullSink<Uint8Array> | undefined {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    return waiting;
  }

  #keep(message: Uint8Array): void {
    if (this.#committed) return;
    this.#keptBytes += message.length;
    if (this.#keptBytes > maxKept) this.#committed = true;
    else this.#kept.push(message);
  }
}

function tell(end: End, sink: PullSink<Uint8Array>): void {
  if (end.kind === "ended") sink.ended();
  else sink.failed(end.error);
}

class AttemptRequests implements AsyncIterableIterator<Uint8Array>, PullSource<Uint8Array> {
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

  pull(sink: PullSink<Uint8Array>): void {
    if (this.#over) sink.ended();
    else this.#replay.pullAt(this.#attempt, this.#at++, sink);
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    return nextOf(this);
  }

  return(): Promise<IteratorResult<Uint8Array>> {
    this.#over = true;
    return Promise.resolve({ done: true, value: undefined });
  }
}
