import type { Principal } from "#rpc";
import type { LoginOptions } from "./options.ts";

/** Who has logged in, as far as the browser keeps it for the gateway. Times in milliseconds since the epoch. */
export interface Session {
  readonly subject: string;
  readonly claims: Readonly<Record<string, unknown>>;
  readonly scopes: readonly string[];
  /** When the person logged in. */
  readonly startedAt: number;
  /** When the browser last got it. */
  readonly sealedAt: number;
  /** With a refresh token: when the provider is to be asked whether the session goes on. */
  readonly refresh: { readonly token: string; readonly at: number } | undefined;
  readonly accessToken: string | undefined;
}

interface Sealed {
  readonly v: 1;
  readonly sub: string;
  readonly c: Readonly<Record<string, unknown>>;
  readonly sc: readonly string[];
  readonly t: number;
  readonly u: number;
  readonly r?: readonly [token: string, at: number] | undefined;
  readonly a?: string | undefined;
}

export function sessionText({
  subject,
  claims,
  scopes,
  startedAt,
  sealedAt,
  refresh,
  accessToken,
}: Session): string {
  const sealed: Sealed = {
    v: 1,
    sub: subject,
    c: claims,
    sc: scopes,
    t: startedAt,
    u: sealedAt,
    r: refresh === undefined ? undefined : [refresh.token, refresh.at],
    a: accessToken,
  };
  return JSON.stringify(sealed);
}

/** @param text what `sessionText` made; undefined where that was another version of it */
export function parseSession(text: string): Session | undefined {
  const parsed: unknown = JSON.parse(text);
  if (!isSealed(parsed)) return undefined;
  const { sub, c, sc, t, u, r, a } = parsed;
  return {
    subject: sub,
    claims: c,
    scopes: sc,
    startedAt: t,
    sealedAt: u,
    refresh: r === undefined ? undefined : { token: r[0], at: r[1] },
    accessToken: a,
  };
}

/** Nobody else can make such a text: only its version has to be told. */
function isSealed(value: unknown): value is Sealed {
  return typeof value === "object" && value !== null && "v" in value && value.v === 1;
}

type Times = Pick<LoginOptions, "maxAgeMs" | "idleMs" | "graceMs">;

/** When a session is over, whatever the provider says: too old, or unused for too long. */
export function sessionEnd({ startedAt, sealedAt }: Session, { maxAgeMs, idleMs }: Times): number {
  return Math.min(startedAt + maxAgeMs, sealedAt + idleMs);
}

/** The caller of a session. What it lets in ends when the provider has not confirmed the session for too long, too. */
export function principalOf(session: Session, options: LoginOptions): Principal {
  const { subject, claims, scopes, refresh } = session;
  const confirmed = refresh === undefined ? Number.POSITIVE_INFINITY : refresh.at + options.graceMs;
  const expiresAt = Math.min(sessionEnd(session, options), confirmed);
  return { subject, provider: options.name, scopes, claims, expiresAt };
}
