/** Hears what became of one pull: one of the three, once, perhaps before `pull` has returned. None of them may throw. */
export interface PullSink<T> {
  message(message: T): void;
  /** There are no more. */
  ended(): void;
  failed(error: unknown): void;
}

/**
 * Messages that are asked for one at a time, as by an asynchronous iterator, but without a promise for each: of many streams
 * that wait at once, those would be most of what the garbage collector has to carry about.
 */
export interface PullSource<T> {
  /** Asks for the next; only once the last pull was answered, with a message. */
  pull(sink: PullSink<T>): void;
}

/** An iterator to pull from: as it is where it can be, else by its promises. */
export function pullSource<T>(iterator: AsyncIterator<T>): PullSource<T> {
  return isPullSource(iterator) ? iterator : new IteratorPulls(iterator);
}

function isPullSource<T>(iterator: AsyncIterator<T>): iterator is AsyncIterator<T> & PullSource<T> {
  return "pull" in iterator && typeof iterator.pull === "function";
}

class IteratorPulls<T> implements PullSource<T> {
  readonly #iterator: AsyncIterator<T>;

  constructor(iterator: AsyncIterator<T>) {
    this.#iterator = iterator;
  }

  pull(sink: PullSink<T>): void {
    this.#iterator.next().then(
      (result) => {
        if (result.done === true) sink.ended();
        else sink.message(result.value);
      },
      (error: unknown) => sink.failed(error),
    );
  }
}

/** The next of what is pulled, as an iterator gives it. */
export function nextOf<T>(source: PullSource<T>): Promise<IteratorResult<T, undefined>> {
  return new Promise((resolve, reject) => {
    source.pull({
      message: (value) => resolve({ done: false, value }),
      ended: () => resolve({ done: true, value: undefined }),
      failed: reject,
    });
  });
}

/**
 * Pulls one message after the other, and hands each on. However many are at hand at once, they are handed on in a loop and
 * not within each other.
 */
export class Pump<T> implements PullSink<T> {
  readonly #source: PullSource<T>;
  readonly #to: PumpTarget<T>;
  #pulling = false;
  #again = false;

  constructor(source: PullSource<T>, to: PumpTarget<T>) {
    this.#source = source;
    this.#to = to;
  }

  /** Asks for the next, at the start and after `message` has said no. */
  run(): void {
    if (this.#pulling) {
      this.#again = true;
      return;
    }
    this.#pulling = true;
    do {
      this.#again = false;
      this.#source.pull(this);
    } while (this.#again);
    this.#pulling = false;
  }

  message(message: T): void {
    if (this.#to.message(message)) this.run();
  }

  ended(): void {
    this.#to.ended();
  }

  failed(error: unknown): void {
    this.#to.failed(error);
  }
}

/** Who takes what is pumped. None of these may throw. */
export interface PumpTarget<T> {
  /** True when the next may come; else `run` asks for it later. */
  message(message: T): boolean;
  ended(): void;
  failed(error: unknown): void;
}
