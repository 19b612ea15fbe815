import type { LineOutput } from "#telemetry";

/** Keeps each line that is written, as a text. */
export function keepLines(lines: string[]): LineOutput {
  return {
    write: (line) => lines.push(line),
    writeOctets: (octets, size) => lines.push(Buffer.from(octets).toString("utf8", 0, size)),
  };
}
