import { Redis, type RedisOptions } from "ioredis";
import type { Counter, Logger, Meter } from "#telemetry";
import { StoreError, type StoreFailure } from "./error.ts";
import type { SharedStoreOptions } from "./options.ts";
import { quickenTexts } from "./quick-texts.ts";
import type { Script } from "./script.ts";

quickenTexts();

/** How long a store that was too slow is left alone, in milliseconds, before one caller tries it again. */
const restMs = 1000;

/** The longest time between two attempts to connect, in milliseconds. */
const longestPauseMs = 2000;

/**
 * A connection to what gateways share. Connects by itself, and again whenever the connection is lost. Nobody waits
 * longer than the timeout, and while the store is away or known to be slow nobody waits at all.
 */
export class SharedStore {
  readonly #redis: Redis;
  readonly #timeoutMs: number;
  readonly #logger: Logger;
  readonly #failures: Readonly<Record<StoreFailure, Counter>>;
  readonly #roundTrips: Counter;
  #restsUntil = 0;
  #closed = false;
  /** Whether the log has been told that it is away. */
  #isAway = false;
  #wasReached = false;

  constructor(options: SharedStoreOptions, logger: Logger, meter: Meter) {
    this.#timeoutMs = options.timeoutMs;
    this.#logger = logger;
    const failures = (failure: StoreFailure): Counter =>
      meter.counter("dragoman_store_failures_total", "What the shared store could not do.", { failure });
    this.#failures = {
      unreachable: failures("unreachable"),
      slow: failures("slow"),
      refused: failures("refused"),
    };
    this.#roundTrips = meter.counter("dragoman_store_round_trips_total", "What the shared store was asked.");
    this.#redis = new Redis(redisOptions(options));
    this.#redis.on("ready", () => this.#came());
    // The address is in the configuration; the library's errors may hold what was sent, credentials included.
    this.#redis.on("error", (error: Error) => this.#went(error.message));
    this.#redis.on("close", () => this.#went("the connection was closed"));
    this.#redis.connect().catch(() => {});
  }

  /** Connected, and not too slow. */
  get isUp(): boolean {
    return this.#redis.status === "ready" && performance.now() >= this.#restsUntil;
  }

  /** It has been connected once. */
  get wasReached(): boolean {
    return this.#wasReached;
  }

  /** Runs a script; resolves to what it returns. @throws StoreError */
  run(script: Script, keys: readonly string[], values: readonly (string | number)[]): Promise<unknown> {
    const now = performance.now();
    if (this.#redis.status !== "ready") return this.#fail("unreachable", "the store is not connected");
    if (now < this.#restsUntil) return this.#fail("slow", "the store did not answer in time before");
    // While it rests, the first to come after is the one who tries.
    if (this.#restsUntil > 0) this.#restsUntil = now + restMs;
    return this.#within(this.#evaluate(script, keys, values));
  }

  /** What has not been answered fails. */
  close(): void {
    this.#closed = true;
    this.#redis.disconnect();
  }

  async #evaluate(
    { digest, text }: Script,
    keys: readonly string[],
    values: readonly (string | number)[],
  ): Promise<unknown> {
    this.#roundTrips.add();
    try {
      return await this.#redis.evalsha(digest, keys.length, ...keys, ...values);
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith("NOSCRIPT")) throw error;
      this.#roundTrips.add();
      return await this.#redis.eval(text, keys.length, ...keys, ...values);
    }
  }

  #within(answer: Promise<unknown>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      let isLate = false;
      const timer = setTimeout(() => {
        isLate = true;
        this.#restsUntil = performance.now() + restMs;
        this.#fail("slow", "the store did not answer in time").catch(reject);
      }, this.#timeoutMs);
      answer.then(
        (value) => {
          clearTimeout(timer);
          if (!isLate) this.#restsUntil = 0;
          resolve(value);
        },
        (error: Error) => {
          if (isLate) return;
          clearTimeout(timer);
          this.#restsUntil = 0;
          const failure = this.#redis.status === "ready" ? "refused" : "unreachable";
          this.#fail(failure, error.message).catch(reject);
        },
      );
    });
  }

  #fail(failure: StoreFailure, message: string): Promise<never> {
    this.#failures[failure].add();
    return Promise.reject(new StoreError(failure, message));
  }

  #came(): void {
    this.#wasReached = true;
    this.#restsUntil = 0;
    if (this.#isAway) this.#logger.info("the shared store is back");
    this.#isAway = false;
  }

  #went(why: string): void {
    if (this.#isAway || this.#closed) return;
    this.#isAway = true;
    this.#logger.warn("the shared store is away", { why });
  }
}

function redisOptions({ host, port, database, username, password, tls }: SharedStoreOptions) {
  return {
    host,
    port,
    db: database,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls === undefined ? {} : { tls: tls.ca === undefined ? {} : { ca: tls.ca } }),
    lazyConnect: true,
    protocol: 2 as const,
    connectionName: "dragoman",
    connectTimeout: 2000,
    // Whoever cannot be served now is told at once.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (times) =>
      Math.min(longestPauseMs, 25 * 2 ** Math.min(times, 10)) * (0.8 + Math.random() * 0.4),
    // A replica that was a primary until just now.
    reconnectOnError: ({ message }) => message.startsWith("READONLY"),
  } satisfies RedisOptions;
}
