import http from "node:http";
import type { AddressInfo } from "node:net";
import Provider from "oidc-provider";
import type { SigningKey } from "./tokens.ts";

/** What of its resources tokens are for. */
export interface ResourceServer {
  /** What `aud` of its tokens is. */
  readonly audience: string;
  readonly format: "jwt" | "opaque";
}

export interface TokenRequest {
  readonly resource: string;
  readonly scope?: string;
}

/**
 * A provider as anybody may run it: programs get tokens by their own credentials (RFC 6749 4.4). Its clients are `robot`
 * and `gateway`, each with the secret `secret of NAME`.
 */
export interface OidcProvider extends AsyncDisposable {
  readonly issuer: string;
  /** How often its keys were asked for, so far. */
  readonly keyRequests: number;
  /** A token of `robot`. */
  token(request: TokenRequest): Promise<string>;
  /** Withdraws a token of `robot` (RFC 7009); resolves to the status of the answer. */
  revoke(token: string): Promise<number>;
  /** Ends, and starts again at the same place with other keys: it signs with the first. */
  restart(keys: readonly SigningKey[]): Promise<void>;
}

const credentials = `Basic ${Buffer.from("robot:secret+of+robot").toString("base64")}`;

/** @param resourceServer tells of a resource that a token is asked for */
export async function startOidcProvider(
  keys: readonly SigningKey[],
  resourceServer: (resource: string) => ResourceServer,
): Promise<OidcProvider> {
  let handle: http.RequestListener = () => {};
  let keyRequests = 0;
  const listening = (port: number): Promise<http.Server> =>
    new Promise((resolve, reject) => {
      const server = http.createServer((request, response) => {
        if (request.url === "/jwks") keyRequests++;
        // So that nobody comes back on a connection from before a restart.
        response.setHeader("connection", "close");
        handle(request, response);
      });
      server.once("error", reject).listen(port, "127.0.0.1", () => resolve(server));
    });
  let server = await listening(0);
  const { port } = server.address() as AddressInfo;
  const issuer = `http://127.0.0.1:${port}`;
  const serve = (own: readonly SigningKey[]): void => {
    const serving = provider(issuer, own, resourceServer).callback();
    handle = (request, response) => void serving(request, response);
  };
  serve(keys);
  const ask = (path: string, form: Readonly<Record<string, string>>): Promise<Response> =>
    fetch(`${issuer}${path}`, {
      method: "POST",
      headers: { authorization: credentials },
      body: new URLSearchParams(form),
    });
  return {
    issuer,
    get keyRequests() {
      return keyRequests;
    },
    async token({ resource, scope = "orders.read" }) {
      const response = await ask("/token", { grant_type: "client_credentials", resource, scope });
      const answer: unknown = await response.json();
      if (typeof answer !== "object" || answer === null || !("access_token" in answer))
        throw new Error(JSON.stringify(answer));
      return String(answer.access_token);
    },
    revoke: async (token) => (await ask("/token/revocation", { token })).status,
    async restart(own) {
      await closed(server);
      serve(own);
      server = await listening(port);
    },
    [Symbol.asyncDispose]: () => closed(server),
  };
}

function closed(server: http.Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

function provider(
  issuer: string,
  keys: readonly SigningKey[],
  resourceServer: (resource: string) => ResourceServer,
): Provider {
  const program = (client_id: string) => ({
    client_id,
    client_secret: `secret of ${client_id}`,
    grant_types: ["client_credentials"],
    redirect_uris: [],
    response_types: [],
  });
  return new Provider(issuer, {
    clients: [program("robot"), program("gateway")],
    jwks: { keys: keys.map(({ privateJwk, kid, alg }) => ({ ...privateJwk, kid, alg, use: "sig" })) },
    clientDefaults: { id_token_signed_response_alg: "ES256" },
    scopes: ["orders.read"],
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      introspection: { enabled: true, allowedPolicy: async () => true },
      revocation: { enabled: true, allowedPolicy: async () => true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: async (_context, resource) => {
          const { audience, format } = resourceServer(resource);
          return {
            scope: "orders.read",
            audience,
            accessTokenTTL: 600,
            accessTokenFormat: format,
            jwt: { sign: { alg: "ES256" } },
          };
        },
      },
    },
  });
}
