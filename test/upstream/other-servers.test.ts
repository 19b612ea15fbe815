import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Code, Metadata } from "#rpc";
import type { Channel } from "#upstream";
import { type TempFolder, tempFolder } from "../support/temp-folder.ts";
import {
  callStream,
  callUnary,
  channelTo,
  collect,
  failure,
  method,
  stream,
  text,
  unary,
} from "./support/calls.ts";
import { type OtherServer, otherServers } from "./support/other-servers.ts";

describe.each(otherServers)("a server by $name", ({ missing, start }) => {
  let folder: TempFolder;
  let server: OtherServer;
  let channel: Channel;

  beforeAll(async () => {
    if (missing) return;
    folder = await tempFolder({});
    server = await start(folder.dir);
    channel = channelTo([server.address]);
  }, 120_000);
  afterAll(async () => {
    if (missing) return;
    await channel.close(0);
    await server[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  test.skipIf(missing)("answers unary calls, with its header, and many at once", async () => {
    const reply = await callUnary(channel, unary("hello"));
    expect([text(reply.response), reply.header.get("x-head")]).toEqual(["hello", "h"]);
    for (let round = 0; round < 5; round++) {
      const sent = Array.from({ length: 200 }, (_, n) => `${round}.${n}`);
      const replies = await Promise.all(sent.map((each) => callUnary(channel, unary(each))));
      expect(replies.map(({ response }) => text(response))).toEqual(sent);
    }
  });

  test.skipIf(missing)("takes and sends messages larger than any window", async () => {
    const large = "x".repeat(3_000_000);
    const replies = await Promise.all([1, 2, 3].map(() => callUnary(channel, unary(large))));
    for (const { response } of replies) expect(text(response).length).toBe(large.length);
  });

  test.skipIf(missing)("streams both ways", async () => {
    const sent = Array.from({ length: 300 }, (_, n) => `${n}`.repeat(n));
    async function* messages(): AsyncGenerator<string> {
      yield* sent;
    }
    expect(await collect(await callStream(channel, stream("Bidi", messages())))).toEqual(sent);
    async function* one(): AsyncGenerator<string> {
      yield "once";
    }
    expect(await collect(await callStream(channel, stream("Server", one())))).toEqual(["once"]);
  });

  test.skipIf(missing)("sends its errors, with their trailers", async () => {
    const error = await failure(callUnary(channel, { ...unary("x"), method: method("Fail", "unary") }));
    expect(error).toMatchObject({ code: Code.NOT_FOUND, message: "no süch thing" });
    expect(error.metadata.get("x-tail")).toBe("t");
  });

  test.skipIf(missing)("goes on when calls are cancelled, and takes any metadata", async () => {
    for (let n = 0; n < 50; n++) {
      const abort = new AbortController();
      async function* endless(): AsyncGenerator<string> {
        for (;;) yield "again".repeat(1000);
      }
      const reply = await callStream(channel, stream("Bidi", endless(), { signal: abort.signal }));
      const [first] = [await reply.responses[Symbol.asyncIterator]().next()];
      expect(first?.done).toBe(false);
      abort.abort();
    }
    const header = new Metadata([
      "x-some",
      "value",
      "x-some",
      "other",
      "x-bytes-bin",
      "AAEC",
      "x-long",
      "v".repeat(4000),
    ]);
    expect(text((await callUnary(channel, unary("still", { header }))).response)).toBe("still");
  });
});
