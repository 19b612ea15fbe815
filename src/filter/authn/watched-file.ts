import { readFileSync, unwatchFile, watchFile } from "node:fs";

/** Between two looks at a file, in milliseconds. */
const lookMs = 500;

/**
 * Looks at a file again and again, by looking at it instead of by events: those do not come for files that are mounted, or
 * swapped by links. Never keeps the process alive. Returns how to stop.
 */
export function watchContent(file: string, onChange: () => void): () => void {
  watchFile(file, { interval: lookMs, persistent: false }, onChange).unref();
  return () => unwatchFile(file, onChange);
}

/** @throws what reading fails with */
export function readContent(file: string): string {
  return readFileSync(file, "utf8");
}
