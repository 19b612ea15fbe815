import { once } from "node:events";
import net from "node:net";
import tls from "node:tls";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type TestGateway, testGateway } from "../../support/gateway.ts";

const proto = `syntax = "proto3";
package t.v1;
service T { rpc Put(Text) returns (Text); }
message Text { string text = 1; }
`;

let at: TestGateway;

beforeAll(async () => {
  at = await testGateway(
    { "t.proto": proto },
    {
      listen: { limits: { bodyBytes: "64KiB" } },
      upstreams: { t: "grpc://127.0.0.1:1" },
      routes: [{ match: "*", public: true }],
    },
  );
});
afterAll(async () => {
  await at[Symbol.asyncDispose]();
});

const MiB = 1024 * 1024;

async function connect(secure: boolean): Promise<net.Socket> {
  const { httpPort, httpsPort } = at.gateway;
  const socket = secure
    ? tls.connect({ port: httpsPort ?? 0, host: "localhost", ca: at.ca, ALPNProtocols: ["http/1.1"] })
    : net.connect(httpPort ?? 0, "127.0.0.1");
  await once(socket, secure ? "secureConnect" : "connect");
  return socket;
}

const head = (length: number) =>
  `POST /t.v1.T/Put HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`;

/** What comes until the other end closes. */
async function rest(socket: net.Socket): Promise<string> {
  let text = "";
  for await (const piece of socket) text += piece;
  return text;
}

test.each([
  ["without TLS", false],
  ["over TLS", true],
])("a client that reads once it has sent all reads why its body was refused, %s", async (_name, secure) => {
  const socket = await connect(secure);
  const length = 8 * MiB;
  socket.write(head(length));
  const piece = Buffer.alloc(64 * 1024, "x");
  for (let sent = 0; sent < length; sent += piece.length) {
    if (!socket.write(piece)) await once(socket, "drain");
  }
  const text = await rest(socket);
  expect(text).toMatch(/^HTTP\/1\.1 413 /);
  expect(text).toMatch(/\r\nconnection: close\r\n/i);
  expect(text).toContain("x-dragoman-reason: body_too_large");
  expect(text.endsWith("}")).toBe(true);
});

test("a client that never stops sending is cut off", async () => {
  const socket = await connect(false);
  socket.on("error", () => {});
  socket.resume();
  socket.write(head(2 ** 40));
  const piece = Buffer.alloc(256 * 1024, "x");
  let sent = 0;
  while (!socket.destroyed && sent < 512 * MiB) {
    sent += piece.length;
    if (!socket.write(piece)) {
      await Promise.race([once(socket, "drain"), once(socket, "close")]).catch(() => {});
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(socket.destroyed).toBe(true);
  expect(sent).toBeLessThan(64 * MiB);
});
