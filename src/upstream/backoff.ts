/**
 * Milliseconds between attempts: grows by the factor of gRPC's "connection-backoff.md" up to a limit, each spread by a
 * fifth either way.
 */
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
    const ms = jittered(this.#nextMs, 0.2);
    this.#nextMs = Math.min(this.#maxMs, this.#nextMs * 1.6);
    return ms;
  }

  reset(): void {
    this.#nextMs = this.#initialMs;
  }
}

/** Spreads a duration evenly by a share of it either way, so that what began together does not stay together. */
export function jittered(ms: number, share: number): number {
  return ms * (1 - share + Math.random() * 2 * share);
}
