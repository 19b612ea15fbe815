import http from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasChromium, needsChromium, startChromium } from "../support/chromium.ts";
import { type TestGateway, testGateway } from "../support/gateway.ts";
import { bidiStream, type RawServer, startRawServer } from "../support/raw-server.ts";
import { until } from "../support/until.ts";

const proto = `syntax = "proto3";
package t.v1;
import "google/api/annotations.proto";
service Support {
  rpc Chat(stream Text) returns (stream Text) {
    option (google.api.http) = { post: "/v1/rooms/{room}:chat" body: "*" };
  }
}
message Text { string text = 1; string room = 2; }
`;

/** Talks as a page would, and resolves to all that came. */
const talk = `async (path) => {
  const url = new URL(path, location.href.replace(/^http/, "ws"));
  const socket = new WebSocket(url, ["dragoman.json"]);
  const heard = [];
  const closed = new Promise((resolve) => {
    socket.onclose = ({ code, reason }) => resolve({ code, reason });
  });
  await new Promise((resolve) => { socket.onopen = resolve; socket.onerror = resolve; });
  socket.onmessage = ({ data }) => {
    heard.push(JSON.parse(data));
    if (heard.length === 1) socket.send(JSON.stringify({ text: "how are you?" }));
    else socket.send("");
  };
  socket.send(JSON.stringify({ text: "hello" }));
  return { heard, protocol: socket.protocol, ...(await closed) };
}`;

describe.skipIf(!hasChromium)(`Chromium${needsChromium}`, () => {
  const received: string[] = [];
  let browser: Browser;
  let server: RawServer;
  let pages: http.Server;
  let at: TestGateway;

  beforeAll(async () => {
    server = await startRawServer("t.v1.Support", {
      Chat: bidiStream((call) => {
        call.on("data", (message: Buffer) => {
          received.push(message.toString("latin1"));
          call.write(message);
        });
        call.on("end", () => call.end());
      }),
    });
    pages = http.createServer((_request, response) => {
      response.setHeader("content-type", "text/html");
      response.end("<!doctype html><title>chat</title>");
    });
    await new Promise<void>((resolve) => pages.listen(0, "127.0.0.1", resolve));
    at = await testGateway(
      { "t.proto": proto },
      {
        upstreams: {
          support: `grpc://${server.address}`,
          pages: `http://127.0.0.1:${(pages.address() as AddressInfo).port}`,
        },
        routes: [
          { match: "t.v1.Support/*", to: "support", public: true },
          { match: "GET /chat", to: "pages", public: true },
        ],
      },
    );
    browser = await startChromium();
  });
  afterAll(async () => {
    await browser?.close();
    await at?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
    pages?.close();
    pages?.closeAllConnections();
  });

  test.each([
    // By its HTTP/2 connection to the gateway: extended CONNECT.
    ["HTTP/2", () => at.url, "CONNECT"],
    // Without TLS a browser speaks http/1.1 alone.
    ["http/1.1", () => `http://localhost:${at.gateway.httpPort}`, "GET"],
  ])("chats over %s", async (_version, origin, method) => {
    const before = received.length;
    const page = await browser.newPage();
    await page.goto(`${origin()}/chat`);
    expect(await page.evaluate(`(${talk})("/v1/rooms/lobby:chat")`)).toEqual({
      heard: [{ text: "hello", room: "lobby" }, { text: "how are you?" }],
      protocol: "dragoman.json",
      code: 1000,
      reason: "",
    });
    await page.close();
    expect(received.slice(before)).toEqual(["\n\x05hello\x12\x05lobby", "\n\x0chow are you?"]);
    const calls = () =>
      at.access().filter(({ protocol, http: own }) => protocol === "websocket" && own === method);
    await until("it is logged as what it came by", () => calls().length === 1);
    expect(calls()).toMatchObject([{ code: "OK" }]);
  });
});
