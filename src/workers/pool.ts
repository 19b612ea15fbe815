import type { ConfigSource } from "#config";
import { type OwnCounts, StartError } from "#gateway";
import type { Problem } from "#schema";
import { type FamilySample, type Logger, lastingSamples, type Meter, mergeSamples } from "#telemetry";
import { Member } from "./member.ts";
import type { Answers, Opened, Question } from "./messages.ts";

export interface PoolOptions {
  readonly stateDir: string;
  readonly counts: OwnCounts;
  readonly logger: Logger;
  readonly meter: Meter;
  /** Milliseconds that running calls have when a worker is to end. */
  readonly graceMs: () => number;
}

export interface MemberView {
  readonly number: number;
  readonly pid: number;
  readonly state: "serving" | "draining";
}

/** Milliseconds that a worker lives at least for its successor to be started at once. */
const stableMs = 10_000;

/** Milliseconds before the successor of one that did not live so long, at first and at most. */
const firstDelayMs = 100;
const mostDelayMs = 10_000;

/** The worker processes of a gateway. One that ends without being asked to is replaced. */
export class WorkerPool {
  readonly #options: PoolOptions;
  readonly #serving = new Map<number, Member>();
  readonly #leaving = new Set<Member>();
  /** Successors that are not there yet. */
  readonly #awaited = new Map<number, NodeJS.Timeout>();
  readonly #starts: { readonly ok: () => void; readonly refused: () => void };
  readonly #ends: () => void;
  #past: readonly FamilySample[] = [];
  #source: ConfigSource;
  #count = 0;
  #isClosing = false;
  #opened: Opened | undefined;

  private constructor(source: ConfigSource, options: PoolOptions) {
    this.#source = source;
    this.#options = options;
    const { meter } = options;
    const starts = (outcome: string) => {
      const counter = meter.counter("dragoman_worker_starts_total", "Worker processes started.", { outcome });
      return () => counter.add();
    };
    this.#starts = { ok: starts("ok"), refused: starts("refused") };
    const ends = meter.counter("dragoman_worker_failures_total", "Worker processes that ended unasked.");
    this.#ends = () => ends.add();
    meter.observedGauge("dragoman_workers", "Worker processes that serve.", () => [[{}, this.#serving.size]]);
  }

  /** Starts the workers: one alone, so that what is wrong is said once, and then the others. @throws StartError */
  static async start(count: number, source: ConfigSource, options: PoolOptions): Promise<WorkerPool> {
    const pool = new WorkerPool(source, options);
    try {
      await pool.#resize(count);
    } catch (error) {
      await pool.close(0);
      throw error;
    }
    return pool;
  }

  /** What the workers have opened. */
  get opened(): Opened {
    return this.#opened as Opened;
  }

  /** The processes, for people and scripts. */
  get members(): readonly MemberView[] {
    const view = (state: MemberView["state"]) => (member: Member) => ({
      number: member.number,
      pid: member.pid,
      state,
    });
    return [...this.#inOrder().map(view("serving")), ...[...this.#leaving].map(view("draining"))];
  }

  /** Of each that serves, in the order of their numbers; what ends meanwhile is left out. */
  async ask<Q extends Question>(question: Q): Promise<Answers[Q["name"]][]> {
    const answers = await Promise.allSettled(this.#inOrder().map((member) => member.ask(question)));
    return answers.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  }

  /** What all workers have counted, those included that have ended. */
  async samples(): Promise<FamilySample[]> {
    const asked = [...this.#serving.values(), ...this.#leaving];
    await Promise.allSettled(
      asked.map(async (member) => {
        member.lastSamples = await member.ask({ name: "samples" });
      }),
    );
    // What has ended while others were asked counts in the past, once.
    const present = asked.filter(
      (each) => this.#leaving.has(each) || this.#serving.get(each.number) === each,
    );
    return mergeSamples([...present.map(({ lastSamples }) => lastSamples), this.#past]);
  }

  /**
   * Has all workers take a configuration, when the first has; resolves to what speaks against it.
   *
   * @param onTaken called when the first has taken it
   */
  async reload(source: ConfigSource, count: number, onTaken: () => void): Promise<readonly Problem[]> {
    const question = { name: "reload", source } as const;
    const [first, ...others] = this.#inOrder();
    const problems = (await first?.ask(question)) ?? [];
    if (problems.length > 0) return problems;
    onTaken();
    this.#source = source;
    await Promise.allSettled(
      others.map(async (member) => {
        for (const { message } of await member.ask(question))
          this.#options.logger.error("a worker refused what another took", {
            worker: member.number,
            message,
          });
      }),
    );
    return this.#tryResize(count);
  }

  /** Replaces every worker by one that starts with a configuration, one after the other; nothing is refused meanwhile. */
  async restart(source: ConfigSource, count: number, onTaken: () => void): Promise<readonly Problem[]> {
    const before = this.#source;
    let taken = before;
    this.#source = source;
    for (const [number, member] of [...this.#serving].sort(([a], [b]) => a - b)) {
      try {
        await this.#start(number);
        if (this.#source !== taken) onTaken();
        taken = source;
        this.#leave(member);
      } catch (error) {
        if (!(error instanceof StartError)) throw error;
        // Those that have been replaced already would have failed as well, were it not by chance.
        this.#source = before;
        return problemsOf(error);
      }
    }
    return this.#tryResize(count);
  }

  /** Lets what runs end, and then all workers. A second call cuts what is left short. */
  async close(graceMs: number): Promise<void> {
    this.#isClosing = true;
    for (const timer of this.#awaited.values()) clearTimeout(timer);
    this.#awaited.clear();
    await Promise.all([...this.#serving.values(), ...this.#leaving].map((member) => member.drain(graceMs)));
  }

  #inOrder(): Member[] {
    return [...this.#serving.values()].sort((a, b) => a.number - b.number);
  }

  async #tryResize(count: number): Promise<readonly Problem[]> {
    try {
      await this.#resize(count);
      return [];
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      return problemsOf(error);
    }
  }

  async #resize(count: number): Promise<void> {
    this.#count = count;
    for (const [number, member] of this.#serving) if (number > count) this.#leave(member);
    const missing: number[] = [];
    for (let number = 1; number <= count; number++)
      if (!this.#serving.has(number) && !this.#awaited.has(number)) missing.push(number);
    if (this.#serving.size === 0) {
      const first = missing.shift();
      if (first !== undefined) await this.#start(first);
    }
    await Promise.all(missing.map((number) => this.#start(number)));
  }

  /** @throws StartError */
  async #start(number: number): Promise<void> {
    const { stateDir, counts } = this.#options;
    const source = this.#source;
    const startedAt = performance.now();
    try {
      const { member, opened } = await Member.start({
        number,
        source,
        stateDir,
        counts,
        onLeaving: (leaving) => void this.#replace(leaving),
      });
      if (this.#isClosing) {
        await member.drain(0);
        throw new StartError("the gateway is ending");
      }
      this.#starts.ok();
      this.#opened = opened;
      this.#serving.set(number, member);
      void member.ended.then((how) => this.#ended(member, how, performance.now() - startedAt));
      // It may have changed while the worker read it.
      if (source !== this.#source) await member.ask({ name: "reload", source: this.#source });
    } catch (error) {
      this.#starts.refused();
      throw error;
    }
  }

  /** Asks a worker to end when its calls have; another has its number already, or will not have it. */
  #leave(member: Member): void {
    if (this.#serving.get(member.number) === member) this.#serving.delete(member.number);
    this.#leaving.add(member);
    void member.drain(this.#options.graceMs());
  }

  /** Somebody has asked a worker to end: not before its successor serves. */
  async #replace(member: Member): Promise<void> {
    if (this.#isClosing) return;
    this.#options.logger.info("a worker was asked to end, and is replaced", { worker: member.number });
    try {
      await this.#start(member.number);
    } catch (error) {
      this.#options.logger.error("no successor of a worker could be started", { cause: error });
      this.#serving.delete(member.number);
      this.#startLater(member.number, firstDelayMs);
    }
    this.#leave(member);
  }

  #ended(member: Member, how: number | string, livedMs: number): void {
    this.#past = mergeSamples([this.#past, lastingSamples(member.lastSamples)]);
    if (this.#leaving.delete(member) || this.#isClosing) return;
    this.#serving.delete(member.number);
    this.#ends();
    this.#options.logger.error("a worker ended and is replaced", {
      worker: member.number,
      pid: member.pid,
      how,
    });
    this.#startLater(member.number, livedMs < stableMs ? firstDelayMs : 0);
  }

  #startLater(number: number, delayMs: number): void {
    if (this.#isClosing || number > this.#count) return;
    const start = async (): Promise<void> => {
      this.#awaited.delete(number);
      try {
        await this.#start(number);
      } catch (error) {
        this.#options.logger.error("a worker could not be started", { worker: number, cause: error });
        this.#startLater(number, Math.min(mostDelayMs, Math.max(firstDelayMs, delayMs * 2)));
      }
    };
    this.#awaited.set(
      number,
      setTimeout(() => void start(), delayMs),
    );
  }
}

function problemsOf({ message, problems }: StartError): readonly Problem[] {
  return problems.length > 0 ? problems : [{ severity: "error", message }];
}
