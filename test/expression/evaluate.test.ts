import { create, type DescMessage, fromJson, type JsonValue } from "@bufbuild/protobuf";
import { beforeAll, describe, expect, test } from "vitest";
import { CallVariables, compileExpression, EvaluationError, type ResultKind } from "#expression";
import type { Call } from "#rpc";
import { makeCall } from "../filter/support/call.ts";
import { orderType } from "./order-type.ts";

let type: DescMessage;
beforeAll(async () => {
  type = await orderType();
});

const claims = {
  iss: "https://id.test",
  sub: "not this one",
  tenant: "t1",
  level: 3,
  roles: ["admin", "ops"],
  org: { name: "shop", constructor: "odd" },
  nothing: null,
};

function call(): Call {
  const made = makeCall({
    subject: "ann",
    scopes: ["orders.write"],
    address: "192.0.2.7",
    header: { "x-beta": "1" },
    context: { httpPath: "/v1//orders/a%2fb/%C3%A9/", httpMethod: "POST", route: "/v1/orders/{id}" },
  });
  made.header.append("x-many", "a");
  made.header.append("x-many", "b");
  const { principal } = made.context;
  if (principal !== undefined) made.context.principal = { ...principal, claims };
  return made;
}

function evaluate(text: string, result: ResultKind = "any", json: JsonValue = {}): unknown {
  const { program, problems } = compileExpression(text, { result, input: type });
  if (program === undefined) throw new Error(JSON.stringify(problems));
  return program.evaluate(new CallVariables(call(), { type, message: fromJson(type, json) }));
}

const order: JsonValue = {
  tenantId: "t1",
  total: "9007199254740993",
  count: 2,
  lines: [
    { productId: "a", quantity: 1 },
    { productId: "b", quantity: 5 },
  ],
  labels: { color: "red" },
  kind: "KIND_GIFT",
  createTime: "2026-11-23T12:00:00Z",
  note: "hi",
  extra: { deep: [1, { x: true }] },
  card: "4711",
};

const good: readonly string[] = [
  "caller.sub == 'ann'",
  "caller.iss == 'https://id.test'",
  "caller.provider == 'main'",
  "'orders.write' in caller.scopes",
  "caller.tenant == input.tenant_id",
  "caller.claims.sub == 'not this one'",
  "caller['tenant'] == 't1' && caller.claims['tenant'] == 't1'",
  "caller.level >= 3 && caller.level == 3",
  "caller.roles.exists(r, r == 'admin') && !('root' in caller.roles)",
  "caller.org.name == 'shop' && caller.org.constructor == 'odd'",
  "caller.nothing == null",
  "!has(caller.toString) && !has(caller.claims.__proto__) && !has(caller.org.hasOwnProperty)",
  "has(caller.tenant) && !has(caller.other)",
  "method.name == 'test.T/M' && method.service == 'test.T' && method.package == 'test'",
  "method.route == '/v1/orders/{id}'",
  "peer.ip == '192.0.2.7' && peer.port == 1",
  "request.header['x-beta'] == '1' && request.header.x_beta == '1' || true",
  "request.header['x-many'] == 'a, b'",
  "!('x-none' in request.header) && 'x-beta' in request.header",
  "request.header.exists(name, name.startsWith('x-'))",
  "request.path == '/v1/orders/a%2Fb/é' && path == request.path",
  "request.http_method == 'POST' && request.protocol == 'rest'",
  "request.time > timestamp('2020-01-01T00:00:00Z') && request.time < timestamp('2200-01-01T00:00:00Z')",
  "input.total == 9007199254740993",
  "input.count == 2u && input.count == 2",
  "input.lines.all(l, l.quantity < 6) && size(input.lines) == 2 && input.lines[1].product_id == 'b'",
  "input.lines.filter(l, l.quantity > 1).map(l, l.product_id) == ['b']",
  "input.labels.color == 'red' && 'color' in input.labels && input.labels.all(k, k != 'size')",
  "input.kind == shop.v1.Kind.KIND_GIFT && input.kind == 1",
  "input.create_time == timestamp('2026-11-23T12:00:00Z')",
  "input.note == 'hi'",
  "input.extra.deep[1].x",
  "has(input.card) && !has(input.cash) && !has(input.main)",
  "input.main == shop.v1.Line{}",
  "input.tenant_id.matches('^t[0-9]+$')",
  // An error beside what decides is none (langdef.md, "Logical Operators").
  "caller.other == 'x' || caller.sub == 'ann'",
];

test.each(good)("%s", (text) => {
  expect(evaluate(text, "bool", order)).toBe(true);
});

const failing: readonly (readonly [string, ResultKind])[] = [
  ["caller.other == 'x'", "bool"],
  ["request.header['x-none'] == ''", "bool"],
  ["request.header['x-none'] != 'banned'", "bool"],
  ["input.lines[7].quantity == 1", "bool"],
  ["input.total / (input.total - input.total) == 1", "bool"],
  ["caller.tenant", "bool"],
  ["caller.level", "string"],
  ["caller.level", "int"],
  ["caller.roles", "key"],
  ["caller.nothing", "key"],
  ["input.total", "int"],
];

test.each(failing)("%s has no result as %s", (text, result) => {
  expect(() => evaluate(text, result, order)).toThrow(EvaluationError);
});

test.each([
  ["caller.sub", "ann"],
  ["method", "test.T/M"],
  ["peer.port", "1"],
  ["input.count", "2"],
  ["caller.level", "3"],
  ["caller.level > 2.0", "true"],
])("%s is the key %s", (text, key) => {
  expect(evaluate(text, "key", order)).toBe(key);
});

test("of whom nothing is known, no rule about the caller holds", () => {
  const anonymous = new CallVariables(makeCall());
  for (const text of [
    "caller.sub == ''",
    "caller.sub != 'ann'",
    "caller.tenant == caller.tenant",
    "caller.scopes == []",
  ]) {
    const { program } = compileExpression(text, { result: "bool" });
    expect(() => program?.evaluate(anonymous), text).toThrow(EvaluationError);
  }
  expect(compileExpression("!has(caller.sub)", { result: "bool" }).program?.evaluate(anonymous)).toBe(true);
});

test("a certificate is there for those who have shown one", () => {
  const certificate = {
    subject: "CN=orders",
    subjectAltNames: ["DNS:orders.test"],
    fingerprint256: "ab",
    pem: "",
  };
  const shown = makeCall({ context: { peer: { address: "192.0.2.1", port: 1, certificate } } });
  const text =
    "peer.certificate.subject == 'CN=orders' && 'DNS:orders.test' in peer.certificate.subject_alt_names && peer.certificate.fingerprint == 'ab'";
  const { program } = compileExpression(text, { result: "bool" });
  expect(program?.evaluate(new CallVariables(shown))).toBe(true);
  expect(() => program?.evaluate(new CallVariables(makeCall()))).toThrow(EvaluationError);
});

describe("what an evaluation looks at is bounded", () => {
  const many = (count: number) => ({ tags: Array.from({ length: count }, (_, index) => `t${index}`) });
  const run = (text: string, json: JsonValue) => {
    const startedAt = performance.now();
    try {
      return evaluate(text, "bool", json);
    } finally {
      expect(performance.now() - startedAt).toBeLessThan(2000);
    }
  };

  test.each([
    "input.tags.all(t, t != 'x')",
    "!('x' in input.tags)",
    "input.tags == input.tags",
    "input.tags.map(t, size(t)).all(n, n > 0)",
  ])("%s", (text) => {
    expect(run(text, many(2000))).toBe(true);
    expect(() => run(text, many(200_000))).toThrow("looks at more than it may");
  });

  test("loops in loops count together", () => {
    const text = "input.tags.all(a, input.tags.all(b, a != b + 'x'))";
    expect(run(text, many(90))).toBe(true);
    expect(() => run(text, many(1000))).toThrow("looks at more than it may");
  });

  test("long texts are not searched by patterns", () => {
    const text = "input.tenant_id.matches('a*b')";
    expect(run(text, { tenantId: "aab" })).toBe(true);
    expect(() => run(text, { tenantId: "a".repeat(2_000_000) })).toThrow("looks at more than it may");
  });

  test("a pattern takes time in proportion to the text, whatever the text is", () => {
    // By backtracking, this would not end in the time of the universe.
    const text = "input.tenant_id.matches('^(a+)+$')";
    expect(run(text, { tenantId: "a".repeat(2000) })).toBe(true);
    expect(run(text, { tenantId: `${"a".repeat(2000)}!` })).toBe(false);
  });

  test("each evaluation begins anew", () => {
    const { program } = compileExpression("input.tags.all(t, t != 'x')", { result: "bool", input: type });
    const variables = new CallVariables(call(), { type, message: create(type, fromJson(type, many(4000))) });
    for (let i = 0; i < 10; i++) expect(program?.evaluate(variables)).toBe(true);
  });
});
