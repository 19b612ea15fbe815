/** Streams reset from here of which frames may still be on their way. */
const remembered = 128;

/** The last streams that were reset from here (RFC 9113 5.1: what was sent before our reset came there is ignored). */
export class ResetStreams {
  /** Most connections never reset any. */
  #ids: Int32Array | undefined;
  #count = 0;

  add(id: number): void {
    this.#ids ??= new Int32Array(remembered);
    this.#ids[this.#count++ % remembered] = id;
  }

  has(id: number): boolean {
    return this.#ids?.includes(id) === true;
  }
}
