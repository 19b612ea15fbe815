import http, { type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse } from "node:http";
import net, { type AddressInfo, type Socket } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { type TestGateway, testGateway } from "../support/gateway.ts";
import { hopByHopNames } from "../support/hop-by-hop.ts";
import type { Http2Client } from "../support/http2-client.ts";
import { exchangeRaw } from "../support/raw-socket.ts";
import { until } from "../support/until.ts";

const nothing = { "t.proto": 'syntax = "proto3";\npackage t.v1;\n' };

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

let upstream: http.Server;
let webSockets: WebSocketServer;
let at: TestGateway;
let client: Http2Client;
/** What the upstream was asked for, in order, each when its body was whole. */
let seen: Seen[] = [];
/** How the next request is answered. */
let answer: (request: IncomingMessage, response: ServerResponse) => void;

const open = (port: number, more: Readonly<Record<string, unknown>> = {}) => ({
  upstreams: { pages: `http://127.0.0.1:${port}` },
  routes: [{ match: "* /**", public: true }],
  ...more,
});

async function listen(server: net.Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

beforeAll(async () => {
  upstream = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { method = "", url = "", headers } = request;
      seen.push({ method, url, headers, body: Buffer.concat(chunks).toString() });
    });
    answer(request, response);
  });
  webSockets = new WebSocketServer({ noServer: true });
  upstream.on("upgrade", (request: IncomingMessage, socket: Socket, first: Buffer) => {
    if (request.url === "/refused") {
      const body = "2\r\nno\r\n0\r\n\r\n";
      socket.end(
        `HTTP/1.1 401 Unauthorized\r\ntransfer-encoding: chunked\r\nconnection: keep-alive\r\nx-why: x\r\n\r\n${body}`,
      );
      return;
    }
    webSockets.handleUpgrade(request, socket, first, (accepted) => {
      accepted.on("message", (data, isBinary) => accepted.send(data, { binary: isBinary }));
    });
  });
  at = await testGateway(nothing, open(await listen(upstream)));
  client = at.connect();
});

beforeEach(() => {
  seen = [];
  answer = (_request, response) => void response.end("fine");
});

afterAll(async () => {
  client[Symbol.dispose]();
  await at[Symbol.asyncDispose]();
  webSockets.close();
  upstream.closeAllConnections();
  await new Promise((resolve) => upstream.close(resolve));
});

/** One request of http/1.1 on a connection of its own, and all that comes back. */
const raw = (head: string, body = "", port = at.gateway.httpPort ?? 0) =>
  exchangeRaw(port, `${head}\r\nhost: shop.test\r\nconnection: close\r\n\r\n${body}`);

describe("requests go on as they are", () => {
  test.each(["GET", "POST", "PUT", "PATCH", "DELETE"])("%s with its path and query", async (method) => {
    const target = "/a%20b/c;d?x=1&y=%20&z";
    expect(await client.request({ method, path: target })).toMatchObject({ status: 200, text: "fine" });
    expect(seen).toMatchObject([{ method, url: target, body: "" }]);
  });

  test("HEAD has the length of what GET would bring, and no body", async () => {
    answer = (_request, response) => {
      response.writeHead(200, { "content-length": 4, "x-is": "head" });
      response.end();
    };
    const got = await client.request({ method: "HEAD", path: "/a" });
    expect(got).toMatchObject({ status: 200, text: "" });
    expect(got.headers).toMatchObject({ "content-length": "4", "x-is": "head" });
    expect(seen).toMatchObject([{ method: "HEAD" }]);
  });

  test("a path is not served with other methods than it was given", async () => {
    await using other = await testGateway(
      nothing,
      open((upstream.address() as AddressInfo).port, { routes: [{ match: "GET /a/**", public: true }] }),
    );
    using asking = other.connect();
    const refused = await asking.request({ method: "POST", path: "/a/b", body: "x" });
    expect(refused.status).toBe(405);
    expect(refused.headers.allow).toBe("GET, HEAD");
    expect((await asking.request({ path: "/b" })).status).toBe(404);
    expect(seen).toEqual([]);
    expect((await asking.request({ path: "/a/b" })).status).toBe(200);
  });

  test.each(["POST", "PUT", "PATCH", "DELETE"])(
    "the body of %s over HTTP/2, without its length",
    async (method) => {
      await client.request({ method, path: "/a", body: "some body" });
      await client.request({ path: "/after" });
      expect(seen).toMatchObject([
        { method, body: "some body" },
        { method: "GET", url: "/after" },
      ]);
    },
  );

  test.each(["POST", "DELETE"])("the body of %s over http/1.1, chunked and by its length", async (method) => {
    await raw(`${method} /a HTTP/1.1\r\ncontent-length: 3`, "abc");
    await raw(`${method} /b HTTP/1.1\r\ntransfer-encoding: chunked`, "3\r\ndef\r\n0\r\n\r\n");
    expect(seen).toMatchObject([
      { url: "/a", body: "abc" },
      { url: "/b", body: "def" },
    ]);
  });

  // RFC 9110 9.3.1: the content of a GET means nothing, but an upstream must never take it for a request.
  const forged = "GET /admin HTTP/1.1\r\nhost: a\r\n\r\n";
  test.each(["GET", "HEAD", "DELETE", "OPTIONS", "POST"])(
    "nothing in the body of %s is taken for another request",
    async (method) => {
      for (let round = 0; round < 3; round++) {
        await client.request({ method, path: "/a", body: forged });
        await client.request({
          method,
          path: "/a",
          headers: { "content-length": forged.length },
          body: forged,
        });
        await raw(
          `${method} /a HTTP/1.1\r\ntransfer-encoding: chunked`,
          `${forged.length.toString(16)}\r\n${forged}\r\n0\r\n\r\n`,
        );
        expect(await client.request({ path: "/after" })).toMatchObject({ status: 200, text: "fine" });
      }
      // Nor does the upstream wait for one that does not come.
      await until("all are whole", () => seen.filter(({ url }) => url === "/a").length === 9);
      expect(seen.map(({ url }) => url)).not.toContain("/admin");
      expect(seen.filter(({ url }) => url === "/after")).toHaveLength(3);
    },
  );

  test("bodies are streamed both ways at once", async () => {
    answer = (request, response) => {
      response.writeHead(200);
      request.on("data", (chunk: Buffer) => response.write(chunk.toString().toUpperCase()));
      request.on("end", () => response.end("."));
    };
    const stream = client.stream({ method: "POST", path: "/a", body: "one", keepOpen: true });
    let heard = "";
    stream.on("data", (chunk: Buffer) => {
      heard += chunk;
    });
    await until("the first piece is back", () => heard === "ONE");
    stream.end("two");
    await until("the rest is back", () => heard === "ONETWO.");
  });

  test("a large body in both directions arrives whole, over the limit of bodies that are read whole", async () => {
    const large = "x".repeat(6 * 1024 * 1024);
    answer = (request, response) => {
      request.pipe(response);
    };
    const got = await client.request({ method: "POST", path: "/a", body: large });
    expect([got.status, got.bytes.length]).toEqual([200, large.length]);
    expect(seen[0]?.body === large).toBe(true);
  });
});

describe("fields of a request", () => {
  test("what ends at the gateway does not go on", async () => {
    const given: OutgoingHttpHeaders = {
      connection: "keep-alive, x-named, X-Other",
      "keep-alive": "timeout=5",
      "x-named": "1",
      "x-other": "1",
      "proxy-connection": "keep-alive",
      "proxy-authorization": "Basic eDp5",
      te: "gzip",
      trailer: "x-t",
      expect: "100-continue",
      "x-kept": "1",
      cookie: "a=1; b=2",
      authorization: "Bearer t",
    };
    const lines = Object.entries(given).map(([name, value]) => `${name}: ${value}`);
    const port = at.gateway.httpPort ?? 0;
    const socket = net.connect(port, "127.0.0.1");
    socket.write(
      `POST /a HTTP/1.1\r\nhost: shop.test\r\ncontent-length: 2\r\n${lines.join("\r\n")}\r\n\r\nhi`,
    );
    let heard = "";
    socket.on("data", (chunk) => {
      heard += chunk;
    });
    await until("the answer is there", () => heard.endsWith("fine"));
    socket.destroy();
    const { headers } = seen[0] as Seen;
    expect(headers).toMatchObject({ "x-kept": "1", cookie: "a=1; b=2", authorization: "Bearer t" });
    for (const name of Object.keys(given)) {
      if (["x-kept", "cookie", "authorization", "connection"].includes(name)) continue;
      expect(headers, name).not.toHaveProperty(name);
    }
    expect(headers.connection).not.toMatch(/x-named/i);
  });

  test("the gateway says who called and how, whatever the client says", async () => {
    await client.request({
      path: "/a",
      headers: {
        "x-forwarded-for": "6.6.6.6",
        "x-forwarded-proto": "http",
        "x-forwarded-host": "evil.test",
        "x-forwarded-port": "1",
        "x-real-ip": "6.6.6.6",
        "x-dragoman-subject": "root",
        "x-request-id": "forged",
        forwarded: "for=6.6.6.6",
      },
    });
    const { headers } = seen[0] as Seen;
    expect(headers).toMatchObject({
      "x-forwarded-for": "127.0.0.1",
      "x-forwarded-proto": "https",
      "x-forwarded-host": `localhost:${at.gateway.httpsPort}`,
    });
    expect(headers["x-request-id"]).not.toBe("forged");
    expect(JSON.stringify(headers)).not.toMatch(/6\.6\.6\.6|root|evil/);
  });

  test("a client cannot have those fields taken away by naming them hop by hop", async () => {
    await raw(
      "GET /a HTTP/1.1\r\nconnection: x-forwarded-for, x-forwarded-proto, x-request-id, x-forwarded-host, host, forwarded, content-length",
    );
    expect(seen[0]?.headers).toMatchObject({
      host: expect.any(String),
      "x-forwarded-for": "127.0.0.1",
      "x-forwarded-proto": "http",
      "x-forwarded-host": "shop.test",
      "x-request-id": expect.any(String),
    });
  });

  test("several cookies and several values of one field", async () => {
    await client.request({ path: "/a", headers: { cookie: ["a=1", "b=2"], "x-many": ["1", "2"] } });
    expect(seen[0]?.headers).toMatchObject({ cookie: "a=1; b=2", "x-many": "1, 2" });
  });
});

describe("answers", () => {
  test("status, fields and body as they are, less what belongs to the connection", async () => {
    answer = (_request, response) => {
      response.writeHead(418, [
        ["content-type", "text/x"],
        ["set-cookie", "a=1"],
        ["set-cookie", "b=2"],
        ["connection", "x-named, keep-alive"],
        ["x-named", "1"],
        ["x-kept", "1"],
        ...hopByHopNames.filter((name) => name !== "transfer-encoding").map((name) => [name, "x"]),
        ["x-request-id", "of the upstream"],
      ]);
      response.end("tea");
    };
    const got = await client.request({ path: "/a" });
    expect(got).toMatchObject({ status: 418, text: "tea" });
    expect(got.headers).toMatchObject({
      "content-type": "text/x",
      "set-cookie": ["a=1", "b=2"],
      "x-kept": "1",
    });
    for (const name of ["connection", "x-named", ...hopByHopNames]) {
      expect(got.headers, name).not.toHaveProperty(name);
    }
    const [head = ""] = (await raw("GET /a HTTP/1.1")).split("\r\n\r\n");
    const names = head.split("\r\n").map((line) => line.slice(0, line.indexOf(":")).toLowerCase());
    // That is how this connection itself frames its answer.
    expect(names.filter((name) => ["x-named", ...hopByHopNames].includes(name))).toEqual([
      "transfer-encoding",
    ]);
    expect(got.headers["x-request-id"]).toBe(seen[0]?.headers["x-request-id"]);
    expect(got.headers).not.toHaveProperty("x-dragoman-reason");
  });

  test.each([204, 304])("%i has no body over either version", async (status) => {
    answer = (_request, response) => {
      response.writeHead(status, { etag: '"x"' });
      response.end();
    };
    const got = await client.request({ path: "/a" });
    expect(got).toMatchObject({ status, text: "" });
    expect(got.headers.etag).toBe('"x"');
    const text = await raw("GET /a HTTP/1.1");
    expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(text).not.toMatch(/transfer-encoding/i);
    expect(text.endsWith("\r\n\r\n")).toBe(true);
  });

  test("trailers end at the gateway, whoever would take them", async () => {
    answer = (_request, response) => {
      response.writeHead(200, { trailer: "x-sum" });
      response.write("body");
      response.addTrailers({ "x-sum": "1" });
      response.end();
    };
    const got = await client.request({ path: "/a", headers: { te: "trailers" } });
    expect(got).toMatchObject({ status: 200, text: "body", rst: 0, trailers: {} });
    expect(got.headers).not.toHaveProperty("x-sum");
    const text = await raw("GET /a HTTP/1.1\r\nte: trailers");
    expect(text).toMatch(/\r\n\r\n4\r\nbody\r\n0\r\n\r\n$/);
    expect(text).not.toContain("x-sum");
  });

  test("205 has no body over HTTP/2", async () => {
    answer = (_request, response) => void response.writeHead(205).end();
    expect(await client.request({ path: "/a" })).toMatchObject({ status: 205, text: "", rst: 0 });
  });

  test("hints before the answer are no answer", async () => {
    answer = (_request, response) => {
      response.writeEarlyHints({ link: "</a.css>; rel=preload" }, () => response.end("late"));
    };
    expect(await client.request({ path: "/a" })).toMatchObject({ status: 200, text: "late" });
  });

  test("a client that goes takes its request with it", async () => {
    let gone = false;
    let began = false;
    answer = (request, response) => {
      response.writeHead(200);
      response.write("x");
      began = true;
      request.socket.on("close", () => {
        gone = true;
      });
    };
    const stream = client.stream({ path: "/a" });
    stream.resume();
    await until("the answer has begun", () => began);
    stream.close(8);
    await until("the upstream is left alone", () => gone);
  });
});

describe("an upstream that is no good", () => {
  test("one that is down is a 503 without its address", async () => {
    const server = net.createServer();
    const port = await listen(server);
    await new Promise((resolve) => server.close(resolve));
    await using other = await testGateway(nothing, open(port));
    using asking = other.connect();
    const got = await asking.request({ path: "/a" });
    expect(got.status).toBe(503);
    expect(got.headers["x-dragoman-reason"]).toBe("connect_failed");
    expect(JSON.parse(got.text)).toMatchObject({ code: 14, details: [] });
    expect(got.text).not.toMatch(/127\.0\.0\.1|ECONN/);
  });

  const head = "HTTP/1.1 200 OK\r\n";
  const lies: readonly [string, string, number][] = [
    ["nothing at all", "", 502],
    ["no HTTP", "SSH-2.0-OpenSSH_9.6\r\n", 502],
    ["half a head", `${head}x-a: 1\r\n`, 502],
    ["two lengths", `${head}content-length: 2\r\ncontent-length: 3\r\n\r\nabc`, 502],
    ["both lengths", `${head}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`, 502],
    [
      "a switch of protocols that nobody asked for",
      "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nhello",
      502,
    ],
    ["a switch of protocols without a name", "HTTP/1.1 101 Switching Protocols\r\n\r\n", 502],
  ];
  test.each(lies)("%s is a 502 with a status", async (_name, bytes, status) => {
    const server = net.createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => socket.end(bytes));
    });
    await using other = await testGateway(nothing, open(await listen(server)));
    using asking = other.connect();
    const got = await asking.request({ path: "/a" });
    expect(got.status).toBe(status);
    expect(JSON.parse(got.text)).toMatchObject({ code: 14, message: expect.any(String) });
    expect(got.headers["x-dragoman-reason"]).toBe("connection_lost");
    expect((await raw("GET /a HTTP/1.1", "", other.gateway.httpPort)).split("\r\n", 1)[0]).toContain(" 502 ");
    await new Promise((resolve) => server.close(resolve));
  });

  const cut: readonly [string, string][] = [
    ["less than its length", `${head}content-length: 10\r\n\r\nhalf`],
    ["chunks without an end", `${head}transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n`],
    ["chunks that are none", `${head}transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n`],
  ];
  test.each(cut)("%s cannot be taken for a whole answer", async (_name, bytes) => {
    const server = net.createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => socket.end(bytes));
    });
    await using other = await testGateway(nothing, open(await listen(server)));
    using asking = other.connect();
    const got = await asking.request({ path: "/a" });
    expect(got.status === 502 || got.rst !== 0).toBe(true);
    const text = await raw("GET /a HTTP/1.1", "", other.gateway.httpPort);
    expect(text.includes(" 502 ") || !text.endsWith("0\r\n\r\n")).toBe(true);
    await new Promise((resolve) => server.close(resolve));
  });
});

describe("WebSocket", () => {
  const connect = (target: string) =>
    new WebSocket(`${at.url.replace("https", "wss")}${target}`, { ca: at.ca, headers: { "x-kept": "1" } });

  test("frames go both ways", async () => {
    const socket = connect("/socket?a=1");
    const heard: string[] = [];
    socket.on("message", (data, isBinary) => heard.push(`${isBinary ? "binary" : "text"} ${data}`));
    await new Promise((resolve) => socket.once("open", resolve));
    socket.send("hi");
    socket.send(Buffer.from("there"));
    await until("both are back", () => heard.length === 2);
    expect(heard).toEqual(["text hi", "binary there"]);
    socket.close();
    await new Promise((resolve) => socket.once("close", resolve));
    await until("it is logged", () => at.access().some(({ path }) => path === "/socket"));
  });

  test("a refusal of the upstream is a whole answer with its status and body", async () => {
    const got = await new Promise<IncomingMessage>((resolve, reject) => {
      const socket = connect("/refused");
      socket.on("unexpected-response", (_request, response) => resolve(response));
      socket.on("error", reject);
    });
    let body = "";
    for await (const chunk of got) body += chunk;
    expect([got.statusCode, got.headers["x-why"], body]).toEqual([401, "x", "no"]);
  });

  test("pages of other origins may not open them", async () => {
    const got = await new Promise<IncomingMessage>((resolve, reject) => {
      const socket = new WebSocket(`${at.url.replace("https", "wss")}/socket`, {
        ca: at.ca,
        origin: "https://elsewhere.test",
      });
      socket.on("unexpected-response", (_request, response) => resolve(response));
      socket.on("error", reject);
    });
    got.resume();
    expect([got.statusCode, got.headers["x-dragoman-reason"]]).toEqual([403, "origin_denied"]);
  });
});

test("a path may have a timeout of its own, within which it is answered, and after which it is not", async () => {
  const { port } = upstream.address() as AddressInfo;
  await using timed = await testGateway(nothing, {
    upstreams: { pages: `http://127.0.0.1:${port}` },
    routes: [
      { match: "GET /soon", public: true, timeout: "30s" },
      { match: "GET /late", public: true, timeout: "50ms" },
    ],
  });
  using own = timed.connect();
  answer = (_request, response) => response.end("here");
  expect(await own.request({ path: "/soon" })).toMatchObject({ status: 200, text: "here" });
  answer = () => {};
  expect(await own.request({ path: "/late" })).toMatchObject({ status: 504 });
});
