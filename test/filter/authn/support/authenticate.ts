import { type AuthnOptions, authnFilter, IdentityHeaders, KeySource, TokenCache } from "#filter/authn";
import type { Call, Context } from "#rpc";
import { createLogger } from "#telemetry";
import { makeCall, unaryReply } from "../../support/call.ts";
import { audience, issuer } from "./tokens.ts";

/** A filter that trusts one issuer, by the keys at a place. */
export interface Authenticator extends AsyncDisposable {
  readonly keys: KeySource;
  readonly log: readonly string[];
  readonly options: AuthnOptions;
  /** Authenticates a bearer token, or whatever header is given; resolves to the call that came through. */
  authenticate(token: string | undefined, header?: Readonly<Record<string, string>>): Promise<Call>;
}

export function authenticator(
  jwks: string | undefined,
  more: {
    readonly algorithms?: readonly string[];
    readonly skewMs?: number;
    readonly typ?: string;
    readonly issuer?: string;
    readonly filter?: Partial<AuthnOptions>;
    readonly context?: Partial<Context>;
    readonly now?: () => number;
  } = {},
): Authenticator {
  const log: string[] = [];
  const options = {
    name: "main",
    issuer: more.issuer ?? issuer,
    jwks,
    typ: more.typ,
    audiences: [audience, "other-shop"],
    algorithms: more.algorithms ?? ["ES256", "RS256"],
    skewMs: more.skewMs ?? 30_000,
  };
  const keys = new KeySource(options, createLogger({ write: (line) => log.push(line) }), more.now);
  const authn: AuthnOptions = {
    issuers: [{ options, keys }],
    introspectors: [],
    keyRings: [],
    userLists: [],
    logins: [],
    certificates: [],
    keyHeaders: [],
    cache: new TokenCache(),
    identity: new IdentityHeaders(),
    optional: false,
    forwardCredentials: false,
    allowsOrigin: () => false,
    ...more.filter,
  };
  let passed: Call | undefined;
  const handle = authnFilter(authn)(async (call) => {
    passed = call;
    return unaryReply();
  });
  return {
    keys,
    log,
    options: authn,
    async authenticate(token, header = {}) {
      passed = undefined;
      const credentials = token === undefined ? {} : { authorization: `Bearer ${token}` };
      await handle(makeCall({ header: { ...credentials, ...header }, context: more.context ?? {} }));
      if (passed === undefined) throw new Error("the call did not come through");
      return passed;
    },
    [Symbol.asyncDispose]: () => keys.close(),
  };
}
