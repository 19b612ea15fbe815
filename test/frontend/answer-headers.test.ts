import http from "node:http";
import type { AddressInfo } from "node:net";
import { Metadata, type ServerUnaryCall } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TestGateway, testGateway } from "../support/gateway.ts";
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
      { match: "GET /page", public: true },
    ],
  });

type Heard = Record<string, string | string[] | undefined>;

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
