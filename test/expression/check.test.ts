import type { DescMessage } from "@bufbuild/protobuf";
import { beforeAll, expect, test } from "vitest";
import { compileExpression, type ResultKind } from "#expression";
import { orderType } from "./order-type.ts";

let input: DescMessage;
beforeAll(async () => {
  input = await orderType();
});

interface Wrong {
  readonly text: string;
  readonly message: string;
  readonly offset: number | undefined;
}

const table: readonly (readonly [text: string, message: string, offset?: number])[] = [
  ["caller.sub ==", `it cannot be read from "==" on`, 11],
  ["(caller.sub", "it ends too early", 11],
  ["caller.sub = 'a'", `it cannot be read from "= 'a'" on`, 11],
  ["", "it ends too early"],
  [
    "calller.sub == 'a'",
    "there is no calller; an expression may name caller, method, peer, request, path, input",
  ],
  ["true && x", "there is no x; an expression may name caller, method, peer, request, path, input", 8],
  ["peer.adress == 'a'", "peer has no adress; it has ip, port, certificate", 4],
  ["method.nme == 'a'", "method has no nme; it has name, service, package, route", 6],
  [
    "request.headers['a'] == ''",
    "request has no headers; it has header, path, http_method, protocol, time",
    7,
  ],
  ["request.header['X-Beta'] == '1'", "names in request.header are lower case: x-beta", 14],
  ["request.header.Beta == '1'", "names in request.header are lower case: beta", 14],
  ["input.tenant == 'a'", "shop.v1.Order has no field tenant", 5],
  ["input.tenantId == 'a'", "shop.v1.Order has no field tenantId; it is written tenant_id", 5],
  ["has(input.nothing)", "shop.v1.Order has no field nothing"],
  ["input.lines[0].productId == ''", "shop.v1.Line has no field productId; it is written product_id", 14],
  ["input.lines.all(l, l.qty > 1)", "shop.v1.Line has no field qty", 20],
  ["input.total == 'a'", "int is never equal to string"],
  ["input.total == null", "int is never equal to null_type"],
  ["method == 'shop.v1.Orders/Create'", "method is never equal to string"],
  ["input.lines == 1", "list(shop.v1.Line) is never equal to int"],
  ["input.total + 'a' == 'b'", "+ does not take (int, string)"],
  ["input.count + 1 == 2", "+ does not take (uint, int)"],
  ["input.total.startsWith('a')", "startsWith does not take (string) on int"],
  ["input.tenant_id.startsWith('a', 'b')", "startsWith does not take (string, string) on string"],
  ["caller.sub.reverse() == 'a'", "there is no function reverse"],
  ["'a' in caller.sub", "in takes a list or a map, and not string"],
  ["1 in caller.scopes", "int is never in list(string)"],
  ["caller.sub && true", "&& takes bool, and not string"],
  ["caller.sub ? true : false", "? takes bool, and not string"],
  ["!caller.sub", "! does not take (string)"],
  ["input.total.all(x, true)", "int has no elements"],
  ["input.total[0]", "int cannot be indexed"],
  ["input.lines['a'].quantity == 1", "a list is indexed by int, and not by string"],
  ["input.labels[1] == ''", "a map(string, string) is indexed by string"],
  ["peer['adress'] == ''", "peer has no adress; it has ip, port, certificate"],
  ["input.kind == shop.v1.Kind.KIND_BOOK", "there is no shop.v1.Kind.KIND_BOOK in the request", 26],
  ["input.main == shop.v1.Lime{}", "there is no message shop.v1.Lime in the request", 14],
  ["input.main == shop.v1.Line{product: 'a'}", "shop.v1.Line has no field product", 14],
  ["path.matches('(')", '"(" is no pattern'],
  ["path.matches('(?=a)b')", '"(?=a)b" is no pattern'],
  [
    "path.matches(caller.sub)",
    "a pattern must be written out, so that no caller can choose one that is slow",
  ],
  [
    "path.matches('a' + path)",
    "a pattern must be written out, so that no caller can choose one that is slow",
  ],
  ["request.time < timestamp('yesterday')", '"yesterday" is no timestamp', 15],
  ["duration('long') == duration('1s')", '"long" is no duration'],
  ["caller.sub", "it is string, and must be bool"],
  ["input.total", "it is int, and must be bool"],
];

const wrong = table.map(([text, message, offset]): Wrong => ({ text, message, offset }));

test.each(wrong)("$text", ({ text, message, offset }) => {
  const { program, problems } = compileExpression(text, { result: "bool", input });
  expect(program).toBeUndefined();
  const [first] = problems;
  expect(first?.message).toBe(message);
  if (offset !== undefined) expect(first?.offset).toBe(offset);
});

test("everything that is wrong is told at once", () => {
  const { problems } = compileExpression("peer.a == 1 && input.b == 2 || c", { result: "bool", input });
  expect(problems.map(({ message }) => message.slice(0, 16))).toEqual([
    "peer has no a; i",
    "shop.v1.Order ha",
    "there is no c; a",
  ]);
});

test("without a request there is no input", () => {
  const { problems } = compileExpression("input.tenant_id == ''", { result: "bool" });
  expect(problems[0]?.message).toContain("there is no input here");
});

test("an expression is not too long and not too deep", () => {
  for (const text of ["'".padEnd(20_000, "a"), `${"(".repeat(8000)}1`, `${"!".repeat(8000)}true`]) {
    const { program, problems } = compileExpression(text, { result: "any" });
    expect(program === undefined || problems.length === 0).toBe(true);
  }
  expect(compileExpression(`'${"a".repeat(20_000)}'`, { result: "any" }).problems[0]?.message).toBe(
    "it is longer than 16384 characters",
  );
});

const kinds: readonly (readonly [ResultKind, string, boolean])[] = [
  ["bool", "caller.tenant", true],
  ["bool", "1", false],
  ["string", "caller.sub", true],
  ["string", "caller.claims.x", true],
  ["string", "peer.port", false],
  ["int", "input.total * 2", true],
  ["int", "input.count", true],
  ["int", "caller.sub", false],
  ["key", "method", true],
  ["key", "peer.port", true],
  ["key", "caller", false],
  ["key", "caller.scopes", false],
  ["any", "caller.scopes", true],
];

test.each(kinds)("a %s is made by %s: %s", (result, text, good) => {
  expect(compileExpression(text, { result, input }).program !== undefined).toBe(good);
});

test("whether the request is needed is known before", () => {
  const uses = (text: string) => compileExpression(text, { result: "any", input }).program?.usesInput;
  expect(uses("caller.sub")).toBe(false);
  expect(uses("'input'")).toBe(false);
  expect(uses("caller.input")).toBe(false);
  expect(uses("[1].all(input, input > 0)")).toBe(false);
  expect(uses("caller.sub == input.tenant_id")).toBe(true);
  expect(uses("caller.scopes.exists(s, s == input.tenant_id)")).toBe(true);
  expect(uses("has(input.main)")).toBe(true);
  expect(uses(".input.tenant_id")).toBe(true);
});
