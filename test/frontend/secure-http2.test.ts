import { once } from "node:events";
import tls from "node:tls";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type TestGateway, testGateway } from "../support/gateway.ts";
import { until } from "../support/until.ts";

let at: TestGateway;

beforeAll(async () => {
  at = await testGateway(
    { "t.proto": 'syntax = "proto3"; package t.v1;' },
    { upstreams: { nobody: "grpc://127.0.0.1:1" }, routes: [{ match: "*", public: true }] },
  );
});
afterAll(() => at[Symbol.asyncDispose]());

const connect = (options: tls.ConnectionOptions): tls.TLSSocket => {
  const socket = tls.connect({
    port: at.gateway.httpsPort,
    host: "127.0.0.1",
    servername: "localhost",
    ca: at.ca,
    ...options,
  });
  socket.on("error", () => {});
  return socket;
};

test.each([
  ["h2 and http/1.1", ["http/1.1", "h2"], "h2"],
  ["http/1.1 alone", ["http/1.1"], "http/1.1"],
  ["none", undefined, false],
])("RFC 9113 3.2: of %s offered by ALPN", async (_name, ALPNProtocols, chosen) => {
  const socket = connect(ALPNProtocols === undefined ? {} : { ALPNProtocols });
  await once(socket, "secureConnect");
  expect(socket.alpnProtocol).toBe(chosen);
  socket.destroy();
});

test("RFC 9113 3.1: h2c is nothing that TLS may choose", async () => {
  const socket = connect({ ALPNProtocols: ["h2c"] });
  const [error] = await once(socket, "error");
  expect(error.code).toMatch(/NO_APPLICATION_PROTOCOL/);
});

test("RFC 9113 9.2: versions of TLS before 1.2 are refused", async () => {
  const socket = connect({
    ALPNProtocols: ["h2"],
    minVersion: "TLSv1.1",
    maxVersion: "TLSv1.1",
    ciphers: "DEFAULT@SECLEVEL=0",
  });
  const [error] = await once(socket, "error");
  expect(error.code).toMatch(/PROTOCOL_VERSION|ECONNRESET/);
});

test.each(["h2", "http/1.1"])(
  "RFC 9113 9.2.1: a connection over which TLS is negotiated again is closed: %s",
  async (protocol) => {
    const socket = connect({ ALPNProtocols: [protocol], maxVersion: "TLSv1.2" });
    await once(socket, "secureConnect");
    expect(socket.getProtocol()).toBe("TLSv1.2");
    socket.resume();
    let done = false;
    socket.renegotiate({}, (error) => {
      done = error === null;
    });
    await until("it is closed", () => socket.destroyed);
    expect(done).toBe(false);
  },
);
