import { expect, test } from "vitest";
import { Code } from "#rpc";
import { Channel, type Lookup, type UpstreamTarget } from "#upstream";
import { until } from "../support/until.ts";
import { callUnary, failure, plainUpstream, silent, unary, unchecked } from "./support/calls.ts";
import { echoServer } from "./support/echo-server.ts";

/** A name whose addresses the test decides. */
function name(port: number, answer: () => Promise<readonly string[]>) {
  const state = { asked: 0, answer };
  const target: UpstreamTarget = { kind: "dns", host: "echo.test", port };
  const lookup: Lookup = (host) => {
    expect(host).toBe("echo.test");
    state.asked++;
    return state.answer();
  };
  const channel = new Channel({ ...plainUpstream, name: "echo", health: unchecked, target }, silent, lookup);
  return { state, channel };
}

const addresses = (channel: Channel): string[] => channel.endpoints.map(({ address }) => address);

test("calls to a name go to its address, and by the name", async () => {
  const authorities: string[] = [];
  await using server = await echoServer({
    unary(call, reply) {
      authorities.push(call.getHost());
      reply(null, call.request);
    },
  });
  const { channel } = name(server.port, async () => ["127.0.0.1"]);
  await callUnary(channel, unary("x"));
  expect(authorities).toEqual([`echo.test:${server.port}`]);
  await channel.close(0);
});

test("several addresses become several endpoints, each once", async () => {
  const { channel } = name(1, async () => ["127.0.0.2", "127.0.0.1", "127.0.0.1", "::1"]);
  await until("it is resolved", () => addresses(channel).length > 0);
  expect(addresses(channel)).toEqual(["127.0.0.1:1", "127.0.0.2:1", "[::1]:1"]);
  await channel.close(0);
});

test("a connection that fails has the name looked up again, and new addresses are taken", async () => {
  const first = await echoServer();
  const { state, channel } = name(first.port, async () => ["127.0.0.1"]);
  await callUnary(channel, unary("x"));
  expect(state.asked).toBe(1);
  state.answer = async () => ["127.0.0.2"];
  first.kill();
  await until("the new address is known", () => addresses(channel).join() === `127.0.0.2:${first.port}`);
  await channel.close(0);
});

test("addresses stay when the DNS fails, or knows none any more", async () => {
  const first = await echoServer();
  const { port } = first;
  const { state, channel } = name(port, async () => ["127.0.0.1"]);
  await callUnary(channel, unary("x"));
  state.answer = async () => {
    throw new Error("SERVFAIL");
  };
  first.kill();
  await until("it was asked in vain", () => state.asked === 2);
  state.answer = async () => [];
  await until("it was asked in vain again", () => state.asked === 3);
  expect(addresses(channel)).toEqual([`127.0.0.1:${port}`]);
  await using _again = await echoServer({ port });
  await until("it is back", () => channel.endpoints[0]?.state === "ready");
  await callUnary(channel, unary("x"));
  await channel.close(0);
});

test("a name that has never been resolved is waited for, and then is no endpoint", async () => {
  const { channel } = name(1, async () => {
    throw new Error("NXDOMAIN");
  });
  const error = await failure(callUnary(channel, unary("x")));
  expect(error).toMatchObject({ code: Code.UNAVAILABLE, reason: "no_healthy_endpoint" });
  expect(error.message).not.toContain("NXDOMAIN");
  await channel.close(0);
});

test("the system resolves what it knows", async () => {
  await using server = await echoServer();
  const target: UpstreamTarget = { kind: "dns", host: "localhost", port: server.port };
  const channel = new Channel({ ...plainUpstream, name: "echo", health: unchecked, target }, silent);
  await callUnary(channel, unary("x"));
  await channel.close(0);
});
