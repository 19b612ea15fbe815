import { expect, test } from "vitest";
import { RetryThrottle, retryFilter } from "#filter/retry";
import { Code, compose, type Handler, RpcError } from "#rpc";
import { type Channel, defaultHealth } from "#upstream";
import { until } from "../support/until.ts";
import { channelTo, opaque, unary } from "./support/calls.ts";
import { type EchoServer, echoServer } from "./support/echo-server.ts";
import { replica } from "./support/replica.ts";

const policy = { attempts: 3, on: [Code.UNAVAILABLE], backoffMs: 25, maxBackoffMs: 250 };

/** As the gateway calls a method that may be called twice. */
function idempotent(channel: Channel): Handler {
  return compose([retryFilter(policy, new RetryThrottle())], channel.handler(opaque));
}

interface Load {
  readonly errors: readonly string[];
  readonly calls: number;
  /** Answers by endpoint. */
  readonly answers: ReadonlyMap<string, number>;
  stop(): Promise<void>;
}

/** So many calls at any time until stopped. */
function load(handler: Handler, concurrency: number): Load {
  let stopped = false;
  let calls = 0;
  const errors: string[] = [];
  const answers = new Map<string, number>();
  const one = async (): Promise<void> => {
    while (!stopped) {
      const call = unary("x", { idempotent: true });
      calls++;
      try {
        await handler(call);
        const endpoint = call.context.endpoint ?? "";
        answers.set(endpoint, (answers.get(endpoint) ?? 0) + 1);
      } catch (error) {
        errors.push(`${RpcError.from(error)} ${RpcError.from(error).reason}`);
      }
    }
  };
  const running = Promise.all(Array.from({ length: concurrency }, one));
  return {
    errors,
    answers,
    get calls() {
      return calls;
    },
    async stop() {
      stopped = true;
      await running;
    },
  };
}

function stateOf(channel: Channel, address: string): string | undefined {
  return channel.endpoints.find((endpoint) => endpoint.address === address)?.state;
}

const echoSlowly = (call: { request: Buffer }, reply: (error: null, value: Buffer) => void): void => {
  setTimeout(() => reply(null, call.request), 3);
};

test("servers that break off and come back cost no call that may be repeated", async () => {
  const serve = (port = 0): Promise<EchoServer> =>
    echoServer({ port, unary: echoSlowly, health: { "": "SERVING" } });
  const servers = [await serve(), await serve()];
  const channel = channelTo(
    servers.map(({ address }) => address),
    { health: defaultHealth },
  );
  await until("both are ready", () => channel.endpoints.every(({ state }) => state === "ready"));
  const running = load(idempotent(channel), 50);
  for (let round = 0; round < 4; round++) {
    const at = round % 2;
    const server = servers[at] as EchoServer;
    await until("calls are under way", () => server.unaryCalls > 20);
    server.kill();
    await until("it gets no more calls", () => stateOf(channel, server.address) !== "ready");
    servers[at] = await serve(server.port);
    await until("it is back", () => stateOf(channel, server.address) === "ready", 3000);
  }
  await running.stop();
  expect(running.errors).toEqual([]);
  await channel.close(0);
  for (const server of servers) server.kill();
});

test("a graceful shutdown under load costs no call at all", async () => {
  await using staying = await echoServer({ unary: echoSlowly });
  await using leaving = await echoServer({ unary: echoSlowly });
  const channel = channelTo([staying.address, leaving.address]);
  await until("both are ready", () => channel.endpoints.every(({ state }) => state === "ready"));
  // Without retries of ours: what was under way ends well, and what was refused never was processed.
  const running = load(channel.handler(opaque), 50);
  await until("calls are under way", () => leaving.unaryCalls > 50);
  await leaving.shutdown();
  const before = staying.unaryCalls;
  await until("the other serves", () => staying.unaryCalls > before + 100);
  await running.stop();
  expect(running.errors).toEqual([]);
  await channel.close(0);
});

test("a process that is killed under load costs no call that may be repeated, and is back soon after", async () => {
  await using staying = await replica();
  const dying = await replica();
  const channel = channelTo([staying.address, dying.address], { health: defaultHealth });
  await until("both are ready", () => channel.endpoints.every(({ state }) => state === "ready"));
  const running = load(idempotent(channel), 100);
  await until("both serve", () => running.answers.size === 2);
  await dying.kill();
  await until("it gets no more calls", () => stateOf(channel, dying.address) !== "ready");
  const before = running.calls;
  await until("the load goes on", () => running.calls > before + 200);

  await using revived = await replica(dying.port);
  await until("it is back", () => stateOf(channel, revived.address) === "ready");
  const answers = running.answers.get(revived.address) ?? 0;
  await until("it serves again", () => (running.answers.get(revived.address) ?? 0) > answers + 50);
  await running.stop();
  expect(running.errors).toEqual([]);
  await channel.close(0);
});

test("a call that may not be repeated fails when its connection is lost, and only then", async () => {
  const held: unknown[] = [];
  await using dying = await echoServer({ unary: (_call, reply) => void held.push(reply) });
  await using staying = await echoServer();
  const channel = channelTo([dying.address, staying.address]);
  await until("both are ready", () => channel.endpoints.every(({ state }) => state === "ready"));
  const call = unary("x");
  call.context.tried = [...call.context.tried, staying.address];
  const failed = channel.handler(opaque)(call);
  const outcome = expect(failed).rejects.toMatchObject({ code: Code.UNAVAILABLE, reason: "connection_lost" });
  await until("the call arrived", () => held.length === 1);
  dying.kill();
  await outcome;
  expect(staying.unaryCalls).toBe(0);
  await channel.close(0);
});
