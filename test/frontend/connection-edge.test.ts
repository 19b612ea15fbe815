import { once } from "node:events";
import http from "node:http";
import net, { type AddressInfo } from "node:net";
import tls from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TestGateway, testGateway } from "../support/gateway.ts";
import { connectHttp2 } from "../support/http2-client.ts";
import { exchangeRaw } from "../support/raw-socket.ts";

const proto = {
  "t.proto": `syntax = "proto3";
package t.v1;
message Nothing {}
service Echo { rpc Say(Nothing) returns (Nothing); }
`,
};

/** Shows what it hears of the client. */
const upstream = http.createServer((request, response) => {
  response.end(`heard ${request.method} ${request.headers["x-forwarded-for"]}`);
});
let at: TestGateway;
let config: Readonly<Record<string, unknown>>;

beforeAll(async () => {
  await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
  config = {
    upstreams: {
      pages: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`,
      echo: "grpc://127.0.0.1:9",
    },
    routes: [
      { match: "* /page", public: true },
      { match: "* /inner", public: true, allowIps: ["10.0.0.0/8"], denyIps: ["10.6.6.6"] },
      { match: "t.v1.Echo/*", public: true, denyIps: ["192.0.2.0/24"] },
    ],
  };
  at = await testGateway(proto, {
    ...config,
    listen: {
      trustProxies: ["127.0.0.1"],
      https: { proxyProtocol: true },
      http: { proxyProtocol: true, denyIps: ["192.0.2.66"] },
      limits: { headTimeout: "1s" },
    },
  });
});
afterAll(async () => {
  await at[Symbol.asyncDispose]();
  upstream.closeAllConnections();
  await new Promise((resolve) => upstream.close(resolve));
});

const get = "GET /page HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
const v1 = (address: string) => `PROXY TCP4 ${address} 127.0.0.1 4097 443\r\n`;
const v2 = (command: number, family: number, payload: number[]) =>
  Buffer.concat([
    Buffer.from("0d0a0d0a000d0a515549540a", "hex"),
    Buffer.from([0x20 | command, family, 0, payload.length, ...payload]),
  ]);

/** A secured socket whose connection begins with these bytes. */
async function secured(header: string | Buffer, protocol: string, glued = false): Promise<tls.TLSSocket> {
  const raw = net.connect(at.gateway.httpsPort, "127.0.0.1");
  await new Promise((resolve) => raw.once("connect", resolve));
  // Corked, the first bytes of the handshake come in one piece with the header.
  if (glued) raw.cork();
  raw.write(header);
  const socket = tls.connect({ socket: raw, servername: "localhost", ca: at.ca, ALPNProtocols: [protocol] });
  if (glued) setImmediate(() => raw.uncork());
  return socket;
}

const overTls = async (header: string | Buffer, glued = false): Promise<string> => {
  const socket = await secured(header, "http/1.1", glued);
  socket.write(get);
  let text = "";
  try {
    for await (const chunk of socket) text += chunk;
  } catch {
    return "closed";
  }
  return text;
};

describe("the PROXY protocol, from a trusted peer", () => {
  test.each<[string, string | Buffer, string]>([
    ["version 1", v1("192.0.2.9"), "192.0.2.9"],
    ["version 1, of nobody", "PROXY UNKNOWN\r\n", "127.0.0.1"],
    ["version 2", v2(1, 0x11, [192, 0, 2, 9, 127, 0, 0, 1, 1, 1, 1, 1]), "192.0.2.9"],
    ["version 2, the proxy itself", v2(0, 0, []), "127.0.0.1"],
  ])("%s", async (_name, header, client) => {
    const bytes = Buffer.concat([Buffer.from(header as string), Buffer.from(get)]);
    expect(await exchangeRaw(at.gateway.httpPort ?? 0, bytes)).toContain(`heard GET ${client}`);
    expect(await overTls(header)).toContain(`heard GET ${client}`);
    expect(await overTls(header, true)).toContain(`heard GET ${client}`);
  });

  test("HTTP/2, and the access log", async () => {
    const socket = await secured(v1("198.51.100.7"), "h2");
    using client = connectHttp2("https://localhost", { createConnection: () => socket });
    expect((await client.request({ path: "/page" })).text).toBe("heard GET 198.51.100.7");
    const lines = at.access().map(({ peer, client: address }) => JSON.stringify([peer, address]));
    expect(lines.join()).toContain("198.51.100.7");
  });

  test("the client that it names is believed no forwarding fields", async () => {
    const forged = get.replace("\r\n\r\n", "\r\nx-forwarded-for: 6.6.6.6\r\n\r\n");
    const bytes = `${v1("192.0.2.9")}${forged}`;
    expect(await exchangeRaw(at.gateway.httpPort ?? 0, bytes)).toContain("heard GET 192.0.2.9");
  });

  test.each<[string, string | Buffer]>([
    ["none", get],
    ["broken", "PROXY TCP4 nobody 127.0.0.1 1 2\r\n"],
    ["unfinished", "PROXY TCP4 192."],
    ["endless", `PROXY TCP4 ${"1".repeat(200)}`],
    ["of a client who is denied", `${v1("192.0.2.66")}${get}`],
  ])("%s: the connection is closed", async (_name, bytes) => {
    expect(await exchangeRaw(at.gateway.httpPort ?? 0, bytes)).toBe("");
  });
});

test("the PROXY protocol is nothing that others may speak", async () => {
  await using plain = await testGateway(proto, {
    ...config,
    listen: { trustProxies: ["10.0.0.1"], http: { proxyProtocol: true } },
  });
  const port = plain.gateway.httpPort ?? 0;
  const answer = await exchangeRaw(port, `${v1("192.0.2.9")}${get}`);
  expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  expect(answer).not.toContain("heard");
  expect(await exchangeRaw(port, get)).toContain("heard GET 127.0.0.1");
});

test("a listener closes connections of those who may not connect", async () => {
  await using closed = await testGateway(proto, {
    ...config,
    listen: { https: { allowIps: ["10.0.0.0/8"] }, http: { denyIps: ["127.0.0.0/8"] } },
  });
  expect(await exchangeRaw(closed.gateway.httpPort ?? 0, get)).toBe("");
  using client = connectHttp2(closed.url, { ca: closed.ca });
  expect((await client.request({ path: "/page" })).status).toBe(0);
});

describe("addresses of a route", () => {
  test.each<[string, number]>([
    ["10.0.0.5", 200],
    ["10.6.6.6", 403],
    ["11.0.0.1", 403],
    ["::ffff:10.0.0.5", 200],
  ])("%s: %i", async (address, status) => {
    const socket = await secured("PROXY UNKNOWN\r\n", "h2");
    using client = connectHttp2("https://localhost", { createConnection: () => socket });
    const answer = await client.request({ path: "/inner", headers: { "x-forwarded-for": address } });
    expect([answer.status, answer.headers["x-dragoman-reason"]]).toEqual([
      status,
      status === 200 ? undefined : "address_denied",
    ]);
  });

  test("gRPC hears PERMISSION_DENIED", async () => {
    const socket = await secured(v1("192.0.2.9"), "h2");
    using client = connectHttp2("https://localhost", { createConnection: () => socket });
    const answer = await client.request({
      method: "POST",
      path: "/t.v1.Echo/Say",
      headers: { "content-type": "application/grpc", te: "trailers" },
      body: Buffer.alloc(5),
    });
    expect({ ...answer.headers, ...answer.trailers }).toMatchObject({
      "grpc-status": "7",
      "x-dragoman-reason": "address_denied",
    });
  });
});

describe("early data (RFC 8470)", () => {
  test.each<[string, string, string, boolean]>([
    ["a safe method", "GET", "PROXY UNKNOWN\r\n", true],
    ["another safe method", "OPTIONS", "PROXY UNKNOWN\r\n", true],
    ...["POST", "PUT", "PATCH", "DELETE"].map((method): [string, string, string, boolean] => [
      "one that is not safe",
      method,
      "PROXY UNKNOWN\r\n",
      false,
    ]),
    ["said by somebody who is not trusted", "POST", v1("192.0.2.9"), true],
  ])("%s: %s", async (_name, method, header, served) => {
    const request = get.replace("GET", method).replace("\r\n\r\n", "\r\nearly-data: 1\r\n\r\n");
    const answer = await exchangeRaw(at.gateway.httpPort ?? 0, header + request);
    const socket = await secured(header, "h2");
    using client = connectHttp2("https://localhost", { createConnection: () => socket });
    const second = await client.request({ method, path: "/page", headers: { "early-data": "1" } });
    if (served) {
      expect(answer).toMatch(/^HTTP\/1\.1 200 /);
      expect(second.status).toBe(200);
    } else {
      expect(answer).toMatch(/^HTTP\/1\.1 425 [\s\S]*x-dragoman-reason: early_data/i);
      expect([second.status, second.headers["x-dragoman-reason"]]).toEqual([425, "early_data"]);
    }
  });
});

describe("requests for hosts that a connection is not for (RFC 9110 15.5.20)", () => {
  let direct: TestGateway;
  beforeAll(async () => {
    direct = await testGateway(proto, config);
  });
  afterAll(() => direct[Symbol.asyncDispose]());

  test("proxies that are trusted bring requests for many hosts", async () => {
    const socket = await secured("PROXY UNKNOWN\r\n", "h2");
    using client = connectHttp2("https://localhost", { createConnection: () => socket });
    const status = async (authority: string) =>
      (await client.request({ path: "/page", headers: { ":authority": authority } })).status;
    expect([await status("shop.test"), await status("other.test")]).toEqual([200, 200]);
  });

  test("one connection is for one host as well as for another, and for no third", async () => {
    using client = connectHttp2(`https://127.0.0.1:${direct.gateway.httpsPort}`, {
      ca: direct.ca,
      servername: "shop.test",
      checkServerIdentity: () => undefined,
    });
    const statuses: number[] = [];
    for (const authority of ["shop.test", "localhost", "other.test", "shop.test"])
      statuses.push((await client.request({ path: "/page", headers: { ":authority": authority } })).status);
    expect(statuses).toEqual([200, 200, 421, 200]);
  });

  // Of such a session Node does not tell the host that it began with.
  test.each([
    ["localhost", "shop.test"],
    ["shop.test", "localhost"],
    ["127.0.0.1", "localhost"],
  ])(
    "a session of TLS 1.2 that is taken up again for %s is for it, and for no stranger",
    async (first, then) => {
      const options: tls.ConnectionOptions = {
        host: "127.0.0.1",
        port: direct.gateway.httpsPort,
        ca: direct.ca,
        servername: "localhost",
        checkServerIdentity: () => undefined,
        maxVersion: "TLSv1.2",
        ALPNProtocols: ["h2"],
      };
      const before = tls.connect(options);
      const [session] = (await once(before, "session")) as [Buffer];
      before.destroy();
      const socket = tls.connect({ ...options, session });
      await once(socket, "secureConnect");
      expect(socket.isSessionReused()).toBe(true);
      using client = connectHttp2("https://localhost", { createConnection: () => socket });
      const statuses: number[] = [];
      for (const authority of [first, then, "other.test", first])
        statuses.push((await client.request({ path: "/page", headers: { ":authority": authority } })).status);
      expect(statuses).toEqual([200, then === "localhost" ? 200 : 421, 421, 200]);
    },
  );

  const ask = async (servername: string, authority: string, http2: boolean): Promise<number> => {
    const trust = { ca: direct.ca, servername, checkServerIdentity: () => undefined };
    if (http2) {
      using client = connectHttp2(`https://127.0.0.1:${direct.gateway.httpsPort}`, trust);
      return (await client.request({ path: "/page", headers: { ":authority": authority } })).status;
    }
    const socket = tls.connect({ port: direct.gateway.httpsPort, host: "127.0.0.1", ...trust });
    socket.write(get.replace("localhost", authority));
    let text = "";
    for await (const chunk of socket) text += chunk;
    return Number(text.split(" ")[1]);
  };

  test.each<[string, string, number]>([
    ["localhost", "localhost", 200],
    ["localhost", "LOCALHOST:8443", 200],
    ["localhost", "localhost.", 200],
    ["localhost", "shop.localhost", 200],
    ["localhost", "127.0.0.1", 200],
    ["localhost", "[::1]:8443", 200],
    ["shop.test", "shop.test", 200],
    ["localhost", "shop.test", 421],
    ["shop.test", "other.test", 421],
    ["localhost", "192.0.2.1", 421],
    ["", "192.0.2.1:8443", 200],
    ["", "shop.test", 421],
  ])("asked for %s, requests for %s: %i", async (servername, authority, status) => {
    expect(await ask(servername, authority, true)).toBe(status);
    expect(await ask(servername, authority, false)).toBe(status);
  });
});
