import type { Principal } from "#rpc";
import { HashedCache } from "./hashed-cache.ts";
import type { Verified } from "./verify.ts";

/**
 * Remembers tokens that were verified, until they expire or their keys are withdrawn. What did not verify is never
 * remembered.
 */
export class TokenCache {
  readonly #verified: HashedCache<Verified>;

  constructor(max?: number, maxBytes?: number) {
    this.#verified = new HashedCache({
      ...(max === undefined ? {} : { max }),
      ...(maxBytes === undefined ? {} : { maxBytes }),
    });
  }

  get size(): number {
    return this.#verified.size;
  }

  /** @param now milliseconds since the epoch */
  get(token: string, now: number): Principal | undefined {
    return this.#verified.get(
      token,
      ({ principal: { expiresAt }, thumbprint, keys }) =>
        (expiresAt === undefined || expiresAt > now) && keys.trusts(thumbprint),
    )?.principal;
  }

  set(token: string, verified: Verified): void {
    this.#verified.set(token, verified);
  }
}
