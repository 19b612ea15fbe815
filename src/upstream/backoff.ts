/** Milliseconds between attempts: doubles up to a limit, each spread by a fifth either way (gRPC "connection-backoff.md"). */
export class Backoff {
  readonly #initialMs: number;
  readonly #maxMs: number;
  #nextMs: number;

  constructor(initialMs: number, maxMs: number) {
    this.#initialMs = initialMs;
    this.#maxMs = maxMs;
    this.#nextMs = initialMs;
  }

  next(): number {
    const ms = this.#nextMs * (0.8 + Math.random() * 0.4);
    this.#nextMs = Math.min(this.#maxMs, this.#nextMs * 2);
    return ms;
  }

  reset(): void {
    this.#nextMs = this.#initialMs;
  }
}
