import http from "node:http";
import type { AddressInfo } from "node:net";
import { Login, RefreshLedger } from "#filter/authn";
import { Metadata } from "#rpc";
import { createLogger } from "#telemetry";
import { type TestGateway, testGateway } from "../../../support/gateway.ts";
import { Browser, type Page } from "./browser.ts";
import { type FakeProvider, startFakeProvider } from "./fake-provider.ts";

/** Where browsers find the gateway of a test. */
export const origin = "https://shop.test";
export const secrets = [
  "first secret of the shop, long enough",
  "second secret of the shop, long enough",
] as const;
export const sessionCookie = "__Host-dragoman-shop";

export const proto = `syntax = "proto3"; package t;
import "google/api/annotations.proto";
service T {
  rpc M(R) returns (R) { option (google.api.http) = { post: "/m" body: "*" }; }
  rpc Chat(stream R) returns (stream R) { option (google.api.http) = { post: "/chat" body: "*" }; }
}
message R { string text = 1; }
`;

/** A gateway before a page that shows what it hears, with a login at a provider that does what a test wants. */
export interface LoginWorld extends AsyncDisposable {
  readonly at: TestGateway;
  readonly provider: FakeProvider;
  browser(): Browser;
  /** Begins a login: where the browser is sent to. */
  begin(browser: Browser, returnTo?: string): Promise<string>;
  /** Comes back from the provider. */
  comeBack(browser: Browser, answer: URLSearchParams | string): Promise<Page>;
  /** All of it. */
  logIn(browser: Browser, returnTo?: string): Promise<Page>;
}

/**
 * Gives a browser a session as it would be if it had begun so long ago and had not been used since: made with the secrets
 * of the gateway, as another of its processes would.
 */
export async function begunBefore(
  provider: {
    readonly issuer: string;
    authorize(location: string): URLSearchParams | Promise<URLSearchParams>;
  },
  browser: Browser,
  ageMs: number,
): Promise<void> {
  const login = new Login(
    {
      name: "shop",
      issuer: provider.issuer,
      client: { id: "shop", secret: { reveal: () => "client secret" }, method: "basic" },
      origin,
      path: "/.dragoman",
      scopes: ["openid", "orders.read"],
      parameters: {},
      secrets: [{ reveal: () => secrets[0] }],
      maxAgeMs: 12 * 3_600_000,
      idleMs: 3_600_000,
      graceMs: 300_000,
      claims: undefined,
      userinfo: false,
      keepsAccessToken: false,
      afterLogout: "/",
      algorithms: ["ES256"],
      skewMs: 30_000,
      timeoutMs: 20_000,
    },
    new RefreshLedger(),
    createLogger({ write: () => {} }),
    () => Date.now() - ageMs,
  );
  const ask = (query: string) => ({
    header: Metadata.from([["cookie", [...browser.jar(origin)].map((pair) => pair.join("=")).join("; ")]]),
    query,
    allowsOrigin: () => false,
  });
  const keep = (fields: readonly string[]): void =>
    browser.keep(
      origin,
      fields.filter((_, i) => fields[i - 1] === "set-cookie"),
    );
  const begun = await login.endpoints.login(ask(""));
  keep(begun.fields);
  const answer = await provider.authorize(begun.fields[1] ?? "");
  keep((await login.endpoints.callback(ask(answer.toString()))).fields);
  await login.close();
}

export interface WorldOptions {
  /** Over what is right for the login. */
  readonly login?: Readonly<Record<string, unknown>>;
  readonly auth?: Readonly<Record<string, unknown>>;
  readonly defaults?: Readonly<Record<string, unknown>>;
  readonly limits?: Readonly<Record<string, unknown>>;
  readonly routes?: readonly object[];
  /** Where calls go; nowhere when absent. */
  readonly grpc?: string;
}

export function loginConfig(issuer: string, more: Readonly<Record<string, unknown>> = {}) {
  return {
    issuer,
    client: { id: "shop", secret: "client secret" },
    origin,
    scopes: ["orders.read"],
    secrets: [secrets[0]],
    algorithms: ["ES256"],
    forward: { "x-email": "email" },
    ...more,
  };
}

export async function loginWorld(options: WorldOptions = {}): Promise<LoginWorld> {
  const provider = await startFakeProvider();
  const upstream = http.createServer((request, response) => {
    request.resume().on("end", () => response.end(JSON.stringify(request.headers)));
  });
  upstream.on("upgrade", (request, socket) => {
    socket.write(
      "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nset-cookie: own=1\r\n",
    );
    socket.end(`x-heard-cookie: ${request.headers.cookie ?? "none"}\r\n\r\n`);
  });
  await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
  const at = await testGateway(
    { "t.proto": proto },
    {
      upstreams: {
        grpc: options.grpc ?? "grpc://127.0.0.1:1",
        web: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`,
      },
      auth: { login: { shop: loginConfig(provider.issuer, options.login) }, ...options.auth },
      ...(options.defaults === undefined ? {} : { defaults: options.defaults }),
      ...(options.limits === undefined ? {} : { limits: options.limits }),
      // TLS ends before it.
      listen: { trustProxies: ["127.0.0.1"] },
      routes: [
        { match: "t.T/*", to: "grpc", auth: { any: ["shop"] } },
        { match: "* /mine", to: "web", auth: { any: ["shop"] } },
        { match: "GET /orders", to: "web", auth: { any: ["shop"], scopes: ["orders.read"] } },
        { match: "GET /admin", to: "web", auth: { any: ["shop"], scopes: ["admin"] } },
        { match: "* /maybe", to: "web", auth: { any: ["shop"], optional: true } },
        { match: "GET /forwarding", to: "web", auth: { any: ["shop"], forwardCredentials: true } },
        { match: "GET /public", to: "web", public: true },
        ...(options.routes ?? []),
      ],
    },
  );
  const begin = async (browser: Browser, returnTo = "/mine"): Promise<string> => {
    const url = `${origin}/.dragoman/login?return_to=${encodeURIComponent(returnTo)}`;
    return (await browser.visit(url)).location;
  };
  const comeBack = (browser: Browser, answer: URLSearchParams | string): Promise<Page> =>
    browser.visit(`${origin}/.dragoman/callback?${answer}`, { "sec-fetch-site": "cross-site" });
  return {
    at,
    provider,
    browser: () => new Browser({ [origin]: at.gateway.httpPort ?? 0 }),
    begin,
    comeBack,
    logIn: async (browser, returnTo) => comeBack(browser, provider.authorize(await begin(browser, returnTo))),
    async [Symbol.asyncDispose]() {
      await at[Symbol.asyncDispose]();
      await provider[Symbol.asyncDispose]();
      await new Promise((resolve) => {
        upstream.close(resolve);
        upstream.closeAllConnections();
      });
    },
  };
}
