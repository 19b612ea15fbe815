import http, { type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { testGateway } from "../../support/gateway.ts";
import { bidiStream, serverStream, startRawServer } from "../../support/raw-server.ts";
import { tempFolder } from "../../support/temp-folder.ts";
import { until } from "../../support/until.ts";
import { audience, issuer, makeKey } from "../authn/support/tokens.ts";

const proto = `syntax = "proto3"; package t.v1; import "google/api/annotations.proto";
service T {
  rpc Watch(R) returns (stream R) { option (google.api.http) = { get: "/v1/watch" }; }
  rpc Chat(stream R) returns (stream R);
}
message R {}`;

/** Long enough for all streams to be open, short enough to be waited for. */
const lifetimeS = 3;

test("streams of every protocol, and WebSockets that are passed through, end with their credentials", async () => {
  let running = 0;
  const counted = <T extends { on(event: "cancelled", listener: () => void): unknown }>(call: T): T => {
    running++;
    call.on("cancelled", () => running--);
    return call;
  };
  await using server = await startRawServer("t.v1.T", {
    Watch: serverStream((call) => {
      counted(call).write(Buffer.alloc(0));
    }),
    Chat: bidiStream((call) => {
      counted(call).resume();
      call.write(Buffer.alloc(0));
    }),
  });
  const web = http.createServer();
  const echo = new WebSocketServer({ server: web });
  await new Promise<void>((resolve) => web.listen(0, "127.0.0.1", resolve));
  const key = await makeKey("k");
  await using files = await tempFolder({ "jwks.json": JSON.stringify({ keys: [key.jwk] }) });
  {
    await using at = await testGateway(
      { "t.proto": proto },
      {
        upstreams: {
          t: `grpc://${server.address}`,
          web: `http://127.0.0.1:${(web.address() as AddressInfo).port}`,
        },
        auth: {
          issuers: { main: { issuer, jwks: `${files.dir}/jwks.json`, audiences: [audience], skew: "0s" } },
        },
        routes: [
          { match: "*", to: "t", auth: {} },
          { match: "* /web/**", to: "web", auth: {} },
        ],
      },
    );
    using client = at.connect();
    const token = await key.sign({ exp: Math.floor(Date.now() / 1000) + lifetimeS });
    const headers = { authorization: `Bearer ${token}` };
    const socket = (path: string): Promise<number> =>
      new Promise((resolve, reject) => {
        const opened = new WebSocket(`${at.url.replace("https", "wss")}${path}`, { ca: at.ca, headers });
        opened.on("close", resolve);
        opened.on("unexpected-response", (_request, { statusCode }: IncomingMessage) =>
          reject(new Error(`${path}: ${statusCode}`)),
        );
        opened.on("error", reject);
      });
    const chat = socket("/t.v1.T/Chat");
    const through = socket("/web/socket");
    const sse = client.request({ path: "/v1/watch", headers: { ...headers, accept: "text/event-stream" } });
    const lines = client.request({
      path: "/v1/watch",
      headers: { ...headers, accept: "application/x-ndjson" },
    });
    const grpc = client.request({
      method: "POST",
      path: "/t.v1.T/Watch",
      headers: { ...headers, "content-type": "application/grpc", te: "trailers" },
      body: Buffer.alloc(5),
    });
    await until("all run", () => running === 4 && echo.clients.size === 1);
    expect(await chat).toBe(4016);
    expect(await through).toBe(1006);
    expect((await sse).text).toContain('"code":16');
    expect((await lines).text).toContain('"code":16');
    expect((await grpc).trailers).toMatchObject({ "grpc-status": "16" });
    await until("no upstream is kept", () => running === 0 && echo.clients.size === 0);
  }
  echo.close();
  web.close();
});
