import { readFile } from "node:fs/promises";
import Bottleneck from "bottleneck";
import type { Logger } from "#telemetry";
import type { IssuerOptions } from "./issuer.ts";
import { KeySetError, parseKeySet, type VerificationKey } from "./key-set.ts";

/** Between two fetches, whatever happens. */
const minFetchMs = 5_000;
/** How long keys are good without the provider saying so, and at most. */
const freshMs = 10 * 60_000;
const maxFreshMs = 24 * 3_600_000;
/** How long keys may still be used while the provider cannot be reached. */
const staleMs = 24 * 3_600_000;
const fetchTimeoutMs = 5_000;
const maxBytes = 512 * 1024;

interface Loaded {
  readonly keys: readonly VerificationKey[];
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

  /** @param now milliseconds, never going back; for tests */
  constructor(issuer: IssuerOptions, logger: Logger, now: () => number = () => performance.now()) {
    this.#issuer = issuer;
    this.#logger = logger;
    this.#now = now;
    void this.#refresh();
  }

  /** Keys are known, whether or not they are fresh. */
  get available(): boolean {
    return this.#usable !== undefined;
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
    this.#loaded = { keys, at, freshUntil: at + fresh };
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
    const { jwks } = this.#issuer;
    if (!/^https?:\/\//.test(jwks)) {
      return { text: await readFile(jwks, "utf8"), freshMs: 60_000 };
    }
    const { username, password } = new URL(jwks);
    if (username !== "" || password !== "") {
      // `fetch` refuses these too, with the credentials in its message.
      throw new KeySetError("the URL of the keys has credentials in it");
    }
    const fetching = new AbortController();
    this.#fetching = fetching;
    const late = (): void => fetching.abort(new KeySetError("the provider did not answer in time"));
    const timer = setTimeout(late, fetchTimeoutMs);
    try {
      const response = await fetch(jwks, {
        headers: { accept: "application/jwk-set+json, application/json" },
        redirect: "error",
        signal: fetching.signal,
      });
      if (!response.ok) throw new KeySetError(`the provider answered with ${response.status}`);
      return { text: await readBounded(response), freshMs: freshness(response.headers.get("cache-control")) };
    } finally {
      clearTimeout(timer);
      // Lets go of what was not read, too.
      fetching.abort();
      this.#fetching = undefined;
    }
  }
}

async function readBounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > maxBytes) throw new KeySetError(`the key set is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function freshness(cacheControl: string | null): number {
  const seconds = /(?:^|[\s,])max-age=(\d{1,9})/i.exec(cacheControl ?? "")?.[1];
  if (seconds === undefined) return freshMs;
  return Math.min(maxFreshMs, Math.max(60_000, Number(seconds) * 1000));
}
