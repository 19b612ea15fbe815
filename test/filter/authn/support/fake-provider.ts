import { createHash } from "node:crypto";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { makeKey, type SigningKey } from "./tokens.ts";

/** What the provider was asked at its token endpoint, or to revoke. */
export interface TokenRequest {
  readonly path: string;
  readonly authorization: string | undefined;
  readonly form: URLSearchParams;
}

/** How the provider behaves from now on. What is undefined is as it should be. */
export interface Behaviour {
  /** Claims of ID tokens, over the right ones; undefined ones are left out. */
  readonly claims?: Readonly<Record<string, unknown>>;
  /** The key that signs ID tokens. */
  readonly key?: SigningKey;
  /** The keys that it shows; the right one when absent. */
  readonly shown?: readonly SigningKey[];
  /** Members of the answer of the token endpoint; undefined ones are left out. */
  readonly tokens?: Readonly<Record<string, unknown>>;
  /** Members of what it says of itself. */
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** Answers in place of it. True when it has. */
  readonly answer?: (request: http.IncomingMessage, response: http.ServerResponse) => boolean;
}

/** An OpenID provider that does whatever a test wants: it lets everybody in, without asking anybody. */
export interface FakeProvider extends AsyncDisposable {
  readonly issuer: string;
  readonly key: SigningKey;
  readonly asked: readonly TokenRequest[];
  /** Refresh tokens that are good: each is good once. */
  readonly refreshTokens: ReadonlySet<string>;
  behave(behaviour: Behaviour): void;
  /** What the browser is sent back with, for the address that it was sent to. */
  authorize(location: string): URLSearchParams;
  /** Requests that wait go on, and new ones wait until it is called again. */
  hold(): () => void;
}

/** @param client with its secret; `:` between, as it authenticates */
export async function startFakeProvider(client = "shop:client secret"): Promise<FakeProvider> {
  const key = await makeKey("k1");
  const asked: TokenRequest[] = [];
  const codes = new Map<
    string,
    { readonly challenge: string; readonly nonce: string; readonly redirect: string }
  >();
  const refreshTokens = new Set<string>();
  let behaviour: Behaviour = {};
  let issuer = "";
  let held: Promise<void> = Promise.resolve();
  let count = 0;

  const idToken = (nonce: string | undefined): Promise<string> =>
    (behaviour.key ?? key).sign({
      iss: issuer,
      aud: client.split(":")[0],
      sub: "ann",
      email: "ann@shop.test",
      ...(nonce === undefined ? {} : { nonce }),
      ...behaviour.claims,
    });
  const grant = async (nonce: string | undefined): Promise<object> => {
    const refreshToken = `refresh-${++count}`;
    const answer = {
      access_token: `access-${count}`,
      token_type: "Bearer",
      expires_in: 600,
      refresh_token: refreshToken,
      id_token: await idToken(nonce),
      ...behaviour.tokens,
    };
    if (answer.refresh_token === refreshToken) refreshTokens.add(refreshToken);
    return answer;
  };
  const token = async (form: URLSearchParams): Promise<object> => {
    const verifier = form.get("code_verifier") ?? "";
    if (form.get("grant_type") === "refresh_token") {
      if (!refreshTokens.delete(form.get("refresh_token") ?? "")) return { error: "invalid_grant" };
      return grant(undefined);
    }
    const code = codes.get(form.get("code") ?? "");
    codes.delete(form.get("code") ?? "");
    const challenge = createHash("sha256").update(verifier).digest("base64url");
    if (code === undefined || code.challenge !== challenge || code.redirect !== form.get("redirect_uri"))
      return { error: "invalid_grant" };
    return grant(code.nonce);
  };
  const answerTo = async (path: string, request: http.IncomingMessage): Promise<object> => {
    if (path === "/.well-known/openid-configuration") {
      return {
        issuer,
        authorization_endpoint: `${issuer}/authorize`,
        token_endpoint: `${issuer}/token`,
        jwks_uri: `${issuer}/jwks`,
        end_session_endpoint: `${issuer}/end`,
        revocation_endpoint: `${issuer}/revoke`,
        userinfo_endpoint: `${issuer}/userinfo`,
        authorization_response_iss_parameter_supported: true,
        id_token_signing_alg_values_supported: ["ES256"],
        ...behaviour.metadata,
      };
    }
    if (path === "/jwks") return { keys: (behaviour.shown ?? [key]).map(({ jwk }) => jwk) };
    if (path === "/userinfo") return { sub: "ann", name: "Ann" };
    let body = "";
    for await (const chunk of request) body += chunk;
    const form = new URLSearchParams(body);
    asked.push({ path, authorization: request.headers.authorization, form });
    await held;
    return path === "/token" ? token(form) : {};
  };
  const server = http.createServer(async (request, response) => {
    if (behaviour.answer?.(request, response) === true) return;
    const answer = await answerTo(request.url ?? "", request);
    response.writeHead("error" in answer ? 400 : 200, { "content-type": "application/json" });
    response.end(JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    issuer,
    key,
    asked,
    refreshTokens,
    behave: (next) => {
      behaviour = next;
    },
    authorize(location) {
      const asks = new URL(location).searchParams;
      const code = `code-${++count}`;
      codes.set(code, {
        challenge: asks.get("code_challenge") ?? "",
        nonce: asks.get("nonce") ?? "",
        redirect: asks.get("redirect_uri") ?? "",
      });
      return new URLSearchParams({ code, state: asks.get("state") ?? "", iss: issuer });
    },
    hold() {
      let release = (): void => {};
      held = new Promise((resolve) => {
        release = resolve;
      });
      return release;
    },
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
