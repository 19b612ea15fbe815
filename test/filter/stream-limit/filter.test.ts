import { describe, expect, test } from "vitest";
import { type StreamLimitOptions, streamLimitFilter } from "#filter/stream-limit";
import { type Call, Code, type Handler } from "#rpc";
import { failure, makeCall, readAll, reader, responses, streamReply, unaryReply } from "../support/call.ts";

const open = { messages: undefined, bytes: undefined };

/** A method that answers each request with itself. */
const echo: Handler = async (call) => {
  if (call.kind === "unary") return unaryReply();
  return streamReply(call.requests);
};

function stream(...texts: string[]): Call {
  const call = makeCall({ kind: "stream" });
  return call.kind === "stream" ? { ...call, requests: responses(...texts) } : call;
}

const limited = (options: Partial<StreamLimitOptions>, handler: Handler = echo): Handler =>
  streamLimitFilter({ requests: open, responses: open, ...options })(handler);

describe.each(["requests", "responses"] as const)("%s", (direction) => {
  const httpStatus = direction === "requests" ? 413 : 502;

  test.each<[string, StreamLimitOptions["requests"], string[], string[] | undefined]>([
    ["as many messages as may", { messages: 3, bytes: undefined }, ["a", "b", "c"], undefined],
    ["one more", { messages: 3, bytes: undefined }, ["a", "b", "c", "d"], ["a", "b", "c"]],
    ["as many bytes as may", { messages: undefined, bytes: 6 }, ["abc", "def"], undefined],
    ["one more", { messages: undefined, bytes: 6 }, ["abc", "def", "g"], ["abc", "def"]],
    ["one message that is more", { messages: undefined, bytes: 6 }, ["abcdefg"], []],
    ["both, messages first", { messages: 1, bytes: 100 }, ["a", "b"], ["a"]],
    ["no bounds", open, ["a", "b", "c", "d"], undefined],
  ])("%s", async (_name, bounds, texts, passed) => {
    const reply = await limited({ [direction]: bounds })(stream(...texts));
    if (passed === undefined) {
      expect(await readAll(reply)).toEqual(texts);
      return;
    }
    const messages = reader(reply);
    for (const text of passed) {
      const next = await messages.next();
      expect(next.done === true ? undefined : Buffer.from(next.value.proto()).toString()).toBe(text);
    }
    expect(await failure(messages.next())).toMatchObject({
      code: Code.RESOURCE_EXHAUSTED,
      reason: "stream_limited",
      httpStatus,
    });
  });
});

test("an upstream that sends too much is stopped", async () => {
  let ended = false;
  async function* endless() {
    try {
      for (;;) yield* responses("more");
    } finally {
      ended = true;
    }
  }
  const handle = limited({ responses: { messages: 2, bytes: undefined } }, async () =>
    streamReply(endless()),
  );
  expect(await failure(readAll(await handle(stream())))).toMatchObject({ reason: "stream_limited" });
  expect(ended).toBe(true);
});

test("unary calls pass as they are", async () => {
  const handle = limited({ requests: { messages: 1, bytes: 1 }, responses: { messages: 1, bytes: 1 } });
  expect(await handle(makeCall())).toMatchObject({ kind: "unary" });
});
