import { hash } from "node:crypto";
import type { Principal } from "#rpc";
import type { Verified } from "./verify.ts";

interface Entry extends Verified {
  readonly bytes: number;
}

/**
 * Remembers tokens that were verified, until they expire or their keys are withdrawn; by their hashes, so that no token
 * lies in memory, and none can be found by guessing at a part of it. Bounded in tokens and in their bytes, which the
 * claims that are kept come from; the least recently used goes first. What did not verify is never remembered.
 */
export class TokenCache {
  readonly #max: number;
  readonly #maxBytes: number;
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(max = 10_000, maxBytes = 16 * 1024 * 1024) {
    this.#max = max;
    this.#maxBytes = maxBytes;
  }

  /** @param now milliseconds since the epoch */
  get(token: string, now: number): Principal | undefined {
    const key = keyOf(token);
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    const { principal, thumbprint, keys } = entry;
    if ((principal.expiresAt !== undefined && principal.expiresAt <= now) || !keys.trusts(thumbprint)) {
      this.#bytes -= entry.bytes;
      return undefined;
    }
    this.#entries.set(key, entry);
    return principal;
  }

  set(token: string, verified: Verified): void {
    const key = keyOf(token);
    this.#delete(key);
    this.#entries.set(key, { ...verified, bytes: token.length });
    this.#bytes += token.length;
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#max && this.#bytes <= this.#maxBytes) return;
      this.#delete(oldest);
    }
  }

  #delete(key: string): void {
    this.#bytes -= this.#entries.get(key)?.bytes ?? 0;
    this.#entries.delete(key);
  }
}

function keyOf(token: string): string {
  return hash("sha256", token, "base64");
}
