import type { Writable } from "node:stream";
import type { LineSink } from "./logger.ts";

/** Lines that wait for a reader who does not keep up, in bytes; what is over is dropped. */
const maxWaiting = 8 * 1024 * 1024;

/**
 * A sink that writes once a turn of the event loop whatever came in it, and never lets a slow reader fill the memory.
 *
 * @param atMost bytes of one write, where several processes write to one pipe and lines must stay whole; a longer line
 *   is written by itself
 */
export function batchedLines(stream: Writable, atMost: number = Number.POSITIVE_INFINITY): LineSink {
  let waiting = "";
  return {
    write(line) {
      if (waiting === "") {
        setImmediate(() => {
          const text = waiting;
          waiting = "";
          for (const part of wholeLines(text, atMost))
            if (stream.writable && stream.writableLength < maxWaiting) stream.write(part);
        });
      }
      waiting += line;
    },
  };
}

/** Parts of a text that end where a line does, none longer than it may be but for single lines that are. */
function wholeLines(text: string, atMost: number): readonly (string | Buffer)[] {
  if (text.length * 3 <= atMost || atMost === Number.POSITIVE_INFINITY) return [text];
  const bytes = Buffer.from(text);
  const parts: Buffer[] = [];
  for (let from = 0; from < bytes.length; ) {
    const last = bytes.lastIndexOf(newline, from + atMost - 1);
    const next = last >= from ? last : bytes.indexOf(newline, from);
    const to = next === -1 ? bytes.length : next + 1;
    parts.push(bytes.subarray(from, to));
    from = to;
  }
  return parts;
}

const newline = 0x0a;
