import net, { type Socket } from "node:net";
import tls from "node:tls";
import { expect, test } from "vitest";
import { testGateway } from "../support/gateway.ts";
import { until } from "../support/until.ts";

const proto = {
  "t.proto": `syntax = "proto3";
package t.v1;
message Nothing {}
service Echo { rpc Say(Nothing) returns (Nothing); }
`,
};
const config = {
  upstreams: { echo: "grpc://127.0.0.1:9" },
  routes: [{ match: "*", public: true }],
  listen: { http: { mode: "serve" as const } },
};

const request = "GET /nothing HTTP/1.1\r\nhost: localhost\r\n\r\n";

async function connected(port: number): Promise<Socket> {
  const socket = net.connect(port, "127.0.0.1");
  socket.on("error", () => {});
  await new Promise((resolve) => socket.once("connect", resolve));
  return socket;
}

function allOf(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      text += chunk;
    });
    socket.once("close", () => resolve(text));
  });
}

async function refused(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(false)).once("error", () => resolve(true));
  });
}

test.each(["http", "https"] as const)(
  "a connection by %s that came before the end and asks only then is still served",
  async (scheme) => {
    await using at = await testGateway(proto, config);
    const port = scheme === "https" ? at.gateway.httpsPort : (at.gateway.httpPort as number);
    const socket = await connected(port);
    await until("it was accepted", async () => (await connectionsOf(at.gateway.adminPort)) === 1);
    const closed = at.gateway.close(5000);
    await until("nobody else is let in", () => refused(port));
    const used =
      scheme === "http"
        ? socket
        : tls.connect({ socket, servername: "localhost", ca: at.ca, ALPNProtocols: [] });
    used.write(request);
    expect(await allOf(used)).toMatch(/^HTTP\/1\.1 404 /);
    await closed;
  },
);

test("one that never asks does not keep the others from ending", async () => {
  await using at = await testGateway(proto, config);
  const silent = await connected(at.gateway.httpPort as number);
  await until("it was accepted", async () => (await connectionsOf(at.gateway.adminPort)) === 1);
  const ended = allOf(silent);
  await at.gateway.close(10_000);
  expect(await ended).toBe("");
});

async function connectionsOf(adminPort: number): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
  return Number(/^dragoman_connections (\d+)$/m.exec(text)?.[1]);
}
