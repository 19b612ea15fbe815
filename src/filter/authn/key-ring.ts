import { hash, timingSafeEqual } from "node:crypto";
import type { Principal } from "#rpc";
import type { Logger } from "#telemetry";
import { type HashedKey, parseKeyFile } from "./key-file.ts";
import { readContent, watchContent } from "./watched-file.ts";

/** Where API keys are, as parsed from the configuration. */
export interface ApiKeysOptions {
  /** How the configuration calls them. */
  readonly name: string;
  /** In lower case. */
  readonly header: string;
  readonly file: string;
}

/** A key of the ring, for operators. */
export interface ApiKeyView {
  readonly provider: string;
  readonly consumer: string;
  /** The first digits of its hash, which tell it from others and are of no use to anybody. */
  readonly id: string;
  readonly expires: string | undefined;
  /** Since this process started. */
  readonly lastUsed: string | undefined;
}

export type KeyOutcome =
  | { readonly kind: "known"; readonly principal: Principal }
  | { readonly kind: "expired" }
  | { readonly kind: "unknown" };

interface RingKey extends HashedKey {
  readonly principal: Principal;
}

const maxKeyLength = 512;

/**
 * The API keys of one file. The file is looked at again and again; when it has changed the keys are swapped as a whole,
 * and a file that cannot be read or has a fault leaves those before in force.
 */
export class KeyRing {
  readonly options: ApiKeysOptions;
  readonly #logger: Logger;
  readonly #lastUsed = new Map<string, number>();
  readonly #stop: () => void;
  #keys: ReadonlyMap<string, RingKey>;

  /** @throws CredentialFileError, or what reading the file fails with */
  constructor(options: ApiKeysOptions, logger: Logger) {
    this.options = options;
    this.#logger = logger;
    this.#keys = this.#read();
    this.#stop = watchContent(options.file, () => this.#reload());
  }

  /**
   * Who has a key. It is looked up by its hash, so that the time this takes says nothing of keys that are near.
   *
   * @param now milliseconds since the epoch
   */
  find(key: string, now: number): KeyOutcome {
    if (key.length > maxKeyLength) return { kind: "unknown" };
    const id = hash("sha256", key, "hex");
    const found = this.#keys.get(id);
    if (found === undefined || !timingSafeEqual(found.hash, Buffer.from(id, "hex")))
      return { kind: "unknown" };
    if (found.expiresAt !== undefined && found.expiresAt <= now) return { kind: "expired" };
    this.#lastUsed.set(id, now);
    return { kind: "known", principal: found.principal };
  }

  get views(): readonly ApiKeyView[] {
    return [...this.#keys].map(([id, { consumer, expiresAt }]) => ({
      provider: this.options.name,
      consumer,
      id: id.slice(0, 8),
      expires: isoTime(expiresAt),
      lastUsed: isoTime(this.#lastUsed.get(id)),
    }));
  }

  close(): void {
    this.#stop();
  }

  #read(): ReadonlyMap<string, RingKey> {
    const { name, file } = this.options;
    return new Map(
      parseKeyFile(readContent(file)).map((key) => {
        const { consumer, scopes, claims, expiresAt } = key;
        const principal = { subject: consumer, provider: name, scopes, claims, expiresAt };
        return [key.hash.toString("hex"), { ...key, principal }];
      }),
    );
  }

  #reload(): void {
    const { name } = this.options;
    try {
      this.#keys = this.#read();
    } catch (error) {
      this.#logger.warn("the file of API keys cannot be used; those before stay in force", {
        provider: name,
        error,
      });
      return;
    }
    for (const id of this.#lastUsed.keys()) if (!this.#keys.has(id)) this.#lastUsed.delete(id);
    this.#logger.info("API keys were loaded", { provider: name, keys: this.#keys.size });
  }
}

function isoTime(time: number | undefined): string | undefined {
  return time === undefined ? undefined : new Date(time).toISOString();
}
