import type { IncomingMessage } from "node:http";
import http from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { ClientTunnel, extendedConnectEnabled } from "../../support/extended-connect.ts";
import { testGateway } from "../../support/gateway.ts";
import type { Http2Client } from "../../support/http2-client.ts";
import { bidiStream, startRawServer } from "../../support/raw-server.ts";
import { until } from "../../support/until.ts";

const proto = `syntax = "proto3";
package t.v1;
import "google/api/annotations.proto";
service Echo {
  rpc Chat(stream Text) returns (stream Text) { option (google.api.http) = { post: "/v1/chat/{text}" body: "*" }; }
}
message Text { string text = 1; int64 size = 2; }
`;

const echo = () =>
  startRawServer("t.v1.Echo", {
    Chat: bidiStream((call) => {
      call.on("data", (message: Buffer) => call.write(message));
      call.on("end", () => call.end());
    }),
  });

async function overHttp2(client: Http2Client, target: string, protocols: string[] = []): Promise<WebSocket> {
  await extendedConnectEnabled(client.session);
  return new WebSocket(`ws://localhost${target}`, protocols, {
    createConnection: () => new ClientTunnel(client.session) as Duplex as Socket,
  });
}

interface Ending {
  readonly code: number;
  readonly reason: string;
}

const ending = (socket: WebSocket): Promise<Ending> =>
  new Promise((resolve) => {
    socket.once("close", (code, reason) => resolve({ code, reason: reason.toString() }));
  });

const opened = (socket: WebSocket): Promise<void> =>
  new Promise((resolve, reject) => {
    socket.once("open", resolve);
    socket.once("error", reject);
  });

test("many WebSockets share one connection, each on a stream of its own", async () => {
  await using server = await echo();
  await using at = await testGateway(
    { "t.proto": proto },
    { upstreams: { echo: `grpc://${server.address}` }, routes: [{ match: "*", public: true }] },
  );
  using client = at.connect();
  const sockets = await Promise.all(
    ["a", "b", "c"].map((name) => overHttp2(client, `/v1/chat/${name}`, ["dragoman.json"])),
  );
  await Promise.all(sockets.map(opened));
  const endings = await Promise.all(
    sockets.map(async (socket) => {
      expect(socket.protocol).toBe("dragoman.json");
      const heard: string[] = [];
      const closed = ending(socket);
      socket.on("message", (data) => heard.push(String(data)));
      socket.send('{"size":1}');
      socket.send(JSON.stringify({ text: "x".repeat(200) }));
      await until("both are heard", () => heard.length === 2);
      socket.send("");
      return { ...(await closed), first: heard[0], length: heard[1]?.length };
    }),
  );
  expect(endings).toEqual(
    ["a", "b", "c"].map((name) => ({
      code: 1000,
      reason: "",
      first: `{"size":"1","text":"${name}"}`,
      length: 211,
    })),
  );
  await until("all are logged", () => at.access().length === 3);
  expect(at.access().map(({ http: method, code }) => [method, code])).toEqual(
    Array(3).fill(["CONNECT", "OK"]),
  );
});

test("a refusal, another protocol and a fault end their stream alone", async () => {
  await using server = await echo();
  await using at = await testGateway(
    { "t.proto": proto },
    { upstreams: { echo: `grpc://${server.address}` }, routes: [{ match: "*", public: true }] },
  );
  using client = at.connect();
  const healthy = await overHttp2(client, "/v1/chat/a");
  await opened(healthy);
  const heard: string[] = [];
  healthy.on("message", (data) => heard.push(String(data)));

  const connect = (path: string, protocol: string, headers = {}) =>
    client.request({
      method: "CONNECT",
      path,
      headers: { ":protocol": protocol, ":scheme": "https", "sec-websocket-version": "13", ...headers },
    });
  expect(await connect("/nowhere", "websocket")).toMatchObject({
    status: 404,
    headers: { "x-dragoman-reason": "route_not_found" },
  });
  expect(await connect("/v1/chat/x", "websocket", { origin: "https://evil.test" })).toMatchObject({
    status: 403,
    headers: { "x-dragoman-reason": "origin_denied" },
  });
  expect(await connect("/v1/chat/x", "websocket", { "sec-websocket-protocol": "soap" })).toMatchObject({
    status: 400,
  });
  expect(await connect("/v1/chat/x", "connect-udp")).toMatchObject({ status: 501 });
  const faulty = await overHttp2(client, "/v1/chat/x");
  await opened(faulty);
  const end = ending(faulty);
  faulty.send(Buffer.from("{}"));
  expect(await end).toMatchObject({ code: 1003 });

  healthy.send('{"size":2}');
  await until("the other still talks", () => heard.length === 1);
  const last = ending(healthy);
  healthy.close(1000);
  expect(await last).toMatchObject({ code: 1000 });
});

test("a stream that is reset cancels the upstream; a drain closes with 1001", async () => {
  let running = 0;
  await using server = await startRawServer("t.v1.Echo", {
    Chat: bidiStream((call) => {
      running++;
      call.on("cancelled", () => running--);
      call.resume();
    }),
  });
  const at = await testGateway(
    { "t.proto": proto },
    { upstreams: { echo: `grpc://${server.address}` }, routes: [{ match: "*", public: true }] },
  );
  using client = at.connect();
  const [gone, stays] = await Promise.all([overHttp2(client, "/v1/chat/a"), overHttp2(client, "/v1/chat/b")]);
  await Promise.all([opened(gone), opened(stays)]);
  gone.send("{}");
  stays.send("{}");
  await until("both run", () => running === 2);
  gone.on("error", () => {});
  gone.terminate();
  await until("one is cancelled", () => running === 1);
  const end = ending(stays);
  await at[Symbol.asyncDispose]();
  expect(await end).toMatchObject({ code: 1001 });
});

test("passed through to an HTTP upstream", async () => {
  const upstream = http.createServer();
  const sockets = new WebSocketServer({ server: upstream });
  sockets.on("connection", (socket, request: IncomingMessage) => {
    socket.on("message", (data) => socket.send(`${request.url}: ${String(data)}`));
  });
  await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
  const { port } = upstream.address() as AddressInfo;
  {
    await using at = await testGateway(
      { "t.proto": 'syntax = "proto3"; package t.v1; message Nothing {}' },
      { upstreams: { web: `http://127.0.0.1:${port}` }, routes: [{ match: "* /**", public: true }] },
    );
    using client = at.connect();
    const socket = await overHttp2(client, "/web/socket");
    await opened(socket);
    const heard: string[] = [];
    socket.on("message", (data) => heard.push(String(data)));
    socket.send("hello");
    await until("the echo is heard", () => heard.length === 1);
    expect(heard).toEqual(["/web/socket: hello"]);
    const end = ending(socket);
    socket.close(1000);
    expect(await end).toMatchObject({ code: 1000 });
  }
  sockets.close();
  upstream.close();
});
