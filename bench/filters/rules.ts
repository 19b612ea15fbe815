import { create, toBinary } from "@bufbuild/protobuf";
import { createCodecs } from "#codec";
import { compileExpression } from "#expression";
import { allowFilter } from "#filter/authz";
import { validateFilter } from "#filter/validate";
import { CreateOrderRequestSchema } from "#gen/shop/v1/orders_pb";
import { type Filter, guard, Payload } from "#rpc";
import { loadSchema, type Method, packageRoot, type Schema } from "#schema";
import { createLogger, createPrometheusMeter } from "#telemetry";
import { answering, type Case, callOf, costsOf } from "./measure.ts";

// Run as `npm run bench:rules`: prints as Markdown what rules in CEL and the validation of requests cost a call.

const outcome = await loadSchema([{ kind: "proto", dir: `${packageRoot}/proto` }], undefined);
if (outcome.schema === undefined) throw new Error(JSON.stringify(outcome.problems));
const schema: Schema = outcome.schema;
const found = schema.methods.get("shop.v1.Orders/CreateOrder");
if (found === undefined) throw new Error("the shop takes no orders");
const method: Method = found;
const codec = createCodecs(schema.registry).message(method.descriptor.input);
const logger = createLogger({ write: () => {} });

/** The request, on the wire, of an order of so many lines. */
function order(lines: number): Uint8Array {
  const items = Array.from({ length: lines }, (_, index) => ({ product: `products/p${index}`, quantity: 2 }));
  const handover = { case: "pickupDesk" as const, value: "7" };
  return toBinary(CreateOrderRequestSchema, create(CreateOrderRequestSchema, { order: { items, handover } }));
}

function rule(text: string): Filter {
  const { program, problems } = compileExpression(text, { result: "bool", input: method.descriptor.input });
  if (program === undefined) throw new Error(JSON.stringify(problems));
  return allowFilter({ rule: program, method, logger });
}

function validation(): Filter {
  const meter = createPrometheusMeter();
  const filter = validateFilter({ method, registry: schema.registry, mode: "enforce", meter, logger });
  if (filter === undefined) throw new Error("orders have no rules");
  return filter;
}

const decoding: Filter = guard((call) => {
  if (call.kind === "unary") call.request.message(method.descriptor.input);
});

const wires = { 1: order(1), 20: order(20) };
const cases: readonly (readonly [name: string, filter: Filter, lines: keyof typeof wires])[] = [
  ["nothing", (next) => next, 1],
  ["`'orders.write' in caller.scopes`", rule("'orders.write' in caller.scopes"), 1],
  ["`caller.tenant == 't1'`", rule("caller.tenant == 't1'"), 1],
  [
    "`caller.tenant == 't1' && request.header['x-beta'] == '1'`",
    rule("caller.tenant == 't1' && request.header['x-beta'] == '1'"),
    1,
  ],
  ["`path.startsWith('/v1/')`", rule("path.startsWith('/v1/')"), 1],
  ["`path.matches('^/v1/[a-z]+$')`", rule("path.matches('^/v1/[a-z]+$')"), 1],
  ["decoding, order of 1 line", decoding, 1],
  ["`input.order.pickup_desk == '7'`, 1 line", rule("input.order.pickup_desk == '7'"), 1],
  [
    "`input.order.items.all(i, i.quantity < 100)`, 1 line",
    rule("input.order.items.all(i, i.quantity < 100)"),
    1,
  ],
  ["validation, 1 line", validation(), 1],
  ["decoding, order of 20 lines", decoding, 20],
  [
    "`input.order.items.all(i, i.quantity < 100)`, 20 lines",
    rule("input.order.items.all(i, i.quantity < 100)"),
    20,
  ],
  ["validation, 20 lines", validation(), 20],
];

const principal = {
  subject: "ann",
  provider: "main",
  scopes: ["orders.read", "orders.write"],
  claims: { tenant: "t1" },
  expiresAt: undefined,
};
const measured = Object.fromEntries(
  cases.map(([name, filter, lines]): [string, Case] => [
    name,
    {
      handler: filter(answering()),
      calls: () => callOf({ method, principal, request: () => Payload.fromProto(wires[lines], codec) }),
    },
  ]),
);
console.log("| what | ns a call |\n| --- | --- |");
for (const [name, ns] of await costsOf(measured, { rounds: 60, perRound: 500 }))
  console.log(`| ${name} | ${Math.round(ns)} |`);
