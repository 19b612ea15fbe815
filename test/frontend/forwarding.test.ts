import { once } from "node:events";
import http, { type IncomingHttpHeaders } from "node:http";
import net, { type AddressInfo } from "node:net";
import { Metadata, type ServerUnaryCall } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { type TestGateway, testGateway } from "../support/gateway.ts";
import { type RawServer, serverStream, startRawServer, unary } from "../support/raw-server.ts";

const proto = {
  "t.proto":
    'syntax = "proto3";\npackage t.v1;\nmessage Nothing {}\nservice Echo { rpc Say(Nothing) returns (Nothing); rpc Watch(Nothing) returns (stream Nothing); }\n',
};

/** What the upstreams heard last. */
let page: IncomingHttpHeaders = {};
let metadata: Metadata;
let server: RawServer;
const pages = http.createServer((request, response) => {
  page = request.headers;
  response.end("fine");
});

pages.on("upgrade", (request, socket) => {
  page = request.headers;
  socket.end("HTTP/1.1 418 I'm a teapot\r\ncontent-length: 0\r\n\r\n");
});

beforeAll(async () => {
  server = await startRawServer("t.v1.Echo", {
    Say: unary((request, call: ServerUnaryCall<Buffer, Buffer>) => {
      metadata = call.metadata;
      return request;
    }),
    Watch: serverStream((call) => {
      metadata = call.metadata;
      call.end();
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

const told = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "via"] as const;
type Told = Record<(typeof told)[number], string>;

/** What both upstreams are told of a request over TLS with these fields. */
async function heard(at: TestGateway, headers: Readonly<Record<string, string>>): Promise<Told> {
  using client = at.connect();
  expect((await client.request({ path: "/page", headers })).status).toBe(200);
  const answer = await client.request({ method: "POST", path: "/t.v1.Echo/Say", headers, body: "{}" });
  expect(answer.status).toBe(200);
  const byHttp = Object.fromEntries(told.map((name) => [name, page[name]]));
  const byGrpc = Object.fromEntries(told.map((name) => [name, metadata.get(name).join(", ")]));
  expect(byGrpc).toEqual(byHttp);
  expect(metadata.get("forwarded")).toEqual([]);
  for (const name of ["x-forwarded-port", "x-real-ip", "x-forwarded-client-cert"]) {
    expect(metadata.get(name), name).toEqual([]);
    expect(page, name).not.toHaveProperty(name);
  }
  return byHttp as Told;
}

const forged = {
  "x-forwarded-for": "6.6.6.6, 192.0.2.9, 127.0.0.2",
  "x-forwarded-proto": "http",
  "x-forwarded-host": "Shop.test",
  "x-forwarded-port": "1",
  "x-real-ip": "6.6.6.6",
  "x-forwarded-client-cert": 'Hash=00;Subject="CN=root"',
  forwarded: "for=6.6.6.6;proto=http;host=evil.test, for=192.0.2.8;proto=http;host=other.test, for=127.0.0.2",
};

describe("what upstreams are told of the client", () => {
  test("nothing that a stranger says", async () => {
    await using at = await gateway({});
    expect(await heard(at, forged)).toEqual({
      "x-forwarded-for": "127.0.0.1",
      "x-forwarded-proto": "https",
      "x-forwarded-host": new URL(at.url).host,
      via: "2 dragoman",
    });
    expect(page.forwarded).toBe(`for="127.0.0.1";proto=https;host="${new URL(at.url).host}";by=_dragoman`);
  });

  test("what trusted proxies say, and the chain from the client on", async () => {
    await using at = await gateway({ trustProxies: ["127.0.0.0/8"] });
    expect(await heard(at, forged)).toMatchObject({
      "x-forwarded-for": "192.0.2.9, 127.0.0.2, 127.0.0.1",
      "x-forwarded-proto": "http",
      "x-forwarded-host": "shop.test",
    });
    expect(page.forwarded).toBe(
      'for="192.0.2.9";proto=http;host="shop.test", for="127.0.0.2", for="127.0.0.1";by=_dragoman',
    );
    expect(await heard(at, {})).toMatchObject({
      "x-forwarded-for": "127.0.0.1",
      "x-forwarded-proto": "https",
      "x-forwarded-host": new URL(at.url).host,
    });
    // Each proxy may have added its own, the nearest one last.
    const several = { "x-forwarded-proto": "https, http", "x-forwarded-host": "evil.test, shop.test" };
    expect(await heard(at, several)).toMatchObject({
      "x-forwarded-proto": "http",
      "x-forwarded-host": "shop.test",
    });
    expect(await heard(at, { "x-forwarded-host": "evil.test/path" })).toMatchObject({
      "x-forwarded-host": new URL(at.url).host,
    });
  });

  test("by Forwarded alone where that is what they fill in: the element that names the client tells how it came", async () => {
    await using at = await gateway({ trustProxies: ["127.0.0.0/8"], forwardedBy: "forwarded" });
    expect(await heard(at, forged)).toMatchObject({
      "x-forwarded-for": "192.0.2.8, 127.0.0.2, 127.0.0.1",
      "x-forwarded-proto": "http",
      "x-forwarded-host": "other.test",
    });
    // A client's own word, which the proxy has let pass.
    expect(await heard(at, { ...forged, forwarded: "for=192.0.2.8" })).toMatchObject({
      "x-forwarded-for": "192.0.2.8, 127.0.0.1",
      "x-forwarded-proto": "https",
      "x-forwarded-host": new URL(at.url).host,
    });
  });
});

describe("upstreams are told the same by whatever protocol", () => {
  const post = (method: string, contentType: string, body: Uint8Array) => async (at: TestGateway) => {
    using client = at.connect();
    const headers = { ...forged, "content-type": contentType, te: "trailers" };
    expect(
      (await client.request({ method: "POST", path: `/t.v1.Echo/${method}`, headers, body })).status,
    ).toBe(200);
  };
  const socket =
    (target: string, protocols: string[], frames: readonly Uint8Array[]) => async (at: TestGateway) => {
      const opened = new WebSocket(`${at.url.replace("https", "wss")}${target}`, protocols, {
        ca: at.ca,
        headers: forged,
      });
      opened.once("open", () => {
        for (const frame of frames) opened.send(frame);
      });
      await once(opened, "close");
    };
  const lines = Object.entries(forged).map(([name, value]) => `${name}: ${value}\r\n`);
  const frame = Buffer.alloc(5);

  test.each<[string, (at: TestGateway) => Promise<void>]>([
    ["gRPC", post("Say", "application/grpc", frame)],
    ["gRPC-Web", post("Say", "application/grpc-web+proto", frame)],
    ["Connect", post("Say", "application/proto", Buffer.alloc(0))],
    ["a stream of Connect", post("Watch", "application/connect+proto", frame)],
    ["a WebSocket", socket("/t.v1.Echo/Watch", ["dragoman.proto"], [Buffer.alloc(0)])],
    [
      "gRPC-Web in a WebSocket, whose fields come in a frame",
      socket(
        "/t.v1.Echo/Say",
        ["grpc-websockets"],
        [Buffer.from(lines.join("")), Buffer.concat([Buffer.alloc(1), frame]), Buffer.from([1])],
      ),
    ],
  ])("%s", async (_name, ask) => {
    await using at = await gateway({});
    metadata = new Metadata();
    await ask(at);
    const { host } = new URL(at.url);
    const heardOf = Object.fromEntries(Object.keys(forged).map((name) => [name, metadata.get(name).join()]));
    expect(heardOf).toEqual({
      ...Object.fromEntries(Object.keys(forged).map((name) => [name, ""])),
      "x-forwarded-for": "127.0.0.1",
      "x-forwarded-proto": "https",
      "x-forwarded-host": host,
    });
  });

  test("a WebSocket that is passed on to an HTTP upstream", async () => {
    await using at = await gateway({});
    await expect(socket("/page", [], [])(at)).rejects.toThrow("418");
    expect(Object.fromEntries(Object.keys(forged).map((name) => [name, page[name]]))).toEqual({
      "x-forwarded-for": "127.0.0.1",
      "x-forwarded-proto": "https",
      "x-forwarded-host": new URL(at.url).host,
      forwarded: `for="127.0.0.1";proto=https;host="${new URL(at.url).host}";by=_dragoman`,
    });
  });
});

test("the id of a request is a trusted proxy's to give, and nobody else's", async () => {
  const headers = { "x-request-id": "given-1" };
  for (const [trustProxies, isKept] of [[[], false] as const, [["127.0.0.1"], true] as const]) {
    await using at = await gateway({ trustProxies });
    using client = at.connect();
    const answer = await client.request({ path: "/page", headers });
    expect(answer.headers["x-request-id"] === "given-1").toBe(isKept);
    expect(page["x-request-id"]).toBe(answer.headers["x-request-id"]);
    const called = await client.request({ method: "POST", path: "/t.v1.Echo/Say", headers, body: "{}" });
    expect(called.headers["x-request-id"] === "given-1").toBe(isKept);
    expect(metadata.get("x-request-id")).toEqual([called.headers["x-request-id"]]);
  }
});

test.each(["", "two words", 'a"b', "<a>", "x".repeat(129)])("%s is no id, whoever gives it", async (id) => {
  await using at = await gateway({ trustProxies: ["127.0.0.1"] });
  using client = at.connect();
  const { headers } = await client.request({ path: "/page", headers: { "x-request-id": id } });
  expect(headers["x-request-id"]).toMatch(/^[\w-]{12}$/);
  expect(page["x-request-id"]).toBe(headers["x-request-id"]);
});

describe("via (RFC 9110 7.6.3)", () => {
  test("goes on with what was there, by the name that is configured, or not at all", async () => {
    await using named = await gateway({ via: "edge" });
    expect((await heard(named, { via: "1.1 before" })).via).toBe("1.1 before, 2 edge");
    await using silent = await gateway({ via: "off" });
    using client = silent.connect();
    await client.request({ path: "/page" });
    expect(page.via).toBeUndefined();
  });

  test("a request that goes in a circle ends with 508, and one that has passed other gateways does not", async () => {
    let back = 0;
    const relay = net.createServer((socket) => {
      const other = net.connect(back, "127.0.0.1");
      for (const each of [socket, other]) each.on("error", () => {});
      socket.pipe(other).pipe(socket);
    });
    await new Promise<void>((resolve) => relay.listen(0, "127.0.0.1", resolve));
    await using at = await testGateway(proto, {
      upstreams: { self: `http://127.0.0.1:${(relay.address() as AddressInfo).port}` },
      routes: [{ match: "GET /round", public: true }],
    });
    back = at.gateway.httpPort ?? 0;
    using client = at.connect();
    const answer = await client.request({ path: "/round" });
    expect([answer.status, answer.headers["x-dragoman-reason"]]).toEqual([508, "loop_detected"]);
    expect(at.access()).toHaveLength(10);
    relay.close();
    await using other = await gateway({});
    const passed = Array.from({ length: 30 }, (_, index) => `1.1 hop${index}`).join(", ");
    expect((await heard(other, { via: passed })).via).toBe(`${passed}, 2 dragoman`);
  });

  test("no answer names the gateway", async () => {
    await using at = await gateway({});
    using client = at.connect();
    for (const path of ["/page", "/nothing", `/${"a".repeat(20_000)}`]) {
      const { headers } = await client.request({ path });
      expect(headers).not.toHaveProperty("server");
      expect(headers).not.toHaveProperty("via");
      expect(JSON.stringify(headers)).not.toMatch(/node|dragoman\/\d/i);
    }
  });
});
