/** The identifiers of streams that the peer has used (RFC 9113 5.1.1). */
export class PeerStreams {
  /** The last that it has opened; 0 before there was one. */
  last = 0;
  /** The last that it has passed over: from the first to before the second. */
  #skippedFrom = 0;
  #skippedTo = 0;

  opened(id: number): void {
    if (id > this.last + 2) {
      this.#skippedFrom = this.last + 1;
      this.#skippedTo = id;
    }
    this.last = id;
  }

  /** Passed over when a later one was opened, and so not to be opened any more. */
  wasSkipped(id: number): boolean {
    return id >= this.#skippedFrom && id < this.#skippedTo;
  }
}
