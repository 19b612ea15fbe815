import { z } from "zod";
import { claimHeaders, isSafeUrl } from "./auth-schema.ts";
import { Secret } from "./secret.ts";
import { durationPattern, parseDuration } from "./units.ts";

const duration = z
  .string()
  .regex(durationPattern, "expected a duration such as 250ms, 5s or 1m")
  .transform(parseDuration);

const atLeast = (ms: number, text: string) =>
  duration.refine((value) => value >= ms, `expected ${text} at least`);

/** A path of the gateway's own origin, which nothing can take for another origin's. */
const ownPath = z
  .string()
  .regex(
    /^\/(?:[\w.~-]+(?:\/[\w.~-]+)*\/?)?$/,
    "expected a path such as /signed-out, of letters, digits and -._~",
  );

/** What the gateway says itself in an authorization request. */
const reservedParameters: ReadonlySet<string> = new Set([
  "client_id",
  "client_secret",
  "code_challenge",
  "code_challenge_method",
  "nonce",
  "redirect_uri",
  "request",
  "request_uri",
  "response_mode",
  "response_type",
  "scope",
  "state",
]);

export const loginSchema = z
  .strictObject({
    issuer: z
      .string()
      .refine(
        (text) => isSafeUrl(text) && !/[?#]/.test(text),
        "a provider is an https:// URL, or one on this machine",
      )
      .describe("The OpenID provider, exactly as it calls itself; the rest follows by discovery."),
    client: z
      .strictObject({
        id: z.string().min(1),
        secret: z.string().min(1).optional().describe("A reference such as ${env:SHOP_CLIENT_SECRET}."),
        method: z
          .enum(["basic", "post", "none"])
          .optional()
          .describe("client_secret_basic, client_secret_post, or none for a client without a secret."),
      })
      .refine(
        ({ secret, method }) =>
          (secret === undefined) === ((method ?? (secret === undefined ? "none" : "basic")) === "none"),
        {
          message: "a client has a secret, or method: none",
          path: ["method"],
        },
      )
      .describe("As what the gateway is registered there."),
    origin: z
      .string()
      .refine(
        (text) => isSafeUrl(text) && URL.canParse(text) && new URL(text).origin === text,
        "expected an origin such as https://shop.test, without a path",
      )
      .describe("Where browsers find the gateway. ORIGIN + PATH/callback is the redirect URI to register."),
    path: ownPath
      .refine((text) => text !== "/" && !text.endsWith("/"), "expected a path such as /.dragoman")
      .default("/.dragoman")
      .describe("Under which login, callback and logout are served."),
    scopes: z
      .array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, "expected a scope"))
      .default([])
      .describe(
        "That are asked for besides openid; offline_access where the provider gives refresh tokens for it.",
      ),
    parameters: z
      .record(
        z.string().refine((name) => !reservedParameters.has(name)),
        z.string(),
        {
          error: (issue) =>
            issue.code === "invalid_key"
              ? "the gateway says this itself in what it asks of the provider"
              : undefined,
        },
      )
      .default({})
      .describe("What else the provider is asked with, such as audience or prompt."),
    secrets: z
      .array(z.string().min(32, "expected 32 characters at least, out of: openssl rand -base64 32"))
      .min(1)
      .max(5)
      .describe("References: what cookies are encrypted with. The first encrypts, the others still decrypt."),
    session: z
      .strictObject({
        maxAge: atLeast(60_000, "1m").prefault("12h").describe("After which everybody has to log in again."),
        idle: atLeast(60_000, "1m").prefault("1h").describe("How long a session may go unused."),
        grace: duration
          .prefault("5m")
          .describe("How long a session may go on when the provider cannot be asked whether it should."),
      })
      .prefault({}),
    claims: z
      .array(z.string().min(1))
      .optional()
      .describe("Claims to keep of the ID token beside sub. Absent: all that say something of the user."),
    userinfo: z.boolean().default(false).describe("Ask the userinfo endpoint for claims, too."),
    accessToken: z
      .enum(["drop", "keep"])
      .default("drop")
      .describe("keep: routes with forwardCredentials send it upstream as a bearer token."),
    afterLogout: ownPath.default("/").describe("Where browsers come to after they have logged out."),
    algorithms: z
      .array(
        z.enum(["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]),
      )
      .min(1)
      .default(["RS256", "ES256"])
      .describe("Of the signatures of ID tokens."),
    skew: duration.prefault("30s").describe("How far clocks may differ."),
    timeout: duration.prefault("5s").describe("How long an answer of the provider may take."),
    limit: z.array(z.string()).default([]).describe("The limits that hold for login, callback and logout."),
    forward: claimHeaders,
  })
  .describe("Login of people in browsers (OpenID Connect).");

type Written = z.output<typeof loginSchema>;

/** An OpenID provider that people log in at. Durations in milliseconds. */
export interface LoginConfig {
  readonly issuer: string;
  readonly client: {
    readonly id: string;
    /** Undefined for a public client. */
    readonly secret: Secret | undefined;
    readonly method: "basic" | "post" | "none";
  };
  readonly origin: string;
  /** Without a slash at its end. */
  readonly path: string;
  readonly scopes: readonly string[];
  readonly parameters: Readonly<Record<string, string>>;
  readonly secrets: readonly Secret[];
  readonly maxAgeMs: number;
  readonly idleMs: number;
  readonly graceMs: number;
  /** Undefined for all. */
  readonly claims: readonly string[] | undefined;
  readonly userinfo: boolean;
  readonly keepsAccessToken: boolean;
  readonly afterLogout: string;
  readonly algorithms: readonly string[];
  readonly skewMs: number;
  readonly timeoutMs: number;
  /** Names of limits, for login, callback and logout. */
  readonly limit: readonly string[];
  readonly forward: Readonly<Record<string, string>>;
}

export function loginOf({
  client: { id, secret, method },
  scopes,
  secrets,
  session,
  claims,
  accessToken,
  skew,
  timeout,
  ...rest
}: Written): LoginConfig {
  return {
    ...rest,
    client: {
      id,
      secret: secret === undefined ? undefined : new Secret(secret),
      method: method ?? (secret === undefined ? "none" : "basic"),
    },
    scopes: [...new Set(["openid", ...scopes])],
    secrets: secrets.map((each) => new Secret(each)),
    maxAgeMs: session.maxAge,
    idleMs: session.idle,
    graceMs: session.grace,
    claims,
    keepsAccessToken: accessToken === "keep",
    skewMs: skew,
    timeoutMs: timeout,
  };
}
