import { once } from "node:events";
import http2 from "node:http2";
import net from "node:net";
import tls from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TestGateway, testGateway } from "../support/gateway.ts";
import { clientStream, type RawServer, startRawServer, unary } from "../support/raw-server.ts";

const proto = `syntax = "proto3";
package t.v1;
import "google/api/annotations.proto";
service T {
  rpc Put(Text) returns (Text) { option (google.api.http) = { post: "/v1/put" body: "*" }; }
  rpc Collect(stream Text) returns (Text) { option (google.api.http) = { post: "/v1/collect" body: "*" }; }
}
message Text { string text = 1; }
`;

let server: RawServer;
let at: TestGateway;

beforeAll(async () => {
  server = await startRawServer("t.v1.T", {
    Put: unary((request) => request),
    Collect: clientStream(() => Buffer.alloc(0)),
  });
  at = await testGateway(
    { "t.proto": proto },
    {
      listen: { limits: { idle: "400ms", headTimeout: "400ms", bodyIdle: "400ms" } },
      upstreams: { t: `grpc://${server.address}` },
      routes: [{ match: "*", public: true }],
    },
  );
});
afterAll(async () => {
  await at[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

/** What comes over a connection until the gateway closes it. */
async function heard(secure: boolean, bytes: string): Promise<string> {
  const { httpPort, httpsPort } = at.gateway;
  const socket = secure
    ? tls.connect({ port: httpsPort, host: "localhost", ca: at.ca, ALPNProtocols: ["http/1.1"] })
    : net.connect(httpPort ?? 0, "127.0.0.1");
  await once(socket, secure ? "secureConnect" : "connect");
  if (bytes !== "") socket.write(bytes);
  let text = "";
  try {
    for await (const piece of socket) text += piece;
  } catch {
    return `${text}reset`;
  }
  return text;
}

const post = (path: string, type: string) =>
  `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: ${type}\r\ncontent-length: 100\r\n\r\n{"text"`;

describe.each([false, true])("over http/1.1, with TLS: %s", (secure) => {
  test("a header that does not come to its end: 408", async () => {
    expect(await heard(secure, "GET / HTTP/1.1\r\nhost: localhost\r\n")).toMatch(/^HTTP\/1\.1 408 /);
  });

  test("nothing is said at all: the connection is closed", async () => {
    expect(await heard(secure, "")).not.toContain("200");
  });

  test("no more is asked: the connection is closed without a word", async () => {
    const answer = await heard(secure, "GET /v1/nothing HTTP/1.1\r\nhost: localhost\r\n\r\n");
    expect(answer.match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 404"]);
    expect(answer).not.toContain("reset");
  });

  test.each([
    ["of a call", "/v1/put", "application/json"],
    ["of a stream", "/v1/collect", "application/x-ndjson"],
  ])("a body %s that does not come to its end: 408", async (_name, path, type) => {
    const answer = await heard(secure, post(path, type));
    expect(answer).toMatch(/^HTTP\/1\.1 408 [\s\S]*x-dragoman-reason: request_timeout/);
  });
});

describe("over HTTP/2", () => {
  test("no more is asked: the connection is closed", async () => {
    using client = at.connect();
    expect((await client.request({ path: "/v1/nothing" })).status).toBe(404);
    const [code] = await once(client.session, "goaway");
    expect(code).toBe(http2.constants.NGHTTP2_NO_ERROR);
  });

  test.each([
    ["of a call", "/v1/put", "application/json"],
    ["of a stream", "/v1/collect", "application/x-ndjson"],
  ])("a body %s that does not come to its end: 408, and other streams go on", async (_name, path, type) => {
    using client = at.connect();
    const stream = client.stream({
      method: "POST",
      path,
      headers: { "content-type": type },
      body: '{"text"',
      keepOpen: true,
    });
    const [headers] = await once(stream, "response");
    expect([headers[":status"], headers["x-dragoman-reason"]]).toEqual([408, "request_timeout"]);
    expect((await client.request({ path: "/v1/nothing" })).status).toBe(404);
  });

  test("a message of gRPC that does not come to its end", async () => {
    using client = at.connect();
    const stream = client.stream({
      method: "POST",
      path: "/t.v1.T/Collect",
      headers: { "content-type": "application/grpc", te: "trailers" },
      body: Buffer.from([0, 0, 0]),
      keepOpen: true,
    });
    const [headers] = await once(stream, "response");
    expect(headers).toMatchObject({ "grpc-status": "1", "x-dragoman-reason": "request_timeout" });
  });
});
