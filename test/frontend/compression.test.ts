import { once } from "node:events";
import type { Readable } from "node:stream";
import { createGunzip, createInflate, deflateSync, gunzipSync, gzipSync } from "node:zlib";
import type { DescService } from "@bufbuild/protobuf";
import { createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import * as grpc from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadSchema } from "#schema";
import { type TestGateway, testGateway } from "../support/gateway.ts";
import type { Http2Client } from "../support/http2-client.ts";
import { bidiStream, type RawServer, serverStream, startRawServer, unary } from "../support/raw-server.ts";
import { tempFolder } from "../support/temp-folder.ts";

const proto = `syntax = "proto3";
package t.v1;
import "google/api/annotations.proto";
import "google/api/httpbody.proto";
service Echo {
  rpc Say(Text) returns (Text);
  rpc Watch(Text) returns (stream Text) { option (google.api.http) = { get: "/v1/watch/{text}" }; }
  rpc Secret(Text) returns (stream Text) { option (google.api.http) = { get: "/v1/secret/{text}" }; }
  rpc Chat(stream Text) returns (stream Text);
  rpc Show(Text) returns (google.api.HttpBody) { option (google.api.http) = { get: "/v1/show/{text=**}" }; }
  rpc Load(Text) returns (stream google.api.HttpBody) { option (google.api.http) = { get: "/v1/load/{text=**}" }; }
}
message Text { string text = 1; }
`;

/** A field of bytes or text on the wire. */
function lengthDelimited(number: number, value: string): Buffer {
  const size = Buffer.byteLength(value);
  const length = size < 128 ? [size] : [(size & 127) | 128, size >> 7];
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...length]), Buffer.from(value)]);
}
const text = (value: string) => lengthDelimited(1, value);
const body = (type: string, data: string) => Buffer.concat([text(type), lengthDelimited(2, data)]);

const large = "large ".repeat(400);
const small = "small";

let server: RawServer;
let at: TestGateway;
let client: Http2Client;
let service: DescService;
/** Lets a stream go on after its first message. */
let goOn: () => void = () => {};

beforeAll(async () => {
  const twoMessages = serverStream((call) => {
    if (call.request.includes("keep")) {
      const header = new grpc.Metadata();
      header.set("cache-control", "no-transform");
      call.sendMetadata(header);
    }
    call.write(text(large));
    goOn = () => {
      call.write(text(small));
      call.end();
    };
  });
  const typed = (request: Buffer): string => request.subarray(2).toString();
  server = await startRawServer("t.v1.Echo", {
    Say: unary((request) => request),
    Watch: twoMessages,
    Secret: twoMessages,
    Chat: bidiStream((call) => {
      call.on("data", (message: Buffer) => call.write(message));
      call.on("end", () => call.end());
    }),
    Show: unary((request) => body(typed(request), large)),
    Load: serverStream((call) => {
      call.write(body(typed(call.request), large));
      call.end();
    }),
  });
  at = await testGateway(
    { "t.proto": proto },
    {
      upstreams: { echo: `grpc://${server.address}` },
      routes: [
        { match: "*", public: true },
        { match: "t.v1.Echo/Secret", public: true, compression: "off" },
      ],
    },
  );
  client = at.connect();
  await using folder = await tempFolder({ "t.proto": proto });
  const { schema } = await loadSchema([{ kind: "proto", dir: folder.dir }], undefined);
  const found = schema?.methods.get("t.v1.Echo/Say")?.descriptor.parent;
  if (found === undefined) throw new Error("no service");
  service = found;
});

afterAll(async () => {
  client[Symbol.dispose]();
  await at[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

/** Reads what is decoded until it contains a text; all of it when that never comes. */
async function readUntil(stream: Readable, wanted: string): Promise<string> {
  let seen = "";
  while (!seen.includes(wanted)) {
    const chunk: Buffer | null = stream.read();
    if (chunk !== null) seen += chunk.toString("latin1");
    else if (stream.readableEnded) return seen;
    else await Promise.race([once(stream, "readable"), once(stream, "end")]);
  }
  return seen;
}

describe("streams over plain HTTP", () => {
  const ndjson = "application/x-ndjson";
  const cases: readonly [string, string, string | undefined, string | undefined][] = [
    ["/v1/watch/a", ndjson, "gzip", "gzip"],
    ["/v1/watch/a", ndjson, "deflate", "deflate"],
    ["/v1/watch/a", ndjson, "br, gzip", "gzip"],
    ["/v1/watch/a", ndjson, "gzip;q=0, *", "deflate"],
    ["/v1/watch/a", ndjson, "br", undefined],
    ["/v1/watch/a", ndjson, undefined, undefined],
    ["/v1/watch/a", "text/event-stream", "gzip", "gzip"],
    ["/v1/watch/a", "application/json", "gzip", "gzip"],
    ["/v1/watch/a", "application/x-protobuf", "gzip", "gzip"],
    ["/v1/watch/keep", ndjson, "gzip", undefined],
    ["/v1/secret/a", ndjson, "gzip", undefined],
  ];
  test.each(cases)("%s as %s to who accepts %s: %s", async (path, accept, encoding, coding) => {
    const headers = { accept, ...(encoding === undefined ? {} : { "accept-encoding": encoding }) };
    const stream = client.stream({ path, headers });
    const [head] = await once(stream, "response");
    expect(head["content-encoding"]).toBe(coding);
    expect(head.vary).toBe(path === "/v1/secret/a" ? undefined : "accept-encoding");
    const decoder = { gzip: createGunzip, deflate: createInflate }[coding ?? ""];
    const decoded = decoder === undefined ? stream : stream.pipe(decoder());
    // The first message is there before there is a second.
    expect(await readUntil(decoded, large)).toContain(large);
    goOn();
    expect(await readUntil(decoded, small)).toContain(small);
    await readUntil(decoded, "nothing that is there");
    expect(decoded.readableEnded).toBe(true);
  });

  test("a client that goes in the middle leaves no call behind", async () => {
    const stream = client.stream({ path: "/v1/watch/a", headers: { "accept-encoding": "gzip" } });
    await once(stream, "response");
    const before = at.access().length;
    stream.close(8);
    await expect.poll(() => at.access().length, { timeout: 10_000 }).toBe(before + 1);
  });
});

describe("bytes of a type", () => {
  const cases: readonly [string, string | undefined][] = [
    ["/v1/show/text/csv", "gzip"],
    ["/v1/show/image/svg+xml", "gzip"],
    ["/v1/show/image/png", undefined],
    ["/v1/load/text/csv", "gzip"],
    ["/v1/load/application/zip", undefined],
  ];
  test.each(cases)("%s: %s", async (path, coding) => {
    const answer = await client.request({ path, headers: { "accept-encoding": "gzip" } });
    expect(answer.headers["content-encoding"]).toBe(coding);
    expect((coding === undefined ? answer.bytes : gunzipSync(answer.bytes)).toString()).toBe(large);
  });
});

/** Flag and message of each frame. */
function frames(bytes: Buffer): (readonly [number, Buffer])[] {
  const found: (readonly [number, Buffer])[] = [];
  for (let rest = bytes; rest.length > 0; ) {
    const end = 5 + rest.readUInt32BE(1);
    found.push([rest[0] as number, rest.subarray(5, end)]);
    rest = rest.subarray(end);
  }
  return found;
}

function frame(message: Buffer, flag = 0): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

describe("messages in frames", () => {
  const post = (method: string, headers: Record<string, string>, message: Uint8Array) =>
    client.request({ method: "POST", path: `/t.v1.Echo/${method}`, headers, body: message });
  const both = Buffer.concat([frame(text(large)), frame(text(small))]);

  const cases: readonly [string, Record<string, string>, string, string | undefined][] = [
    ["application/connect+proto", { "connect-accept-encoding": "gzip" }, "connect-content-encoding", "gzip"],
    [
      "application/connect+proto",
      { "connect-accept-encoding": "br,deflate" },
      "connect-content-encoding",
      "deflate",
    ],
    ["application/connect+proto", {}, "connect-content-encoding", undefined],
    ["application/grpc-web+proto", { "grpc-accept-encoding": "identity, gzip" }, "grpc-encoding", "gzip"],
    ["application/grpc-web+proto", { "grpc-accept-encoding": "snappy" }, "grpc-encoding", undefined],
    ["application/grpc", { "grpc-accept-encoding": "gzip" }, "grpc-encoding", undefined],
    ["application/grpc", { "grpc-encoding": "gzip" }, "grpc-encoding", "gzip"],
    [
      "application/grpc",
      { "grpc-encoding": "gzip", "grpc-accept-encoding": "deflate" },
      "grpc-encoding",
      "deflate",
    ],
    [
      "application/grpc",
      { "grpc-encoding": "gzip", "grpc-accept-encoding": "identity" },
      "grpc-encoding",
      undefined,
    ],
  ];
  test.each(cases)("%s %j: %s %s", async (type, headers, name, encoding) => {
    const answer = await post("Chat", { "content-type": type, te: "trailers", ...headers }, both);
    expect(answer.headers[name]).toBe(encoding);
    const [first, second] = frames(answer.bytes);
    expect(first?.[0]).toBe(encoding === undefined ? 0 : 1);
    expect(second).toEqual([0, text(small)]);
    if (encoding === undefined) expect(first?.[1]).toEqual(text(large));
    else expect(first?.[1].length).toBeLessThan(large.length / 4);
  });

  test.each([
    ["gzip", gzipSync],
    ["deflate", deflateSync],
  ] as const)("requests in %s are undone, and answered likewise", async (encoding, pack) => {
    const message = text(large);
    const headers = { "content-type": "application/grpc", te: "trailers", "grpc-encoding": encoding };
    const answer = await post("Say", headers, frame(pack(message), 1));
    expect([answer.headers["grpc-encoding"], answer.trailers["grpc-status"]]).toEqual([encoding, "0"]);
    expect(frames(answer.bytes)[0]?.[0]).toBe(1);
  });

  test("an encoding that nobody knows is UNIMPLEMENTED, with those that are known", async () => {
    const headers = { "content-type": "application/grpc", te: "trailers", "grpc-encoding": "snappy" };
    const answer = await post("Say", headers, frame(text(small), 1));
    expect(answer.headers["grpc-status"]).toBe("12");
    expect(answer.headers["grpc-accept-encoding"]).toBe("identity,gzip,deflate");
  });

  test.each(["gzip", "deflate"])(
    "a bomb in %s is undone no further than a message may be",
    async (encoding) => {
      const bomb = (encoding === "gzip" ? gzipSync : deflateSync)(Buffer.alloc(64 * 1024 * 1024));
      for (const method of ["Say", "Chat"]) {
        const headers = { "content-type": "application/grpc", te: "trailers", "grpc-encoding": encoding };
        const answer = await post(method, headers, frame(bomb, 1));
        expect(answer.headers["grpc-status"] ?? answer.trailers["grpc-status"]).toBe("8");
      }
    },
  );
});

/** A client whose types are only known at run time. */
interface EchoClient {
  say(request: { text: string }, options: object): Promise<{ text: string }>;
  chat(requests: AsyncIterable<{ text: string }>, options: object): AsyncIterable<{ text: string }>;
}

describe("public clients", () => {
  const transports: readonly [string, string, () => Transport][] = [
    ["Connect", "br", () => createConnectTransport(options())],
    ["gRPC-Web", "gzip", () => createGrpcWebTransport(options())],
  ];
  const options = () => ({ baseUrl: at.url, httpVersion: "2", nodeOptions: { ca: at.ca } }) as const;

  test.each(transports)(
    "connect-node over %s undoes what it asked for, message by message",
    async (_, unaryCoding, make) => {
      const made: unknown = createClient(service, make());
      const echo = made as EchoClient;
      const seen: (string | null)[] = [];
      const onHeader = (header: Headers): void => {
        const names = ["connect-content-encoding", "grpc-encoding", "content-encoding"];
        seen.push(names.map((name) => header.get(name)).find((value) => value !== null) ?? null);
      };
      expect((await echo.say({ text: large }, { onHeader })).text).toBe(large);
      let sent: () => void = () => {};
      const requests = async function* () {
        yield { text: large };
        await new Promise<void>((resolve) => {
          sent = resolve;
        });
        yield { text: `${large}2` };
      };
      const answers: string[] = [];
      for await (const answer of echo.chat(requests(), { onHeader })) {
        answers.push(answer.text);
        // The next request is only sent once this was read.
        sent();
      }
      expect(answers).toEqual([large, `${large}2`]);
      expect(seen).toEqual([unaryCoding, "gzip"]);
    },
  );

  test("grpc-js with compression", async () => {
    const port = at.gateway.httpsPort;
    const secure = grpc.credentials.createSsl(at.ca);
    const connected = new grpc.Client(`localhost:${port}`, secure, {
      "grpc.default_compression_algorithm": grpc.compressionAlgorithms.gzip,
    });
    const same = (bytes: Buffer): Buffer => bytes;
    const call = connected.makeBidiStreamRequest("/t.v1.Echo/Chat", same, same);
    call.write(text(large));
    expect((await once(call, "data"))[0]).toEqual(text(large));
    call.write(text(small));
    expect((await once(call, "data"))[0]).toEqual(text(small));
    call.end();
    await once(call, "end");
    connected.close();
  });
});
