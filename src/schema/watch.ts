import { type CompileOutcome, compileSchema } from "./compile.ts";
import { FileSource } from "./file-source.ts";
import { FolderWatcher } from "./folder-watcher.ts";
import { type ReflectUpstream, unasked } from "./load.ts";
import type { Problem } from "./problem.ts";
import { ReflectedSource } from "./reflected-source.ts";
import type { Schema } from "./schema.ts";
import { SingleFlight } from "./single-flight.ts";
import type { SchemaSource, SourceResult } from "./source.ts";

export interface WatchOptions {
  readonly sources: readonly SchemaSource[];
  readonly reflect: ReflectUpstream;
  /** Called with each outcome that differs from the one before; not before `start` has resolved. Must not throw. */
  readonly onChange: (outcome: CompileOutcome) => void;
  /** Milliseconds between two questions to upstreams that are asked by reflection. Default 30 s. */
  readonly reflectionIntervalMs?: number;
}

/** Editors write in several steps: changes within so many milliseconds are one. */
const settleMs = 40;

/** The least time between two looks at files of which nothing was reported: file systems lose events. */
const pollMs = 700;

/** Looking may take one part in so many of the time; large folders are looked at less often. */
const pollShare = 30;

interface Source {
  readonly result: SourceResult | undefined;
  close(): Promise<void>;
}

/**
 * Keeps a schema up to date with its sources. A change is compiled and delivered well within a second where the
 * sources are small; of changes that come faster than they can be compiled, only the last counts.
 */
export class SchemaWatcher {
  readonly #onChange: (outcome: CompileOutcome) => void;
  /** In the order in which they were given. */
  readonly #sources: readonly Source[];
  readonly #files: readonly FileSource[];
  readonly #reflected: readonly ReflectedSource[];
  readonly #flight = new SingleFlight(() => this.#update());
  readonly #folders = new FolderWatcher(() => this.#changed());
  #outcome: CompileOutcome = { schema: undefined, problems: [] };
  #schema: Schema | undefined;
  /** What the outcome was made of. */
  #compiled: readonly SourceResult[] = [];
  #lookMs = 0;
  #settle: NodeJS.Timeout | undefined;
  #poll: NodeJS.Timeout | undefined;
  #started = false;
  #closed = false;

  constructor({ sources, reflect, onChange, reflectionIntervalMs = 30_000 }: WatchOptions) {
    const files: FileSource[] = [];
    const reflected: ReflectedSource[] = [];
    this.#onChange = onChange;
    this.#sources = sources.map((source) => {
      if (source.kind !== "reflection") {
        const opened = new FileSource(source);
        files.push(opened);
        return opened;
      }
      const { upstream } = source;
      if (reflect === undefined) return { result: unasked(upstream), close: async () => {} };
      const opened = new ReflectedSource({
        upstream,
        stream: (...call) => reflect(upstream)(...call),
        intervalMs: reflectionIntervalMs,
        onUpdate: () => this.#publish(),
      });
      reflected.push(opened);
      return opened;
    });
    this.#files = files;
    this.#reflected = reflected;
  }

  /** Loads for the first time, then watches. Call once. */
  async start(): Promise<CompileOutcome> {
    await this.#load();
    this.#compile();
    this.#started = true;
    this.#schedulePoll();
    return this.#outcome;
  }

  /** The last schema without errors, which is the one to serve; undefined while there has been none. */
  current(): Schema | undefined {
    return this.#schema;
  }

  /** What is wrong or doubtful with the sources as they are now. */
  problems(): readonly Problem[] {
    return this.#outcome.problems;
  }

  /** Loads every source again now, and resolves when `onChange` has been told of what came of it. Never rejects. */
  async refresh(): Promise<void> {
    await this.#load();
    this.#publish();
  }

  /** Resolves when nothing is left: no timer, no watch, no compiler, no temporary file. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#settle);
    clearTimeout(this.#poll);
    this.#folders.close();
    await Promise.all(this.#sources.map((source) => source.close()));
    await this.#flight.stop();
    this.#folders.close();
  }

  async #load(): Promise<void> {
    for (const file of this.#files) file.forget();
    await Promise.all([this.#flight.run(), ...this.#reflected.map((source) => source.refresh())]);
  }

  /** Brings what is known of the files up to date with the disk. */
  async #update(): Promise<void> {
    const begun = performance.now();
    const folders = new Map<string, string>();
    for (const found of await Promise.all(this.#files.map((file) => file.look()))) {
      for (const [path, identity] of found) folders.set(path, identity);
    }
    this.#lookMs = performance.now() - begun;
    if (this.#closed) return;
    if (this.#folders.sync(folders)) this.#changed();
    await Promise.all(this.#files.filter(({ stale }) => stale).map((file) => file.load()));
  }

  #changed(): void {
    clearTimeout(this.#settle);
    if (!this.#closed) this.#settle = setTimeout(() => void this.#updateAndPublish(), settleMs);
  }

  #schedulePoll(): void {
    if (this.#closed || this.#files.length === 0) return;
    const delay = Math.max(pollMs, this.#lookMs * pollShare);
    this.#poll = setTimeout(() => void this.#updateAndPublish().then(() => this.#schedulePoll()), delay);
    this.#poll.unref();
  }

  async #updateAndPublish(): Promise<void> {
    await this.#flight.run();
    this.#publish();
  }

  #publish(): void {
    if (!this.#started || this.#closed || !this.#compile()) return;
    this.#onChange(this.#outcome);
  }

  /** Whether there is an outcome other than before. */
  #compile(): boolean {
    const results = this.#sources.flatMap(({ result }) => result ?? []);
    if (sameItems(results, this.#compiled)) return false;
    this.#compiled = results;
    const outcome = this.#judge(compileSchema(results));
    const same =
      outcome.schema?.fingerprint === this.#outcome.schema?.fingerprint &&
      JSON.stringify(outcome.problems) === JSON.stringify(this.#outcome.problems);
    if (same) return false;
    // Equal content: the schema at hand may have built descriptors already.
    const schema = outcome.schema?.fingerprint === this.#schema?.fingerprint ? this.#schema : outcome.schema;
    this.#outcome = { schema, problems: outcome.problems };
    this.#schema = schema ?? this.#schema;
    return true;
  }

  /** A schema of which nothing is known yet is none. */
  #judge(outcome: CompileOutcome): CompileOutcome {
    const all = this.#reflected.length > 0 && this.#reflected.length === this.#sources.length;
    if (!all || this.#reflected.some(({ answered }) => answered)) return outcome;
    const message = "no upstream has told of its services yet";
    return { schema: undefined, problems: [...outcome.problems, { severity: "error", message }] };
  }
}

function sameItems(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}
