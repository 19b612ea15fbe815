import type { FieldSection } from "./field-section.ts";

/** Larger blocks are not remembered. */
const largest = 4096;

/** Octets up to which it is cheaper to look at each than to ask the platform, and of longer ones those that are looked at first. */
const short = 32;
const looked = 16;

const nothing: Buffer = Buffer.alloc(0);

/**
 * The last header block of its kind on a connection whose section had come before: while the table of the decoder stays as it
 * was, the same octets are the same section. Clients that call one method, and all servers, send little else.
 */
export class BlockMemo {
  #octets: Buffer = nothing;
  #section: FieldSection | undefined;
  #state = 0;

  /** @param state of the decoder: another one as soon as the same octets may stand for something else */
  find(buffer: Buffer, start: number, end: number, state: number): FieldSection | undefined {
    const octets = this.#octets;
    const size = end - start;
    if (octets.length !== size || this.#section === undefined || this.#state !== state) return undefined;
    const first = size <= short ? size : looked;
    for (let i = 0; i < first; i++) if (octets[i] !== buffer[start + i]) return undefined;
    if (size > first && buffer.compare(octets, first, size, start + first, end) !== 0) return undefined;
    return this.#section;
  }

  keep(buffer: Buffer, start: number, end: number, section: FieldSection, state: number): void {
    const size = end - start;
    if (size > largest) {
      this.#section = undefined;
      return;
    }
    if (this.#octets.length !== size) this.#octets = Buffer.allocUnsafeSlow(size);
    buffer.copy(this.#octets, 0, start, end);
    this.#section = section;
    this.#state = state;
  }
}
