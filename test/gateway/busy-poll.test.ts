import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { afterEach, expect, test, vi } from "vitest";
import { WebSocket } from "ws";
import { busyPoll } from "#http2";
import { engine } from "../support/engines.ts";
import { ClientTunnel, extendedConnectEnabled } from "../support/extended-connect.ts";
import { testGateway } from "../support/gateway.ts";
import { bidiStream, startRawServer, unary } from "../support/raw-server.ts";
import { until } from "../support/until.ts";

const proto = `syntax = "proto3";
package t.v1;
import "google/api/annotations.proto";
service Echo {
  rpc Say(Text) returns (Text) { option (google.api.http) = { get: "/v1/say/{text}" }; }
  rpc Chat(stream Text) returns (stream Text) { option (google.api.http) = { post: "/v1/chat" body: "*" }; }
}
message Text { string text = 1; }
`;

afterEach(() => {
  vi.restoreAllMocks();
});

async function chat(listen: Readonly<Record<string, unknown>> = {}) {
  const server = await startRawServer("t.v1.Echo", {
    Say: unary((request) => request),
    Chat: bidiStream((call) => {
      call.on("data", (message: Buffer) => call.write(message));
      call.on("end", () => call.end());
    }),
  });
  const at = await testGateway(
    { "t.proto": proto },
    { listen, upstreams: { echo: `grpc://${server.address}` }, routes: [{ match: "*", public: true }] },
  );
  const client = at.connect();
  return {
    client,
    overHttp1: () => new WebSocket(`${at.url.replace("https", "wss")}/v1/chat`, { ca: at.ca }),
    overHttp2: async () => {
      await extendedConnectEnabled(client.session);
      return new WebSocket("ws://localhost/v1/chat", {
        createConnection: () => new ClientTunnel(client.session) as Duplex as Socket,
      });
    },
    async [Symbol.asyncDispose]() {
      client[Symbol.dispose]();
      await at[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

async function rounds(socket: WebSocket, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const heard = new Promise((resolve) => socket.once("message", resolve));
    socket.send('{"text":"a"}');
    await heard;
  }
}

test.runIf(engine === "dragoman").each(["overHttp1", "overHttp2"] as const)(
  "the client of a WebSocket %s and its upstream have their events in turn",
  async (carrier) => {
    await using at = await chat();
    const socket = await at[carrier]();
    await new Promise((resolve) => socket.once("open", resolve));
    await rounds(socket, 3);
    const eventEnded = vi.spyOn(busyPoll, "eventEnded");
    await rounds(socket, 20);
    const sources = eventEnded.mock.calls.map(([source]) => source);
    socket.terminate();
    expect(new Set(sources).size).toBe(2);
    // Now and then either side says something of its own, such as how much more it takes.
    const inTurn = sources.filter((source, i) => i > 0 && source !== sources[i - 1]).length;
    expect(inTurn).toBeGreaterThanOrEqual(36);
  },
);

test.runIf(engine === "dragoman")(
  "calls that come alone are told from those that come together",
  async () => {
    await using at = await chat();
    const say = () => at.client.request({ path: "/v1/say/a" });
    await say();
    const eventEnded = vi.spyOn(busyPoll, "eventEnded");
    for (let i = 0; i < 5; i++) await say();
    expect(new Set(eventEnded.mock.calls.map(([, alone]) => alone))).toEqual(new Set([true]));
    await Promise.all(Array.from({ length: 16 }, say));
    expect(new Set(eventEnded.mock.calls.map(([, alone]) => alone))).toEqual(new Set([true, false]));
  },
);

test("so are messages of a WebSocket", async () => {
  await using at = await chat();
  const socket = at.overHttp1();
  await new Promise((resolve) => socket.once("open", resolve));
  await rounds(socket, 3);
  const eventEnded = vi.spyOn(busyPoll, "eventEnded");
  const alone = () => new Set(eventEnded.mock.calls.map(([, each]) => each));
  await rounds(socket, 5);
  expect(alone()).toEqual(new Set([true]));
  let heard = 0;
  socket.on("message", () => heard++);
  // Two, which are no more frames than the upstream has of a call.
  const { _socket: wire } = socket as WebSocket & { readonly _socket: Socket };
  wire.cork();
  socket.send('{"text":"a"}');
  socket.send('{"text":"b"}');
  wire.uncork();
  await until("both are answered", () => heard === 2);
  socket.terminate();
  expect(alone()).toEqual(new Set([true, false]));
});

test.each([true, false])("a gateway is started with busyPoll: %s", async (allowed) => {
  const allow = vi.spyOn(busyPoll, "allow");
  await using _at = await chat({ busyPoll: allowed });
  expect(allow.mock.calls).toEqual([[allowed]]);
});
