import http from "node:http";
import type { ClientHttp2Session, IncomingHttpHeaders } from "node:http2";
import type { AddressInfo } from "node:net";
import Provider from "oidc-provider";
import { expect, test } from "vitest";
import { Browser } from "../filter/authn/support/browser.ts";
import { begunBefore, loginConfig, origin } from "../filter/authn/support/login-world.ts";
import { makeKey } from "../filter/authn/support/tokens.ts";
import { startEcho } from "./support/echo.ts";
import { config, startPool } from "./support/pool.ts";

async function listening(server: http.Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

interface LoginProvider extends AsyncDisposable {
  readonly issuer: string;
  /** How refresh tokens were used, in order: whether that was granted. */
  readonly refreshes: readonly boolean[];
  /** Logs `ann` in and has her consent: what the browser is sent back with. */
  authorize(location: string): Promise<URLSearchParams>;
}

/** A provider as anybody may run it, whose refresh tokens are good once: one that is used again ends the session. */
async function startProvider(): Promise<LoginProvider> {
  let handle: http.RequestListener = () => {};
  const server = http.createServer((request, response) => handle(request, response));
  const issuer = await listening(server);
  const key = await makeKey("k1");
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: "shop",
        client_secret: "client secret",
        redirect_uris: [`${origin}/.dragoman/callback`],
        grant_types: ["authorization_code", "refresh_token"],
        response_types: ["code"],
      },
    ],
    jwks: { keys: [{ ...key.privateJwk, kid: key.kid, alg: key.alg, use: "sig" }] },
    clientDefaults: { id_token_signed_response_alg: "ES256" },
    cookies: { keys: ["a key of the provider's own"] },
    scopes: ["openid", "offline_access", "orders.read"],
    findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    issueRefreshToken: () => true,
    rotateRefreshToken: true,
    ttl: { AccessToken: 5 },
  });
  const refreshes: boolean[] = [];
  provider.on("grant.success", ({ oidc }) => {
    if (oidc.params?.grant_type === "refresh_token") refreshes.push(true);
  });
  provider.on("grant.error", ({ oidc }) => {
    if (oidc.params?.grant_type === "refresh_token") refreshes.push(false);
  });
  const serving = provider.callback();
  handle = (request, response) => void serving(request, response);
  return {
    issuer,
    refreshes,
    async authorize(location) {
      const browser = new Browser({});
      const forms = ["prompt=login&login=ann&password=any", "prompt=consent"];
      let at = location;
      for (let steps = 0; steps < 10; steps++) {
        if (at.startsWith(origin)) return new URL(at).searchParams;
        const isForm = at.includes("/interaction/");
        const url = new URL(at, issuer).href;
        const page = isForm
          ? await browser.send(url, {
              method: "POST",
              headers: { "content-type": "application/x-www-form-urlencoded" },
              body: forms.shift() ?? "",
            })
          : await browser.visit(url);
        at = page.location;
      }
      throw new Error("the provider does not come to an end");
    },
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function get(session: ClientHttp2Session, path: string, cookie: string): Promise<IncomingHttpHeaders> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ":path": path, cookie });
    stream.on("response", (headers) => {
      stream.resume();
      resolve(headers);
    });
    stream.on("error", reject);
  });
}

test("a session that has to be refreshed is refreshed once, whichever workers its requests come to", async () => {
  await using provider = await startProvider();
  await using echo = await startEcho();
  const pages = http.createServer((request, response) => {
    response.end(String(request.headers["x-dragoman-subject"]));
  });
  const web = await listening(pages);
  const { forward: _forward, ...login } = loginConfig(provider.issuer);
  await using pool = await startPool(
    config(
      "",
      2,
      `upstreams: { echo: "grpc://${echo.address}", web: "${web}" }
auth: ${JSON.stringify({ login: { shop: login } })}
routes:
  - { match: "*", to: echo, public: true }
  - { match: GET /mine, to: web, auth: { any: [shop] } }
`,
    ),
  );
  const browser = new Browser({});
  await begunBefore(provider, browser, 20_000);
  const cookie = [...browser.jar(origin)].map((pair) => pair.join("=")).join("; ");
  expect(provider.refreshes).toEqual([]);

  const sessions = Array.from({ length: 8 }, () => pool.connect());
  const ask = (): Promise<IncomingHttpHeaders[]> =>
    Promise.all(sessions.flatMap((each) => Array.from({ length: 5 }, () => get(each, "/mine", cookie))));
  const answers = await ask();
  // Those who come late, with the cookie from before, are no others.
  answers.push(...(await ask()));
  for (const session of sessions) session.close();
  expect(answers.map((headers) => headers[":status"])).toEqual(answers.map(() => 200));
  expect(new Set(answers.map((headers) => String(headers["x-request-id"]).slice(0, 6))).size).toBe(2);
  expect(provider.refreshes).toEqual([true]);
  // All are given the same session to go on with.
  const renewed = new Set(answers.map((headers) => String(headers["set-cookie"]?.[0]).split(";", 1)[0]));
  expect(renewed.size).toBe(1);
  expect(renewed).not.toContain(cookie);
  pages.closeAllConnections();
  pages.close();
});
