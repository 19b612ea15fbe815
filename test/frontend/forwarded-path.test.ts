import http, { type IncomingMessage } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { normalizedPath } from "#expression";
import { forwardedPath } from "../../src/frontend/forwarded-path.ts";
import { type TestGateway, testGateway } from "../support/gateway.ts";
import type { Http2Client } from "../support/http2-client.ts";
import { exchangeRaw } from "../support/raw-socket.ts";

describe("one spelling", () => {
  test.each([
    ["/", "/"],
    ["/a/b", "/a/b"],
    ["/a/b/", "/a/b/"],
    ["//", "/"],
    ["//a///b//", "/a/b/"],
    ["/%61dmin", "/admin"],
    ["/%7euser/%2d", "/~user/-"],
    ["/a%3ab%20c", "/a%3Ab%20c"],
    ["/%c3%a9", "/%C3%A9"],
    ["/a%252fb", "/a%252fb"],
    ["/a%2fb%5cc", "/a%2Fb%5Cc"],
    ["/..a/b..;c/.d", "/..a/b..;c/.d"],
    ["/a;x=1/b", "/a;x=1/b"],
  ])("%s is %s, and policies see the same of both", (path, expected) => {
    const forwarded = forwardedPath(path);
    expect(forwarded).toBe(expected);
    expect(forwardedPath(forwarded)).toBe(expected);
    expect(normalizedPath(forwarded)).toBe(normalizedPath(path));
  });

  test.each([
    "/a\\b",
    "/a%00b",
    "/a%0d%0ab",
    "/a%7F",
    "/a/../b",
    "/a/.%2e/b",
    "/a/%2E%2e",
    "/a/..;/b",
    "/a/..;x=1/b",
    "/a/.%3b/b",
    "/a/..%2fb",
    "/a%2f..%2fb",
    "/a%5c..%5cb",
  ])("%s is refused", (path) => {
    expect(() => forwardedPath(path)).toThrow("a path may not have");
  });
});

describe("through a gateway", () => {
  let reached: string[] = [];
  const upstream = http.createServer((request, response) => {
    reached.push(request.url ?? "");
    response.end("fine");
  });
  upstream.on("upgrade", (request: IncomingMessage, socket: Socket) => {
    reached.push(request.url ?? "");
    socket.end("HTTP/1.1 418 I'm a teapot\r\ncontent-length: 0\r\n\r\n");
  });
  let at: TestGateway;
  let client: Http2Client;

  beforeAll(async () => {
    await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
    at = await testGateway(
      { "t.proto": 'syntax = "proto3";\npackage t.v1;\n' },
      {
        upstreams: { pages: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}` },
        routes: [
          { match: "* /**", public: true },
          { match: "* /admin/**", public: true, denyIps: ["0.0.0.0/0"] },
          { match: "* /raw/**", public: true, escapedSlashes: "keep" },
        ],
      },
    );
    client = at.connect();
  });
  afterAll(async () => {
    client[Symbol.dispose]();
    await at[Symbol.asyncDispose]();
    upstream.closeAllConnections();
    upstream.close();
  });
  beforeEach(() => {
    reached = [];
  });

  const overHttp1 = async (target: string, fields = "connection: close"): Promise<number> => {
    const head = `GET ${target} HTTP/1.1\r\nhost: a\r\n${fields}\r\n\r\n`;
    const text = await exchangeRaw(at.gateway.httpPort ?? 0, head);
    return Number(text.split(" ")[1]);
  };
  const upgrade = (target: string) =>
    overHttp1(
      target,
      "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==",
    );

  const tricks: readonly [string, number, string?][] = [
    ["/admin/x", 403],
    ["/admin", 403],
    ["/%61dmin/x", 403],
    ["//admin/x", 403],
    ["///admin//x", 403],
    ["/admin/%78", 403],
    ["/admin%2fx", 400],
    ["/a/..%2fadmin/x", 400],
    ["/a/..%5cadmin/x", 400],
    ["/a\\..\\admin", 400],
    ["/a/../admin/x", 400],
    ["/a/%2e%2e/admin/x", 400],
    ["/a/..;/admin/x", 400],
    ["/a/..;x=1/admin", 400],
    ["/admin%00/x", 400],
    ["/a%0d%0aadmin", 400],
    ["//raw/a%2fb?x=%2F//", 200, "/raw/a%2Fb?x=%2F//"],
    ["/raw/..%2fadmin", 400],
    ["/raw//..%2f/admin", 400],
    ["/a//b?to=//admin/../x", 200, "/a/b?to=//admin/../x"],
    ["/%7ea/%c3%a9", 200, "/~a/%C3%A9"],
  ];
  test.each(tricks)("%s: %i", async (target, status, forwarded) => {
    expect((await client.request({ path: target })).status).toBe(status);
    expect(await overHttp1(target)).toBe(status);
    expect(await upgrade(target)).toBe(status === 200 ? 418 : status);
    expect(reached).toEqual(status === 200 ? [forwarded, forwarded, forwarded] : []);
  });

  test("a method has no say in it", async () => {
    const started = testGateway(
      { "t.proto": 'syntax = "proto3";\npackage t.v1;\n' },
      {
        upstreams: { t: "grpc://127.0.0.1:1" },
        routes: [{ match: "t.v1.T/*", public: true, escapedSlashes: "keep" }],
      },
    );
    await expect(started).rejects.toThrow("methods take escaped slashes as their rules say");
  });
});
