import { writeFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import path from "node:path";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { type TestGateway, testGateway } from "../../support/gateway.ts";
import {
  bidiStream,
  clientStream,
  type RawMethod,
  type RawServer,
  serverStream,
  startRawServer,
  unary,
} from "../../support/raw-server.ts";
import { tempFolder } from "../../support/temp-folder.ts";
import { until } from "../../support/until.ts";

const proto = `syntax = "proto3";
package t.v1;
import "google/api/annotations.proto";
service Echo {
  rpc Say(Text) returns (Text) { option (google.api.http) = { post: "/v1/say/{text}" body: "*" }; }
  rpc Count(Text) returns (stream Text) { option (google.api.http) = { get: "/v1/count/{size}" }; }
  rpc Collect(stream Text) returns (Text) { option (google.api.http) = { post: "/v1/collect" body: "*" }; }
  rpc Chat(stream Text) returns (stream Text) { option (google.api.http) = { post: "/v1/chat/{text}" body: "*" }; }
}
message Text { string text = 1; int64 size = 2; }
`;

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([0x0a, bytes.length]), bytes]);
}

function echo(over: Readonly<Record<string, RawMethod>> = {}): Promise<RawServer> {
  return startRawServer("t.v1.Echo", {
    Say: unary((request) => request),
    Count: serverStream((call) => {
      const count = call.request.at(-1) ?? 0;
      for (let i = 0; i < count; i++) call.write(text(`n${i}`));
      call.end();
    }),
    Collect: clientStream((messages) => text(String(messages.length))),
    Chat: bidiStream((call) => {
      call.on("data", (message: Buffer) => call.write(message));
      call.on("end", () => call.end());
    }),
    ...over,
  });
}

const open = (server: RawServer, more: Readonly<Record<string, unknown>> = {}) => ({
  upstreams: { echo: `grpc://${server.address}` },
  routes: [{ match: "*", public: true }],
  ...more,
});

interface Talk {
  readonly socket: WebSocket;
  readonly heard: string[];
  readonly closed: Promise<{ code: number; reason: string }>;
}

function talk(
  at: TestGateway,
  target: string,
  protocols: readonly string[] = [],
  headers: Readonly<Record<string, string>> = {},
): Promise<Talk> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${at.url.replace("https", "wss")}${target}`, [...protocols], {
      ca: at.ca,
      headers,
    });
    const heard: string[] = [];
    const closed = new Promise<{ code: number; reason: string }>((done) => {
      socket.on("close", (code, reason) => done({ code, reason: reason.toString() }));
    });
    socket.on("message", (data) => heard.push(String(data)));
    socket.once("open", () => resolve({ socket, heard, closed }));
    socket.once("error", reject);
  });
}

interface Refusal {
  readonly status: number;
  readonly reason: unknown;
  readonly body: { readonly code: number };
}

function refusal(
  at: TestGateway,
  target: string,
  protocols: readonly string[] = [],
  headers: Readonly<Record<string, string>> = {},
): Promise<Refusal> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${at.url.replace("https", "wss")}${target}`, [...protocols], {
      ca: at.ca,
      headers,
    });
    socket.on("error", () => {});
    socket.on("open", () => reject(new Error("the upgrade was accepted")));
    socket.on("unexpected-response", (_request, response: IncomingMessage) => {
      let body = "";
      response.on("data", (chunk) => {
        body += chunk;
      });
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          reason: response.headers["x-dragoman-reason"],
          body: JSON.parse(body),
        }),
      );
    });
  });
}

describe("every kind of method", () => {
  test("unary: one message, its path and query bound, then the answer and 1000", async () => {
    await using server = await echo();
    await using at = await testGateway({ "t.proto": proto }, open(server));
    const { socket, heard, closed } = await talk(at, "/v1/say/hi?size=9007199254740993", ["dragoman.json"]);
    expect(socket.protocol).toBe("dragoman.json");
    socket.send("{}");
    expect(await closed).toEqual({ code: 1000, reason: "" });
    expect(heard).toEqual(['{"text":"hi","size":"9007199254740993"}']);
  });

  test("a stream of responses, from the path alone", async () => {
    await using server = await echo();
    await using at = await testGateway({ "t.proto": proto }, open(server));
    const { heard, closed } = await talk(at, "/v1/count/3");
    expect(await closed).toMatchObject({ code: 1000 });
    expect(heard).toEqual(['{"text":"n0"}', '{"text":"n1"}', '{"text":"n2"}']);
  });

  test("a stream of requests, ended by an empty frame", async () => {
    await using server = await echo();
    await using at = await testGateway({ "t.proto": proto }, open(server));
    const { socket, heard, closed } = await talk(at, "/v1/collect");
    for (const name of ["a", "b"]) socket.send(JSON.stringify({ text: name }));
    socket.send("");
    expect(await closed).toMatchObject({ code: 1000 });
    expect(heard).toEqual(['{"text":"2"}']);
  });

  test("both ways; the path is part of the first message alone", async () => {
    await using server = await echo();
    await using at = await testGateway({ "t.proto": proto }, open(server));
    const { socket, heard, closed } = await talk(at, "/v1/chat/room");
    socket.send('{"size":1}');
    await until("the first is heard", () => heard.length === 1);
    socket.send('{"size":2}');
    await until("the second is heard", () => heard.length === 2);
    expect(heard.map((each) => JSON.parse(each))).toEqual([{ text: "room", size: "1" }, { size: "2" }]);
    socket.send("");
    expect(await closed).toMatchObject({ code: 1000 });
  });

  // The length of a frame is said in one octet, in two more, or in eight (RFC 6455 5.2); a large one is sent in two pieces.
  test.each([114, 115, 16_373, 16_374, 65_524, 65_525, 200_000])(
    "messages whose text has %i octets, in text and in binary frames",
    async (size) => {
      await using server = await echo();
      await using at = await testGateway({ "t.proto": proto }, open(server));
      const json = await talk(at, "/t.v1.Echo/Chat");
      const message = JSON.stringify({ text: "a".repeat(size) });
      json.socket.send(message);
      json.socket.send("");
      expect((await json.closed).code).toBe(1000);
      expect(json.heard.map((each) => JSON.parse(each).text.length)).toEqual([size]);

      const proto3 = await talk(at, "/t.v1.Echo/Chat", ["dragoman.proto"]);
      const length = [(size & 127) | 128, ((size >> 7) & 127) | 128, size >> 14];
      const wire = Buffer.concat([Buffer.from([0x0a, ...length]), Buffer.alloc(size, "a")]);
      const heard = new Promise<Buffer>((resolve) => proto3.socket.on("message", resolve));
      proto3.socket.send(wire);
      expect((await heard).equals(wire)).toBe(true);
      proto3.socket.terminate();
    },
  );

  test("by the method's own path", async () => {
    await using server = await echo();
    await using at = await testGateway({ "t.proto": proto }, open(server));
    const { socket, heard, closed } = await talk(at, "/t.v1.Echo/Say");
    socket.send('{"text":"x"}');
    await closed;
    expect(heard).toEqual(['{"text":"x"}']);
  });
});

describe("how it ends", () => {
  test("a status other than OK is 4000 and its code, its message cut between characters", async () => {
    const details = `x${"ä".repeat(100)}`;
    await using server = await echo({
      Say: unary(() => Promise.reject(Object.assign(new Error(details), { code: 5, details }))),
    });
    await using at = await testGateway({ "t.proto": proto }, open(server));
    const { socket, closed } = await talk(at, "/v1/say/x");
    socket.send("{}");
    expect(await closed).toEqual({ code: 4005, reason: `x${"ä".repeat(61)}` });
  });

  const faults: readonly [string, (socket: WebSocket) => void, number, string][] = [
    ["a binary frame", (socket) => socket.send(Buffer.from("{}")), 1003, ""],
    ["a message over the limit", (socket) => socket.send(`{"text":"${"a".repeat(2000)}"}`), 1009, ""],
    [
      "a message after the end",
      (socket) => {
        socket.send("{}");
        socket.send("");
        socket.send("{}");
      },
      1008,
      "after the end",
    ],
    ["malformed JSON", (socket) => socket.send("{"), 4003, ""],
    ["a field of the wrong type", (socket) => socket.send('{"size":"x"}'), 4003, "size: "],
    ["an unknown field", (socket) => socket.send('{"nope":1}'), 4003, "nope: "],
  ];
  test.each(faults)("%s", async (_name, act, code, reason) => {
    // Keeps the call open after the requests have ended.
    await using server = await echo({ Chat: bidiStream((call) => call.resume()) });
    await using at = await testGateway(
      { "t.proto": proto },
      open(server, { listen: { limits: { messageBytes: "1KiB" } } }),
    );
    const { socket, closed } = await talk(at, "/v1/chat/x");
    act(socket);
    const end = await closed;
    expect(end.code).toBe(code);
    expect(end.reason).toContain(reason);
  });

  test("a client that vanishes cancels the upstream", async () => {
    let running = 0;
    await using server = await echo({
      Chat: bidiStream((call) => {
        running++;
        call.on("cancelled", () => running--);
        call.resume();
      }),
    });
    await using at = await testGateway({ "t.proto": proto }, open(server));
    const { socket } = await talk(at, "/v1/chat/x");
    socket.send("{}");
    await until("it runs", () => running === 1);
    socket.terminate();
    await until("it is cancelled", () => running === 0);
    await until("it is logged", () => at.access().some(({ code }) => code === "CANCELLED"));
  });

  test("a reader that stops holds the upstream back", { timeout: 120_000 }, async () => {
    let written = 0;
    await using server = await echo({
      Count: serverStream((call) => {
        const chunk = text("x".repeat(120));
        const more = (): void => {
          while (!call.cancelled && call.write(chunk)) written += chunk.length;
          written += chunk.length;
          if (!call.cancelled) call.once("drain", () => setImmediate(more));
        };
        more();
      }),
    });
    await using at = await testGateway({ "t.proto": proto }, open(server));
    const { socket } = await talk(at, "/v1/count/1");
    socket.pause();
    let before = -1;
    await until(
      "it stands still",
      async () => {
        const same = before === written;
        before = written;
        await new Promise((resolve) => setTimeout(resolve, 100));
        return same;
      },
      60_000,
    );
    expect(written).toBeLessThan(16 * 1024 * 1024);
    socket.resume();
    await until("it goes on", () => written > before + 1024 * 1024, 30_000);
    socket.terminate();
  });

  test("a drain closes with 1001", async () => {
    await using server = await echo();
    const at = await testGateway({ "t.proto": proto }, open(server));
    const { socket, closed, heard } = await talk(at, "/v1/chat/x");
    socket.send("{}");
    await until("it runs", () => heard.length === 1);
    await at[Symbol.asyncDispose]();
    expect(await closed).toMatchObject({ code: 1001 });
  });
});

describe("refusals are plain HTTP, before the upgrade", () => {
  test("path, origin, subprotocol and limits; each logged once", async () => {
    await using server = await echo();
    await using at = await testGateway(
      { "t.proto": proto },
      open(server, {
        defaults: { cors: { origins: ["https://shop.test"] } },
        limits: { one: { key: "peer.ip", rate: "1/h" } },
        routes: [
          { match: "*", public: true },
          { match: "t.v1.Echo/Collect", public: true, limit: ["one"] },
        ],
      }),
    );
    expect(await refusal(at, "/nowhere")).toMatchObject({
      status: 404,
      reason: "route_not_found",
      body: { code: 5 },
    });
    expect(await refusal(at, "/v1/chat/x", [], { origin: "https://evil.test" })).toMatchObject({
      status: 403,
      reason: "origin_denied",
    });
    expect(await refusal(at, "/v1/chat/x", ["soap"])).toMatchObject({
      status: 400,
      reason: "protocol_mismatch",
    });
    expect(await refusal(at, "/v1/chat/%zz")).toMatchObject({ status: 400, reason: "malformed_path" });
    (await talk(at, "/v1/collect")).socket.close();
    expect(await refusal(at, "/v1/collect")).toMatchObject({
      status: 429,
      reason: "rate_limited",
      body: { code: 8 },
    });
    const allowed = await talk(at, "/v1/chat/x", [], { origin: "https://shop.test" });
    allowed.socket.close();
    const own = await talk(at, "/v1/chat/x", [], { origin: at.url });
    own.socket.close();
    await until("all are logged", () => at.access().length === 8);
    expect(at.access().filter(({ reason }) => reason !== undefined && reason !== "client_gone")).toHaveLength(
      5,
    );
  });

  test("credentials, by header or by subprotocol, which is never echoed", async () => {
    const { privateKey, publicKey } = await generateKeyPair("ES256");
    await using keys = await tempFolder();
    const jwks = path.join(keys.dir, "jwks.json");
    writeFileSync(jwks, JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: "k" }] }));
    const token = await new SignJWT({})
      .setProtectedHeader({ alg: "ES256", kid: "k" })
      .setIssuer("i")
      .setAudience("a")
      .setSubject("ann")
      .setExpirationTime("1h")
      .sign(privateKey);
    const subjects: unknown[] = [];
    await using server = await echo({
      Say: unary((request, call) => {
        subjects.push(call.metadata.get("x-dragoman-subject")[0], call.metadata.get("authorization")[0]);
        return request;
      }),
    });
    await using at = await testGateway(
      { "t.proto": proto },
      open(server, {
        auth: { issuers: { main: { issuer: "i", jwks, audiences: ["a"], algorithms: ["ES256"] } } },
        routes: [{ match: "*", auth: {} }],
      }),
    );
    expect(await refusal(at, "/v1/say/x")).toMatchObject({
      status: 401,
      reason: "credentials_missing",
      body: { code: 16 },
    });
    expect(
      await refusal(at, "/v1/say/x", ["dragoman.json", "dragoman.bearer", "no.such.token"]),
    ).toMatchObject({ status: 401, reason: "credentials_invalid" });
    const { socket, closed } = await talk(at, "/v1/say/x", ["dragoman.json", "dragoman.bearer", token]);
    expect(socket.protocol).toBe("dragoman.json");
    socket.send("{}");
    expect(await closed).toMatchObject({ code: 1000 });
    const plain = await talk(at, "/v1/say/x", [], {
      authorization: `Bearer ${token}`,
      "x-dragoman-subject": "root",
    });
    plain.socket.send("{}");
    await plain.closed;
    expect(subjects).toEqual(["ann", undefined, "ann", undefined]);
    expect(at.log.join()).not.toContain(token);
  });
});
