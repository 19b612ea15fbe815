import net, { type AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { Code } from "#rpc";
import type { LogFields } from "#telemetry";
import { Channel } from "#upstream";
import { until } from "../support/until.ts";
import {
  callStream,
  callUnary,
  channelTo,
  collect,
  each,
  failure,
  opaque,
  plainUpstream,
  silent,
  stream,
  text,
  unary,
  unchecked,
} from "./support/calls.ts";
import { echoServer } from "./support/echo-server.ts";
import { frame, liar, respond } from "./support/liar.ts";

const refused = 7;
const ok = { "grpc-status": "0" };

test("a call tells where it went, and how long the upstream took", async () => {
  await using server = await echoServer();
  const channel = channelTo([server.address]);
  const call = unary("hello");
  expect(text((await callUnary(channel, call)).response)).toBe("hello");
  expect(call.context).toMatchObject({
    upstream: "echo",
    endpoint: server.address,
    tried: [server.address],
    attempts: 1,
  });
  expect(call.context.upstreamMs).toBeGreaterThan(0);
  expect(call.context.queuedMs).toBeGreaterThan(0);
  await channel.close(0);
});

test("ready endpoints take turns", async () => {
  await using one = await echoServer();
  await using two = await echoServer();
  await using three = await echoServer();
  const servers = [one, two, three];
  const channel = channelTo(servers.map(({ address }) => address));
  await until("all are ready", () => channel.endpoints.every(({ state }) => state === "ready"));
  for (let i = 0; i < 30; i++) await callUnary(channel, unary("x"));
  expect(servers.map(({ unaryCalls }) => unaryCalls)).toEqual([10, 10, 10]);
  await channel.close(0);
});

test("an attempt that follows another goes elsewhere", async () => {
  await using one = await echoServer();
  await using two = await echoServer();
  const channel = channelTo([one.address, two.address]);
  await until("both are ready", () => channel.endpoints.every(({ state }) => state === "ready"));
  for (let i = 0; i < 5; i++) {
    const call = unary("x");
    call.context.tried = [...call.context.tried, one.address];
    await callUnary(channel, call);
  }
  expect([one.unaryCalls, two.unaryCalls]).toEqual([0, 5]);
  const both = unary("x");
  both.context.tried = [...both.context.tried, one.address, two.address];
  await callUnary(channel, both);
  await channel.close(0);
});

test("a call that the server refused unprocessed goes elsewhere, once", async () => {
  await using refusing = await liar((to) => to.close(refused));
  await using alsoRefusing = await liar((to) => to.close(refused));
  await using server = await echoServer();
  const channel = channelTo([refusing.address, server.address]);
  await until("both are ready", () => channel.endpoints.every(({ state }) => state === "ready"));
  for (let i = 0; i < 6; i++) expect(text((await callUnary(channel, unary("x"))).response)).toBe("x");
  const messages = await collect(await callStream(channel, stream("Bidi", each("a", "b"))));
  expect(messages).toEqual(["a", "b"]);
  await channel.close(0);

  const hopeless = channelTo([refusing.address, alsoRefusing.address]);
  await until("both are ready", () => hopeless.endpoints.every(({ state }) => state === "ready"));
  const call = unary("x");
  const error = await failure(callUnary(hopeless, call));
  expect(error).toMatchObject({ code: Code.UNAVAILABLE, reason: "connection_lost" });
  expect(call.context.attempts).toBe(2);
  await hopeless.close(0);
});

test("a stream that was refused is sent again from its first message", async () => {
  let attempts = 0;
  await using server = await liar((to) => {
    const parts: Buffer[] = [];
    to.on("data", (part: Buffer) => parts.push(part));
    if (++attempts === 1) {
      to.once("data", () => to.close(refused));
      return;
    }
    to.on("end", () => respond(to, [Buffer.concat(parts)], ok));
  });
  const channel = channelTo([server.address]);
  const reply = await callStream(channel, stream("Bidi", each("a", "b", "c")));
  expect(await collect(reply)).toEqual(["a", "b", "c"]);
  expect(attempts).toBe(2);
  await channel.close(0);
});

test("what the server may have processed is not sent again", async () => {
  let arrived = 0;
  await using server = await liar((to) => {
    arrived++;
    to.session?.destroy();
  });
  const channel = channelTo([server.address, server.address.replace("127.0.0.1", "localhost")]);
  const error = await failure(callUnary(channel, unary("x")));
  expect(error).toMatchObject({ code: Code.UNAVAILABLE, reason: "connection_lost" });
  expect(arrived).toBe(1);
  await channel.close(0);
});

test("calls that a GOAWAY leaves out go elsewhere, and those that it leaves in end well", async () => {
  let first: (() => void) | undefined;
  let left = 0;
  await using leaving = await liar((to) => {
    left++;
    if (first === undefined) {
      first = () => respond(to, [frame("old")], ok);
      return;
    }
    // The last stream that is taken is the first one.
    to.session?.goaway(0, 1);
  });
  await using server = await echoServer();
  const channel = channelTo([leaving.address, server.address]);
  await until("both are ready", () => channel.endpoints.every(({ state }) => state === "ready"));
  const calls = [unary("early"), unary("late")] as const;
  for (const { context } of calls) context.tried = [...context.tried, server.address];
  const early = callUnary(channel, calls[0]);
  await until("the first call arrived", () => first !== undefined);
  const late = callUnary(channel, calls[1]);
  expect(text((await late).response)).toBe("late");
  first?.();
  expect(text((await early).response)).toBe("old");
  expect(left).toBe(2);
  await channel.close(0);
});

test("without a ready endpoint a call fails at once, and does not say where", async () => {
  const closed = await echoServer();
  await closed[Symbol.asyncDispose]();
  const channel = channelTo([closed.address]);
  await until("connecting has failed", () => channel.endpoints[0]?.state === "failed");
  const error = await failure(callUnary(channel, unary("x")));
  expect(error).toMatchObject({ code: Code.UNAVAILABLE, reason: "no_healthy_endpoint", retryAfter: 1 });
  expect(error.message).not.toContain("127.0.0.1");
  await channel.close(0);
});

test("the log tells once why an endpoint cannot be reached, and again after it was", async () => {
  const lines: unknown[] = [];
  const logger = {
    ...silent,
    warn: (message: string, fields?: LogFields) => void lines.push([message, fields]),
  };
  const first = await echoServer();
  const { address, port } = first;
  await first[Symbol.asyncDispose]();
  const target = { kind: "static", addresses: [address] } as const;
  const channel = new Channel({ ...plainUpstream, name: "echo", health: unchecked, target }, logger);
  const line = [
    "an endpoint cannot be reached",
    { upstream: "echo", address, why: expect.stringContaining("ECONNREFUSED") },
  ];
  await until("it was tried several times", async () => {
    await failure(callUnary(channel, unary("x")));
    return lines.length > 0;
  });
  const again = await echoServer({ port });
  await until("it is ready", () => channel.endpoints[0]?.state === "ready");
  expect(lines).toEqual([line]);
  again.kill();
  await until("it is told again", () => lines.length > 1);
  expect(lines).toEqual([line, line]);
  await channel.close(0);
});

test("a server that accepts and says nothing is given up after the connect timeout", async () => {
  const sockets: net.Socket[] = [];
  const mute = net.createServer((socket) => void sockets.push(socket));
  await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
  const channel = channelTo([`127.0.0.1:${(mute.address() as AddressInfo).port}`], { connectTimeoutMs: 100 });
  const error = await failure(callUnary(channel, unary("x")));
  expect(error).toMatchObject({ code: Code.UNAVAILABLE, reason: "no_healthy_endpoint" });
  await until("it is tried again", () => sockets.length >= 2);
  await channel.close(0);
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => mute.close(resolve));
});

test("garbage on the port of the upstream does no harm", async () => {
  const garbage = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.resume();
    socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
  });
  await new Promise<void>((resolve) => garbage.listen(0, "127.0.0.1", resolve));
  const channel = channelTo([`127.0.0.1:${(garbage.address() as AddressInfo).port}`]);
  const error = await failure(callUnary(channel, unary("x")));
  expect(error).toMatchObject({ code: Code.UNAVAILABLE, reason: "no_healthy_endpoint" });
  await channel.close(0);
  await new Promise((resolve) => garbage.close(resolve));
});

test("a call whose deadline has passed is not sent", async () => {
  await using server = await echoServer();
  const channel = channelTo([server.address]);
  await until("it is ready", () => channel.endpoints[0]?.state === "ready");
  const error = await failure(callUnary(channel, unary("x", { deadline: Date.now() - 1 })));
  expect(error).toMatchObject({ code: Code.DEADLINE_EXCEEDED, reason: "deadline_exceeded" });
  expect(server.unaryCalls).toBe(0);
  await channel.close(0);
});

test("a caller that leaves while waiting for an endpoint waits no longer", async () => {
  const mute = net.createServer();
  await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
  const channel = channelTo([`127.0.0.1:${(mute.address() as AddressInfo).port}`], {
    connectTimeoutMs: 60_000,
  });
  const controller = new AbortController();
  const waiting = failure(callUnary(channel, unary("x", { signal: controller.signal })));
  controller.abort(new Error("gone"));
  expect(await waiting).toMatchObject({ code: Code.CANCELLED, reason: "client_gone" });
  await channel.close(0);
  await new Promise((resolve) => mute.close(resolve));
});

test("later attempts of a call tell how many went before", async () => {
  const previous: unknown[] = [];
  await using server = await liar((to, headers) => {
    previous.push(headers["grpc-previous-rpc-attempts"]);
    respond(to, [frame("x")], ok);
  });
  const channel = channelTo([server.address]);
  const call = unary("x");
  const handler = channel.handler(opaque);
  await handler(call);
  await handler(call);
  await handler(call);
  expect(previous).toEqual([undefined, "1", "2"]);
  await channel.close(0);
});

test("raw streams serve the gateway's own errands, and their errors carry the code", async () => {
  await using server = await echoServer();
  const channel = channelTo([server.address]);
  async function* one() {
    yield Buffer.from("ping");
  }
  const got: string[] = [];
  for await (const message of channel.stream("/test.Echo/Bidi", one()))
    got.push(Buffer.from(message).toString());
  expect(got).toEqual(["ping"]);
  await expect(channel.stream("/test.Echo/None", one()).next()).rejects.toMatchObject({
    code: Code.UNIMPLEMENTED,
  });
  await channel.close(0);
});

test("a channel that nobody uses any more leaves nothing behind", async () => {
  await using server = await echoServer();
  const target = { kind: "static", addresses: [server.address] } as const;
  const channel = new Channel({ ...plainUpstream, name: "echo", health: unchecked, target }, silent);
  await callUnary(channel, unary("x"));
  await channel.close(1000);
  expect(channel.endpoints.map(({ state }) => state)).toEqual(["closed"]);
  await server.shutdown();
});
