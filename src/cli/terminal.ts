import type { Readable, Writable } from "node:stream";
import type { PrimaryLink } from "#workers";

/** What a command has of the world. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** Hears the signals that ask the process to end; returns how to stop listening. */
  onSignal(listener: (signal: NodeJS.Signals) => void): () => void;
  /** The way to the process that started this one as a worker; undefined for any other. */
  readonly primary: PrimaryLink | undefined;
  /** Ends the process at once, whatever still runs. */
  exit(code: number): void;
}

/** 0 good, 1 the thing asked about is bad, 2 wrong usage. */
export type ExitCode = 0 | 1 | 2;

export interface Command {
  readonly summary: string;
  readonly usage: string;
  run(args: readonly string[], terminal: Terminal): Promise<ExitCode>;
}

/** The command was called wrongly. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
