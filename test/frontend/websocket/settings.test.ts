import { writeFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import path from "node:path";
import type { Duplex } from "node:stream";
import { deflateRawSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { type ClientOptions, WebSocket } from "ws";
import { audience, issuer, makeKey } from "../../filter/authn/support/tokens.ts";
import { ClientTunnel, extendedConnectEnabled } from "../../support/extended-connect.ts";
import { type TestGateway, testGateway } from "../../support/gateway.ts";
import { bidiStream, type RawServer, startRawServer } from "../../support/raw-server.ts";
import { tempFolder } from "../../support/temp-folder.ts";
import { until } from "../../support/until.ts";

const proto = `syntax = "proto3"; package t.v1;
service Echo { rpc Chat(stream Text) returns (stream Text); }
message Text { string text = 1; }`;
const chat = "/t.v1.Echo/Chat";

const echo = (): Promise<RawServer> =>
  startRawServer("t.v1.Echo", {
    Chat: bidiStream((call) => {
      call.on("data", (message: Buffer) => call.write(message));
      call.on("end", () => call.end());
    }),
  });

function gateway(
  server: RawServer,
  websocket: Readonly<Record<string, unknown>>,
  more: Readonly<Record<string, unknown>> = {},
): Promise<TestGateway> {
  return testGateway(
    { "t.proto": proto },
    {
      listen: { websocket, limits: { messageBytes: "256KiB" } },
      upstreams: { echo: `grpc://${server.address}` },
      routes: [{ match: "*", public: true }],
      ...more,
    },
  );
}

interface Talk {
  readonly socket: WebSocket;
  readonly heard: string[];
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  /** What the gateway confirmed. */
  readonly extensions: string;
  /** Bytes that came. */
  received(): number;
}

/** Rejects with the status of an upgrade that is refused. */
function talk(at: TestGateway, options: ClientOptions = {}, protocols: string[] = []): Promise<Talk> {
  const socket = new WebSocket(`${at.url.replace("https", "wss")}${chat}`, protocols, {
    ca: at.ca,
    ...options,
  });
  const heard: string[] = [];
  let connection: Socket | undefined;
  let extensions = "";
  const closed: Talk["closed"] = new Promise((resolve) =>
    socket.on("close", (code, reason) => resolve({ code, reason: reason.toString() })),
  );
  socket.on("message", (data) => heard.push(String(data)));
  socket.on("upgrade", (response: IncomingMessage) => {
    connection = response.socket;
    extensions = response.headers["sec-websocket-extensions"] ?? "";
  });
  return new Promise((resolve, reject) => {
    socket.on("open", () =>
      resolve({ socket, heard, closed, extensions, received: () => connection?.bytesRead ?? 0 }),
    );
    socket.on("unexpected-response", (_request, response: IncomingMessage) => {
      response.resume();
      response.on("end", () => reject(response.statusCode));
    });
    socket.on("error", () => {});
  });
}

const message = (text: string): string => JSON.stringify({ text });

describe("compression", () => {
  const long = "a".repeat(64 * 1024);

  test("is off unless it is configured", async () => {
    await using server = await echo();
    await using at = await gateway(server, {});
    const { socket } = await talk(at, { perMessageDeflate: true });
    expect(socket.extensions).toBe("");
    socket.close();
  });

  test.each([false, true])("of long messages both ways, contextTakeover: %s", async (contextTakeover) => {
    await using server = await echo();
    await using at = await gateway(server, { compression: { contextTakeover } });
    const { socket, heard, extensions, received, closed } = await talk(at, { perMessageDeflate: true });
    expect(extensions.includes("server_no_context_takeover; client_no_context_takeover")).toBe(
      !contextTakeover,
    );
    const before = received();
    for (let i = 0; i < 3; i++) socket.send(message(`${i}${long}`));
    await until("all are echoed", () => heard.length === 3);
    expect(heard.map((each) => JSON.parse(each).text)).toEqual([0, 1, 2].map((i) => `${i}${long}`));
    expect(received() - before).toBeLessThan(4096);
    socket.close();
    await closed;
  });

  test("over HTTP/2 too", async () => {
    await using server = await echo();
    await using at = await gateway(server, { compression: {} });
    using client = at.connect();
    await extendedConnectEnabled(client.session);
    const { socket, heard, closed } = await talk(at, {
      perMessageDeflate: true,
      createConnection: () => new ClientTunnel(client.session) as Duplex as Socket,
    });
    expect(socket.extensions).toContain("permessage-deflate");
    socket.send(message(long));
    await until("it is echoed", () => heard.length === 1);
    socket.close();
    expect(await closed).toMatchObject({ code: 1005 });
  });

  test("a bomb closes its socket with 1009, and no other", async () => {
    await using server = await echo();
    await using at = await gateway(server, { compression: {} });
    const [bomber, other] = await Promise.all([talk(at, { perMessageDeflate: true }), talk(at)]);
    const bomb = deflateRawSync(Buffer.alloc(64 * 1024 * 1024, "a"), { finishFlush: 2 }).subarray(0, -4);
    expect(bomb.length).toBeLessThan(256 * 1024);
    const before = process.memoryUsage().arrayBuffers;
    // As a frame of a compressed text, masked by nothing.
    const head = Buffer.from([0xc1, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    head.writeUInt32BE(bomb.length, 6);
    const raw = Reflect.get(bomber.socket, "_socket") as Socket;
    raw.write(Buffer.concat([head, bomb]));
    expect(await bomber.closed).toMatchObject({ code: 1009 });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * 1024 * 1024);
    other.socket.send(message("x"));
    await until("the other talks", () => other.heard.length === 1);
    other.socket.close();
  });
});

test("who does not answer pings is gone; who does stays", async () => {
  await using server = await echo();
  await using at = await gateway(server, { ping: "200ms" });
  const [deaf, alive] = await Promise.all([talk(at, { autoPong: false }), talk(at)]);
  let pings = 0;
  alive.socket.on("ping", () => pings++);
  expect(await deaf.closed).toMatchObject({ code: 1006 });
  await until("the other is asked again", () => pings >= 4);
  alive.socket.send(message("x"));
  await until("it still talks", () => alive.heard.length === 1);
  alive.socket.close();
  await until("both are logged", () => at.access().length === 2);
  expect(at.access().map(({ code }) => code)).toEqual(["CANCELLED", "CANCELLED"]);
});

describe("idle", () => {
  test("a socket on which nothing is said ends, by the subprotocol's own means", async () => {
    await using server = await echo();
    await using at = await gateway(server, { idle: "200ms" });
    const json = await talk(at);
    expect(await json.closed).toEqual({ code: 4004, reason: "no message for too long" });
    const envelope = await talk(at, {}, ["dragoman.envelope"]);
    expect(await envelope.closed).toMatchObject({ code: 4004 });
    expect(JSON.parse(envelope.heard.at(-1) ?? "")).toMatchObject({ status: { code: 4 } });
    await until("both are logged", () => at.access().length === 2);
    expect(at.access().map(({ reason }) => reason)).toEqual(["idle_timeout", "idle_timeout"]);
  });

  test("one on which something is said does not", async () => {
    await using server = await echo();
    await using at = await gateway(server, { idle: "400ms" });
    const { socket, heard, closed } = await talk(at);
    const start = performance.now();
    await until("it has talked for longer", () => {
      socket.send(message("x"));
      return performance.now() - start > 1000;
    });
    socket.send("");
    expect(await closed).toMatchObject({ code: 1000 });
    expect(heard.length).toBeGreaterThan(3);
  });
});

describe("rate", () => {
  test.each([
    ["messages", (socket: WebSocket) => socket.send(message("x"))],
    ["pings", (socket: WebSocket) => socket.ping()],
    ["pongs that nobody asked for", (socket: WebSocket) => socket.pong()],
  ] as const)("more %s than may be sent end the call", async (_name, send) => {
    await using server = await echo();
    await using at = await gateway(server, { rate: "5/h" });
    const { socket, heard, closed } = await talk(at);
    for (let i = 0; i < 4; i++) send(socket);
    socket.send(message("last"));
    await until("five are served", () => heard.at(-1) === message("last"));
    send(socket);
    expect(await closed).toEqual({ code: 4008, reason: "more messages than may be sent in this time" });
    await until("it is logged", () => at.access().length === 1);
    expect(at.access()).toMatchObject([{ code: "RESOURCE_EXHAUSTED", reason: "rate_limited" }]);
  });
});

test("a message in more frames than it may have", async () => {
  await using server = await echo();
  await using at = await gateway(server, { maxFragments: 3 });
  const { socket, heard, closed } = await talk(at);
  const cut = (...parts: readonly string[]): void => {
    for (const [i, part] of parts.entries()) socket.send(part, { fin: i === parts.length - 1 });
  };
  cut('{"text"', ":", '"x"}');
  await until("three are one message", () => heard.length === 1);
  cut('{"text"', ":", '"x"', "}");
  expect(await closed).toMatchObject({ code: 1008 });
});

test("a token in a cookie counts where that is configured, for pages that may send one", async () => {
  const key = await makeKey("k");
  await using files = await tempFolder();
  const jwks = path.join(files.dir, "jwks.json");
  writeFileSync(jwks, JSON.stringify({ keys: [key.jwk] }));
  const token = await key.sign();
  await using server = await echo();
  const secured = (tokenCookie: string | undefined, credentials: boolean): Promise<TestGateway> =>
    gateway(server, tokenCookie === undefined ? {} : { tokenCookie }, {
      auth: { issuers: { main: { issuer, jwks, audiences: [audience] } } },
      defaults: { cors: { origins: ["https://shop.test"], credentials } },
      routes: [{ match: "*", auth: {} }],
    });
  const outcome = async (
    at: TestGateway,
    headers: Readonly<Record<string, string>>,
    protocols?: string[],
  ): Promise<unknown> => {
    try {
      const { socket } = await talk(at, { headers }, protocols);
      socket.close();
      return 101;
    } catch (status) {
      return status;
    }
  };
  const cookie = `a=b; session=${token}`;
  {
    await using at = await secured("session", false);
    expect(await outcome(at, { cookie })).toBe(101);
    expect(await outcome(at, { cookie, origin: at.url })).toBe(101);
    // A page of another origin, which may call but not by the user's cookies.
    expect(await outcome(at, { cookie, origin: "https://shop.test" })).toBe(401);
    expect(await outcome(at, { cookie, origin: "https://evil.test" })).toBe(403);
    expect(await outcome(at, { cookie: `session=planted; ${cookie}` })).toBe(401);
    expect(await outcome(at, { cookie: "session=planted" })).toBe(401);
    expect(await outcome(at, { cookie: `Session=${token}` })).toBe(401);
    expect(await outcome(at, { cookie, authorization: "Bearer planted" })).toBe(401);
    expect(at.log.join()).not.toContain(token);
    const header = { authorization: `Bearer ${token}` };
    expect(await outcome(at, header)).toBe(101);
    expect(await outcome(at, header, ["dragoman.json", "dragoman.bearer", token]), "two tokens").toBe(401);
  }
  {
    await using at = await secured("session", true);
    expect(await outcome(at, { cookie, origin: "https://shop.test" })).toBe(101);
  }
  await using at = await secured(undefined, false);
  expect(await outcome(at, { cookie })).toBe(401);
});
