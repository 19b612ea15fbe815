import { status } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TestGateway, testGateway } from "../support/gateway.ts";
import type { Http2Client, HttpAnswer, HttpRequest } from "../support/http2-client.ts";
import { type RawServer, serverStream, startRawServer, unary } from "../support/raw-server.ts";

const proto = `syntax = "proto3";
package t;
import "google/api/annotations.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/empty.proto";
import "google/protobuf/field_mask.proto";
service T {
  rpc Get(M) returns (M) { option (google.api.http) = { get: "/get" }; }
  rpc Named(M) returns (M) { option (google.api.http) = { get: "/named/{s}" additional_bindings { get: "/deep/{s=**}" } }; }
  rpc Numbered(M) returns (M) { option (google.api.http) = { get: "/numbered/{n}" }; }
  rpc Put(M) returns (M) { option (google.api.http) = { put: "/put/{s}" body: "*" }; }
  rpc Part(M) returns (M) { option (google.api.http) = { post: "/part" body: "child" }; }
  rpc Watch(M) returns (stream M) { option (google.api.http) = { get: "/watch" }; }
  rpc Fail(M) returns (M) { option (google.api.http) = { get: "/fail" }; }
  rpc Clear(M) returns (google.protobuf.Empty) { option (google.api.http) = { delete: "/clear" }; }
}
enum Kind { KIND_UNSPECIFIED = 0; ONE = 1; }
message M {
  string s = 1;
  int64 n = 2;
  bool b = 3;
  Kind kind = 4;
  M child = 5;
  double d = 6;
  google.protobuf.Duration span = 7;
  google.protobuf.FieldMask mask = 8;
  string fields = 9;
}
`;

const presets = ["strict", "envoy", "grpc-gateway", "google"] as const;
type Name = (typeof presets)[number];

let server: RawServer;
const gateways = new Map<Name, TestGateway>();
const clients = new Map<Name, Http2Client>();

beforeAll(async () => {
  const echo = unary((request) => request);
  server = await startRawServer("t.T", {
    Get: echo,
    Named: echo,
    Numbered: echo,
    Put: echo,
    Part: echo,
    Watch: serverStream((call) => {
      call.write(call.request);
      // A stream with `b` fails half-way.
      if (call.request.includes(Buffer.of(0x18, 1))) {
        call.emit("error", Object.assign(new Error("näh"), { code: status.ABORTED, details: "näh" }));
        return;
      }
      call.write(call.request);
      call.end();
    }),
    Fail: unary(() => {
      throw Object.assign(new Error("näh"), { code: status.NOT_FOUND, details: "näh" });
    }),
    Clear: unary(() => Buffer.alloc(0)),
  });
  for (const preset of presets) {
    const gateway = await testGateway(
      { "t.proto": proto },
      {
        upstreams: { t: `grpc://${server.address}` },
        routes: [{ match: "*", public: true }],
        transcoding: { preset },
      },
    );
    gateways.set(preset, gateway);
    clients.set(preset, gateway.connect());
  }
});

afterAll(async () => {
  for (const client of clients.values()) client[Symbol.dispose]();
  for (const gateway of gateways.values()) await gateway[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

async function ask(preset: Name, request: HttpRequest): Promise<HttpAnswer> {
  const client = clients.get(preset);
  if (client === undefined) throw new Error(preset);
  return client.request(request);
}

/** GETs and others as they are written on paper: `PUT /put/a?x=1 {"s":"b"}`. */
function parse(text: string): HttpRequest {
  const [, method = "", path = "", type, body] = /^(\S+) (\S+)(?: <(.*?)>)?(?: (.*))?$/s.exec(text) ?? [];
  return {
    method,
    path,
    ...(body === undefined ? {} : { body }),
    headers: type === undefined ? {} : { "content-type": type },
  };
}

function sorted(expected: string): string {
  return expected.replace(/\{.*\}$/, (json) => JSON.stringify(JSON.parse(json, byKey)));
}

function byKey(_key: string, value: unknown): unknown {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Without what is only there because defaults are printed. */
function told({ status: code, text }: HttpAnswer): string {
  if (code >= 400) return String(code);
  const json: unknown = JSON.parse(text, (_key, value: unknown) => {
    if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
    const entries = Object.entries(value).filter(
      ([, each]) =>
        each !== null &&
        each !== "" &&
        each !== false &&
        each !== 0 &&
        each !== "0" &&
        each !== "KIND_UNSPECIFIED",
    );
    return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
  });
  return `${code} ${JSON.stringify(json)}`;
}

describe("what each preset makes of a request", () => {
  type Row = readonly [request: string, strict: string, envoy: string, grpcGateway: string, google: string];
  const same = (request: string, expected: string): Row => [request, expected, expected, expected, expected];
  const rows: readonly Row[] = [
    same("GET /get?s=a&n=1", '200 {"s":"a","n":"1"}'),
    same("GET /get?n=1&n=2", "400"),
    same("GET /get?n=x", "400"),
    ["GET /get?nope=1", "400", "400", "200 {}", "400"],
    ["GET /get?s=a+b", '200 {"s":"a b"}', '200 {"s":"a+b"}', '200 {"s":"a b"}', '200 {"s":"a b"}'],
    ["GET /get?b=t", "400", "400", '200 {"b":true}', "400"],
    ["GET /get?d=%2Binf", "400", "400", '200 {"d":"Infinity"}', "400"],
    ["GET /get?span=1m30s", "400", "400", '200 {"span":"90s"}', "400"],
    ["GET /get?mask=foo_bar", "400", "400", '200 {"mask":"fooBar"}', "400"],
    ["GET /get?n=0x10", "400", "400", "400", "400"],
    ["GET /numbered/0x10", "400", "400", '200 {"n":"16"}', "400"],
    ["GET /get?key=1&s=a", "400", "400", '200 {"s":"a"}', '200 {"s":"a"}'],
    ["GET /get?$alt=json&s=a", "400", "400", '200 {"s":"a"}', '200 {"s":"a"}'],
    ["GET /get?alt=xml", "400", "400", "200 {}", "400"],
    same("GET /get?fields=s", '200 {"fields":"s"}'),
    ["GET /get/?s=a", "404", '200 {"s":"a"}', "404", "404"],
    same("GET /deep/a%2Fb%20c/d".replace("%2F", "x"), '200 {"s":"axb c/d"}'),
    [
      "GET /deep/a%2fb%3Ac",
      '200 {"s":"a%2Fb:c"}',
      '200 {"s":"a%2Fb%3Ac"}',
      '200 {"s":"a/b:c"}',
      '200 {"s":"a%2Fb:c"}',
    ],
    same("GET /named/a%2Fb", '200 {"s":"a/b"}'),
    ["GET /named/a?s=b", "400", "400", '200 {"s":"a"}', "400"],
    ['PUT /put/a {"s":"b","n":"1"}', "400", "400", '200 {"s":"a","n":"1"}', "400"],
    same('PUT /put/a {"s":"a"}', '200 {"s":"a"}'),
    ['PUT /put/a?n=2 {"b":true}', "400", "400", '200 {"s":"a","b":true}', "400"],
    ['PUT /put/a {"nope":1}', "400", '200 {"s":"a"}', '200 {"s":"a"}', "400"],
    ['PUT /put/a {"kind":"NOPE"}', "400", '200 {"s":"a"}', '200 {"s":"a"}', "400"],
    ['POST /part?child.n=1 {"s":"a"}', "400", "400", '200 {"child":{"s":"a"}}', "400"],
    [
      'POST /part?n=1 {"s":"a"}',
      '200 {"n":"1","child":{"s":"a"}}',
      '200 {"n":"1","child":{"s":"a"}}',
      '200 {"n":"1","child":{"s":"a"}}',
      '200 {"n":"1","child":{"s":"a"}}',
    ],
    ['GET /named/a {"n":"1"}', "400", '200 {"s":"a","n":"1"}', '200 {"s":"a"}', "400"],
    ['GET /named/a {"s":"b"}', "400", "400", '200 {"s":"a"}', "400"],
    [
      "POST /get <application/x-www-form-urlencoded> s=a+b&n=1",
      "405",
      "405",
      '200 {"s":"a b","n":"1"}',
      "405",
    ],
    ["POST /nowhere <application/x-www-form-urlencoded> s=a", "404", "404", "404", "404"],
  ];
  test.each(rows)("%s", async (text, strict, envoy, grpcGateway, google) => {
    const answers = await Promise.all(presets.map(async (preset) => told(await ask(preset, parse(text)))));
    expect(answers).toEqual([strict, envoy, grpcGateway, google].map(sorted));
  });
});

describe("what each preset answers", () => {
  test("fields that are not set", async () => {
    const unset =
      '{"s":"","n":"0","b":false,"kind":"KIND_UNSPECIFIED","child":null,"d":0,"span":null,"mask":null,"fields":""}';
    const texts = await Promise.all(
      presets.map(async (preset) => (await ask(preset, { path: "/get" })).text),
    );
    expect(texts.map((text) => JSON.parse(text))).toEqual([{}, {}, JSON.parse(unset), {}]);
  });

  test("streams", async () => {
    const shown = await Promise.all(
      presets.map(async (preset) => {
        const { headers, text } = await ask(preset, { path: "/watch?s=a" });
        return [headers["content-type"], text.replace(/,"n":"0".*?"fields":""/g, "")];
      }),
    );
    expect(shown).toEqual([
      ["application/x-ndjson", '{"s":"a"}\n{"s":"a"}\n'],
      ["application/json", '[{"s":"a"},{"s":"a"}]'],
      ["application/json", '{"result":{"s":"a"}}\n{"result":{"s":"a"}}\n'],
      ["application/json", '[{"s":"a"},{"s":"a"}]'],
    ]);
    const asked = await ask("envoy", { path: "/watch?s=a", headers: { accept: "application/x-ndjson" } });
    expect(asked.text).toBe('{"s":"a"}\n{"s":"a"}\n');
  });

  test("streams that fail half-way", async () => {
    const shown = await Promise.all(
      presets.map(async (preset) => {
        const { rst, text, trailers } = await ask(preset, { path: "/watch?s=a&b=true" });
        const told = text.replace(/,"kind":.*?"fields":""|,"n":"0"/g, "");
        return [rst === 0, told, trailers["grpc-status"], trailers["grpc-message"]];
      }),
    );
    const error = '{"code":10,"message":"näh","details":[]}';
    // What comes just before a reset a client may lose with it.
    const open = /^(\[\{"s":"a","b":true\}(,\{"error":\{"code":(10|409),"message":"näh".*\}\})?)?$/;
    const torn = [false, expect.stringMatching(open), undefined, undefined];
    expect(shown).toEqual([
      [true, `{"s":"a","b":true}\n{"error":${error}}\n`, undefined, undefined],
      torn,
      [true, `{"result":{"s":"a","b":true}}\n{"error":${error}}\n`, undefined, undefined],
      torn,
    ]);
    // Beside what the body tells, for those who look there.
    const headers = { accept: "application/x-ndjson" };
    const lines = await ask("envoy", { path: "/watch?s=a&b=true", headers });
    expect(lines.text).toBe(`{"s":"a","b":true}\n{"error":${error}}\n`);
    expect(lines.trailers).toMatchObject({ "grpc-status": "10", "grpc-message": "n%C3%A4h" });
    const google = await ask("google", { path: "/watch?s=a&b=true", headers });
    expect(google.text).toContain('\n{"error":{"code":409,"message":"näh","status":"ABORTED"}}\n');
  });

  test("errors", async () => {
    const shown = await Promise.all(
      presets.map(async (preset) => {
        const { status: code, headers, text } = await ask(preset, { path: "/fail" });
        return [code, JSON.parse(text), headers["grpc-status"], headers["grpc-message"]];
      }),
    );
    const body = { code: 5, message: "näh", details: [] };
    expect(shown).toEqual([
      [404, body, undefined, undefined],
      [404, body, "5", "n%C3%A4h"],
      [404, body, undefined, undefined],
      [404, { error: { code: 404, message: "näh", status: "NOT_FOUND" } }, undefined, undefined],
    ]);
    const own = await ask("google", { path: "/get?nope=1" });
    expect(JSON.parse(own.text)).toMatchObject({
      error: {
        code: 400,
        status: "INVALID_ARGUMENT",
        details: [{ "@type": "type.googleapis.com/google.rpc.BadRequest" }],
      },
    });
  });

  test("another method by a header", async () => {
    const headers = { "x-http-method-override": "delete" };
    const codes = await Promise.all(
      presets.map(async (preset) => (await ask(preset, { method: "POST", path: "/clear", headers })).status),
    );
    expect(codes).toEqual([405, 405, 200, 405]);
    // Of POST alone.
    const get = await ask("grpc-gateway", { path: "/get?s=a", headers });
    expect(told(get)).toBe('200 {"s":"a"}');
    const put = { method: "PUT", path: "/put/a", body: "{}", headers };
    expect(told(await ask("grpc-gateway", put))).toBe('200 {"s":"a"}');
  });
});

describe("system parameters", () => {
  const get = async (query: string) =>
    (await ask("google", { path: `/get?s=a&n=1&kind=ONE&child.s=b&${query}` })).text;

  test.each([
    ["$alt=json;enum-encoding=int", '{"s":"a","n":"1","kind":1,"child":{"s":"b"}}'],
    ["alt=json&$fields=s,child(s,n)", '{"s":"a","child":{"s":"b"}}'],
    ["$fields=child/n,kind", '{"kind":"ONE","child":{}}'],
    ["$fields=child.*", '{"child":{"s":"b"}}'],
    ["$fields=*", '{"s":"a","n":"1","kind":"ONE","child":{"s":"b"}}'],
    ["$fields=s&prettyPrint=true", '{\n  "s": "a"\n}\n'],
    ["$prettyPrint", '{\n  "s": "a",\n  "n": "1",\n  "kind": "ONE",\n  "child": {\n    "s": "b"\n  }\n}\n'],
  ])("%s", async (query, expected) => {
    expect(await get(query)).toBe(expected);
  });

  test.each([
    "$alt=xml",
    "$alt=json;x=y",
    "$fields=nope",
    "$fields=child(s",
    "$fields=s.x",
    "$prettyPrint=1",
  ])("%s is refused", async (query) => {
    expect(JSON.parse(await get(query))).toMatchObject({ error: { code: 400 } });
  });

  test("the binary form", async () => {
    const answer = await ask("google", { path: "/get?s=a&$alt=proto" });
    expect(answer.headers["content-type"]).toBe("application/x-protobuf");
    expect(answer.bytes).toEqual(Buffer.from("\n\u0001a"));
  });
});
