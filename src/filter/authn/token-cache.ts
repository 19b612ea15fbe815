import { hash } from "node:crypto";
import type { Principal } from "#rpc";

/**
 * Remembers tokens that were verified, until they expire; by their hashes, so that no token lies in memory. Bounded; the
 * least recently used goes first.
 */
export class TokenCache {
  readonly #max: number;
  readonly #principals = new Map<string, Principal>();

  constructor(max = 10_000) {
    this.#max = max;
  }

  get(token: string, now: number): Principal | undefined {
    const key = keyOf(token);
    const principal = this.#principals.get(key);
    if (principal === undefined) return undefined;
    this.#principals.delete(key);
    if (principal.expiresAt !== undefined && principal.expiresAt <= now) return undefined;
    this.#principals.set(key, principal);
    return principal;
  }

  set(token: string, principal: Principal): void {
    this.#principals.set(keyOf(token), principal);
    if (this.#principals.size <= this.#max) return;
    for (const oldest of this.#principals.keys()) {
      this.#principals.delete(oldest);
      return;
    }
  }
}

function keyOf(token: string): string {
  return hash("sha256", token, "base64");
}
