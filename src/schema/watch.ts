import { type FSWatcher, watch } from "node:fs";
import { stat } from "node:fs/promises";
import path from "node:path";
import Bottleneck from "bottleneck";
import { type CompileOutcome, compileSchema } from "./compile.ts";
import { loadRemote, type ReflectUpstream } from "./load.ts";
import { listProtoFiles } from "./proto-files.ts";
import { ProtoFolder } from "./proto-folder.ts";
import type { SchemaSource, SourceResult } from "./source.ts";

export interface WatchOptions {
  readonly sources: readonly SchemaSource[];
  readonly reflect: ReflectUpstream;
  /** Called after each load whose outcome differs from the one before; the first load is `start`'s. */
  readonly onChange: (outcome: CompileOutcome) => void;
  /** Milliseconds between two questions to upstreams that are asked by reflection. Default 30 s. */
  readonly reflectionIntervalMs?: number;
}

/** Editors write in several steps: changes within so many milliseconds are one. */
const settleMs = 40;

/** How often the files are looked at although nothing was reported: file systems lose events. */
const pollMs = 700;

/**
 * Keeps a schema up to date with its sources. Loads run one at a time, and while one runs at most one more waits: a
 * `Bottleneck` drops the rest, since the waiting one will see everything.
 */
export class SchemaWatcher {
  readonly #options: WatchOptions;
  readonly #folders = new Map<string, ProtoFolder>();
  readonly #limiter = new Bottleneck({
    maxConcurrent: 1,
    highWater: 1,
    strategy: Bottleneck.strategy.OVERFLOW,
  });
  readonly #watchers = new Map<string, FSWatcher>();
  #stamp = "";
  #fingerprint = "";
  #settle: NodeJS.Timeout | undefined;
  #poll: NodeJS.Timeout | undefined;
  #reflection: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: WatchOptions) {
    this.#options = options;
    for (const source of options.sources) {
      if (source.kind === "proto") this.#folders.set(source.dir, new ProtoFolder(source.dir));
    }
  }

  /** Loads for the first time, then watches. Call once. */
  async start(): Promise<CompileOutcome> {
    this.#stamp = await this.#currentStamp();
    const outcome = await this.#load();
    if (this.#closed) return outcome;
    this.#watchAll();
    this.#schedulePoll();
    if (this.#options.sources.some(({ kind }) => kind === "reflection")) {
      this.#reflection = setInterval(() => void this.refresh(), this.#options.reflectionIntervalMs ?? 30_000);
      this.#reflection.unref();
    }
    return outcome;
  }

  /** Loads again now, and resolves when that is done. Never rejects. */
  async refresh(): Promise<void> {
    if (this.#closed) return;
    try {
      await this.#limiter.schedule(async () => {
        if (this.#closed) return;
        this.#stamp = await this.#currentStamp();
        const before = this.#fingerprint;
        const outcome = await this.#load();
        if (!this.#closed && this.#fingerprint !== before) this.#options.onChange(outcome);
      });
    } catch (error) {
      if (!(error instanceof Bottleneck.BottleneckError)) throw error;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#settle);
    clearTimeout(this.#poll);
    clearInterval(this.#reflection);
    for (const watcher of this.#watchers.values()) watcher.close();
    await this.#limiter.stop({ dropWaitingJobs: true }).catch(() => {});
    await Promise.all([...this.#folders.values()].map((folder) => folder.close()));
  }

  async #load(): Promise<CompileOutcome> {
    const results = await Promise.all(
      this.#options.sources.map((source): Promise<SourceResult> => {
        if (source.kind !== "proto") return loadRemote(source, this.#options.reflect);
        return (this.#folders.get(source.dir) as ProtoFolder).load();
      }),
    );
    const outcome = compileSchema(results);
    this.#fingerprint = `${outcome.schema?.fingerprint}\n${JSON.stringify(outcome.problems)}`;
    return outcome;
  }

  #watchAll(): void {
    for (const source of this.#options.sources) {
      if (source.kind === "proto") this.#watch(source.dir, true);
      else if (source.kind === "descriptors") this.#watch(path.dirname(path.resolve(source.file)), false);
    }
  }

  #watch(dir: string, recursive: boolean): void {
    try {
      const watcher = watch(dir, { recursive, persistent: false }, () => this.#changed());
      watcher.on("error", () => {
        // A folder that was removed: the poll sees it when it is back.
        watcher.close();
        this.#watchers.delete(dir);
      });
      this.#watchers.get(dir)?.close();
      this.#watchers.set(dir, watcher);
    } catch {
      // The poll alone will do.
    }
  }

  #changed(): void {
    clearTimeout(this.#settle);
    if (!this.#closed) this.#settle = setTimeout(() => void this.#look(), settleMs);
  }

  #schedulePoll(): void {
    if (this.#closed) return;
    this.#poll = setTimeout(() => void this.#look().then(() => this.#schedulePoll()), pollMs);
    this.#poll.unref();
  }

  async #look(): Promise<void> {
    if (this.#closed) return;
    if ((await this.#currentStamp()) !== this.#stamp) await this.refresh();
  }

  /** A text that changes whenever a file of a source does. */
  async #currentStamp(): Promise<string> {
    const stamps = await Promise.all(
      this.#options.sources.map(async (source) => {
        try {
          if (source.kind === "proto") {
            return (await listProtoFiles(source.dir)).map(({ name, stamp }) => `${name}:${stamp}`).join("\n");
          }
          if (source.kind === "reflection") return "";
          const { mtimeMs, size, ino } = await stat(source.file);
          return `${mtimeMs}:${size}:${ino}`;
        } catch {
          return "missing";
        }
      }),
    );
    return stamps.join("\n\n");
  }
}
