import http from "node:http";
import { constants } from "node:http2";
import net, { type AddressInfo, type Socket } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { END_HEADERS, END_STREAM, HEADERS, RST_STREAM } from "../http2/support/frame-types.ts";
import { frame, get, literal, preface, settings } from "../http2/support/raw-peer.ts";
import { rawWire } from "../http2/support/raw-wire.ts";
import { type TestGateway, testGateway } from "../support/gateway.ts";
import { connectHttp2 } from "../support/http2-client.ts";
import { exchangeRaw } from "../support/raw-socket.ts";
import { until } from "../support/until.ts";

/** All that the upstream got, by its connections, as it stood on the wire. */
const heard = new Map<Socket, string>();
const upstream = http.createServer((request, response) => {
  request.resume();
  request.on("end", () => response.end("ok"));
});
upstream.on("connection", (socket: Socket) => {
  socket.prependListener("data", (chunk) => {
    heard.set(socket, (heard.get(socket) ?? "") + chunk.toString("latin1"));
  });
});
upstream.on("upgrade", (_request, socket: Socket) => {
  socket.write("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n");
});
let at: TestGateway;
let port: number;

beforeAll(async () => {
  await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
  at = await testGateway(
    { "t.proto": 'syntax = "proto3";\npackage t.v1;\n' },
    {
      upstreams: { pages: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}` },
      routes: [{ match: "* /**", public: true }],
    },
  );
  port = at.gateway.httpPort ?? 0;
});
afterAll(async () => {
  await at[Symbol.asyncDispose]();
  upstream.closeAllConnections();
  upstream.close();
});
beforeEach(() => heard.clear());

const sentOn = () => [...heard.values()].join("");

const requestLines = () => sentOn().match(/^[A-Z]+ \S+ HTTP\/1\.1$/gm) ?? [];
const statuses = (text: string) =>
  [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status));
/** Up to Node 22 the parser takes it for a coding that it does not know, later for two lengths. */
const noCoding = Number(process.versions.node.split(".")[0]) < 24 ? 501 : 400;
const hidden = "GET /hidden HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

describe("what two servers could read in two ways is refused, and nothing after it is read (RFC 9112 6, 11.2)", () => {
  const post = (fields: string, body: string) => `POST / HTTP/1.1\r\nhost: a\r\n${fields}\r\n\r\n${body}`;
  const get = (fields: string) => `GET / HTTP/1.1\r\nhost: a\r\n${fields}\r\n\r\n`;
  const chunked = (body: string) => post("transfer-encoding: chunked", body);

  test.each<[string, string, number]>([
    ["both lengths", post("content-length: 5\r\ntransfer-encoding: chunked", "0\r\n\r\n"), 400],
    ["both, the other way round", post("transfer-encoding: chunked\r\ncontent-length: 5", "0\r\n\r\n"), 400],
    ["two lengths", post("content-length: 5\r\ncontent-length: 6", "hello"), 400],
    ["one length twice", post("content-length: 5\r\ncontent-length: 5", "hello"), 400],
    ["a list of lengths", post("content-length: 5, 5", "hello"), 400],
    ["a length with a sign", post("content-length: +5", "hello"), 400],
    ["a length below nothing", post("content-length: -5", "hello"), 400],
    ["a length in hex", post("content-length: 0x5", "hello"), 400],
    ["a length of two words", post("content-length: 5 5", "hello"), 400],
    ["an empty length", post("content-length:", "hello"), 400],
    ["a length beyond all numbers", post("content-length: 99999999999999999999", "hello"), 400],
    ["a length before a space", post("content-length : 5", "hello"), 400],
    ["another coding", post("transfer-encoding: xchunked", "0\r\n\r\n"), 501],
    ["another coding before chunked", post("transfer-encoding: gzip, chunked", "0\r\n\r\n"), 501],
    ["another coding after chunked", post("transfer-encoding: chunked, identity", "0\r\n\r\n"), 400],
    ["chunked twice", post("transfer-encoding: chunked\r\ntransfer-encoding: chunked", "0\r\n\r\n"), 400],
    ["chunked and identity", post("transfer-encoding: chunked\r\ntransfer-encoding: identity", ""), 400],
    ["identity with a length", post("transfer-encoding: identity\r\ncontent-length: 5", "hello"), 400],
    ["no coding at all, with a length", post("transfer-encoding:\r\ncontent-length: 5", "hello"), noCoding],
    ["a coding before a comma", post("transfer-encoding: chunked,", "0\r\n\r\n"), 400],
    ["a coding after a vertical tab", post("transfer-encoding: \x0bchunked", "0\r\n\r\n"), 400],
    ["chunks in HTTP/1.0", "POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400],
    ["a chunk below nothing", chunked("-1\r\n\r\n"), 400],
    ["a chunk beyond all numbers", chunked("fffffffffffffffff\r\nx\r\n0\r\n\r\n"), 400],
    ["a chunk in the hex of C", chunked("0x1\r\nx\r\n0\r\n\r\n"), 400],
    ["a chunk that is longer than it says", chunked("1\r\nxy\r\n0\r\n\r\n"), 400],
    ["chunks of bare line feeds", chunked("1\nx\n0\n\n"), 400],
    ["a line feed in an extension of a chunk", chunked("1;a\nb\r\nx\r\n0\r\n\r\n"), 400],
    ["a length in the trailers", chunked("1\r\nx\r\n0\r\ncontent-length: 9\r\n\r\n"), 400],
    ["a bare carriage return in a value", get("x: a\rb"), 400],
    ["a bare carriage return for a line's end", get("x: a\ry: b"), 400],
    ["a bare line feed for a line's end", get("x: a\ny: b"), 400],
    ["bare line feeds alone", "GET / HTTP/1.1\nhost: a\n\n", 400],
    ["a NUL in a value", get("x: a\0b"), 400],
    ["a folded line", get("x: a\r\n b"), 400],
    ["a line folded by a tab", get("x: a\r\n\tb"), 400],
    ["a space before the first name", "GET / HTTP/1.1\r\n host: a\r\n\r\n", 400],
    ["a line without a colon", get("x"), 400],
    ["a line without a name", get(": x"), 400],
    ["tabs in the request line", "GET\t/\tHTTP/1.1\r\nhost: a\r\n\r\n", 400],
    ["no version", "GET /\r\nhost: a\r\n\r\n", 505],
    ["a version that is none", "GET / HTTP/1.2\r\nhost: a\r\n\r\n", 400],
    ["a version that is spoken otherwise", "GET / HTTP/2.0\r\nhost: a\r\n\r\n", 505],
    ["an absolute target", "GET http://b/ HTTP/1.1\r\nhost: a\r\n\r\n", 400],
    ["a fragment", "GET /a#b HTTP/1.1\r\nhost: a\r\n\r\n", 400],
    ["no host", "GET / HTTP/1.1\r\n\r\n", 400],
    ["two hosts", "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400],
    ["a host that is none", "GET / HTTP/1.1\r\nhost: a/b\r\n\r\n", 400],
    ["userinfo in the host", "GET / HTTP/1.1\r\nhost: u:p@a\r\n\r\n", 400],
    [
      "a body of an upgrade",
      "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\ncontent-length: 5\r\n\r\nhello",
      400,
    ],
    [
      "chunks of an upgrade",
      "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
      400,
    ],
    [
      "HTTP/2 by an upgrade",
      get("connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAoAAAAAIAAAAA"),
      400,
    ],
  ])("%s", async (_name, bytes, status) => {
    const text = await exchangeRaw(port, Buffer.from(bytes + hidden, "latin1"));
    expect(statuses(text)).toEqual([status]);
    expect(text).toMatch(/\r\nconnection: close\r\n/i);
    expect(text).toMatch(/\r\nx-dragoman-reason: malformed_header\r\n/i);
    expect(requestLines().filter((line) => line.includes("hidden"))).toEqual([]);
  });
});

test("a fault in a request is told after the answers to those before it, and never within one", async () => {
  const text = await exchangeRaw(
    port,
    "GET /one HTTP/1.1\r\nhost: a\r\n\r\nGET /two HTTP/1.1\r\nhost: a\r\nx\r\n\r\n",
  );
  expect(statuses(text)).toEqual([200, 400]);
  expect(text.indexOf("\r\n\r\nok")).toBeLessThan(text.indexOf("HTTP/1.1 400"));
});

describe("what is taken goes on with one length", () => {
  test.each<[string, string, string]>([
    ["chunks in any spelling", "Transfer-Encoding:\tChunked", "5\r\nhello\r\n0\r\n\r\n"],
    ["extensions of chunks", "transfer-encoding: chunked", '5;a=b;c="d"\r\nhello\r\n0\r\n\r\n'],
    ["trailers", "transfer-encoding: chunked", "5\r\nhello\r\n0\r\nx-after: 1\r\n\r\n"],
    ["a length beside one with underscores", "content-length: 5\r\ncontent_length: 0", "hello"],
    ["a length beside a coding with underscores", "content-length: 5\r\ntransfer_encoding: chunked", "hello"],
  ])("%s", async (_name, fields, body) => {
    const text = await exchangeRaw(port, `POST /a HTTP/1.1\r\nhost: a\r\n${fields}\r\n\r\n${body}${hidden}`);
    expect(statuses(text)).toEqual([200, 200]);
    expect(requestLines().sort()).toEqual(["GET /hidden HTTP/1.1", "POST /a HTTP/1.1"]);
    const sent = sentOn();
    const lengths = sent.match(/^(?:content.length|transfer.encoding):.*$/gim) ?? [];
    expect(lengths).toHaveLength(1);
    expect(sent).not.toContain("x-after");
  });
});

test("a connection whose upgrade was refused carries no other request", async () => {
  const upgrade =
    "GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
  expect(statuses(await exchangeRaw(port, upgrade))).toEqual([401]);
  expect(statuses(await exchangeRaw(port, upgrade))).toEqual([401]);
  expect([...heard.values()].map((each) => each.match(/^GET /gm)?.length)).toEqual([1, 1]);
});

describe("header names with underscores", () => {
  const asked = async (rule: string | undefined): Promise<[string, string]> => {
    await using other = await testGateway(
      { "t.proto": 'syntax = "proto3";\npackage t.v1;\n' },
      {
        listen: rule === undefined ? {} : { underscores: rule },
        upstreams: { pages: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}` },
        routes: [{ match: "* /**", public: true }],
      },
    );
    const text = await exchangeRaw(
      other.gateway.httpPort ?? 0,
      "GET / HTTP/1.1\r\nhost: a\r\nx_forwarded_for: 6.6.6.6\r\nx-kept: 1\r\nconnection: close\r\n\r\n",
    );
    using client = other.connect();
    const second = await client.request({ path: "/", headers: { x_forwarded_for: "6.6.6.6" } });
    expect(second.status).toBe(statuses(text)[0]);
    return [text, sentOn()];
  };

  test.each([undefined, "drop"])("%s: they do not go on", async (rule) => {
    const [text, sent] = await asked(rule);
    expect(statuses(text)).toEqual([200]);
    expect(sent).toContain("x-kept: 1");
    expect(sent).not.toContain("6.6.6.6");
  });

  test("reject: 400", async () => {
    const [text, sent] = await asked("reject");
    expect(statuses(text)).toEqual([400]);
    expect(text).toContain("a header name may not have an underscore");
    expect(sent).toBe("");
  });

  test("allow: they do", async () => {
    expect((await asked("allow"))[1]).toContain("x_forwarded_for: 6.6.6.6");
  });
});

describe("over HTTP/2", () => {
  test.each<[string, Record<string, string>, number]>([
    ["authority and host agree", { ":authority": "a", host: "A" }, 200],
    ["authority and host differ", { ":authority": "a", host: "b" }, 400],
    ["userinfo in the authority", { ":authority": "u@a" }, 400],
    ["an authority that is none", { ":authority": "a/b" }, 400],
    ["a fragment", { ":authority": "a", ":path": "/a#b" }, 400],
  ])("%s", async (_name, headers, status) => {
    using client = connectHttp2(`http://127.0.0.1:${port}`);
    const answer = await client.request({ path: "/", headers });
    // What is no authority by any reading is a broken stream to the platform's HTTP/2.
    if (answer.rst === 0) expect(answer.status).toBe(status);
    if (answer.status === 400) expect(answer.headers["x-dragoman-reason"]).toBe("malformed_header");
    expect(requestLines()).toHaveLength(status === 200 ? 1 : 0);
  });
});

test("a target is looked at, however often the rest of the head has come before", async () => {
  using client = at.connect();
  const ask = async (path: string) => (await client.request({ path, headers: { "x-a": "1" } })).status;
  for (const path of ["/", "/", "/", "/other", "/"]) expect(await ask(path)).toBe(200);
  expect(await ask(`/${"a".repeat(20_000)}`)).toBe(414);
  expect(await ask("/a#b")).toBe(400);
  expect(await ask("/a")).toBe(200);
  expect(requestLines()).toHaveLength(6);
});

describe("a request that is malformed as HTTP/2 has it is a broken stream, and the connection lives on (RFC 9113 8.1.1)", () => {
  test.each([
    ["connection", "close"],
    ["keep-alive", "timeout=5"],
    ["proxy-connection", "close"],
    ["transfer-encoding", "chunked"],
    ["upgrade", "h2c"],
    ["te", "gzip"],
    ["te", "trailers, gzip"],
    [":unknown", "x"],
    ["X-Upper", "x"],
  ])("%s: %s", async (name, value) => {
    const socket = net.connect(port, "127.0.0.1");
    const wire = rawWire(socket);
    const head = (...more: readonly Buffer[]) => Buffer.concat([get, ...more]);
    wire.send(
      preface,
      settings(),
      frame(HEADERS, END_STREAM | END_HEADERS, 1, head(literal(name, value), literal("x-a", "b"))),
    );
    const reset = await wire.seen("RST_STREAM", ({ type }) => type === RST_STREAM);
    expect([reset.streamId, reset.payload.readUInt32BE(0)]).toEqual([1, constants.NGHTTP2_PROTOCOL_ERROR]);
    wire.send(frame(HEADERS, END_STREAM | END_HEADERS, 3, head(literal("te", "trailers"))));
    await wire.seen("the answer", ({ type, streamId }) => type === HEADERS && streamId === 3);
    expect(requestLines()).toEqual(["GET / HTTP/1.1"]);
    socket.destroy();
  });
});

describe("what is larger than it may be is a problem for those who ask for one (RFC 9457)", () => {
  const long = `/${"a".repeat(20_000)}`;
  const large = "a".repeat(61_400);
  const many = Array.from({ length: 101 }, (_, index): [string, string] => [`x-${index}`, "1"]);

  test.each<[string, number, string, { path?: string; headers?: Record<string, string>; body?: string }]>([
    ["a target", 414, "uri_too_long", { path: long }],
    ["a header", 431, "header_too_large", { headers: { "x-large": large } }],
    ["a header of many fields", 431, "header_too_large", { headers: Object.fromEntries(many) }],
    ["a body", 413, "body_too_large", { path: "/t.v1.Echo/Say", body: "x".repeat(4 * 1024 * 1024 + 1) }],
  ])("%s: %i", async (_name, status, reason, { path = "/", headers = {}, body }) => {
    await using other = await testGateway(
      {
        "t.proto":
          'syntax = "proto3";\npackage t.v1;\nmessage M {}\nservice Echo { rpc Say(M) returns (M); }\n',
      },
      { upstreams: { echo: "grpc://127.0.0.1:9" }, routes: [{ match: "*", public: true }] },
    );
    using client = other.connect();
    const fields = { accept: "application/problem+json", ...headers };
    const method = body === undefined ? "GET" : "POST";
    const overHttp2 = await client.request({
      method,
      path,
      headers: fields,
      ...(body === undefined ? {} : { body }),
    });
    const overHttp1 = await exchangeRaw(
      other.gateway.httpPort ?? 0,
      [
        `${method} ${path} HTTP/1.1`,
        "host: a",
        "connection: close",
        ...Object.entries(fields).map(([name, value]) => `${name}: ${value}`),
        `content-length: ${body?.length ?? 0}\r\n\r\n`,
      ].join("\r\n"),
    );
    expect(overHttp2.status).toBe(status);
    expect(overHttp2.headers["content-type"]).toBe("application/problem+json");
    expect(statuses(overHttp1)).toEqual([status]);
    expect(overHttp1).toMatch(/\r\ncontent-type: application\/problem\+json\r\n/i);
    for (const text of [overHttp2.text, overHttp1.slice(overHttp1.indexOf("\r\n\r\n"))]) {
      expect(JSON.parse(text)).toMatchObject({
        type: `urn:dragoman:error:${reason}`,
        title: status === 413 ? "RESOURCE_EXHAUSTED" : "INVALID_ARGUMENT",
        status,
        detail: expect.any(String),
        code: status === 413 ? 8 : 3,
        details: [],
      });
    }
  });
});

test("a client that ends after a fault leaves no socket behind", async () => {
  const socket: Socket = net.connect(port, "127.0.0.1");
  socket.on("error", () => {});
  socket.resume();
  socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\nnonsense\r\n\r\n");
  await until("the gateway has closed it", () => socket.closed);
});
