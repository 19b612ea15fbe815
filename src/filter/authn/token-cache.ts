import type { Principal } from "#rpc";

/** Remembers tokens that were verified, until they expire. Bounded; the least recently used goes first. */
export class TokenCache {
  readonly #max: number;
  readonly #principals = new Map<string, Principal>();

  constructor(max = 10_000) {
    this.#max = max;
  }

  get(token: string, now: number): Principal | undefined {
    const principal = this.#principals.get(token);
    if (principal === undefined) return undefined;
    this.#principals.delete(token);
    if (principal.expiresAt !== undefined && principal.expiresAt <= now) return undefined;
    this.#principals.set(token, principal);
    return principal;
  }

  set(token: string, principal: Principal): void {
    this.#principals.set(token, principal);
    if (this.#principals.size <= this.#max) return;
    for (const oldest of this.#principals.keys()) {
      this.#principals.delete(oldest);
      return;
    }
  }
}
