import { gzipSync } from "node:zlib";
import type { ServerReadableStream } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TestGateway, testGateway } from "../../support/gateway.ts";
import type { Http2Client } from "../../support/http2-client.ts";
import { type RawServer, startRawServer, unary } from "../../support/raw-server.ts";
import { until } from "../../support/until.ts";

const proto = `syntax = "proto3";
package t.v1;
import "google/api/annotations.proto";
import "google/protobuf/timestamp.proto";
service T {
  rpc Put(Order) returns (Order) { option (google.api.http) = { post: "/v1/orders" body: "*" }; }
  rpc Set(Wrap) returns (Order) { option (google.api.http) = { post: "/v1/wraps" body: "order" }; }
  rpc Many(stream Order) returns (Order) { option (google.api.http) = { post: "/v1/many" body: "*" }; }
}
message Wrap { Order order = 1; }
message Order {
  repeated Item items = 1;
  string note = 2;
  Order within = 3;
  int64 total = 4;
  map<string, int32> counts = 5;
  bytes data = 6;
  google.protobuf.Timestamp at = 7;
  oneof how { string cash = 8; string card = 9; }
  double weight = 10;
  bool gift = 11;
  Kind kind = 12;
}
message Item { Price price = 1; }
message Price { int64 units = 1; }
enum Kind { KIND_UNSPECIFIED = 0; }
`;

let server: RawServer;
let at: TestGateway;
let client: Http2Client;
/** Unary calls that the upstream got, and streams of requests that were begun there, and cancelled. */
let calls = 0;
let begun = 0;
let cancelled = 0;

beforeAll(async () => {
  const count = unary((request) => {
    calls++;
    return request;
  });
  server = await startRawServer("t.v1.T", {
    Put: count,
    Set: count,
    Many: {
      requestStream: true,
      responseStream: false,
      handler: (call: ServerReadableStream<Buffer, Buffer>) => {
        begun++;
        call.on("cancelled", () => cancelled++);
        call.on("error", () => {});
        call.resume();
      },
    },
  });
  at = await testGateway(
    { "t.proto": proto },
    {
      listen: { limits: { bodyBytes: "64KiB", messageBytes: "64KiB" } },
      upstreams: { t: `grpc://${server.address}` },
      routes: [{ match: "*", public: true }],
    },
  );
  client = at.connect();
});

afterAll(async () => {
  client[Symbol.dispose]();
  await at[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const post = (path: string, body: string | Uint8Array, headers: Record<string, string> = {}) =>
  client.request({ method: "POST", path, body, headers });
const broken = (before: string, bytes: readonly number[], after: string): Buffer =>
  Buffer.concat([Buffer.from(before), Buffer.from(bytes), Buffer.from(after)]);
const nested = (depth: number) => `${'{"within":'.repeat(depth)}{}${"}".repeat(depth)}`;

/** A body, the place of its fault, and what is said of it. */
const bodies: readonly (readonly [string, string | Buffer, string, string | RegExp])[] = [
  ["truncated in a text", '{"note":"a', "note", "a string is cut short"],
  [
    "truncated before a value",
    '{"items":[{"price":{"units":',
    "items[0].price.units",
    "expected int64, got nothing",
  ],
  ["truncated after a value", '{"note":"a"', "note", "expected a comma or the end of the object"],
  ["nested too deep", nested(100), "within.".repeat(100).slice(0, -1), "nested more than 100 deep"],
  ["duplicate", '{"note":"a","note":"a"}', "note", "the field stands twice"],
  [
    "duplicate by its other name",
    '{"within":{"total":1,"\\u0074otal":1}}',
    "within.total",
    "the field stands twice",
  ],
  ["duplicate in a map", '{"counts":{"a":1,"a":2}}', 'counts["a"]', "the key stands twice"],
  ["two of a oneof", '{"cash":"a","card":"b"}', "card", "only one field of how may be set"],
  ["unknown", '{"items":[{"price":{"nope":1}}]}', "items[0].price.nope", "no such field"],
  [
    "a text for a number",
    '{"items":[{},{"price":{"units":"12x"}}]}',
    "items[1].price.units",
    'expected int64, got "12x"',
  ],
  ["a text for a bool", '{"gift":"true"}', "gift", 'expected bool, got "true"'],
  ["a number for a text", '{"note":5}', "note", "expected string, got 5"],
  ["a list for a message", '{"within":[]}', "within", "expected an object, got a list"],
  ["an object for a list", '{"items":{}}', "items", "expected a list, got an object"],
  ["null in a list", '{"items":[null]}', "items[0]", "expected an object, got null"],
  ["no value of an enum", '{"kind":"NOPE"}', "kind", 'expected a value of t.v1.Kind, got "NOPE"'],
  ["no base64", '{"data":"*"}', "data", 'expected bytes in base64, got "*"'],
  ["no timestamp", '{"at":"2026-02-30T00:00:00Z"}', "at", /^expected a timestamp/],
  ["not UTF-8 in a text", broken('{"note":"a', [0xff], '"}'), "note", "the text is not valid UTF-8"],
  [
    "not UTF-8 in a key",
    broken('{"counts":{"', [0xc0, 0x80], '":1}}'),
    'counts["\ufffd\ufffd"]',
    "the text is not valid UTF-8",
  ],
  ["half of a surrogate pair", '{"note":"\\ud800"}', "note", "a string has half of a surrogate pair"],
  [
    "an integer beyond 64 bits",
    '{"total":9223372036854775808}',
    "total",
    "expected int64, got 9223372036854775808",
  ],
  [
    "an integer of many digits",
    `{"total":${"9".repeat(5000)}}`,
    "total",
    /^expected int64, got 9{10,80}\.\.\.$/,
  ],
  ["an exponent beyond all numbers", '{"total":1e99999999999}', "total", "expected int64, got 1e99999999999"],
  ["a fraction for an integer", '{"total":1.5}', "total", "expected int64, got 1.5"],
  ["a number beyond doubles", '{"weight":1e309}', "weight", "the number is out of range"],
  ["NaN without quotes", '{"weight":NaN}', "weight", "expected double, got NaN"],
  ["hexadecimal", '{"total":"0x10"}', "total", 'expected int64, got "0x10"'],
  ["blanks in a number", '{"total":" 5 "}', "total", 'expected int64, got " 5 "'],
];

describe("JSON that is no message is told of by its place, and never reaches the upstream", () => {
  const status = (field: string, description: string | RegExp) => {
    const told = typeof description === "string" ? description : expect.stringMatching(description);
    return {
      code: 3,
      message: expect.stringContaining(`${field}: `),
      details: [
        {
          "@type": "type.googleapis.com/google.rpc.BadRequest",
          fieldViolations: [{ field, description: told }],
        },
      ],
    };
  };

  test.each(bodies)("%s", async (_name, body, field, description) => {
    calls = 0;
    for (const [path, place] of [
      ["/v1/orders", field],
      ["/v1/wraps", `order.${field}`],
      ["/v1/many", field],
      ["/t.v1.T/Put", field],
    ] as const) {
      // A stream is cut into values first, and a value that its body ends within is told of without a place.
      if (path === "/v1/many" && _name.startsWith("truncated")) continue;
      // Within another message there is one level less.
      const deep = path === "/v1/wraps" && _name === "nested too deep";
      const answer = await post(path, deep ? nested(99) : body);
      expect([path, answer.status, answer.headers["x-dragoman-reason"]]).toEqual([
        path,
        400,
        "malformed_body",
      ]);
      expect(JSON.parse(answer.text)).toEqual(
        status(deep ? place.slice(0, -".within".length) : place, description),
      );
      expect(answer.text.length).toBeLessThan(8 * 1024);
    }
    expect(calls).toBe(0);
    await until("streams that were begun are cancelled", () => cancelled === begun);
  });

  test.each<[string, string]>([
    ["nothing of JSON", "<a/>"],
    ["a list", "[]"],
    ["null", "null"],
    ["more after it", "{} {}"],
    ["a comma too many", '{"note":"a",}'],
    ["single quotes", "{'note':'a'}"],
    ["a comment", "{/**/}"],
  ])("what has no place: %s", async (_name, body) => {
    calls = 0;
    const answer = await post("/v1/orders", body);
    expect([answer.status, answer.headers["x-dragoman-reason"]]).toEqual([400, "malformed_body"]);
    const { code, message, details } = JSON.parse(answer.text);
    expect([code, details[0].fieldViolations]).toEqual([3, [{ description: message }]]);
    expect(calls).toBe(0);
  });

  test("what is too large", async () => {
    calls = 0;
    const body = JSON.stringify({ note: "a".repeat(70_000) });
    for (const path of ["/v1/orders", "/v1/wraps", "/v1/many"]) {
      expect((await post(path, body)).status).toBe(413);
      const packed = await post(path, gzipSync(body), { "content-encoding": "gzip" });
      expect(packed.status).toBe(413);
    }
    expect(calls).toBe(0);
    await until("streams that were begun are cancelled", () => cancelled === begun);
  });
});
