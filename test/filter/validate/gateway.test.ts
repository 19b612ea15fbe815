import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { type TestGateway, testGateway } from "../../support/gateway.ts";
import type { Http2Client, HttpAnswer } from "../../support/http2-client.ts";
import {
  bidiStream,
  clientStream,
  type RawServer,
  serverStream,
  startRawServer,
  unary,
} from "../../support/raw-server.ts";

const proto = `syntax = "proto3";
package t.v1;
import "buf/validate/validate.proto";
import "google/api/annotations.proto";
import "google/api/field_behavior.proto";
import "google/protobuf/field_mask.proto";
import "rules.proto";
service Shop {
  rpc Create(Order) returns (Order) { option (google.api.http) = { post: "/v1/orders" body: "*" }; }
  rpc Update(UpdateRequest) returns (Order) { option (google.api.http) = { patch: "/v1/{order.id=orders/*}" body: "order" }; }
  rpc Watch(Order) returns (stream Order) { option (google.api.http) = { post: "/v1/watch" body: "*" }; }
  rpc Collect(stream Order) returns (Order) { option (google.api.http) = { post: "/v1/collect" body: "*" }; }
  rpc Chat(stream Order) returns (stream Order) { option (google.api.http) = { post: "/v1/chat" body: "*" }; }
  rpc Free(Plain) returns (Plain) { option (google.api.http) = { post: "/v1/free" body: "*" }; }
  rpc Broken(Unusable) returns (Plain) { option (google.api.http) = { post: "/v1/broken" body: "*" }; }
}
message Order {
  string id = 1;
  string display_title = 2 [(google.api.field_behavior) = REQUIRED];
  repeated Line order_lines = 3 [(buf.validate.field).repeated.max_items = 3];
  map<string, Line> by_name = 4;
  string mail = 5 [(buf.validate.field).string.email = true, (buf.validate.field).ignore = IGNORE_IF_ZERO_VALUE];
  Price price = 6 [(google.api.field_behavior) = REQUIRED];
  int64 count = 7 [(google.api.field_behavior) = REQUIRED];
  optional int64 exact = 8;
  Kind kind = 9 [(buf.validate.field).enum.defined_only = true];
  string code = 10 [(buf.validate.field).string.(lower) = true];
  int64 least = 11;
  int64 most = 12;
  option (buf.validate.message).cel = { id: "order.range" message: "least is over most" expression: "this.least <= this.most" };
}
enum Kind { KIND_UNSPECIFIED = 0; KIND_GIFT = 1; }
message Line { string product_id = 1 [(buf.validate.field).string.min_len = 1]; int32 quantity = 2 [(buf.validate.field).int32 = { gte: 1 lte: 9 }]; }
message Price { string currency_code = 1 [(google.api.field_behavior) = REQUIRED]; int64 units = 2; }
message UpdateRequest { Order order = 1 [(google.api.field_behavior) = REQUIRED]; google.protobuf.FieldMask update_mask = 2; }
message Plain { string text = 1; }
message Unusable { string text = 1 [(buf.validate.field).cel = { id: "x" expression: "this.nothing == 1" }]; }
`;

/** What adds to other messages than options is no proto3. */
const rules = `syntax = "proto2";
package t.v1;
import "buf/validate/validate.proto";
extend buf.validate.StringRules {
  optional bool lower = 9000 [(buf.validate.predefined).cel = {
    id: "string.lower" message: "must be lower case" expression: "!rule || this == this.lowerAscii()" }];
}
`;

let server: RawServer;
let at: TestGateway;
let client: Http2Client;
let reached: string[] = [];

beforeAll(async () => {
  const empty = Buffer.alloc(0);
  const single = (name: string) =>
    unary(() => {
      reached.push(name);
      return empty;
    });
  server = await startRawServer("t.v1.Shop", {
    Create: single("Create"),
    Update: single("Update"),
    Free: single("Free"),
    Broken: single("Broken"),
    Watch: serverStream((call) => {
      reached.push("Watch");
      call.end();
    }),
    Collect: clientStream((messages) => {
      reached.push(`Collect ${messages.length}`);
      return empty;
    }),
    Chat: bidiStream((call) => {
      reached.push("Chat");
      call.write(empty);
      call.on("data", (message: Buffer) => call.write(message));
      call.on("end", () => call.end());
      call.on("error", () => {});
    }),
  });
  at = await start({});
  client = at.connect();
});

function start(more: Readonly<Record<string, unknown>>): Promise<TestGateway> {
  return testGateway(
    { "t.proto": proto, "rules.proto": rules },
    { upstreams: { shop: `grpc://${server.address}` }, routes: [{ match: "*", public: true }], ...more },
  );
}

afterAll(async () => {
  client[Symbol.dispose]();
  await at[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

beforeEach(() => {
  reached = [];
});

const good = { displayTitle: "a", price: { currencyCode: "EUR" } };
const post = (path: string, body: unknown) =>
  client.request({ method: "POST", path, body: JSON.stringify(body) });

/** Field paths of the violations of an answer. */
function violations({ text }: HttpAnswer): Record<string, string> {
  const { details } = JSON.parse(text) as {
    details: { "@type": string; fieldViolations: { field?: string; description: string }[] }[];
  };
  expect(details.map((each) => each["@type"])).toEqual(["type.googleapis.com/google.rpc.BadRequest"]);
  return Object.fromEntries(
    (details[0]?.fieldViolations ?? []).map(({ field = "", description }) => [field, description]),
  );
}

describe("what a request breaks is told by the paths of its JSON", () => {
  const cases: readonly (readonly [string, unknown, Readonly<Record<string, unknown>>])[] = [
    ["required fields", {}, { displayTitle: "the field is required", price: "the field is required" }],
    ["set to nothing", { ...good, displayTitle: "" }, { displayTitle: "the field is required" }],
    [
      "required within",
      { ...good, price: { units: "1" } },
      { "price.currencyCode": "the field is required" },
    ],
    [
      "in a list",
      { ...good, orderLines: [{ productId: "a", quantity: 1 }, { quantity: 10 }] },
      {
        "orderLines[1].productId": expect.any(String),
        "orderLines[1].quantity": expect.stringContaining("9"),
      },
    ],
    [
      "in a map",
      { ...good, byName: { "x y": { productId: "a" } } },
      { 'byName["x y"].quantity': expect.any(String) },
    ],
    [
      "a list",
      { ...good, orderLines: Array.from({ length: 4 }, () => ({ productId: "a", quantity: 1 })) },
      { orderLines: expect.stringContaining("3") },
    ],
    ["a format", { ...good, mail: "nobody" }, { mail: expect.stringContaining("email") }],
    ["an enum", { ...good, kind: 7 }, { kind: expect.any(String) }],
    ["a rule of the schema's own", { ...good, code: "A" }, { code: "must be lower case" }],
    ["the message", { ...good, least: "2", most: "1" }, { "": "least is over most" }],
    [
      "by both kinds",
      { price: { currencyCode: "EUR" }, mail: "nobody" },
      { displayTitle: expect.any(String), mail: expect.any(String) },
    ],
  ];

  test.each(cases)("%s", async (_name, body, fields) => {
    const answer = await post("/v1/orders", body);
    expect([answer.status, answer.headers["x-dragoman-reason"]]).toEqual([400, "request_invalid"]);
    expect(violations(answer)).toEqual(fields);
    expect(reached).toEqual([]);
  });

  test("what is good goes on; 0 is a number like others", async () => {
    const answer = await post("/v1/orders", {
      ...good,
      mail: "a@b.test",
      orderLines: [{ productId: "a", quantity: 9 }],
    });
    expect([answer.status, reached]).toEqual([200, ["Create"]]);
  });

  test("a few violations stand for many", async () => {
    const lines = Object.fromEntries(
      Array.from({ length: 500 }, (_, index) => [`k${index}`, { productId: "a" }]),
    );
    const answer = await post("/v1/orders", { ...good, byName: lines });
    expect(answer.status).toBe(400);
    expect(Object.keys(violations(answer))).toHaveLength(20);
    expect(JSON.parse(answer.text).message).toMatch(/and 480 more$/);
  });

  test("in native gRPC", async () => {
    const answer = await client.request({
      method: "POST",
      path: "/t.v1.Shop/Create",
      headers: { "content-type": "application/grpc", te: "trailers" },
      body: Buffer.alloc(5),
    });
    const status = { ...answer.headers, ...answer.trailers };
    expect(status["grpc-status"]).toBe("3");
    expect(Buffer.from(String(status["grpc-status-details-bin"]), "base64").toString("latin1")).toContain(
      "displayTitle",
    );
    expect(reached).toEqual([]);
  });
});

describe("an update needs only what it writes", () => {
  const patch = (body: unknown, mask?: string) =>
    client.request({
      method: "PATCH",
      path: `/v1/orders/a${mask === undefined ? "" : `?updateMask=${mask}`}`,
      body: JSON.stringify(body),
    });

  test.each([
    ["another field", { mail: "a@b.test" }, "mail", []],
    ["the field, set", { displayTitle: "b" }, "displayTitle", []],
    ["the field, to nothing", {}, "displayTitle", ["order.displayTitle"]],
    ["several", {}, "displayTitle,price", ["order.displayTitle", "order.price"]],
    ["a part of a message", { price: { units: "1" } }, "price.units", []],
    [
      "a required part of a message",
      { price: { units: "1" } },
      "price.currencyCode",
      ["order.price.currencyCode"],
    ],
    ["a required part of no message", {}, "price.currencyCode", ["order.price.currencyCode"]],
    ["a whole message", { price: { units: "1" } }, "price", ["order.price.currencyCode"]],
    ["everything", { displayTitle: "b" }, "*", ["order.price"]],
    ["nothing said: what is set", { mail: "a@b.test" }, undefined, []],
    ["rules hold all the same", { mail: "nobody" }, "displayTitle", ["order.displayTitle", "order.mail"]],
  ])("%s", async (_name, body, mask, fields) => {
    const answer = await patch(body, mask);
    expect(answer.status).toBe(fields.length === 0 ? 200 : 400);
    if (fields.length > 0) expect(Object.keys(violations(answer))).toEqual(fields);
    expect(reached).toEqual(fields.length === 0 ? ["Update"] : []);
  });
});

describe("streams", () => {
  test("the one request, before the upstream hears of it", async () => {
    expect((await post("/v1/watch", {})).status).toBe(400);
    expect(reached).toEqual([]);
    expect((await post("/v1/watch", good)).status).toBe(200);
  });

  test("every request of a stream", async () => {
    const collect = (...messages: unknown[]) =>
      client.request({
        method: "POST",
        path: "/v1/collect",
        body: messages.map((each) => JSON.stringify(each)).join("\n"),
      });
    expect((await collect({ mail: "nobody" }, good)).status).toBe(400);
    const later = await collect(good, good, { ...good, mail: "nobody" });
    expect([later.status, Object.keys(violations(later))]).toEqual([400, ["mail"]]);
    expect((await collect(good, good)).status).toBe(200);
    // What the first request has said is not said again.
    expect((await collect({}, good)).status).toBe(400);
    expect((await collect(good, {})).status).toBe(200);
  });

  test("over WebSocket, where the upstream may speak first", async () => {
    const socket = new WebSocket(`${at.url.replace("https", "wss")}/v1/chat`, { ca: at.ca });
    const heard: string[] = [];
    const closed = new Promise<number>((resolve) => socket.on("close", resolve));
    await new Promise<void>((resolve) => {
      socket.on("message", (data) => {
        heard.push(String(data));
        resolve();
      });
    });
    expect(heard).toEqual(["{}"]);
    socket.send(JSON.stringify({ ...good, mail: "nobody" }));
    expect(await closed).toBe(4003);
  });
});

test("rules that cannot be used let nobody pass", async () => {
  const answer = await post("/v1/broken", { text: "a" });
  expect([answer.status, answer.headers["x-dragoman-reason"], reached]).toEqual([
    500,
    "validation_failed",
    [],
  ]);
  expect(answer.text).not.toContain("nothing");
  expect(at.log.join("")).toContain("the rules of a request type cannot be used");
});

describe("modes", () => {
  test("report: what is wrong is logged and counted, and goes on; a route may differ", async () => {
    await using other = await start({
      defaults: { validate: "report" },
      routes: [
        { match: "*", public: true },
        { match: "t.v1.Shop/Update", public: true, validate: "off" },
        { match: "t.v1.Shop/Watch", public: true, validate: "enforce" },
      ],
    });
    using its = other.connect();
    const ask = (method: string, path: string, body: unknown) =>
      its.request({ method, path, body: JSON.stringify(body) });
    expect((await ask("POST", "/v1/orders", {})).status).toBe(200);
    expect((await ask("POST", "/v1/broken", {})).status).toBe(200);
    expect((await ask("PATCH", "/v1/orders/a?updateMask=*", {})).status).toBe(200);
    expect((await ask("POST", "/v1/watch", {})).status).toBe(400);
    expect(reached).toEqual(["Create", "Broken", "Update"]);
    const logged = other.log
      .map((line) => JSON.parse(line))
      .filter(({ message }) => message === "a request breaks the rules of its schema");
    expect(logged).toMatchObject([
      { method: "t.v1.Shop/Create", violations: [{ field: "displayTitle" }, { field: "price" }] },
    ]);
    const metrics = await (await fetch(`${other.admin}/metrics`)).text();
    expect(metrics).toContain('dragoman_invalid_requests_total{method="t.v1.Shop/Create",mode="report"} 1');
    expect(metrics).toContain('dragoman_invalid_requests_total{method="t.v1.Shop/Watch",mode="enforce"} 1');
  });

  test("bytes that are no message are the upstream's to refuse where nothing demands to look at them", async () => {
    const bytes = Buffer.concat([Buffer.from([0, 0, 0, 0, 2]), Buffer.from([0x0a, 9])]);
    const grpc = (path: string) =>
      client.request({
        method: "POST",
        path,
        headers: { "content-type": "application/grpc", te: "trailers" },
        body: bytes,
      });
    await grpc("/t.v1.Shop/Free");
    expect(reached).toEqual(["Free"]);
    const refused = await grpc("/t.v1.Shop/Create");
    expect({ ...refused.headers, ...refused.trailers }["grpc-status"]).toBe("3");
    expect(reached).toEqual(["Free"]);
  });
});
