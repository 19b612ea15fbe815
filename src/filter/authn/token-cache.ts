import type { Peer, Principal } from "#rpc";
import { HashedCache } from "./hashed-cache.ts";
import type { Verified } from "./verify.ts";

interface Shown {
  authorization: string;
  verified: Verified;
}

/**
 * Remembers tokens that were verified, until they expire or their keys are withdrawn. What did not verify is never
 * remembered.
 */
export class TokenCache {
  readonly #verified: HashedCache<Verified>;
  /** What connections have shown last, as long as they live. */
  readonly #shown = new WeakMap<Peer, Shown>();

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
  get(token: string, now: number): Verified | undefined {
    return this.#verified.get(token, (verified) => isGood(verified, now));
  }

  /** The same by what the connection has shown before: to compare is less work than to hash. */
  shownBy(peer: Peer, authorization: string, now: number): Principal | undefined {
    const shown = this.#shown.get(peer);
    if (shown === undefined || shown.authorization !== authorization) return undefined;
    if (isGood(shown.verified, now)) return shown.verified.principal;
    this.#shown.delete(peer);
    return undefined;
  }

  /**
   * The token of this field was found here, and the peer may show it. Of whom a proxy speaks for, each request is another
   * peer.
   */
  show(peer: Peer, authorization: string, verified: Verified): void {
    if (peer.port === 0) return;
    const shown = this.#shown.get(peer);
    if (shown === undefined) {
      this.#shown.set(peer, { authorization, verified });
      return;
    }
    // To enter something into a weak map is dearer than all else here, and a connection may carry the calls of many.
    shown.authorization = authorization;
    shown.verified = verified;
  }

  set(token: string, verified: Verified): void {
    this.#verified.set(token, verified);
  }
}

function isGood({ principal: { expiresAt }, thumbprint, keys }: Verified, now: number): boolean {
  return (expiresAt === undefined || expiresAt > now) && keys.trusts(thumbprint);
}
