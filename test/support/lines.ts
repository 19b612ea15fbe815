import type { LineOutput } from "#telemetry";

/** Keeps each line that is written, as a text. */
export function keepLines(lines: string[]): LineOutput {
  return {
    write: (line) => lines.push(line),
    writeOctets: (line) => lines.push(Buffer.from(line).toString()),
  };
}
