import type { DescService } from "@bufbuild/protobuf";
import { type CallOptions, Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { Metadata } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadSchema } from "#schema";
import { type TestGateway, testGateway } from "../support/gateway.ts";
import { bidiStream, type RawServer, serverStream, startRawServer, unary } from "../support/raw-server.ts";
import { tempFolder } from "../support/temp-folder.ts";

const proto = `syntax = "proto3";
package t.v1;
service Echo {
  rpc Say(Text) returns (Text) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc Count(Text) returns (stream Text);
  rpc Fail(Text) returns (Text);
  rpc Chat(stream Text) returns (stream Text);
}
message Text { string text = 1; }
`;

/** A client whose types are only known at run time. */
interface EchoClient {
  say(request: { text: string }, options?: CallOptions): Promise<{ text: string }>;
  count(request: { text: string }, options?: CallOptions): AsyncIterable<{ text: string }>;
  chat(requests: AsyncIterable<{ text: string }>): AsyncIterable<{ text: string }>;
  fail(request: { text: string }, options?: CallOptions): Promise<{ text: string }>;
}

let server: RawServer;
let at: TestGateway;
let service: DescService;
let seen: Metadata;

const text = (value: string) => Buffer.concat([Buffer.from([0x0a, value.length]), Buffer.from(value)]);

beforeAll(async () => {
  server = await startRawServer("t.v1.Echo", {
    Say: unary((request, call) => {
      seen = call.metadata;
      const header = new Metadata();
      header.set("x-head", "h");
      call.sendMetadata(header);
      return request.includes("wait") ? new Promise<Buffer>(() => {}) : request;
    }),
    Count: serverStream((call) => {
      for (let index = 0; index < 3; index++) call.write(text(`n${index}`));
      const trailer = new Metadata();
      trailer.set("x-tail", "t");
      if (call.request.includes("break")) call.emit("error", { code: 9, details: "brök", metadata: trailer });
      else call.end(trailer);
    }),
    Chat: bidiStream((call) => {
      call.on("data", (message: Buffer) => call.write(message));
      call.on("end", () => call.end());
    }),
    Fail: unary(() => {
      throw Object.assign(new Error(), { code: 5, details: "no süch thing" });
    }),
  });
  at = await testGateway(
    { "t.proto": proto },
    {
      upstreams: { echo: `grpc://${server.address}` },
      routes: [{ match: "*", public: true }],
      defaults: { cors: { origins: ["https://shop.test"] } },
    },
  );
  await using folder = await tempFolder({ "t.proto": proto });
  const { schema } = await loadSchema([{ kind: "proto", dir: folder.dir }], undefined);
  const found = schema?.methods.get("t.v1.Echo/Say")?.descriptor.parent;
  if (found === undefined) throw new Error("no service");
  service = found;
});

afterAll(async () => {
  await at[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const transports: readonly [string, () => Transport][] = [
  ["gRPC", () => createGrpcTransport({ baseUrl: at.url, nodeOptions: { ca: at.ca } })],
  [
    "gRPC-Web over HTTP/2",
    () => createGrpcWebTransport({ baseUrl: at.url, httpVersion: "2", nodeOptions: { ca: at.ca } }),
  ],
  [
    "gRPC-Web over http/1.1",
    () => createGrpcWebTransport({ baseUrl: at.url, httpVersion: "1.1", nodeOptions: { ca: at.ca } }),
  ],
  ...(["1.1", "2"] as const).flatMap((httpVersion) =>
    [false, true].flatMap((useBinaryFormat) =>
      [false, true].map((useHttpGet): [string, () => Transport] => [
        `Connect over HTTP/${httpVersion}, ${useBinaryFormat ? "binary" : "JSON"}${useHttpGet ? ", by GET" : ""}`,
        () =>
          createConnectTransport({
            baseUrl: at.url,
            httpVersion,
            useBinaryFormat,
            useHttpGet,
            nodeOptions: { ca: at.ca },
          }),
      ]),
    ),
  ),
];

describe.each(transports)("a public client of %s", (name, transport) => {
  const client = (): EchoClient => {
    const made: unknown = createClient(service, transport());
    return made as EchoClient;
  };

  test("a unary call with metadata both ways", async () => {
    let head = "";
    const answer = await client().say(
      { text: "hi" },
      {
        headers: { "x-sent": "1", "x-sent-bin": "AQI" },
        timeoutMs: 5000,
        onHeader: (headers) => {
          head = headers.get("x-head") ?? "";
        },
      },
    );
    expect(answer.text).toBe("hi");
    expect(head).toBe("h");
    expect(seen.get("x-sent")).toEqual(["1"]);
    expect(seen.get("x-sent-bin")).toEqual([Buffer.from([1, 2])]);
  });

  test("an error", async () => {
    await expect(client().fail({ text: "" })).rejects.toMatchObject({
      code: Code.NotFound,
      rawMessage: "no süch thing",
    });
  });

  test("a stream, and its trailers", async () => {
    const texts: string[] = [];
    let tail = "";
    const onTrailer = (trailers: Headers) => {
      tail = trailers.get("x-tail") ?? "";
    };
    for await (const { text: each } of client().count({ text: "" }, { onTrailer })) texts.push(each);
    expect(texts).toEqual(["n0", "n1", "n2"]);
    expect(tail).toBe("t");
  });

  test("a stream that fails after messages", async () => {
    const texts: string[] = [];
    const read = async () => {
      for await (const { text: each } of client().count({ text: "break" })) texts.push(each);
    };
    const error = await read().then(undefined, (thrown: unknown) => ConnectError.from(thrown));
    expect(error).toMatchObject({ code: Code.FailedPrecondition, rawMessage: "brök" });
    expect(texts).toEqual(["n0", "n1", "n2"]);
  });

  // gRPC-Web has no streams of requests, and http/1.1 none both ways at once.
  test.skipIf(name.includes("gRPC-Web") || name.includes("1.1"))("messages both ways at once", async () => {
    const heard: string[] = [];
    let answered: () => void = () => {};
    async function* questions() {
      for (const each of ["a", "b", "c"]) {
        const answer = new Promise<void>((resolve) => {
          answered = resolve;
        });
        yield { text: each };
        await answer;
      }
    }
    for await (const { text: each } of client().chat(questions())) {
      heard.push(each);
      answered();
    }
    expect(heard).toEqual(["a", "b", "c"]);
  });

  test("a time that is over", async () => {
    await expect(client().say({ text: "wait" }, { timeoutMs: 100 })).rejects.toMatchObject({
      code: Code.DeadlineExceeded,
    });
  });
});
