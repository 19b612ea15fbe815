import Bottleneck from "bottleneck";

/**
 * Work of which one run goes on at a time, and at most one more waits: whoever asks in the meantime is served by the
 * one that waits, since it begins after they asked.
 */
export class SingleFlight {
  readonly #limiter = new Bottleneck({
    maxConcurrent: 1,
    highWater: 1,
    strategy: Bottleneck.strategy.OVERFLOW,
  });
  readonly #work: () => Promise<void>;
  #waiting: Promise<void> | undefined;
  #stopped: Promise<void> | undefined;

  /** @param work must not reject */
  constructor(work: () => Promise<void>) {
    this.#work = work;
  }

  /** Resolves when a run that began after this call has ended, or when there will be none any more. */
  run(): Promise<void> {
    this.#waiting ??= this.#limiter
      .schedule(() => {
        this.#waiting = undefined;
        return this.#work();
      })
      .catch((error: unknown) => {
        if (!(error instanceof Bottleneck.BottleneckError)) throw error;
      });
    return this.#waiting;
  }

  /** Resolves when the run that goes on has ended; none begins any more. May be called again. */
  stop(): Promise<void> {
    this.#stopped ??= this.#limiter.stop({ dropWaitingJobs: true });
    return this.#stopped;
  }
}
