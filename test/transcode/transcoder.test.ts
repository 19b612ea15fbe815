import { fromBinary } from "@bufbuild/protobuf";
import { beforeAll, describe, expect, test } from "vitest";
import { BadRequestSchema } from "#gen/google/rpc/error_details_pb";
import { type Codecs, createCodecs } from "../../src/codec/index.ts";
import { httpRules } from "../../src/route/index.ts";
import { RpcError } from "../../src/rpc/index.ts";
import { loadSchema, type Schema } from "../../src/schema/index.ts";
import {
  compileTranscoder,
  strictTranscoding,
  type TranscodeOptions,
  type Transcoder,
} from "../../src/transcode/index.ts";
import { tempFolder } from "../support/temp-folder.ts";

const proto = `syntax = "proto3";
package t;
import "google/api/annotations.proto";
import "google/api/httpbody.proto";
import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
import "old.proto";

service T {
  rpc Query(Req) returns (Req) { option (google.api.http) = { get: "/q" }; }
  rpc Path(Req) returns (Req) { option (google.api.http) = { get: "/p/{s}" }; }
  rpc Deep(Req) returns (Req) { option (google.api.http) = { get: "/d/{child.s=a/*}/{child.n}" }; }
  rpc Whole(Req) returns (Req) { option (google.api.http) = { post: "/w/{s}" body: "*" }; }
  rpc Part(Req) returns (Req) { option (google.api.http) = { post: "/c/{child.s}" body: "child" response_body: "child" }; }
  rpc List(Req) returns (Req) { option (google.api.http) = { post: "/l" body: "list" response_body: "list" }; }
  rpc Map(Req) returns (Req) { option (google.api.http) = { post: "/m" body: "labels" response_body: "labels" }; }
  rpc Scalar(Req) returns (Req) { option (google.api.http) = { post: "/s" body: "s" response_body: "s" }; }
  rpc Patch(Update) returns (Req) { option (google.api.http) = { patch: "/u/{item.s}" body: "item" }; }
  rpc Alias(Req) returns (Req) { option (google.api.http) = { get: "/a/{snake_case}" }; }
  rpc Left(Req) returns (Req) { option (google.api.http) = { get: "/f/{left}" }; }
  rpc Text(Req) returns (Req) { option (google.api.http) = { get: "/t/{opt_text=**}" }; }
  rpc Number(Req) returns (Req) { option (google.api.http) = { post: "/n/{n}" body: "*" }; }
  rpc Numbers(Req) returns (Req) { option (google.api.http) = { post: "/ns/{numbers}" body: "*" }; }
  rpc Child(Req) returns (Req) { option (google.api.http) = { post: "/ch" body: "child" }; }
  rpc Deeper(Req) returns (Req) { option (google.api.http) = { post: "/dd/{child.child.s}" body: "child" }; }
  rpc Ancient(Old) returns (Old) { option (google.api.http) = { get: "/o" }; }
  rpc File(Req) returns (Upload) { option (google.api.http) = { get: "/file" response_body: "content" }; }
  rpc Raw(Upload) returns (google.api.HttpBody) { option (google.api.http) = { post: "/r/{name}" body: "content" }; }
}

enum Kind { option allow_alias = true; KIND_UNSPECIFIED = 0; ONE = 1; UNO = 1; }

message Req {
  string s = 1;
  int32 i = 2;
  int64 n = 3;
  uint64 u = 4;
  bool b = 5;
  double d = 6;
  float f = 7;
  bytes bytes = 8;
  Kind kind = 9;
  repeated string list = 10;
  map<string, string> labels = 11;
  map<int32, bool> flags = 12;
  Req child = 13;
  optional int32 opt = 14;
  oneof which { string left = 15; string right = 16; Req both = 17; }
  google.protobuf.Timestamp at = 18;
  google.protobuf.Duration for = 19;
  google.protobuf.FieldMask mask = 20;
  google.protobuf.Int64Value wrapped = 21;
  google.protobuf.BoolValue maybe = 22;
  google.protobuf.Struct struct = 23;
  google.protobuf.Value value = 24;
  google.protobuf.ListValue items = 25;
  google.protobuf.Any any = 26;
  repeated Req children = 27;
  string snake_case = 28;
  repeated int64 numbers = 29;
  optional string opt_text = 30;
  map<string, Req> kin = 31;
  string first = 32 [json_name = "second_one"];
  string second_one = 33 [json_name = "third"];
}
message Update { Req item = 1; google.protobuf.FieldMask update_mask = 2; }
message Upload { string name = 1; google.api.HttpBody content = 2; string note = 3; }
`;

const old = `syntax = "proto2";
package t;
enum Color { RED = 1; GREEN = 2; }
message Old {
  optional Color color = 1;
  optional group Box = 2 { optional string label = 1; }
  optional int32 size = 3 [default = 7];
}
`;

let schema: Schema;
let codecs: Codecs;

beforeAll(async () => {
  await using folder = await tempFolder({ "t.proto": proto, "old.proto": old });
  const loaded = await loadSchema([{ kind: "proto", dir: folder.dir }], undefined);
  if (loaded.schema === undefined) throw new Error(JSON.stringify(loaded.problems));
  schema = loaded.schema;
  codecs = createCodecs(schema.registry);
});

function transcoder(name: string, options: Partial<TranscodeOptions> = {}): Transcoder {
  const method = schema.methods.get(`t.T/${name}`);
  const { rules, problems } =
    method === undefined
      ? { rules: [], problems: [] }
      : httpRules(method, { repeatedInPath: options.repeatedSeparator !== undefined });
  const [rule] = rules;
  if (rule === undefined) throw new Error(`no rule: ${JSON.stringify(problems)}`);
  return compileTranscoder(rule, codecs, { ...strictTranscoding, ...options });
}

/** A request message as JSON. */
function printed(compiled: Transcoder, wire: Uint8Array): string {
  return Buffer.from(codecs.message(compiled.rule.method.descriptor.input).toJson(wire)).toString();
}

/** The message that a request makes, as JSON, or the fields and faults of its refusal. */
function request(
  name: string,
  captures: readonly string[],
  query: string,
  body?: string,
  options: Partial<TranscodeOptions> = {},
): unknown {
  try {
    const compiled = transcoder(name, options);
    const wire = compiled.request(
      captures,
      query,
      body === undefined ? undefined : Buffer.from(body),
      undefined,
    );
    return JSON.parse(printed(compiled, wire));
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    expect(error.code).toBe(3);
    const [detail] = error.details;
    if (detail === undefined) return error.reason;
    return fromBinary(BadRequestSchema, detail.value).fieldViolations.map(({ field }) => field);
  }
}

describe("query parameters", () => {
  const cases: readonly [string, unknown][] = [
    ["", {}],
    ["s=a%20b+c", { s: "a b c" }],
    ["s=%2B", { s: "+" }],
    ["s=a;i=1", { s: "a;i=1" }],
    ["s", {}],
    ["s=&&i=1", { i: 1 }],
    ["i=-2147483648", { i: -2147483648 }],
    ["i=2147483648", ["i"]],
    ["i=%201", ["i"]],
    ["i=1e2", ["i"]],
    ["i=1.0", ["i"]],
    ["i=0x10", ["i"]],
    ["i=+1", ["i"]],
    ["i=", ["i"]],
    ["i=-0", {}],
    ["n=9007199254740993", { n: "9007199254740993" }],
    ["n=9223372036854775808", ["n"]],
    ["u=18446744073709551615", { u: "18446744073709551615" }],
    ["u=-1", ["u"]],
    ["b=true", { b: true }],
    ["b=1", ["b"]],
    ["b=TRUE", ["b"]],
    ["b=t", ["b"]],
    ["b", ["b"]],
    ["d=1e3", { d: 1000 }],
    ["d=NaN", { d: "NaN" }],
    ["d=-Infinity", { d: "-Infinity" }],
    ["d=inf", ["d"]],
    ["d=infinity", ["d"]],
    ["d=", ["d"]],
    ["f=1e39", ["f"]],
    ["f=0.1", { f: 0.1 }],
    ["bytes=AQI=", { bytes: "AQI=" }],
    ["bytes=AQI", { bytes: "AQI=" }],
    ["bytes=-_8", { bytes: "+/8=" }],
    ["bytes=%21", ["bytes"]],
    ["kind=ONE", { kind: "ONE" }],
    ["kind=1", { kind: "ONE" }],
    ["kind=UNO", { kind: "ONE" }],
    ["kind=null", ["kind"]],
    ["kind=7", { kind: 7 }],
    ["kind=one", ["kind"]],
    ["list=a&list=b,c", { list: ["a", "b,c"] }],
    ["numbers=1&numbers=2", { numbers: ["1", "2"] }],
    ["i=1&i=2", ["i"]],
    ["labels[a]=1&labels[__proto__]=2", JSON.parse('{"labels":{"a":"1","__proto__":"2"}}')],
    ["labels%5Ba%5D=1&labels[b]=2", { labels: { a: "1", b: "2" } }],
    ["kin[a]=x", ["kin[a]"]],
    ["kin[a].s=x", ["kin[a].s"]],
    ["flags[3]=true", { flags: { 3: true } }],
    ["flags[x]=true", ["flags[x]"]],
    ["labels=1", ["labels"]],
    ["labels.a=1", ["labels.a"]],
    ["child.child.s=x&child.i=2", { child: { i: 2, child: { s: "x" } } }],
    ["child=x", ["child"]],
    ["child=", ["child"]],
    ["s.x=1", ["s.x"]],
    ["children=x", ["children"]],
    ["children.s=x", ["children.s"]],
    ["child..s=x", ["child..s"]],
    [".s=x", [".s"]],
    ["s.=x", ["s."]],
    ["child.=x", ["child."]],
    ["opt=0", { opt: 0 }],
    ["optText=", { optText: "" }],
    ["optText", { optText: "" }],
    ["left=a&right=b", ["right"]],
    ["left=a&both.s=b", ["both.s"]],
    ["at=2024-01-02T03:04:05.123456789%2B01:00", { at: "2024-01-02T02:04:05.123456789Z" }],
    ["at=2024-01-02", ["at"]],
    ["at=0000-01-01T00:00:00Z", ["at"]],
    ["at=0001-01-01T00:00:00Z", { at: "0001-01-01T00:00:00Z" }],
    ["at=9999-12-31T23:59:59.999999999Z", { at: "9999-12-31T23:59:59.999999999Z" }],
    ["for=3.5s", { for: "3.500s" }],
    ["for=1m", ["for"]],
    ["mask=fooBar,child.snakeCase", { mask: "fooBar,child.snakeCase" }],
    ["mask=foo_bar", ["mask"]],
    ["wrapped=5", { wrapped: "5" }],
    ["wrapped.value=5", ["wrapped.value"]],
    ["maybe=false", { maybe: false }],
    ['struct={"a":[1]}', { struct: { a: [1] } }],
    ['value="x"', { value: "x" }],
    ["items=[1,null]", { items: [1, null] }],
    ["struct=x", ["struct"]],
    ["any=x", ["any"]],
    ["snakeCase=a", { snakeCase: "a" }],
    ["snake_case=a", { snakeCase: "a" }],
    ["snake_case=a&snakeCase=a", ["snakeCase"]],
    ["second_one=a", { second_one: "a" }],
    ["third=a", { third: "a" }],
    ["first=a", { second_one: "a" }],
    ["nope=1&constructor=2&__proto__=3", ["nope", "constructor", "__proto__"]],
    ["s=%zz", ["s"]],
    ["s=%ff", ["s"]],
  ];
  test.each(cases)("%s", (query, expected) => {
    expect(request("Query", [], query)).toEqual(expected);
  });

  test("unknown ones may be ignored, all or some", () => {
    expect(request("Query", [], "nope=1&s=a", undefined, { unknownQuery: "ignore" })).toEqual({ s: "a" });
    expect(request("Query", [], "key=1&s=a", undefined, { ignoredParameters: ["key"] })).toEqual({ s: "a" });
  });

  test("too many, and too deep", () => {
    expect(request("Query", [], Array.from({ length: 1001 }, () => "list=a").join("&"))).toEqual([""]);
    expect(request("Query", [], `${"child.".repeat(32)}s=a`)).toHaveLength(1);
    expect(request("Query", [], `${"child.".repeat(31)}s=a`)).toHaveProperty("child");
  });

  test.each([
    ["color=GREEN", { color: "GREEN" }],
    ["color=2", { color: "GREEN" }],
    ["color=7", ["color"]],
    ["size=0", { size: 0 }],
    ["box.label=a", { box: { label: "a" } }],
    ["box=a", ["box"]],
  ])("of proto2: %s", (query, expected) => {
    expect(request("Ancient", [], query)).toEqual(expected);
  });
});

describe("path, query and body are disjoint", () => {
  const cases: readonly [string, string, readonly string[], string, string | undefined, unknown][] = [
    ["a path value", "Path", ["a/b"], "", undefined, { s: "a/b" }],
    ["an empty path value", "Path", [""], "", undefined, {}],
    ["path and query differ", "Path", ["a"], "s=b", undefined, ["s"]],
    ["path and query agree", "Path", ["a"], "s=a", undefined, ["s"]],
    [
      "a nested path and its sibling",
      "Deep",
      ["a/1", "7"],
      "child.i=2",
      undefined,
      { child: { s: "a/1", n: "7", i: 2 } },
    ],
    ["a nested path of the wrong type", "Deep", ["a/1", "x"], "", undefined, ["child.n"]],
    ["an empty path value of a field with presence", "Text", [""], "", undefined, { optText: "" }],
    ["a parameter by the path's other name", "Alias", ["a"], "snakeCase=b", undefined, ["snakeCase"]],
    ["a parameter by the path's own name", "Alias", ["a"], "snake_case=b", undefined, ["snake_case"]],
    ["a parameter of the same oneof as the path", "Left", ["a"], "right=b", undefined, ["right"]],
    ["a parameter within it", "Left", ["a"], "both.s=b", undefined, ["both.s"]],
    ["a nested parameter that the path has", "Deep", ["a/1", "7"], "child.s=b", undefined, ["child.s"]],
    ["a path of the wrong type, without a body", "Number", ["x"], "", undefined, ["n"]],
    ["64 bits in path and body", "Number", ["4294967297"], "", '{"n":"4294967297"}', { n: "4294967297" }],
    ["64 bits that differ in their high half", "Number", ["4294967297"], "", '{"n":"1"}', ["n"]],
    [
      "an unknown type in the body",
      "Whole",
      ["a"],
      "",
      '{"any":{"@type":"type.googleapis.com/x.Y"}}',
      ["any.@type"],
    ],
    [
      "a field twice, by its two names",
      "Whole",
      ["a"],
      "",
      '{"snakeCase":"a","snake_case":"a"}',
      ["snake_case"],
    ],
    ["a field that there is not", "Whole", ["a"], "", '{"nope":1}', ["nope"]],
    ["no body for a field", "Child", [], "", undefined, {}],
    ["blanks for a field's body", "Child", [], "i=1", " ", { i: 1 }],
    ["null for a field's body", "Child", [], "", "null", {}],
    ["an empty body of a field", "Child", [], "", "{}", { child: {} }],
    ["a body with a mark of the order of bytes", "Whole", ["a"], "", '\ufeff{"i":1}', { s: "a", i: 1 }],
    ["the body beside the path", "Whole", ["a"], "", '{"i":1}', { s: "a", i: 1 }],
    ["the body agrees with the path", "Whole", ["a"], "", '{"s":"a"}', { s: "a" }],
    ["the body differs from the path", "Whole", ["a"], "", '{"s":"b"}', ["s"]],
    ["a parameter beside a whole body", "Whole", ["a"], "i=1", "{}", ["i"]],
    ["no body for a whole one", "Whole", ["a"], "", undefined, { s: "a" }],
    ["blanks for a body", "Whole", ["a"], "", " \n", { s: "a" }],
    ["null for a whole body", "Whole", ["a"], "", "null", [""]],
    ["a list for a whole body", "Whole", ["a"], "", "[]", [""]],
    ["more after the body", "Whole", ["a"], "", "{} {}", [""]],
    [
      "a body merges with a nested path",
      "Part",
      ["x"],
      "i=3",
      '{"n":"5"}',
      { i: 3, child: { s: "x", n: "5" } },
    ],
    ["a nested body differs from the path", "Part", ["x"], "", '{"s":"y"}', ["child.s"]],
    ["a parameter within the body", "Part", ["x"], "child.i=1", "{}", ["child.i"]],
    ["a body that is null", "Part", ["x"], "", "null", { child: { s: "x" } }],
    ["a list as the body", "List", [], "", '["a","b"]', { list: ["a", "b"] }],
    ["a map as the body", "Map", [], "", '{"a":"b"}', { labels: { a: "b" } }],
    ["a text as the body", "Scalar", [], "", '"a"', { s: "a" }],
    ["a body where none is taken", "Query", [], "", "{}", "body_not_allowed"],
    [
      "the place of a fault in the body",
      "Part",
      ["x"],
      "",
      '{"children":[{},{"i":"x"}]}',
      ["child.children[1].i"],
    ],
  ];
  test.each(cases)("%s", (_name, method, captures, query, body, expected) => {
    expect(request(method, captures, query, body)).toEqual(expected);
  });
});

test("bytes of a message in the binary form, or of any type, are no blanks", () => {
  const fields = Buffer.of(0x20, 10);
  const whole = transcoder("Scalar");
  const other = compileTranscoder(
    { ...whole.rule, bindings: [], body: "*", responseBody: undefined },
    codecs,
    strictTranscoding,
  );
  expect(printed(whole, other.request([], "", fields, "application/x-protobuf"))).toBe('{"u":"10"}');
  expect(other.request([], "", fields, "application/json")).toHaveLength(0);
  const raw = transcoder("Raw");
  expect(JSON.parse(printed(raw, raw.request(["n"], "", Buffer.from(" \n"), "text/plain")))).toMatchObject({
    content: { data: "IAo=" },
  });
});

describe("a message in the binary form that is none is the client's fault, wherever that shows", () => {
  const cut = Buffer.of(0x0a, 0xff);
  const within = Buffer.of(0x6a, 2, ...cut);
  const groups = Buffer.alloc(200_000, 0x0b);
  const refusedRequest = (name: string, captures: readonly string[], query: string, body: Uint8Array) => () =>
    transcoder(name).request(captures, query, body, "application/x-protobuf");
  const refusedWhole = (name: string, captures: readonly string[], query: string, body: Uint8Array) => () =>
    transcoder(name).whole(captures, query, body);

  test.each<[string, () => Uint8Array]>([
    ["the body", refusedRequest("Whole", ["a"], "", cut)],
    ["the body of a field", refusedRequest("Child", [], "", cut)],
    ["within what the path looks into", refusedRequest("Deeper", ["a"], "", within)],
    ["groups without end", refusedRequest("Whole", ["a"], "", groups)],
    ["beside the path", refusedWhole("Path", ["a"], "", cut)],
    ["within, beside the path", refusedWhole("Deep", ["a/1", "7"], "", within)],
    ["beside the query", refusedWhole("Query", [], "left=a", cut)],
    ["groups without end, beside the path", refusedWhole("Path", ["a"], "", groups)],
  ])("%s", (_name, call) => {
    expect(call).toThrowError(
      expect.objectContaining({
        code: 3,
        reason: "malformed_body",
        message: expect.stringContaining("no message in the binary form"),
      }),
    );
  });
});

test("values of a repeated field in the path and in the body are a conflict", () => {
  const options = { repeatedSeparator: "," };
  expect(request("Numbers", ["1,2"], "", "{}", options)).toEqual({ numbers: ["1", "2"] });
  expect(request("Numbers", ["1,2"], "", '{"numbers":["3"]}', options)).toEqual(["numbers"]);
});

describe("PATCH fills an empty mask", () => {
  test.each([
    ['{"i":1,"child":{"s":"x","n":"2"},"list":[]}', "", "i,child.s,child.n,list"],
    ['{"s":"a","i":1}', "", "i"],
    ['{"snake_case":"x","at":"2024-01-02T03:04:05Z"}', "", "snakeCase,at"],
    ['{"i":1,"b":true}', "update_mask=i", "i"],
    ['\ufeff{"i":1}', "", "i"],
  ])("%s %s", (body, query, mask) => {
    expect(request("Patch", ["a"], query, body)).toMatchObject({ updateMask: mask, item: { s: "a" } });
  });

  test("but for a body in the binary form, which does not tell what was left out", () => {
    const compiled = transcoder("Patch");
    const wire = compiled.request(["a"], "", Buffer.of(0x10, 1), "application/x-protobuf");
    expect(JSON.parse(printed(compiled, wire))).toEqual({ item: { s: "a", i: 1 } });
  });
});

describe("answers", () => {
  const answer = (name: string, json: string) => {
    const compiled = transcoder(name);
    const wire = codecs.message(compiled.rule.method.descriptor.output).fromJson(Buffer.from(json));
    return Buffer.from(compiled.response(wire).body).toString();
  };

  /** What is shown of a response of `Req` by a rule with this `response_body`. */
  const field = (name: string, json: string) => {
    const { rule } = transcoder("Query");
    const type = rule.method.descriptor.output;
    const responseBody = type.fields.find((each) => each.name === name);
    if (responseBody === undefined) throw new Error(name);
    const shown = { ...rule, bindings: rule.bindings, body: rule.body, responseBody };
    const compiled = compileTranscoder(shown, codecs, strictTranscoding);
    const { contentType, body } = compiled.response(codecs.message(type).fromJson(Buffer.from(json)));
    expect(contentType).toBe("application/json");
    return Buffer.from(body).toString();
  };

  test.each([
    ["s", '{"s":"a","i":1}', '"a"', '""'],
    ["i", '{"i":-5}', "-5", "0"],
    ["n", '{"n":9007199254740993}', '"9007199254740993"', '"0"'],
    ["u", '{"u":"18446744073709551615"}', '"18446744073709551615"', '"0"'],
    ["b", '{"b":true}', "true", "false"],
    ["d", '{"d":"-Infinity"}', '"-Infinity"', "0"],
    ["f", '{"f":0.1}', "0.1", "0"],
    ["bytes", '{"bytes":"-_8"}', '"+/8="', '""'],
    ["kind", '{"kind":"UNO"}', '"ONE"', '"KIND_UNSPECIFIED"'],
    ["kind", '{"kind":7}', "7", '"KIND_UNSPECIFIED"'],
    ["list", '{"list":["a"]}', '["a"]', "[]"],
    ["numbers", '{"numbers":[1]}', '["1"]', "[]"],
    ["children", '{"children":[{},{"i":1}]}', '[{},{"i":1}]', "[]"],
    ["labels", '{"labels":{"a":"b"}}', '{"a":"b"}', "{}"],
    ["flags", '{"flags":{"-3":true}}', '{"-3":true}', "{}"],
    ["kin", '{"kin":{"a":{"i":1}}}', '{"a":{"i":1}}', "{}"],
    ["child", '{"child":{"i":1}}', '{"i":1}', "null"],
    ["child", '{"child":{}}', "{}", "null"],
    ["opt", '{"opt":0}', "0", "null"],
    ["left", '{"left":""}', '""', "null"],
    ["at", '{"at":"2024-01-02T03:04:05.5+01:00"}', '"2024-01-02T02:04:05.500Z"', "null"],
    ["for", '{"for":"1.5s"}', '"1.500s"', "null"],
    ["mask", '{"mask":"a,bC"}', '"a,bC"', "null"],
    ["wrapped", '{"wrapped":0}', '"0"', "null"],
    ["maybe", '{"maybe":false}', "false", "null"],
    ["struct", '{"struct":{"a":[null]}}', '{"a":[null]}', "null"],
    ["value", '{"value":null}', "null", "null"],
    ["value", '{"value":[1]}', "[1]", "null"],
    ["items", '{"items":[]}', "[]", "null"],
    [
      "any",
      '{"any":{"@type":"x/google.protobuf.Duration","value":"1s"}}',
      '{"@type":"x/google.protobuf.Duration","value":"1s"}',
      "null",
    ],
  ])("one field alone, %s of %s", (name, json, set, unset) => {
    expect(field(name, json)).toBe(set);
    expect(field(name, "{}")).toBe(unset);
  });

  test("by the rule of the method", () => {
    expect(answer("Part", '{"s":"a","child":{"i":1}}')).toBe('{"i":1}');
    expect(answer("List", "{}")).toBe("[]");
    expect(answer("Map", "{}")).toBe("{}");
    expect(answer("Scalar", '{"s":"a"}')).toBe('"a"');
  });

  test("what the schema does not know: fields are left out, an Any keeps its type and its bytes", () => {
    const compiled = transcoder("Query");
    const any = Buffer.concat([Buffer.from("\x0a\x05x/y.Z\x12\x02", "latin1"), Buffer.of(1, 2)]);
    const known = Buffer.from("\x0a\x01a", "latin1");
    const unknown = Buffer.from("\xfa\x3f\x03abc", "latin1");
    const wire = Buffer.concat([unknown, known, Buffer.of(0xd2, 0x01, any.length), any]);
    const { contentType, body } = compiled.response(wire);
    expect([contentType, Buffer.from(body).toString()]).toEqual([
      "application/json",
      '{"s":"a","any":{"@type":"x/y.Z","value":"AQI="}}',
    ]);
  });

  test.each(["Query", "Part", "Raw", "File"])(
    "bytes that are no message are the upstream's fault: %s",
    (name) => {
      const fault = expect.objectContaining({ code: 13, httpStatus: 502, reason: "upstream_message" });
      expect(() => transcoder(name).response(Buffer.from("\x0a\xffsecret", "latin1"))).toThrowError(fault);
      expect(() => transcoder(name).response(Buffer.from("\x0a\xffsecret", "latin1"))).toThrowError(
        expect.not.objectContaining({ message: expect.stringContaining("secret") }),
      );
    },
  );

  test("HttpBody, both ways", () => {
    const compiled = transcoder("Raw");
    expect(compiled).toMatchObject({ inputIsHttpBody: true, outputIsHttpBody: true });
    const wire = compiled.request(["n"], "note=x", Buffer.from([0, 255]), "image/png");
    expect(JSON.parse(printed(compiled, wire))).toEqual({
      name: "n",
      note: "x",
      content: { contentType: "image/png", data: "AP8=" },
    });
    const output = codecs.message(compiled.rule.method.descriptor.output);
    const raw = compiled.response(output.fromJson(Buffer.from('{"contentType":"text/plain","data":"aGk="}')));
    expect(raw).toMatchObject({ contentType: "text/plain" });
    expect(Buffer.from(raw.body).toString()).toBe("hi");
    expect(compiled.response(new Uint8Array(0)).contentType).toBe("application/octet-stream");
    // As one field of the response, set or not.
    const file = transcoder("File");
    expect(file).toMatchObject({ inputIsHttpBody: false, outputIsHttpBody: true });
    const upload = codecs.message(file.rule.method.descriptor.output);
    const shown = file.response(
      upload.fromJson(Buffer.from('{"name":"n","content":{"contentType":"image/png","data":"AP8="}}')),
    );
    expect([shown.contentType, Buffer.from(shown.body).toString("hex")]).toEqual(["image/png", "00ff"]);
    const empty = file.response(upload.fromJson(Buffer.from('{"name":"n"}')));
    expect([empty.contentType, empty.body.length]).toEqual(["application/octet-stream", 0]);
    expect(compiled.response(output.fromJson(Buffer.from('{"contentType":"a\\r\\nb: c"}'))).contentType).toBe(
      "application/octet-stream",
    );
  });
});
