/**
 * Keeps retries from drowning an upstream that fails (gRFC A6, "Throttling Retry Attempts and Hedged RPCs"): each failure
 * takes a token, each success gives a part of one back, and at half or below there are no retries. One per upstream.
 */
export class RetryThrottle {
  readonly #max: number;
  readonly #ratio: number;
  #tokens: number;

  constructor(maxTokens = 100, tokenRatio = 0.1) {
    this.#max = maxTokens;
    this.#ratio = tokenRatio;
    this.#tokens = maxTokens;
  }

  get allows(): boolean {
    return this.#tokens > this.#max / 2;
  }

  failed(): void {
    this.#tokens = Math.max(0, this.#tokens - 1);
  }

  succeeded(): void {
    this.#tokens = Math.min(this.#max, this.#tokens + this.#ratio);
  }
}
