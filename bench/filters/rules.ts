import { create, toBinary } from "@bufbuild/protobuf";
import { createCodecs } from "#codec";
import { compileExpression } from "#expression";
import { allowFilter } from "#filter/authz";
import { validateFilter } from "#filter/validate";
import { CreateOrderRequestSchema } from "#gen/shop/v1/orders_pb";
import { type Call, type Filter, Metadata, Payload, type Reply } from "#rpc";
import { loadSchema, type Method, packageRoot, type Schema } from "#schema";
import { createLogger, createPrometheusMeter } from "#telemetry";

// Run as `npm run bench:rules`: prints as Markdown what rules in CEL and the validation of requests cost a call.

const rounds = 30;
/** Few enough to stay in the cache of the processor, as those of a gateway do. */
const callsPerRound = 2_000;

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

function callOf(wire: Uint8Array): Call {
  return {
    kind: "unary",
    method,
    header: new Metadata(["accept", "application/json", "x-beta", "1"]),
    deadline: undefined,
    signal: new AbortController().signal,
    // As new for each call: what has been decoded is not decoded again.
    request: Payload.fromProto(wire, codec),
    context: {
      requestId: "bench",
      protocol: "rest",
      peer: { address: "192.0.2.1", port: 1 },
      httpMethod: "POST",
      httpPath: "/v1/orders",
      route: "/v1/orders",
      startedAt: 0,
      principal: {
        subject: "ann",
        provider: "main",
        scopes: ["orders.read", "orders.write"],
        claims: { tenant: "t1" },
        expiresAt: undefined,
      },
      upstream: undefined,
      endpoint: undefined,
      tried: [],
      attempts: 0,
      queuedMs: 0,
      upstreamMs: undefined,
    },
  };
}

const reply: Promise<Reply> = Promise.resolve({
  kind: "unary",
  header: new Metadata(),
  response: Payload.fromProto(new Uint8Array(0), codec),
  trailer: new Metadata(),
});

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

const decoding: Filter = (next) => (call) => {
  if (call.kind === "unary") call.request.message(method.descriptor.input);
  return next(call);
};

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

/** Nanoseconds of a call, the least of the rounds: what disturbs only adds. */
async function cost(filter: Filter, wire: Uint8Array): Promise<number> {
  const handle = filter(() => reply);
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const calls = Array.from({ length: callsPerRound }, () => callOf(wire));
    const startedAt = process.hrtime.bigint();
    for (const call of calls) await handle(call);
    least = Math.min(least, Number(process.hrtime.bigint() - startedAt) / callsPerRound);
  }
  return least;
}

console.log("| what | ns a call |\n| --- | --- |");
for (const [name, filter, lines] of cases) {
  console.log(`| ${name} | ${Math.round(await cost(filter, wires[lines]))} |`);
}
