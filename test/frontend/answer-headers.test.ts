import { hash } from "node:crypto";
import { once } from "node:events";
import http, { type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { Metadata, type ServerUnaryCall } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { extendedConnectEnabled } from "../support/extended-connect.ts";
import { type TestGateway, testGateway } from "../support/gateway.ts";
import { hopByHopNames } from "../support/hop-by-hop.ts";
import { type RawServer, startRawServer, unary } from "../support/raw-server.ts";
import { exchangeRaw } from "../support/raw-socket.ts";

const proto = {
  "t.proto":
    'syntax = "proto3";\npackage t.v1;\nmessage Nothing {}\nservice Echo { rpc Say(Nothing) returns (Nothing); }\n',
};
let server: RawServer;
/** Tells more of itself than it should, and has one opinion of its own. */
const pages = http.createServer((_request, response) => {
  response.setHeader("server", "Apache/2.4.1");
  response.setHeader("x-powered-by", "PHP/5.3");
  response.setHeader("x-frame-options", "SAMEORIGIN");
  response.end("fine");
});

pages.on("upgrade", (request, socket) => {
  const said =
    "server: Apache/2.4.1\r\nx-powered-by: PHP/5.3\r\nx-frame-options: SAMEORIGIN\r\nx-request-id: forged";
  const own =
    "x-named: 1\r\nkeep-alive: timeout=5\r\nproxy-connection: keep-alive\r\nte: gzip\r\ntrailer: x-t\r\nset-cookie: a=1\r\nset-cookie: b=2";
  if (request.url === "/page/refused") {
    socket.end(
      `HTTP/1.1 401 Unauthorized\r\n${said}\r\n${own}\r\nconnection: x-named, close\r\ncontent-length: 2\r\n\r\nno`,
    );
    return;
  }
  const key = `${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
  const accepted = `sec-websocket-accept: ${hash("sha1", key, "base64")}`;
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\n${said}\r\n${own}\r\n${accepted}\r\nconnection: upgrade, x-named\r\nupgrade: websocket\r\n\r\n`,
  );
  socket.on("data", (chunk) => socket.write(chunk));
});

beforeAll(async () => {
  server = await startRawServer("t.v1.Echo", {
    Say: unary((request, call: ServerUnaryCall<Buffer, Buffer>) => {
      const header = new Metadata();
      header.set("server", "Tomcat/7");
      header.set("x-frame-options", "SAMEORIGIN");
      call.sendMetadata(header);
      return request;
    }),
  });
  await new Promise<void>((resolve) => pages.listen(0, "127.0.0.1", resolve));
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  pages.closeAllConnections();
  pages.close();
});

const gateway = (listen: Readonly<Record<string, unknown>>): Promise<TestGateway> =>
  testGateway(proto, {
    listen,
    upstreams: {
      echo: `grpc://${server.address}`,
      pages: `http://127.0.0.1:${(pages.address() as AddressInfo).port}`,
    },
    routes: [
      { match: "*", public: true },
      { match: "GET /page/**", public: true },
    ],
  });

type Heard = Record<string, string | string[] | undefined>;

/** The header of the answer to an upgrade, by `ws`: over http/1.1, and over a stream of HTTP/2. */
const upgradeOver: Readonly<Record<string, (at: TestGateway, path: string) => Promise<Heard>>> = {
  "http/1.1": (at, path) => upgraded(new WebSocket(`ws://127.0.0.1:${at.gateway.httpPort}${path}`)),
  "HTTP/2": async (at, path) => {
    using client = at.connect();
    await extendedConnectEnabled(client.session);
    const stream = client.session.request(
      {
        ":method": "CONNECT",
        ":protocol": "websocket",
        ":scheme": "https",
        ":authority": "localhost",
        ":path": path,
        "sec-websocket-version": "13",
      },
      { endStream: false },
    );
    const [headers] = await once(stream, "response");
    stream.close();
    return headers;
  },
};

function upgraded(socket: WebSocket): Promise<Heard> {
  return new Promise((resolve, reject) => {
    const hear = ({ headers }: IncomingMessage): void => {
      resolve(headers);
      socket.terminate();
    };
    socket.on("upgrade", hear);
    socket.on("unexpected-response", (_request, response) => hear(response));
    socket.on("error", reject);
  });
}

/** The headers of answers of every kind, over both versions of HTTP. */
async function* answers(at: TestGateway): AsyncGenerator<readonly [string, Heard]> {
  using client = at.connect();
  const asked = [
    { path: "/page" },
    { method: "POST", path: "/t.v1.Echo/Say", body: "{}" },
    { path: "/nothing" },
    { path: `/${"a".repeat(20_000)}` },
  ];
  for (const request of asked) {
    const { headers } = await client.request(request);
    yield [`HTTP/2 ${request.path.slice(0, 20)}`, headers];
    const { method = "GET", path, body = "" } = request;
    const text = await exchangeRaw(
      at.gateway.httpPort ?? 0,
      `${method} ${path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    const lines = text.slice(0, text.indexOf("\r\n\r\n")).split("\r\n").slice(1);
    const fields = lines.map((line) => [
      line.slice(0, line.indexOf(":")).toLowerCase(),
      line.slice(line.indexOf(":") + 2),
    ]);
    yield [`http/1.1 ${path.slice(0, 20)}`, Object.fromEntries(fields)];
  }
}

describe("headers of answers", () => {
  test("by default types are not guessed, and upstreams tell nothing of what they run", async () => {
    await using at = await gateway({});
    for await (const [name, headers] of answers(at)) {
      expect(headers, name).toMatchObject({ "x-content-type-options": "nosniff" });
      expect(headers, name).not.toHaveProperty("server");
      expect(headers, name).not.toHaveProperty("x-powered-by");
    }
  });

  test("as they are configured: what an upstream has set itself stays", async () => {
    await using at = await gateway({
      hsts: { maxAge: "1d" },
      answerHeaders: { set: { "X-Frame-Options": "DENY", "referrer-policy": "no-referrer" }, remove: [] },
    });
    for await (const [name, headers] of answers(at)) {
      const isUpstreams = /page|t\.v1/.test(name);
      expect(headers, name).toMatchObject({
        "x-frame-options": isUpstreams ? "SAMEORIGIN" : "DENY",
        "referrer-policy": "no-referrer",
      });
      expect(headers, name).not.toHaveProperty("x-content-type-options");
      // RFC 6797 7.2: over HTTPS alone.
      expect(headers["strict-transport-security"], name).toBe(
        name.startsWith("HTTP/2") ? "max-age=86400" : undefined,
      );
      if (isUpstreams) expect(headers.server, name).toMatch(/Apache|Tomcat/);
    }
  });

  test.each(["content-length", "Set-Cookie", "transfer-encoding", "x-dragoman-reason", "grpc-status", "a b"])(
    "%s is not to be set there",
    async (name) => {
      await expect(gateway({ answerHeaders: { set: { [name]: "1" } } })).rejects.toThrow();
      await expect(gateway({ answerHeaders: { remove: [name] } })).rejects.toThrow();
    },
  );
});

describe.each(Object.entries(upgradeOver))("headers of answers to upgrades, over %s", (version, ask) => {
  const switching = version === "HTTP/2" ? [] : ["upgrade"];

  test.each(["/page/socket", "/page/refused"])(
    "%s: what an upstream says of itself and of its connection stays here",
    async (path) => {
      await using at = await gateway({});
      const headers = await ask(at, path);
      for (const name of ["server", "x-powered-by", "x-named", ...hopByHopNames])
        if (path === "/page/refused" || !switching.includes(name))
          expect(headers, name).not.toHaveProperty(name);
      expect(headers).toMatchObject({
        "x-content-type-options": "nosniff",
        "x-frame-options": "SAMEORIGIN",
        "set-cookie": ["a=1", "b=2"],
        "x-request-id": expect.not.stringContaining("forged"),
      });
    },
  );

  test("a WebSocket of a method has what every answer has", async () => {
    await using at = await gateway({});
    expect(await ask(at, "/t.v1.Echo/Say")).toMatchObject({ "x-content-type-options": "nosniff" });
  });
});
