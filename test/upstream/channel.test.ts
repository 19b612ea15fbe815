import { expect, test } from "vitest";
import { callStream, callUnary, channelTo, collect, each, stream, text, unary } from "./support/calls.ts";
import { echoServer } from "./support/echo-server.ts";

test("a unary call goes to an endpoint and back, and the context tells where", async () => {
  await using server = await echoServer();
  const channel = channelTo([server.address]);
  const call = unary("hello");
  const reply = await callUnary(channel, call);
  expect(text(reply.response)).toBe("hello");
  expect(call.context).toMatchObject({
    upstream: "echo",
    endpoint: server.address,
    tried: [server.address],
    attempts: 1,
  });
  expect(call.context.upstreamMs).toBeGreaterThan(0);
  await channel.close(0);
});

test("all kinds of streams carry their messages", async () => {
  await using server = await echoServer();
  const channel = channelTo([server.address]);
  expect(await collect(await callStream(channel, stream("Server", each("a"))))).toEqual(["a"]);
  expect(await collect(await callStream(channel, stream("Client", each("a", "b", "c"))))).toEqual(["abc"]);
  expect(await collect(await callStream(channel, stream("Bidi", each("a", "b", "c"))))).toEqual([
    "a",
    "b",
    "c",
  ]);
  await channel.close(0);
});
