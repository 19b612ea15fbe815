import { type ChildProcess, fork } from "node:child_process";
import { createInterface } from "node:readline";
import { type FromReplica, isFromReplica, type ToReplica } from "./messages.ts";

export interface ReplicaEvents {
  /** A new process has told something. */
  message(message: FromReplica, incarnation: Incarnation): void;
  /** A process has died, for whatever reason. */
  exit(incarnation: Incarnation): void;
  log(line: string): void;
}

/** One process of a replica, from fork to exit. */
export interface Incarnation {
  readonly pid: number | undefined;
  send(message: ToReplica): void;
  kill(signal: NodeJS.Signals): void;
}

/** A process that lived at least this long has not died of its start. */
const settledMs = 5000;
const firstDelayMs = 100;
const longestDelayMs = 3000;

/** Runs a program, and runs it again when it dies, until it is closed. */
export class ReplicaProcess {
  readonly name: string;
  readonly #file: string;
  readonly #args: readonly string[];
  readonly #events: ReplicaEvents;
  #current: { readonly incarnation: Incarnation; readonly gone: Promise<void> } | undefined;
  #restart: NodeJS.Timeout | undefined;
  #quickDeaths = 0;
  #closed = false;

  constructor(name: string, file: string, args: readonly string[], events: ReplicaEvents) {
    this.name = name;
    this.#file = file;
    this.#args = args;
    this.#events = events;
    this.#start();
  }

  get pid(): number | undefined {
    return this.#current?.incarnation.pid;
  }

  /** Asks the process to end what it does and exit; insists after a while. Resolves when it is gone. */
  async close(patienceMs: number): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#restart);
    if (this.#current === undefined) return;
    const { incarnation, gone } = this.#current;
    incarnation.kill("SIGTERM");
    const insist = setTimeout(() => incarnation.kill("SIGKILL"), patienceMs);
    await gone;
    clearTimeout(insist);
  }

  #start(): void {
    const startedAt = performance.now();
    const child = fork(this.#file, this.#args, {
      serialization: "advanced",
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      execArgv: [],
    });
    const incarnation: Incarnation = {
      pid: child.pid,
      // A message to a process that has just died is lost, as it would be in any network.
      send: (message) => child.connected && child.send(message, () => {}),
      kill: (signal) => child.kill(signal),
    };
    this.#logLines(child);
    child.on("message", (message) => {
      if (isFromReplica(message)) this.#events.message(message, incarnation);
    });
    const gone = new Promise<void>((resolve) => {
      child.once("error", (error) => {
        this.#events.log(`${this.name} cannot be started: ${error.message}`);
        if (child.pid === undefined) this.#ended(incarnation, startedAt, resolve);
      });
      child.once("exit", (code, signal) => {
        if (!this.#closed)
          this.#events.log(`${this.name} ended with ${signal ?? code}, and is started again`);
        this.#ended(incarnation, startedAt, resolve);
      });
    });
    this.#current = { incarnation, gone };
  }

  #ended(incarnation: Incarnation, startedAt: number, resolve: () => void): void {
    this.#current = undefined;
    this.#events.exit(incarnation);
    resolve();
    if (this.#closed) return;
    this.#quickDeaths = performance.now() - startedAt < settledMs ? this.#quickDeaths + 1 : 0;
    const delay = Math.min(longestDelayMs, firstDelayMs * 2 ** Math.max(0, this.#quickDeaths - 1));
    this.#restart = setTimeout(() => this.#start(), delay);
  }

  #logLines(child: ChildProcess): void {
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on("line", (line) => this.#events.log(`${this.name}: ${line}`));
    }
  }
}
