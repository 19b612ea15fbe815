import type { Writable } from "node:stream";
import type { LineSink } from "./logger.ts";

/** Lines that wait for a reader who does not keep up, in bytes; what is over is dropped. */
const maxWaiting = 8 * 1024 * 1024;

/** A sink that writes once a turn of the event loop whatever came in it, and never lets a slow reader fill the memory. */
export function batchedLines(stream: Writable): LineSink {
  let waiting = "";
  return {
    write(line) {
      if (waiting === "") {
        setImmediate(() => {
          const text = waiting;
          waiting = "";
          if (stream.writable && stream.writableLength < maxWaiting) stream.write(text);
        });
      }
      waiting += line;
    },
  };
}
