import { createHash } from "node:crypto";
import { once } from "node:events";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { loadConfig } from "#config";
import { type ExampleWeb, startWeb } from "../../examples/shop/web.ts";

let web: ExampleWeb;

beforeAll(async () => {
  web = await startWeb();
});
afterAll(() => web.close());

test.each(["/examples/", "/examples/chat"])(
  "%s is a page whose policy allows its own script and style alone",
  async (at) => {
    const response = await fetch(web.url + at);
    const html = await response.text();
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
    const policy = response.headers.get("content-security-policy") ?? "";
    expect(policy).not.toContain("unsafe");
    for (const [, tag, text = ""] of html.matchAll(/<(script|style)>(.*?)<\/\1>/gs)) {
      const hash = createHash("sha256").update(text).digest("base64");
      expect(policy).toMatch(new RegExp(`${tag}-src [^;]*'sha256-${hash.replace(/[+/]/g, "\\$&")}'`));
    }
    expect(html.replace(/"data:[^"]*"/g, "")).not.toMatch(/\s(?:on\w+|style)=|https?:\/\//);
  },
);

test.each([
  ["GET", "/examples", 308],
  ["GET", "/examples/nothing", 404],
  ["GET", "/examples/../package.json", 404],
  ["POST", "/examples/chat", 405],
  ["HEAD", "/examples/chat?room=1", 200],
  ["GET", "/examples/echo", 426],
])("%s %s is answered with %i", async (method, at, expected) => {
  const response = await fetch(web.url + at, { method, redirect: "manual" });
  expect(response.status).toBe(expected);
  await response.body?.cancel();
});

test("a WebSocket gets back what it sends, text as text and bytes as bytes", async () => {
  const socket = new WebSocket(`${web.url.replace("http", "ws")}/examples/echo`);
  await once(socket, "open");
  for (const [sent, binary] of [
    ["merhaba", false],
    ["bytes", true],
  ] as const) {
    socket.send(Buffer.from(sent), { binary });
    const [data, isBinary] = await once(socket, "message");
    expect([String(data), isBinary]).toEqual([sent, binary]);
  }
  socket.close(1000);
  await once(socket, "close");
});

test("no other path can be upgraded", async () => {
  const socket = new WebSocket(`${web.url.replace("http", "ws")}/examples/chat`);
  const [error] = await once(socket, "error");
  expect(String(error)).toContain("404");
});

test("the gateway's configuration is valid", () => {
  const file = path.resolve(import.meta.dirname, "../../examples/gateway.yaml");
  const two = "127.0.0.1:50051,127.0.0.1:50052";
  const { config, problems } = loadConfig({
    file,
    env: {
      HTTPS_PORT: "8443",
      HTTP_PORT: "8080",
      ADMIN_PORT: "9901",
      SHOP_CATALOG: two,
      SHOP_INVENTORY: two,
      SHOP_ORDERS: two,
      SHOP_SUPPORT: two,
      SHOP_WEB: "127.0.0.1:3000",
      SHOP_JWKS: "jwks.json",
    },
  });
  expect(problems).toEqual([]);
  expect(config?.routes.map(({ match }) => match)).toContain("shop.v1.Orders/*");
});
