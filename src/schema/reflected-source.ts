import { loadByReflection } from "./reflection.ts";
import type { ReflectionStream } from "./reflection-session.ts";
import { SingleFlight } from "./single-flight.ts";
import { failedSource, type SourceResult } from "./source.ts";

/** Milliseconds until an upstream that did not answer is asked again; doubled each time, up to the interval. */
const firstRetryMs = 1000;

export interface ReflectedSourceOptions {
  readonly upstream: string;
  readonly stream: ReflectionStream;
  /** Milliseconds between two questions to an upstream that answers. */
  readonly intervalMs: number;
  /** Called after each answer or failure but those that `refresh` was called for. */
  readonly onUpdate: () => void;
}

/**
 * What an upstream tells of itself, asked again and again. While it does not answer, its last answer stands: an
 * upstream that restarts must not take the schema with it.
 */
export class ReflectedSource {
  readonly #options: ReflectedSourceOptions;
  readonly #flight = new SingleFlight(() => this.#ask());
  readonly #abort = new AbortController();
  #answer: SourceResult | undefined;
  #result: SourceResult | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;

  constructor(options: ReflectedSourceOptions) {
    this.#options = options;
  }

  /** Undefined before the first question has been answered or has failed. A failure is but a warning in it. */
  get result(): SourceResult | undefined {
    return this.#result;
  }

  /** Whether the upstream has ever answered. */
  get answered(): boolean {
    return this.#answer !== undefined;
  }

  /** Asks now. Never rejects. */
  refresh(): Promise<void> {
    return this.#flight.run();
  }

  /** Gives up a question that is open. */
  async close(): Promise<void> {
    this.#abort.abort();
    clearTimeout(this.#timer);
    await this.#flight.stop();
    clearTimeout(this.#timer);
  }

  async #ask(): Promise<void> {
    clearTimeout(this.#timer);
    const { upstream, stream, intervalMs, onUpdate } = this.#options;
    const result = await loadByReflection(upstream, stream, this.#abort.signal);
    if (this.#abort.signal.aborted) return;
    const failed = result.problems.some(({ severity }) => severity === "error");
    this.#failures = failed ? this.#failures + 1 : 0;
    if (!failed) this.#answer = result;
    this.#result = failed ? this.#standIn(result) : result;
    const delay = failed ? Math.min(firstRetryMs * 2 ** (this.#failures - 1), intervalMs) : intervalMs;
    this.#timer = setTimeout(() => void this.refresh().then(onUpdate), delay);
    this.#timer.unref();
  }

  #standIn({ label, problems }: SourceResult): SourceResult {
    const what = this.#answer === undefined ? "nothing of it is served yet" : "its last answer stands";
    const warnings = problems.map(({ message }) => ({
      severity: "warning" as const,
      message: `${message}; ${what}`,
    }));
    return { ...(this.#answer ?? failedSource(label, [])), problems: warnings };
  }
}
