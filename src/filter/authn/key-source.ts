import { readFile } from "node:fs/promises";
import Bottleneck from "bottleneck";
import { turnNow } from "#rpc";
import type { Logger } from "#telemetry";
import type { IssuerOptions } from "./issuer.ts";
import { discoverKeys, fetchBounded } from "./key-fetch.ts";
import { KeySetError, parseKeySet, type VerificationKey } from "./key-set.ts";

/** Between two fetches, whatever happens. */
const minFetchMs = 5_000;
/** How long keys may still be used while the provider cannot be reached. */
const staleMs = 24 * 3_600_000;
const fetchTimeoutMs = 5_000;

interface Loaded {
  readonly keys: readonly VerificationKey[];
  readonly thumbprints: ReadonlySet<string>;
  readonly at: number;
  readonly freshUntil: number;
}

/**
 * The keys of one issuer. They are fetched again before they expire, and at most once in a while when a token names a
 * key that is not among them; while the provider is down the last good ones stand. A `Bottleneck` keeps it to one fetch
 * at a time, away from the path of calls.
 */
export class KeySource {
  readonly #issuer: IssuerOptions;
  readonly #logger: Logger;
  readonly #fetches = new Bottleneck({
    maxConcurrent: 1,
    highWater: 0,
    strategy: Bottleneck.strategy.OVERFLOW,
  });
  #loaded: Loaded | undefined;
  #loading: Promise<void> | undefined;
  #lastAttempt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #fetching: AbortController | undefined;
  #closed = false;
  readonly #now: () => number;
  #tellKnown: () => void = () => {};
  /** Resolves when keys were loaded for the first time, or nobody needs them any more. */
  readonly known: Promise<void> = new Promise((resolve) => {
    this.#tellKnown = resolve;
  });

  /** @param now milliseconds, never going back; for tests */
  constructor(issuer: IssuerOptions, logger: Logger, now: () => number = turnNow) {
    this.#issuer = issuer;
    this.#logger = logger;
    this.#now = now;
    void this.#refresh();
  }

  /** Keys are known, whether or not they are fresh. */
  get available(): boolean {
    return this.#usable !== undefined;
  }

  /** Whether a key that verified a token before still may. */
  trusts(thumbprint: string): boolean {
    return this.available && this.#loaded?.thumbprints.has(thumbprint) === true;
  }

  /** The keys at hand. Undefined while there are none that may be used. */
  get #usable(): readonly VerificationKey[] | undefined {
    const loaded = this.#loaded;
    return loaded !== undefined && this.#now() - loaded.at < Math.max(staleMs, loaded.freshUntil - loaded.at)
      ? loaded.keys
      : undefined;
  }

  /** The keys that a token with this header may be signed with; waits for a fetch when none is known. */
  async find(kid: string | undefined, alg: string): Promise<readonly VerificationKey[] | undefined> {
    const known = this.#matching(kid, alg);
    if (known !== undefined && known.length > 0) return known;
    await this.#refresh();
    return this.#matching(kid, alg);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#tellKnown();
    clearTimeout(this.#timer);
    this.#fetching?.abort();
    await this.#fetches.stop({ dropWaitingJobs: true }).catch(() => {});
  }

  #matching(kid: string | undefined, alg: string): readonly VerificationKey[] | undefined {
    return this.#usable?.filter(
      (key) => key.alg === alg && (kid === undefined || key.kid === undefined || key.kid === kid),
    );
  }

  #refresh(): Promise<void> {
    if (this.#loading !== undefined) return this.#loading;
    // Tokens with invented key ids must not make the gateway a load on its provider.
    if (this.#closed || this.#now() - this.#lastAttempt < minFetchMs) return Promise.resolve();
    this.#lastAttempt = this.#now();
    this.#loading = this.#fetches
      .schedule(() => this.#load())
      .catch((error) => {
        if (this.#closed || error instanceof Bottleneck.BottleneckError) return;
        this.#logger.warn("the keys of an issuer cannot be loaded", { issuer: this.#issuer.name, error });
        this.#schedule(minFetchMs);
      })
      .finally(() => {
        this.#loading = undefined;
      });
    return this.#loading;
  }

  async #load(): Promise<void> {
    const { text, freshMs: fresh } = await this.#fetch();
    const keys = await parseKeySet(text, this.#issuer.algorithms);
    if (keys.length === 0) throw new KeySetError("the key set has no key that may be used");
    const at = this.#now();
    const thumbprints = new Set(keys.map(({ thumbprint }) => thumbprint));
    this.#loaded = { keys, thumbprints, at, freshUntil: at + fresh };
    this.#tellKnown();
    this.#schedule(fresh * (0.7 + Math.random() * 0.1));
  }

  #schedule(ms: number): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    this.#timer = setTimeout(() => void this.#due(), Math.max(minFetchMs, ms));
    this.#timer.unref();
  }

  async #due(): Promise<void> {
    this.#lastAttempt = Number.NEGATIVE_INFINITY;
    await this.#refresh();
  }

  async #fetch(): Promise<{ text: string; freshMs: number }> {
    const { jwks, issuer } = this.#issuer;
    if (jwks !== undefined && !/^https?:\/\//.test(jwks)) {
      return { text: await readFile(jwks, "utf8"), freshMs: 60_000 };
    }
    const fetching = new AbortController();
    this.#fetching = fetching;
    const late = (): void => fetching.abort(new KeySetError("the provider did not answer in time"));
    const timer = setTimeout(late, fetchTimeoutMs);
    try {
      return await fetchBounded(jwks ?? (await discoverKeys(issuer, fetching.signal)), fetching.signal);
    } finally {
      clearTimeout(timer);
      // Lets go of what was not read, too.
      fetching.abort();
      this.#fetching = undefined;
    }
  }
}
