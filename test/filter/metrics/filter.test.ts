import { expect, test } from "vitest";
import { metricsFilter } from "#filter/metrics";
import { Code, type Handler, type Payload, RpcError } from "#rpc";
import { createPrometheusMeter } from "#telemetry";
import {
  deferred,
  makeCall,
  payload,
  readAll,
  reader,
  responses,
  streamReply,
  unaryReply,
} from "../support/call.ts";

const gone = new RpcError(Code.CANCELLED, "gone", { reason: "client_gone" });
const limited = new RpcError(Code.RESOURCE_EXHAUSTED, "no", { reason: "rate_limited" });

function measured() {
  const meter = createPrometheusMeter();
  return {
    filter: metricsFilter(meter, "test.T/M"),
    /** The value of one series; undefined when it is not there. */
    value(series: string): number | undefined {
      const line = meter
        .expose()
        .split("\n")
        .find((each) => each.startsWith(`${series} `));
      return line === undefined ? undefined : Number(line.slice(series.length + 1));
    },
    text: () => meter.expose(),
  };
}

const total = (code: string, protocol = "rest") =>
  `dragoman_requests_total{method="test.T/M",protocol="${protocol}",code="${code}"}`;
const count = `dragoman_request_duration_seconds_count{method="test.T/M",protocol="rest"}`;
const inFlight = `dragoman_requests_in_flight{method="test.T/M"}`;
const refused = (reason: string) =>
  `dragoman_refusals_total{method="test.T/M",protocol="rest",reason="${reason}"}`;

async function* broken(): AsyncGenerator<Payload> {
  yield payload("a");
  throw limited;
}

test.each<[string, Handler, string, string | undefined]>([
  ["a unary call", async () => unaryReply(), "OK", undefined],
  ["a refusal", () => Promise.reject(limited), "RESOURCE_EXHAUSTED", "rate_limited"],
  ["an upstream's error", () => Promise.reject(new RpcError(Code.NOT_FOUND, "no")), "NOT_FOUND", undefined],
  ["a defect", () => Promise.reject(new TypeError("oops")), "INTERNAL", "internal"],
  ["a stream", async () => streamReply(responses("a", "b")), "OK", undefined],
  ["a stream that fails", async () => streamReply(broken()), "RESOURCE_EXHAUSTED", "rate_limited"],
])("%s is counted once, by its code and the gateway's reason", async (_name, handler, code, reason) => {
  const { filter, value, text } = measured();
  for (let calls = 1; calls <= 3; calls++) {
    const kind = (await handler(makeCall()).catch(() => undefined))?.kind ?? "unary";
    await filter(handler)(makeCall({ kind }))
      .then((reply) => (reply.kind === "stream" ? readAll(reply) : []))
      .catch(() => {});
    expect(value(total(code))).toBe(calls);
    expect(value(count)).toBe(calls);
    expect(value(inFlight)).toBe(0);
    if (reason !== undefined) expect(value(refused(reason))).toBe(calls);
  }
  expect(text().match(/^dragoman_requests_total\{/gm)).toHaveLength(1);
  if (reason === undefined) expect(text()).not.toContain("dragoman_refusals_total");
});

test("protocols are counted apart", async () => {
  const { filter, value } = measured();
  const handle = filter(async () => unaryReply());
  await handle(makeCall());
  await handle(makeCall({ context: { protocol: "grpc" } }));
  await handle(makeCall({ context: { protocol: "grpc" } }));
  expect(value(total("OK"))).toBe(1);
  expect(value(total("OK", "grpc"))).toBe(2);
});

test("a call is in flight until it has ended; a stream until it has been read", async () => {
  const { filter, value } = measured();
  const answer = deferred<void>();
  const unary = filter(() => answer.promise.then(unaryReply))(makeCall());
  const stream = await filter(async () => streamReply(responses("a")))(makeCall({ kind: "stream" }));
  expect(value(inFlight)).toBe(2);
  answer.resolve();
  await unary;
  expect(value(inFlight)).toBe(1);
  expect(value(total("OK"))).toBe(1);
  await readAll(stream);
  expect(value(inFlight)).toBe(0);
  expect(value(total("OK"))).toBe(2);
});

test("the time is that from the head of the request on", async () => {
  const { filter, value } = measured();
  await filter(async () => unaryReply())(makeCall({ context: { startedAt: performance.now() - 3000 } }));
  const series = 'dragoman_request_duration_seconds_bucket{method="test.T/M",protocol="rest",le="2.5"}';
  expect(value(series)).toBe(0);
  expect(value(count)).toBe(1);
});

test("a caller that goes away, having read something or nothing, is a cancelled call", async () => {
  const { filter, value } = measured();
  for (const read of [1, 0]) {
    const controller = new AbortController();
    const call = makeCall({ kind: "stream", signal: controller.signal });
    const messages = reader(await filter(async () => streamReply(responses("a", "b")))(call));
    if (read > 0) await messages.next();
    controller.abort(gone);
    await messages.return?.();
  }
  expect(value(total("CANCELLED"))).toBe(2);
  expect(value(refused("client_gone"))).toBe(2);
  expect(value(inFlight)).toBe(0);
  expect(value(total("OK"))).toBeUndefined();
});

test("the end that it has seen is told, of a call that went well and of one that did not", async () => {
  const { filter, value } = measured();
  const seconds = 'dragoman_request_duration_seconds_sum{method="test.T/M",protocol="rest"}';
  let before = 0;
  for (const handler of [async () => unaryReply(), async () => Promise.reject(limited)]) {
    const call = makeCall();
    await filter(handler)(call).catch(() => {});
    const { startedAt, endedAt = Number.NaN } = call.context;
    const sum = value(seconds) ?? Number.NaN;
    expect(sum - before).toBeCloseTo((endedAt - startedAt) / 1000, 6);
    before = sum;
  }
});
