import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createNodeListener } from "../../src/frontend/node-engine/listener.ts";
import { redirectToHttps } from "../../src/frontend/redirect.ts";
import { type TestGateway, testGateway } from "../support/gateway.ts";
import { connectHttp2 } from "../support/http2-client.ts";
import { exchangeRaw } from "../support/raw-socket.ts";

const nothing = { "t.proto": 'syntax = "proto3";\npackage t.v1;\n' };
/** A gateway needs a route, which nobody asks for here. */
const unused = {
  upstreams: { pages: "http://127.0.0.1:9" },
  routes: [{ match: "GET /pages/**", public: true }],
};

let at: TestGateway;

beforeAll(async () => {
  at = await testGateway(nothing, {
    ...unused,
    listen: { http: { mode: "redirect" }, hsts: { maxAge: "180d" } },
  });
});

afterAll(() => at[Symbol.asyncDispose]());

interface Moved {
  readonly status: string;
  readonly location: string | undefined;
  readonly text: string;
}

async function ask(head: string, body = "", port = at.gateway.httpPort ?? 0): Promise<Moved> {
  const text = await exchangeRaw(port, `${head}\r\nconnection: close\r\n\r\n${body}`);
  return {
    status: text.split(" ", 2)[1] ?? "",
    location: /^location: (.*)\r$/im.exec(text)?.[1],
    text,
  };
}

describe("plain HTTP leads to HTTPS", () => {
  test.each(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])(
    "%s by 308, which keeps method and body",
    async (method) => {
      const { status, location } = await ask(`${method} /v1/a%2Fb?x=1&y=%20 HTTP/1.1\r\nhost: shop.test`);
      expect([status, location]).toEqual([
        "308",
        `https://shop.test:${at.gateway.httpsPort}/v1/a%2Fb?x=1&y=%20`,
      ]);
    },
  );

  test.each([
    ["shop.test:8080", "shop.test"],
    ["SHOP.Test", "shop.test"],
    ["127.0.0.1:80", "127.0.0.1"],
    ["[::1]", "[::1]"],
    ["[::1]:8080", "[::1]"],
    ["shop.test:", "shop.test"],
  ])("host %s", async (host, expected) => {
    const { location } = await ask(`GET / HTTP/1.1\r\nhost: ${host}`);
    expect(location).toBe(`https://${expected}:${at.gateway.httpsPort}/`);
  });

  test("a path that looks like a host is still a path", async () => {
    const { location } = await ask("GET //evil.test/%0d%0ax:y HTTP/1.1\r\nhost: shop.test");
    expect(location).toBe(`https://shop.test:${at.gateway.httpsPort}//evil.test/%0d%0ax:y`);
  });

  test("OPTIONS * leads to the root", async () => {
    const { status, location } = await ask("OPTIONS * HTTP/1.1\r\nhost: shop.test");
    expect([status, location]).toEqual(["308", `https://shop.test:${at.gateway.httpsPort}/`]);
  });

  test.each([
    ["no host", "GET / HTTP/1.1"],
    ["two hosts", "GET / HTTP/1.1\r\nhost: a\r\nhost: b"],
    ["a host that is none", "GET / HTTP/1.1\r\nhost: a/b"],
    ["somebody at a host", "GET / HTTP/1.1\r\nhost: shop.test@evil.test"],
  ])("%s leads nowhere", async (_name, head) => {
    const { status, location } = await ask(head);
    expect([status, location]).toEqual(["400", undefined]);
  });

  test("a body that waits is not asked for", async () => {
    const { text } = await ask(
      "POST /v1 HTTP/1.1\r\nhost: shop.test\r\nexpect: 100-continue\r\ncontent-length: 1000000",
    );
    expect(text).not.toContain("100 Continue");
    expect(text).toMatch(/^HTTP\/1\.1 308 /);
  });

  test("a body that comes anyway does no harm", async () => {
    const { status } = await ask("POST /v1 HTTP/1.1\r\nhost: shop.test\r\ncontent-length: 10", "0123456789");
    expect(status).toBe("308");
  });

  test("cleartext HTTP/2", async () => {
    using client = connectHttp2(`http://127.0.0.1:${at.gateway.httpPort}`);
    const answer = await client.request({ method: "POST", path: "/v1/a?b", body: "{}" });
    expect(answer).toMatchObject({ status: 308, text: "" });
    expect(answer.headers.location).toBe(`https://127.0.0.1:${at.gateway.httpsPort}/v1/a?b`);
  });

  test("WebSocket", async () => {
    const { status, location } = await ask(
      "GET /chat HTTP/1.1\r\nhost: shop.test\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==",
    );
    expect([status, location]).toEqual(["308", `https://shop.test:${at.gateway.httpsPort}/chat`]);
  });

  // RFC 6797 7.2: not over a way that anybody could have written to.
  test("nobody is told over plain HTTP to insist on HTTPS", async () => {
    expect((await ask("GET / HTTP/1.1\r\nhost: shop.test")).text).not.toMatch(/strict-transport/i);
    using client = at.connect();
    const secure = await client.request({ path: "/nothing" });
    expect(secure.headers["strict-transport-security"]).toBe("max-age=15552000");
  });
});

test("the port of HTTPS is not named where everybody expects it", async () => {
  const limits = {
    headerBytes: 4096,
    headerCount: 20,
    targetBytes: 1024,
    streamsPerConnection: 10,
    idleMs: 60_000,
    headMs: 1000,
    bodyIdleMs: 1000,
  };
  const listener = createNodeListener({ limits, events: redirectToHttps(443) });
  const { port } = await listener.listen({ host: "127.0.0.1", port: 0 });
  try {
    const { location } = await ask("GET /a?b HTTP/1.1\r\nhost: shop.test:80", "", port);
    expect(location).toBe("https://shop.test/a?b");
  } finally {
    await listener.drain(0);
  }
});

test("with plain HTTP off there is no such port", async () => {
  await using off = await testGateway(nothing, { ...unused, listen: { http: { mode: "off" } } });
  expect(off.gateway.httpPort).toBeUndefined();
});
