import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import { afterEach, expect, test } from "vitest";
import { Code, RpcError } from "#rpc";
import type { Channel } from "#upstream";
import { until } from "../../support/until.ts";
import { callUnary, channelTo, failure, text, unary } from "../support/calls.ts";
import { frame, type Liar, liar, respond } from "../support/liar.ts";

/** Connections to one endpoint, at most. */
const maxConnections = 16;

const open: Channel[] = [];
afterEach(async () => {
  for (const channel of open.splice(0)) await channel.close(0);
});

interface Limited extends Liar {
  /** Calls that wait for their answer, by the connection that they came on. */
  readonly waiting: Map<ServerHttp2Session, Set<ServerHttp2Stream>>;
  /** The most calls that any connection has had at once. */
  readonly most: () => number;
  readonly count: () => number;
  answerAll(): void;
}

/** A server that allows so many streams on a connection, and answers when it is told to. */
async function limited(maxConcurrentStreams: number): Promise<Limited> {
  const waiting: Limited["waiting"] = new Map();
  let most = 0;
  const server = await liar((stream) => {
    const calls = waiting.get(stream.session as ServerHttp2Session) ?? new Set();
    waiting.set(stream.session as ServerHttp2Session, calls);
    calls.add(stream);
    stream.resume();
    stream.on("close", () => calls.delete(stream));
    most = Math.max(most, calls.size);
  });
  server.server.updateSettings({ maxConcurrentStreams });
  return {
    ...server,
    waiting,
    most: () => most,
    count: () => [...waiting.values()].reduce((sum, { size }) => sum + size, 0),
    answerAll() {
      for (const calls of waiting.values()) {
        for (const stream of calls) respond(stream, [frame("pong")], { "grpc-status": "0" });
      }
    },
  };
}

async function connected(server: Limited): Promise<Channel> {
  const channel = channelTo([server.address]);
  open.push(channel);
  await until("it is ready", () => channel.endpoints[0]?.state === "ready");
  return channel;
}

const call = async (channel: Channel, signal = new AbortController().signal): Promise<string> =>
  text((await callUnary(channel, unary("ping", { signal }))).response);

// grpc-js makes one connection, whatever its server allows.
const own = test.skipIf(process.env.DRAGOMAN_TEST_HTTP2 === "node");

own("calls over the limit of streams that the server sets go over more connections", async () => {
  await using server = await limited(2);
  const channel = await connected(server);
  const calls = Array.from({ length: 7 }, () => call(channel));
  await until("all have come", () => server.count() === 7);
  expect([server.waiting.size, server.most()]).toEqual([4, 2]);
  server.answerAll();
  expect(await Promise.all(calls)).toEqual(calls.map(() => "pong"));
});

own(
  "calls over what all connections take wait for their turns, as long as their deadlines allow",
  async () => {
    await using server = await limited(1);
    const channel = await connected(server);
    const running = Array.from({ length: maxConnections }, () => call(channel));
    await until("all places are taken", () => server.count() === maxConnections);
    const deadline = new AbortController();
    const late = failure(call(channel, deadline.signal));
    const patient = call(channel);
    deadline.abort(new RpcError(Code.DEADLINE_EXCEEDED, "the deadline has passed"));
    expect((await late).code).toBe(Code.DEADLINE_EXCEEDED);
    expect([server.count(), server.waiting.size, server.most()]).toEqual([maxConnections, maxConnections, 1]);
    server.answerAll();
    expect(await Promise.all(running)).toEqual(running.map(() => "pong"));
    await until("the one that waited has come", () => server.count() === 1);
    server.answerAll();
    expect(await patient).toBe("pong");
  },
);

own("a limit that the server changes holds at once, for calls that wait as well", async () => {
  await using server = await limited(100);
  const channel = await connected(server);
  const first = call(channel);
  await until("it has come", () => server.count() === 1);
  const [session] = server.waiting.keys();
  const change = (maxConcurrentStreams: number): Promise<void> =>
    new Promise((resolve) => session?.settings({ maxConcurrentStreams }, () => resolve()));
  // Other connections allow none, so that what is over the limit of this one waits.
  server.server.updateSettings({ maxConcurrentStreams: 0 });
  await change(2);
  const more = [call(channel), call(channel), call(channel)];
  await until("one more has come", () => server.count() === 2);
  await change(3);
  await until("another has come", () => server.count() === 3);
  await change(0);
  server.answerAll();
  expect(await first).toBe("pong");
  await until("they are answered", () => server.count() === 0);
  await change(5);
  await until("the last has come", () => server.count() === 1);
  server.answerAll();
  expect(await Promise.all(more)).toEqual(["pong", "pong", "pong"]);
  expect(server.waiting.size).toBe(1);
});

own("a server that allows no stream at all is waited for, as long as the deadline allows", async () => {
  await using server = await limited(0);
  const channel = await connected(server);
  const deadline = new AbortController();
  const late = failure(call(channel, deadline.signal));
  setImmediate(() => deadline.abort(new RpcError(Code.DEADLINE_EXCEEDED, "the deadline has passed")));
  expect((await late).code).toBe(Code.DEADLINE_EXCEEDED);
  expect(server.count()).toBe(0);
});
