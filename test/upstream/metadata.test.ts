import * as grpc from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { Metadata } from "#rpc";
import { callUnary, channelTo, unary } from "./support/calls.ts";
import { echoServer } from "./support/echo-server.ts";
import { frame, liar, respond } from "./support/liar.ts";

test("metadata go up in order, with duplicates and bytes, and nothing that is reserved", async () => {
  const got: grpc.Metadata[] = [];
  await using server = await echoServer({
    unary(call, reply) {
      got.push(call.metadata);
      reply(null, call.request);
    },
  });
  const channel = channelTo([server.address]);
  const header = new Metadata([
    ...["x-a", "1", "x-a", "2", "x-bin", "AAEC", "x-bin", "/w", "authorization", "Bearer one"],
    ...["authorization", "Bearer two", "x!odd", "dropped", "te", "gzip", "connection", "x-a", "host", "evil"],
    ...["content-type", "text/plain", "user-agent", "curl", "grpc-internal-x", "1", "grpc-timeout", "1H"],
    ...["grpc-encoding", "gzip", "x-control", "a\u0001b"],
  ]);
  await callUnary(channel, unary("x", { header }));
  const map = Object.fromEntries(Object.entries(got[0]?.toHttp2Headers() ?? {}));
  expect(map).toEqual({
    "x-a": "1, 2",
    "x-bin": ["AAEC", "/w=="],
    authorization: "Bearer one",
    "user-agent": expect.stringMatching(/^dragoman(?: grpc-node-js|$)/),
  });
  await channel.close(0);
});

test("metadata come down from the header and the trailer, without what is the HTTP message's", async () => {
  await using server = await echoServer({
    unary(call, reply) {
      const header = new grpc.Metadata();
      header.set("x-header", "h");
      header.set("x-bin", Buffer.from([0, 255]));
      call.sendMetadata(header);
      const trailer = new grpc.Metadata();
      trailer.set("x-trailer", "t");
      reply(null, call.request, trailer);
    },
  });
  const channel = channelTo([server.address]);
  const reply = await callUnary(channel, unary("x"));
  expect([...reply.header]).toEqual([
    ["x-header", "h"],
    ["x-bin", "AP8="],
  ]);
  expect([...reply.trailer]).toEqual([["x-trailer", "t"]]);
  await channel.close(0);
});

test("what the wire needs is set, and the deadline goes on as the time that remains", async () => {
  const got: Record<string, unknown>[] = [];
  await using server = await liar((stream, headers) => {
    got.push({ ...headers });
    respond(stream, [frame("x")], { "grpc-status": "0" });
  });
  const channel = channelTo([server.address]);
  await callUnary(channel, unary("x", { deadline: Date.now() + 5000 }));
  expect(got[0]).toMatchObject({
    ":method": "POST",
    ":path": "/test.Echo/Unary",
    ":authority": server.address,
    te: "trailers",
    "content-type": "application/grpc",
  });
  expect(got[0]?.["grpc-timeout"]).toMatch(/^(?:4\d\d\d|5000)m$/);
  expect(got[0]).not.toHaveProperty("grpc-previous-rpc-attempts");
  await callUnary(channel, unary("x"));
  expect(got[1]).not.toHaveProperty("grpc-timeout");
  await channel.close(0);
});
