import cluster, { type Worker } from "node:cluster";
import type { ConfigSource } from "#config";
import { type OwnCounts, StartError } from "#gateway";
import type { FamilySample } from "#telemetry";
import { Counting } from "./counting.ts";
import type { Answers, FromWorker, Opened, Question, ToWorker } from "./messages.ts";

export interface MemberOptions {
  /** Its number among the workers, from 1; its successor has the same. */
  readonly number: number;
  readonly source: ConfigSource;
  readonly stateDir: string;
  readonly counts: OwnCounts;
  /** Somebody else than us asked it to end. */
  readonly onLeaving: (member: Member) => void;
}

/** Milliseconds beyond the time that running calls have, after which a worker that was asked to end is ended. */
const overdueMs = 5000;

interface Asked {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** A worker, as the primary process sees it. */
export class Member {
  readonly number: number;
  readonly pid: number;
  /** Resolves when the process has ended, to how: its exit code or the signal that ended it. */
  readonly ended: Promise<number | string>;
  /** What counts on when it has ended, as far as it is known. */
  lastSamples: readonly FamilySample[] = [];
  readonly #worker: Worker;
  readonly #asked = new Map<number, Asked>();
  #lastId = 0;
  #isOver = false;

  private constructor(worker: Worker, { number, counts }: MemberOptions) {
    this.number = number;
    this.#worker = worker;
    this.pid = worker.process.pid ?? 0;
    this.ended = new Promise((resolve) => {
      worker.once("exit", (code: number, signal: string) => {
        this.#isOver = true;
        counting.gone();
        for (const { reject } of this.#asked.values()) reject(new Error("the worker has ended"));
        this.#asked.clear();
        resolve(signal ?? code);
      });
    });
    const counting = new Counting(counts, (decisions) => this.#send({ kind: "decided", decisions }));
    worker.on("message", (message: FromWorker) => {
      if (message.kind === "counted") counting.handle(message.operations);
      else if (message.kind === "answer") {
        this.#asked.get(message.id)?.resolve(message.answer);
        this.#asked.delete(message.id);
      } else if (message.kind === "drained") this.lastSamples = message.samples;
    });
    // A message to a process that is ending is lost, which its end tells.
    worker.on("error", () => {});
  }

  /** Starts a process and waits until it serves. @throws StartError why it cannot */
  static async start(options: MemberOptions): Promise<{ member: Member; opened: Opened }> {
    const worker = cluster.fork();
    const member = new Member(worker, options);
    const opened = await new Promise<Opened>((resolve, reject) => {
      const { number, source, stateDir, onLeaving } = options;
      worker.on("message", (message: FromWorker) => {
        if (message.kind === "awake") member.#send({ kind: "start", number, source, stateDir });
        else if (message.kind === "started") resolve(message);
        else if (message.kind === "refused")
          reject(new StartError(message.message, { problems: message.problems }));
        else if (message.kind === "leaving") onLeaving(member);
      });
      void member.ended.then((how) => reject(new StartError(`worker ${number} ended early (${how})`)));
    });
    return { member, opened };
  }

  /** Rejects when the worker ends before it answers. */
  ask<Q extends Question>(question: Q): Promise<Answers[Q["name"]]> {
    return new Promise((resolve, reject) => {
      if (this.#isOver) {
        reject(new Error("the worker has ended"));
        return;
      }
      const id = ++this.#lastId;
      this.#asked.set(id, { resolve: (answer) => resolve(answer as Answers[Q["name"]]), reject });
      this.#send({ kind: "question", id, question });
    });
  }

  /** Has it stop accepting and end when its calls have, or the time is over. Resolves when it has. */
  async drain(graceMs: number): Promise<void> {
    this.#send({ kind: "drain", graceMs });
    const overdue = setTimeout(() => this.#worker.process.kill("SIGKILL"), graceMs + overdueMs);
    await this.ended;
    clearTimeout(overdue);
  }

  #send(message: ToWorker): void {
    if (!this.#isOver && this.#worker.isConnected()) this.#worker.send(message);
  }
}
