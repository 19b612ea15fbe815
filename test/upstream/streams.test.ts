import { getEventListeners } from "node:events";
import type * as grpc from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { Code, RpcError } from "#rpc";
import { until } from "../support/until.ts";
import {
  callStream,
  callUnary,
  channelTo,
  collect,
  each,
  failure,
  stream,
  text,
  unary,
} from "./support/calls.ts";
import { echoServer } from "./support/echo-server.ts";
import { frame, liar, respond } from "./support/liar.ts";

const cancelled = 8;

test("all kinds of streams carry their messages, empty ones too", async () => {
  await using server = await echoServer();
  const channel = channelTo([server.address]);
  expect(await collect(await callStream(channel, stream("Server", each("a"))))).toEqual(["a"]);
  expect(await collect(await callStream(channel, stream("Client", each("a", "", "c"))))).toEqual(["ac"]);
  expect(await collect(await callStream(channel, stream("Bidi", each("a", "", "c"))))).toEqual([
    "a",
    "",
    "c",
  ]);
  expect(await collect(await callStream(channel, stream("Bidi", each())))).toEqual([]);
  await channel.close(0);
});

test("messages pass in both directions while the stream is open, and the trailer comes at its end", async () => {
  await using server = await liar((to) => {
    to.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    to.on("data", () => to.write(frame("pong")));
    to.on("end", () => to.end());
    to.on("wantTrailers", () => to.sendTrailers({ "grpc-status": "0", "x-late": "1" }));
  });
  const channel = channelTo([server.address]);
  const answered: (() => void)[] = [];
  async function* pings() {
    yield "ping";
    await new Promise<void>((resolve) => answered.push(resolve));
    yield "ping";
  }
  const reply = await callStream(channel, stream("Bidi", pings()));
  const got: string[] = [];
  for await (const payload of reply.responses) {
    got.push(text(payload));
    answered.shift()?.();
  }
  expect(got).toEqual(["pong", "pong"]);
  expect([...reply.trailer]).toEqual([["x-late", "1"]]);
  await channel.close(0);
});

test("a slow reader gets every message before the error", async () => {
  const count = 500;
  await using server = await liar((to) => {
    to.resume();
    const messages = Array.from({ length: count }, (_, i) => frame(`message ${i}`));
    respond(to, messages, { "grpc-status": "9", "grpc-message": "late" });
  });
  const channel = channelTo([server.address]);
  const reply = await callStream(channel, stream("Server", each("x")));
  const got: string[] = [];
  const error = await failure(
    (async () => {
      for await (const payload of reply.responses) {
        got.push(text(payload));
        if (got.length < 10) await new Promise((resolve) => setTimeout(resolve, 3));
      }
    })(),
  );
  expect(error).toMatchObject({ code: Code.FAILED_PRECONDITION, message: "late", reason: undefined });
  expect(got).toEqual(Array.from({ length: count }, (_, i) => `message ${i}`));
  await channel.close(0);
});

test("a reader that does not read makes the upstream wait", async () => {
  const size = 8 * 1024;
  let sent = 0;
  let full = false;
  await using server = await echoServer({
    server(call) {
      const more = (): void => {
        while (sent < 1000) {
          sent++;
          if (!call.write(Buffer.alloc(size, "x"))) {
            full = true;
            call.once("drain", more);
            return;
          }
          full = false;
        }
        call.end();
      };
      more();
    },
  });
  const channel = channelTo([server.address]);
  const reply = await callStream(channel, stream("Server", each("x")));
  const iterator = reply.responses[Symbol.asyncIterator]();
  await iterator.next();
  await until("the server stands still", async () => {
    const before = sent;
    await new Promise((resolve) => setTimeout(resolve, 100));
    return full && sent === before;
  });
  // What is read ahead, the windows of HTTP/2, and the buffers of node on both sides.
  expect(sent * size).toBeLessThan(512 * 1024);
  let got = 1;
  while ((await iterator.next()).done !== true) got++;
  expect(got).toBe(1000);
  await channel.close(0);
});

test("an upstream that does not read makes the caller wait", async () => {
  let release: () => void = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const size = 16 * 1024;
  const total = 100;
  await using server = await liar((to) => {
    to.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    to.on("wantTrailers", () => to.sendTrailers({ "grpc-status": "0" }));
    let received = 0;
    void released.then(() => {
      to.on("data", (chunk: Buffer) => {
        received += chunk.length;
      });
      to.on("end", () => to.end(frame(String(received))));
    });
  });
  const channel = channelTo([server.address]);
  let pulled = 0;
  async function* requests() {
    for (; pulled < total; pulled++) yield "x".repeat(size);
  }
  const reply = await callStream(channel, stream("Bidi", requests()));
  await until("no more requests are pulled", async () => {
    const before = pulled;
    await new Promise((resolve) => setTimeout(resolve, 100));
    return pulled === before;
  });
  expect(pulled * size).toBeLessThan(256 * 1024);
  release();
  expect(await collect(reply)).toEqual([String(total * (size + 5))]);
  await channel.close(0);
});

/** An upstream that tells how each of its streams was closed. */
async function watched(answer: (to: Parameters<Parameters<typeof liar>[0]>[0]) => void) {
  const codes: (number | undefined)[] = [];
  const server = await liar((to) => {
    to.on("close", () => codes.push(to.rstCode));
    answer(to);
  });
  return { server, codes };
}

test("a caller that leaves cancels the upstream's stream at once", async () => {
  let arrived = 0;
  const { server: watchedServer, codes } = await watched((to) => {
    arrived++;
    to.resume();
  });
  await using server = watchedServer;
  const channel = channelTo([server.address]);
  const gone = new RpcError(Code.CANCELLED, "the caller is gone", { reason: "client_gone" });

  const first = new AbortController();
  const failed = failure(callUnary(channel, unary("x", { signal: first.signal })));
  await until("the call arrived", () => arrived === 1);
  first.abort(gone);
  expect(await failed).toBe(gone);
  await until("the stream is closed", () => codes.length === 1);

  const second = new AbortController();
  const failedStream = failure(callStream(channel, stream("Server", each("x"), { signal: second.signal })));
  await until("the call arrived", () => arrived === 2);
  second.abort(new Error("not ours"));
  expect(await failedStream).toMatchObject({ code: Code.CANCELLED, reason: "client_gone" });
  await until("the stream is closed", () => codes.length === 2);

  expect(codes).toEqual([cancelled, cancelled]);
  const aborted = await failure(callUnary(channel, unary("x", { signal: first.signal })));
  expect(aborted).toBe(gone);
  expect(arrived).toBe(2);
  await channel.close(0);
});

test("a reader that stops early cancels the upstream's stream", async () => {
  const { server: watchedServer, codes } = await watched((to) => {
    to.resume();
    to.respond({ ":status": 200, "content-type": "application/grpc" });
    to.write(frame("a"));
  });
  await using server = watchedServer;
  const channel = channelTo([server.address]);
  const reply = await callStream(channel, stream("Server", each("x")));
  for await (const payload of reply.responses) {
    expect(text(payload)).toBe("a");
    break;
  }
  await until("the stream is closed", () => codes.length === 1);
  expect(codes).toEqual([cancelled]);
  await channel.close(0);
});

test("requests that fail end the call with their error, and cancel it upstream", async () => {
  const { server: watchedServer, codes } = await watched((to) => to.resume());
  await using server = watchedServer;
  const channel = channelTo([server.address]);
  const broken = new RpcError(Code.INVALID_ARGUMENT, "not JSON", { reason: "malformed_body" });
  async function* requests() {
    yield "a";
    throw broken;
  }
  expect(await failure(callStream(channel, stream("Bidi", requests())))).toBe(broken);
  await until("the stream is closed", () => codes.length === 1);
  expect(codes).toEqual([cancelled]);
  await channel.close(0);
});

test("an upstream that ends early frees the source of the requests", async () => {
  await using server = await liar((to) => respond(to, [frame("enough")], { "grpc-status": "0" }));
  const channel = channelTo([server.address]);
  let freed = false;
  async function* requests() {
    try {
      for (let i = 0; ; i++) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        yield String(i);
      }
    } finally {
      freed = true;
    }
  }
  expect(await collect(await callStream(channel, stream("Bidi", requests())))).toEqual(["enough"]);
  await until("the source is freed", () => freed);
  await channel.close(0);
});

test("an upstream that ends early frees the source of what the gateway itself asks", async () => {
  await using server = await liar((to) => respond(to, [frame("enough")], { "grpc-status": "0" }));
  const channel = channelTo([server.address]);
  let freed = false;
  async function* questions() {
    try {
      for (;;) {
        yield Buffer.from("more");
        await new Promise(setImmediate);
      }
    } finally {
      freed = true;
    }
  }
  const answers: string[] = [];
  for await (const answer of channel.stream("/test.Echo/Bidi", questions()))
    answers.push(Buffer.from(answer).toString());
  expect(answers).toEqual(["enough"]);
  await until("the source is freed", () => freed);
  await channel.close(0);
});

test("no listener stays on the signal of a call", async () => {
  await using server = await echoServer();
  const channel = channelTo([server.address]);
  const { signal } = new AbortController();
  await callUnary(channel, unary("x", { signal }));
  await collect(await callStream(channel, stream("Bidi", each("a", "b"), { signal })));
  await failure(
    callUnary(channel, { ...unary("x", { signal }), method: { ...unary("x").method, path: "/no/such" } }),
  );
  expect(getEventListeners(signal, "abort")).toEqual([]);
  await channel.close(0);
});

test("closing lets calls end in their time, and cancels those that do not", async () => {
  const calls: grpc.sendUnaryData<Buffer>[] = [];
  await using server = await echoServer({
    unary: (_call, reply) => void calls.push(reply),
  });
  const channel = channelTo([server.address]);
  const quick = callUnary(channel, unary("x"));
  const slow = failure(callUnary(channel, unary("x")));
  await until("both arrived", () => calls.length === 2);
  const closed = channel.close(100);
  expect(await failure(callUnary(channel, unary("x")))).toMatchObject({ reason: "no_healthy_endpoint" });
  calls[0]?.(null, Buffer.from("done"));
  expect(text((await quick).response)).toBe("done");
  await closed;
  expect(await slow).toMatchObject({ code: Code.UNAVAILABLE, reason: "draining" });
});
