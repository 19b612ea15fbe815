import http from "node:http";
import type { AddressInfo } from "node:net";
import Provider from "oidc-provider";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasChromium, needsChromium, startChromium } from "../../../support/chromium.ts";
import { type TestGateway, testGateway } from "../../../support/gateway.ts";
import { bidiStream, type RawServer, startRawServer } from "../../../support/raw-server.ts";
import { loginConfig, origin, proto, sessionCookie } from "../support/login-world.ts";
import { makeKey } from "../support/tokens.ts";

/** A page that shows who calls, with ways to log out, here and from another site. */
const page = (subject: string): string => `<!doctype html><title>shop</title>
<p id="who">${subject}</p>
<form method="post" action="/.dragoman/logout"><button>Log out</button></form>`;

/** Talks as a script would, and resolves to what came back or why nothing did. */
const talk = `async () => {
  const socket = new WebSocket("/chat", ["dragoman.json"]);
  return new Promise((resolve) => {
    socket.onopen = () => socket.send(JSON.stringify({ text: "hello" }));
    socket.onmessage = ({ data }) => { socket.close(); resolve(data); };
    socket.onerror = () => resolve("refused");
  });
}`;

describe.skipIf(!hasChromium)(`Chromium, with a provider as anybody may run it${needsChromium}`, () => {
  let browser: Browser;
  let server: RawServer;
  let pages: http.Server;
  let evil: http.Server;
  let providerServer: http.Server;
  let provider: Provider;
  let issuer: string;
  let at: TestGateway;

  const listening = async (own: http.Server): Promise<string> => {
    await new Promise<void>((resolve) => own.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(own.address() as AddressInfo).port}`;
  };
  const portOf = (url: string): string => new URL(url).port;

  beforeAll(async () => {
    server = await startRawServer("t.T", {
      Chat: bidiStream((call) => {
        call.on("data", (message: Buffer) => call.write(message));
        call.on("end", () => call.end());
      }),
    });
    pages = http.createServer((request, response) => {
      response.setHeader("content-type", "text/html");
      response.end(page(String(request.headers["x-dragoman-subject"] ?? "nobody")));
    });
    evil = http.createServer((_request, response) => {
      response.setHeader("content-type", "text/html");
      response.end(`<!doctype html><title>evil</title>
<form method="post" action="${origin}/mine"><button id="change">free coins</button></form>
<form method="post" action="${origin}/.dragoman/logout"><button id="logout">more coins</button></form>`);
    });
    const web = await listening(pages);
    const evilUrl = await listening(evil);
    let handle: http.RequestListener = () => {};
    providerServer = http.createServer((request, response) => handle(request, response));
    issuer = await listening(providerServer);
    const key = await makeKey("k1");
    provider = new Provider(issuer, {
      clients: [
        {
          client_id: "shop",
          client_secret: "client secret",
          redirect_uris: [`${origin}/.dragoman/callback`],
          post_logout_redirect_uris: [`${origin}/public`],
          grant_types: ["authorization_code", "refresh_token"],
          response_types: ["code"],
        },
      ],
      jwks: { keys: [{ ...key.privateJwk, kid: key.kid, alg: key.alg, use: "sig" }] },
      clientDefaults: { id_token_signed_response_alg: "ES256" },
      cookies: { keys: ["a key of the provider's own"] },
      scopes: ["openid", "offline_access", "orders.read"],
      findAccount: (_context, id) => ({
        accountId: id,
        claims: () => ({ sub: id, email: `${id}@shop.test` }),
      }),
      issueRefreshToken: () => true,
      features: { revocation: { enabled: true, allowedPolicy: async () => true } },
    });
    const serving = provider.callback();
    handle = (request, response) => void serving(request, response);
    at = await testGateway(
      { "t.proto": proto },
      {
        upstreams: { grpc: `grpc://${server.address}`, web },
        auth: { login: { shop: loginConfig(issuer, { afterLogout: "/public" }) } },
        routes: [
          { match: "t.T/*", to: "grpc", auth: { any: ["shop"] } },
          { match: "* /mine", to: "web", auth: { any: ["shop"] } },
          { match: "GET /public", to: "web", public: true },
        ],
      },
    );
    browser = await startChromium([
      `--host-resolver-rules=MAP shop.test:443 127.0.0.1:${at.gateway.httpsPort}, MAP evil.test:80 127.0.0.1:${portOf(evilUrl)}`,
    ]);
  });
  afterAll(async () => {
    await browser?.close();
    await at?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
    for (const each of [pages, evil, providerServer]) {
      each?.close();
      each?.closeAllConnections();
    }
  });

  /** Goes where one has to be logged in, and does what the provider asks for. */
  async function logIn(shown: Page, path: string): Promise<void> {
    await shown.goto(`${origin}${path}`);
    await shown.fill('input[name="login"]', "ann");
    await shown.fill('input[name="password"]', "any");
    await shown.click('button[type="submit"]');
    await shown.click('button[type="submit"]');
    await shown.waitForURL(`${origin}${path}`);
  }
  const who = (shown: Page): Promise<string | null> => shown.textContent("#who");

  test("is led to the provider and back, is known on pages, calls and WebSockets, and logs out of both", async () => {
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    const shown = await context.newPage();
    await logIn(shown, "/mine?tab=2");
    expect(await who(shown)).toBe("ann");
    const cookies = (await context.cookies(origin)).filter(({ name }) => name.startsWith("__Host-dragoman-"));
    expect(cookies).toMatchObject([
      { name: sessionCookie, httpOnly: true, secure: true, sameSite: "Lax", path: "/" },
    ]);
    expect(await shown.evaluate("document.cookie")).toBe("");
    expect(await shown.evaluate(`(${talk})()`)).toBe('{"text":"hello"}');
    const fetched = "fetch('/mine', { method: 'POST' }).then((answer) => answer.status)";
    expect(await shown.evaluate(fetched)).toBe(200);

    await shown.click("text=Log out");
    // The provider asks whether to log out of it, too.
    await shown.waitForURL(`${issuer}/session/end**`);
    await shown.click('button[value="yes"]');
    await shown.waitForURL(`${origin}/public**`);
    expect((await context.cookies(origin)).map(({ name }) => name)).toEqual([]);
    await shown.goto(`${origin}/public`);
    expect(await shown.evaluate(fetched)).toBe(401);
    expect(await shown.evaluate(`(${talk})()`)).toBe("refused");
    // The provider has forgotten as well.
    await shown.goto(`${origin}/mine`);
    expect(await shown.isVisible('input[name="login"]')).toBe(true);
    await context.close();
  });

  test("does nothing for another site: neither a change nor a logout", async () => {
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    const shown = await context.newPage();
    await logIn(shown, "/mine");
    for (const button of ["#change", "#logout"]) {
      await shown.goto("http://evil.test/");
      const [answer] = await Promise.all([shown.waitForResponse(/shop\.test/), shown.click(button)]);
      expect(answer.request().method()).toBe("POST");
      expect([401, 403]).toContain(answer.status());
    }
    await shown.goto(`${origin}/mine`);
    expect(await who(shown)).toBe("ann");
    await context.close();
  });

  test("logs in again without being asked while the provider knows it, and as several tabs at once", async () => {
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    const first = await context.newPage();
    await logIn(first, "/mine");
    await context.clearCookies({ name: sessionCookie });
    const tabs = await Promise.all([context.newPage(), context.newPage(), context.newPage()]);
    await Promise.all(tabs.map((tab, i) => tab.goto(`${origin}/mine?tab=${i}`)));
    for (const [i, tab] of tabs.entries()) {
      expect(tab.url()).toBe(`${origin}/mine?tab=${i}`);
      expect(await who(tab)).toBe("ann");
    }
    await context.close();
  });
});
