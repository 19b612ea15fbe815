import { once } from "node:events";
import http from "node:http";
import net, { type AddressInfo } from "node:net";
import tls from "node:tls";
import type { ServerWritableStream } from "@grpc/grpc-js";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type TestGateway, testGateway } from "../support/gateway.ts";
import { type RawServer, serverStream, startRawServer, unary } from "../support/raw-server.ts";
import { until } from "../support/until.ts";

const proto = `syntax = "proto3";
package t.v1;
import "google/api/annotations.proto";
service T {
  rpc Flood(Text) returns (stream Text) { option (google.api.http) = { get: "/v1/flood" }; }
  rpc Wait(Text) returns (stream Text) { option (google.api.http) = { get: "/v1/wait" }; }
  rpc Large(Text) returns (Text) { option (google.api.http) = { get: "/v1/large" }; }
}
message Text { string text = 1; }
`;

const bodyIdleMs = 300;
/** More than the kernel's buffers of two sockets hold. */
const largeBytes = 16 * 1024 * 1024;

/** A message with a text of so many bytes. */
function textOf(size: number): Buffer {
  const head = [10];
  let rest = size;
  for (; rest > 127; rest >>>= 7) head.push((rest & 127) | 128);
  return Buffer.concat([Buffer.from([...head, rest]), Buffer.alloc(size, "x")]);
}

let server: RawServer;
/** Sends pages as long as somebody takes them. */
let pages: http.Server;
let at: TestGateway;
let begun = 0;
let cancelled = 0;
let waiting: ServerWritableStream<Buffer, Buffer>[] = [];

beforeAll(async () => {
  const flood = textOf(32 * 1024);
  server = await startRawServer("t.v1.T", {
    Flood: serverStream((call) => {
      begun++;
      call.once("cancelled", () => cancelled++);
      const more = (): void => {
        while (call.write(flood));
      };
      call.on("drain", more);
      more();
    }),
    Wait: serverStream((call) => {
      waiting.push(call);
      call.write(textOf(1));
    }),
    Large: unary(() => textOf(largeBytes)),
  });
  pages = http.createServer((_request, response) => {
    begun++;
    response.once("close", () => cancelled++);
    const piece = Buffer.alloc(32 * 1024, "x");
    const more = (): void => {
      while (response.write(piece));
    };
    response.on("drain", more);
    more();
  });
  await new Promise<void>((resolve) => pages.listen(0, "127.0.0.1", resolve));
  at = await testGateway(
    { "t.proto": proto },
    {
      listen: { limits: { bodyIdle: `${bodyIdleMs}ms` } },
      upstreams: {
        t: { endpoints: [server.address], maxMessageBytes: "32MiB" },
        pages: `http://127.0.0.1:${(pages.address() as AddressInfo).port}`,
      },
      routes: [
        { match: "*", public: true, timeout: "1h" },
        { match: "GET /pages", public: true, timeout: "1h" },
      ],
    },
  );
});
afterAll(async () => {
  await at[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  pages.closeAllConnections();
  pages.close();
});
beforeEach(() => {
  begun = 0;
  cancelled = 0;
  waiting = [];
});

/** A request over http/1.1, of whose answer nothing is read before somebody does. */
async function ask(path: string, secure: boolean): Promise<net.Socket> {
  const { httpPort, httpsPort } = at.gateway;
  const socket = secure
    ? tls.connect({ port: httpsPort, host: "localhost", ca: at.ca, ALPNProtocols: ["http/1.1"] })
    : net.connect(httpPort ?? 0, "127.0.0.1");
  await once(socket, secure ? "secureConnect" : "connect");
  socket.on("error", () => {});
  socket.pause();
  socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`);
  return socket;
}

describe.each(["/v1/flood", "/pages"])(
  "a client that reads no more of %s is cut off, and its upstream ends",
  (path) => {
    test.each([false, true])("http/1.1, over TLS: %s", async (secure) => {
      const socket = await ask(path, secure);
      await until("the upstream is cancelled", () => cancelled === 1);
      expect(begun).toBe(1);
      socket.destroy();
    });

    test("HTTP/2, and other streams of its connection go on", async () => {
      using client = at.connect();
      const stream = client.stream({ path });
      await once(stream, "response");
      await until("the upstream is cancelled", () => cancelled === 1);
      expect(begun).toBe(1);
      expect((await client.request({ path: "/v1/nothing" })).status).toBe(404);
    });
  },
);

test("a client of http/1.1 that reads nothing of a whole answer is cut off", async () => {
  const { connections } = await metrics();
  const socket = await ask("/v1/large", true);
  await until("it has come", async () => (await metrics()).connections > connections);
  await until("it is closed", async () => (await metrics()).connections === connections);
  socket.destroy();
});

describe("who reads is waited for", () => {
  test.each([false, true])("however long its upstream says nothing, over TLS: %s", async (secure) => {
    const socket = await ask("/v1/wait", secure);
    let text = "";
    socket.on("data", (piece) => {
      text += piece;
    });
    socket.resume();
    await until("the first has come", () => text.includes('{"text":"x"}'));
    await new Promise((resolve) => setTimeout(resolve, bodyIdleMs * 3));
    waiting[0]?.write(textOf(2));
    await until("the second has come", () => text.includes('{"text":"xx"}'));
    waiting[0]?.end();
    socket.destroy();
  });

  test.each([false, true])("however slowly it does, over TLS: %s", async (secure) => {
    const socket = await ask("/v1/large", secure);
    const startedAt = performance.now();
    let size = 0;
    let pauses = 0;
    socket.on("data", (piece: Buffer) => {
      size += piece.length;
      if (size < pauses * 512 * 1024) return;
      pauses++;
      socket.pause();
      setTimeout(() => socket.resume(), bodyIdleMs / 6);
    });
    socket.resume();
    await until("all has come", () => size > largeBytes);
    expect(performance.now() - startedAt).toBeGreaterThan(bodyIdleMs * 5);
    socket.destroy();
  });
});

async function metrics(): Promise<{ readonly connections: number }> {
  const text = await (await fetch(`${at.admin}/metrics`)).text();
  return { connections: Number(/^dragoman_connections (\d+)$/m.exec(text)?.[1] ?? Number.NaN) };
}
