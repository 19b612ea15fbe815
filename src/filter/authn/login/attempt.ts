import { randomBytes } from "node:crypto";
import type { Metadata } from "#rpc";
import { cookieNames, cookieValue, dropCookie, setCookie } from "./cookies.ts";
import type { Sealer } from "./sealer.ts";

/** An attempt to log in, between the browser's way to the provider and its way back. Kept by that browser alone. */
export interface Attempt {
  /** Tells that an answer belongs to this attempt (RFC 6749 10.12). */
  readonly state: string;
  /** Tells that an ID token does (OpenID Connect Core 3.1.2.1). */
  readonly nonce: string;
  /** Tells the provider that who brings the code has asked for it (RFC 7636). */
  readonly verifier: string;
  readonly returnTo: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** How long a person may take to log in. */
const attemptMs = 10 * 60_000;
/** At once in one browser: more would not fit into the header of a request. */
const maxAttempts = 5;

export function newAttempt(returnTo: string, now: number): Attempt {
  const random = (): string => randomBytes(32).toString("base64url");
  return { state: random(), nonce: random(), verifier: random(), returnTo, at: now };
}

/** The attempts of one browser at one provider: each has a cookie of its own, so that several tabs may log in at once. */
export class AttemptCookies {
  readonly #prefix: string;
  readonly #sealer: Sealer;

  constructor(sessionCookie: string, sealer: Sealer) {
    this.#prefix = `${sessionCookie}.login.`;
    this.#sealer = sealer;
  }

  /** The fields that have a browser keep an attempt, in place of the oldest when there are too many. */
  keep(header: Metadata, attempt: Attempt): string[] {
    const { state, nonce, verifier, returnTo, at } = attempt;
    const sealed = this.#sealer.seal(JSON.stringify([state, nonce, verifier, returnTo, at]));
    const before = cookieNames(header, this.#prefix)
      .map((name) => ({ name, at: this.#read(header, name)?.at ?? 0 }))
      .sort((a, b) => b.at - a.at);
    return [
      ...before.slice(maxAttempts - 1).map(({ name }) => dropCookie(name)),
      setCookie(this.#name(state), sealed, attemptMs),
    ];
  }

  /** The attempt that an answer with this state belongs to; undefined for one that this browser has not begun, or that is too old. */
  find(header: Metadata, state: string, now: number): Attempt | undefined {
    const attempt = this.#read(header, this.#name(state));
    return attempt !== undefined && attempt.state === state && now - attempt.at < attemptMs
      ? attempt
      : undefined;
  }

  /** The field that drops an attempt: each answer counts once. */
  drop(state: string): string {
    return dropCookie(this.#name(state));
  }

  /** By the beginning of its state: what is left decides. */
  #name(state: string): string {
    return `${this.#prefix}${state.slice(0, 8)}`;
  }

  #read(header: Metadata, name: string): Attempt | undefined {
    const text = this.#sealer.open(cookieValue(header, name) ?? "");
    const parsed: unknown = text === undefined ? undefined : JSON.parse(text);
    if (!isAttempt(parsed)) return undefined;
    const [state, nonce, verifier, returnTo, at] = parsed;
    return { state, nonce, verifier, returnTo, at };
  }
}

function isAttempt(value: unknown): value is [string, string, string, string, number] {
  return Array.isArray(value) && value.length === 5;
}
