import type { ServerHttp2Stream } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import {
  HealthCheckResponseSchema,
  HealthCheckResponse_ServingStatus as Serving,
} from "#gen/grpc/health/v1/health_pb";
import { Code } from "#rpc";
import type { LogFields, Logger } from "#telemetry";
import { Channel, defaultHealth, type HealthOptions } from "#upstream";
import { until } from "../support/until.ts";
import { callUnary, channelTo, failure, plainUpstream, silent, unary } from "./support/calls.ts";
import { echoServer } from "./support/echo-server.ts";
import { frame, liar, respond } from "./support/liar.ts";

const quick: HealthOptions = { ...defaultHealth, intervalMs: 20, timeoutMs: 200 };
const byCheck: HealthOptions = { ...quick, watch: false };
const grpc = { ":status": 200, "content-type": "application/grpc" };
const ok = { "grpc-status": "0" };

function answer(status: Serving): Buffer {
  return frame(toBinary(HealthCheckResponseSchema, create(HealthCheckResponseSchema, { status })));
}

/** A server whose health is told by a script, and that answers every other call. */
async function patient(health: (method: "Check" | "Watch", to: ServerHttp2Stream) => void) {
  const seen = { Check: 0, Watch: 0, calls: 0 };
  const server = await liar((to, headers) => {
    const method = /^\/grpc\.health\.v1\.Health\/(Check|Watch)$/.exec(headers[":path"] ?? "")?.[1];
    to.resume();
    if (method === "Check" || method === "Watch") {
      seen[method]++;
      health(method, to);
    } else {
      seen.calls++;
      respond(to, [frame("x")], ok);
    }
  });
  return { server, seen };
}

function unimplemented(to: ServerHttp2Stream): void {
  to.respond({ ...grpc, "grpc-status": String(Code.UNIMPLEMENTED) }, { endStream: true });
}

function health(channel: Channel): readonly [string | undefined, string | undefined] {
  const [endpoint] = channel.endpoints;
  return [endpoint?.state, endpoint?.health];
}

test("NOT_SERVING ends the calls to an endpoint at once, and SERVING brings them back", async () => {
  await using one = await echoServer({ health: { "": "SERVING" } });
  await using two = await echoServer({ health: { "": "SERVING" } });
  const channel = channelTo([one.address, two.address], { health: quick });
  await until("both are ready", () => channel.endpoints.every(({ state }) => state === "ready"));
  one.health.setStatus("", "NOT_SERVING");
  await until("one is out", () => channel.endpoints[0]?.state === "unhealthy");
  const before = one.unaryCalls;
  for (let i = 0; i < 10; i++) await callUnary(channel, unary("x"));
  expect(one.unaryCalls).toBe(before);
  two.health.setStatus("", "NOT_SERVING");
  await until("both are out", () => channel.endpoints.every(({ state }) => state === "unhealthy"));
  expect(await failure(callUnary(channel, unary("x")))).toMatchObject({ reason: "no_healthy_endpoint" });
  one.health.setStatus("", "SERVING");
  await until("one is back", () => channel.endpoints[0]?.state === "ready");
  await callUnary(channel, unary("x"));
  expect(one.unaryCalls).toBe(before + 1);
  await channel.close(0);
});

test("the service that is asked for counts, and one that the server does not know is unhealthy", async () => {
  await using server = await echoServer({ health: { "": "SERVING", "shop.v1.Cart": "NOT_SERVING" } });
  for (const [service, watch] of [
    ["shop.v1.Cart", true],
    ["shop.v1.Cart", false],
    ["shop.v1.Nothing", true],
    ["shop.v1.Nothing", false],
  ] as const) {
    const channel = channelTo([server.address], { health: { ...quick, service, watch } });
    await until("it is told", () => channel.endpoints[0]?.health !== undefined);
    expect(health(channel)).toEqual(["unhealthy", "not_serving"]);
    await channel.close(0);
  }
});

test("a new endpoint gets no call before its first answer", async () => {
  let say: (() => void) | undefined;
  const { server: patientServer, seen } = await patient((_method, to) => {
    to.respond(grpc);
    say = () => to.write(answer(Serving.SERVING));
  });
  await using server = patientServer;
  const channel = channelTo([server.address], { health: { ...quick, timeoutMs: 5000 } });
  const call = callUnary(channel, unary("x"));
  await until("it was asked", () => say !== undefined);
  expect(health(channel)).toEqual(["probing", undefined]);
  expect(seen.calls).toBe(0);
  say?.();
  await call;
  expect(seen.calls).toBe(1);
  await channel.close(0);
});

test("an endpoint that does not answer in time is unhealthy, and is asked again", async () => {
  const { server: patientServer, seen } = await patient((method, to) => {
    if (method === "Check") {
      respond(to, [answer(Serving.SERVING)], ok);
      return;
    }
    to.respond(grpc);
    if (seen.Watch === 3) to.write(answer(Serving.SERVING));
  });
  await using server = patientServer;
  const channel = channelTo([server.address], { health: { ...quick, timeoutMs: 50 } });
  await until("it is unhealthy", () => health(channel)[1] === "no_answer");
  await until("it is ready", () => health(channel)[0] === "ready");
  expect(seen.Watch).toBe(3);
  // The watch goes on beyond the time that its first answer may take.
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect([...health(channel), seen.Watch]).toEqual(["ready", "serving", 3]);
  await channel.close(0);
});

test("without Watch, Check is asked at the interval", async () => {
  let status: Serving = Serving.SERVING;
  const { server: patientServer, seen } = await patient((method, to) => {
    if (method === "Watch") unimplemented(to);
    else respond(to, [answer(status)], ok);
  });
  await using server = patientServer;
  const channel = channelTo([server.address], { health: quick });
  await until("it is ready", () => health(channel)[1] === "serving");
  await until("it is asked again", () => seen.Check >= 3);
  status = Serving.NOT_SERVING;
  await until("it is out", () => health(channel)[1] === "not_serving");
  status = Serving.SERVING;
  await until("it is back", () => health(channel)[1] === "serving");
  expect(seen.Watch).toBe(1);
  await channel.close(0);
});

test("a server without the health service is taken to serve, and the log says so", async () => {
  await using server = await echoServer();
  const lines: [string, LogFields | undefined][] = [];
  const logger: Logger = { ...silent, info: (message, fields) => void lines.push([message, fields]) };
  const target = { kind: "static", addresses: [server.address] } as const;
  const channel = new Channel({ ...plainUpstream, name: "echo", target, health: quick }, logger);
  await callUnary(channel, unary("x"));
  expect(health(channel)).toEqual(["ready", "unchecked"]);
  expect(lines).toEqual([
    ["an endpoint has no health service and is taken to serve", { address: server.address }],
  ]);
  await channel.close(0);
});

/** What a server answers to one `Check` after the other; the last stays. */
async function checked(script: readonly ("up" | "down" | "fail")[], options: Partial<HealthOptions>) {
  const { server, seen } = await patient((_method, to) => {
    const next = script[Math.min(seen.Check, script.length) - 1];
    if (next === "fail") to.respond({ ...grpc, "grpc-status": "13" }, { endStream: true });
    else respond(to, [answer(next === "up" ? Serving.SERVING : Serving.NOT_SERVING)], ok);
  });
  const channel = channelTo([server.address], { health: { ...byCheck, ...options } });
  return { server, channel, seen };
}

test("a single failed Check may be bad luck, and so many in a row are not", async () => {
  const script = ["up", "fail", "up", "fail", "fail", "fail"] as const;
  const { server: checkedServer, channel, seen } = await checked(script, { unhealthyAfter: 3 });
  await using _server = checkedServer;
  await until("it is out", () => {
    const [state, told] = health(channel);
    if (seen.Check >= 2 && seen.Check < 6) expect([state, told]).toEqual(["ready", "serving"]);
    return told === "no_answer";
  });
  expect(seen.Check).toBe(6);
  await channel.close(0);
});

test("an unhealthy endpoint has to be well so many times in a row, and a new one only once", async () => {
  const script = ["up", "down", "up", "down", "up", "up", "up"] as const;
  const { server: checkedServer, channel, seen } = await checked(script, { healthyAfter: 3 });
  await using _server = checkedServer;
  await until("it is ready", () => health(channel)[0] === "ready");
  expect(seen.Check).toBeLessThanOrEqual(2);
  await until("it is out", () => health(channel)[0] === "unhealthy");
  await until("it is back", () => health(channel)[0] === "ready");
  expect(seen.Check).toBeGreaterThanOrEqual(7);
  await channel.close(0);
});

test("a watch that breaks off is unhealthy until it is answered again", async () => {
  const { server: patientServer, seen } = await patient((_method, to) => {
    to.respond(grpc, { waitForTrailers: true });
    to.on("wantTrailers", () => to.sendTrailers({ "grpc-status": "13" }));
    if (seen.Watch === 1) to.end(answer(Serving.SERVING));
    else to.write(answer(Serving.SERVING));
  });
  await using server = patientServer;
  const states: (string | undefined)[] = [];
  const channel = channelTo([server.address], { health: quick });
  await until("it is watched again", () => {
    const [, told] = health(channel);
    if (told !== states.at(-1)) states.push(told);
    return seen.Watch === 2 && told === "serving";
  });
  expect(states.filter((told) => told !== undefined)).toContain("no_answer");
  await channel.close(0);
});

test("a server that hangs is unhealthy until it answers again, although it is watched", async () => {
  let hangs = false;
  const { server: patientServer, seen } = await patient((method, to) => {
    if (method === "Check") {
      if (!hangs) unimplemented(to);
      return;
    }
    to.respond(grpc);
    to.write(answer(Serving.SERVING));
  });
  await using server = patientServer;
  const channel = channelTo([server.address], { health: { ...quick, timeoutMs: 50 } });
  await until("it is ready, and asked beside the watch", () => seen.Check > 2);
  expect(health(channel)).toEqual(["ready", "serving"]);
  hangs = true;
  await until("it is out", () => health(channel)[1] === "no_answer");
  hangs = false;
  await until("it is back", () => health(channel)[1] === "serving");
  expect(seen.Watch).toBe(1);
  await channel.close(0);
});

test("closing ends the questions", async () => {
  await using server = await echoServer({ health: { "": "SERVING" } });
  const channel = channelTo([server.address], { health: quick });
  await until("it is ready", () => health(channel)[0] === "ready");
  expect(channel.endpoints[0]?.inFlight).toBe(1);
  await channel.close(5000);
  expect(channel.endpoints[0]?.inFlight).toBe(0);
});
