import type { Writable } from "node:stream";
import type { LineOutput } from "./logger.ts";

/** Lines that wait for a reader who does not keep up, in bytes; what is over is dropped. */
const maxWaiting = 8 * 1024 * 1024;

/** Memory that lines are put together in, until it is full. */
const slabSize = 64 * 1024;

/**
 * A sink that writes once a turn of the event loop whatever came in it, and never lets a slow reader fill the memory.
 *
 * @param stream one that has done with what it was given once nothing of it waits (`writableLength` is 0), as those of the
 *   process have: its memory is written to again then
 * @param atMost bytes of one write, where several processes write to one pipe and lines must stay whole; a longer line
 *   is written by itself
 */
export function batchedLines(stream: Writable, atMost: number = Number.POSITIVE_INFINITY): LineOutput {
  return new BatchedLines(stream, atMost);
}

class BatchedLines implements LineOutput {
  readonly #stream: Writable;
  readonly #atMost: number;
  /** What is to be written before `#slab[#from..#at]`. */
  #pieces: Uint8Array[] = [];
  #slab: Buffer = Buffer.alloc(0);
  #from = 0;
  #at = 0;
  #scheduled = false;

  constructor(stream: Writable, atMost: number) {
    this.#stream = stream;
    this.#atMost = atMost;
  }

  write(line: string): void {
    // A character of a text takes three bytes at most.
    const most = line.length * 3;
    if (most > slabSize || this.#at - this.#from + most > this.#atMost) {
      this.writeOctets(Buffer.from(line));
      return;
    }
    this.#reserve(most);
    this.#at += this.#slab.write(line, this.#at);
    this.#schedule();
  }

  writeOctets(line: Uint8Array): void {
    const size = line.length;
    if (this.#at - this.#from + size > this.#atMost) this.#cut();
    if (size > slabSize) {
      this.#cut();
      this.#pieces.push(Uint8Array.from(line));
    } else {
      this.#reserve(size);
      this.#slab.set(line, this.#at);
      this.#at += size;
    }
    this.#schedule();
  }

  #reserve(size: number): void {
    if (this.#slab.length - this.#at >= size) return;
    this.#cut();
    this.#slab = Buffer.allocUnsafeSlow(slabSize);
    this.#from = 0;
    this.#at = 0;
  }

  #cut(): void {
    if (this.#at === this.#from) return;
    this.#pieces.push(this.#slab.subarray(this.#from, this.#at));
    this.#from = this.#at;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#flush);
  }

  readonly #flush = (): void => {
    this.#scheduled = false;
    this.#cut();
    const pieces = this.#pieces;
    this.#pieces = [];
    const stream = this.#stream;
    for (const piece of pieces)
      if (stream.writable && stream.writableLength < maxWaiting) stream.write(piece);
    if (stream.writableLength > 0) return;
    this.#from = 0;
    this.#at = 0;
  };
}
