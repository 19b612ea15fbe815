import type { Peer, Principal } from "#rpc";
import { HashedCache } from "./hashed-cache.ts";
import type { Verified } from "./verify.ts";

/**
 * Remembers tokens that were verified, until they expire or their keys are withdrawn. What did not verify is never
 * remembered.
 */
export class TokenCache {
  readonly #verified: HashedCache<Verified>;
  /** What connections have shown last, as long as they live. */
  readonly #shown = new WeakMap<Peer, { readonly authorization: string; readonly verified: Verified }>();

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
    return this.#verified.get(token, (verified) => isGood(verified, now))?.principal;
  }

  /** The same by what the connection has shown before: to compare is less work than to hash. */
  shownBy(peer: Peer, authorization: string, now: number): Principal | undefined {
    const shown = this.#shown.get(peer);
    if (shown === undefined || shown.authorization !== authorization) return undefined;
    if (isGood(shown.verified, now)) return shown.verified.principal;
    this.#shown.delete(peer);
    return undefined;
  }

  /** The token of this field is known, and the peer may show it. Of whom a proxy speaks for, each request is another peer. */
  show(peer: Peer, authorization: string, token: string, now: number): void {
    if (peer.port === 0) return;
    const verified = this.#verified.get(token, (each) => isGood(each, now));
    if (verified !== undefined) this.#shown.set(peer, { authorization, verified });
  }

  set(token: string, verified: Verified): void {
    this.#verified.set(token, verified);
  }
}

function isGood({ principal: { expiresAt }, thumbprint, keys }: Verified, now: number): boolean {
  return (expiresAt === undefined || expiresAt > now) && keys.trusts(thumbprint);
}
