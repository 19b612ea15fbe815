import { expect, test } from "vitest";
import { Payload } from "#rpc";
import { Replay } from "../../src/upstream/replay.ts";
import { opaque } from "./support/calls.ts";

const payload = (message: string): Payload => Payload.fromProto(Buffer.from(message), opaque);
const read = (result: IteratorResult<Uint8Array>): string | undefined =>
  result.done === true ? undefined : Buffer.from(result.value).toString();

async function* each(...messages: string[]): AsyncGenerator<Payload> {
  for (const message of messages) yield payload(message);
}

async function all(requests: AsyncIterable<Uint8Array>): Promise<string[]> {
  const got: string[] = [];
  for await (const request of requests) got.push(Buffer.from(request).toString());
  return got;
}

test("an attempt begins at the first request, wherever the last one stopped", async () => {
  const replay = new Replay(each("a", "b", "c"));
  const first = replay.requests();
  expect([read(await first.next()), read(await first.next())]).toEqual(["a", "b"]);
  expect(await all(replay.requests())).toEqual(["a", "b", "c"]);
  expect(read(await first.next())).toBeUndefined();
  expect(replay.replayable).toBe(true);
  expect(await all(replay.requests())).toEqual(["a", "b", "c"]);
});

test("a request that one attempt was waiting for goes to the next, even when that is the last", async () => {
  let send: (payload: Payload) => void = () => {};
  async function* source() {
    yield await new Promise<Payload>((resolve) => {
      send = resolve;
    });
    yield payload("b");
  }
  const replay = new Replay(source());
  const first = replay.requests().next();
  const second = replay.requests();
  const next = second.next();
  replay.commit();
  send(payload("a"));
  expect(read(await first)).toBeUndefined();
  expect(read(await next)).toBe("a");
  expect(await all(second)).toEqual(["b"]);
});

test("once there is no other attempt nothing is kept", async () => {
  const replay = new Replay(each("a", "b"));
  replay.commit();
  expect(replay.replayable).toBe(false);
  expect(await all(replay.requests())).toEqual(["a", "b"]);
});

test("what is too large to keep is sent once", async () => {
  const replay = new Replay(each("a", "b".repeat(300 * 1024)));
  const requests = replay.requests();
  await requests.next();
  expect(replay.replayable).toBe(true);
  await requests.next();
  expect(replay.replayable).toBe(false);
});

test("a source that fails fails the attempt", async () => {
  async function* source() {
    yield payload("a");
    throw new Error("broken");
  }
  const requests = new Replay(source()).requests();
  await requests.next();
  await expect(requests.next()).rejects.toThrow("broken");
});

test("closing ends the source", async () => {
  let ended = false;
  async function* source() {
    try {
      yield payload("a");
      yield payload("b");
    } finally {
      ended = true;
    }
  }
  const replay = new Replay(source());
  await replay.requests().next();
  replay.close();
  await Promise.resolve();
  expect(ended).toBe(true);
});

test("what came when an attempt was over already is the first thing that the next one hears", async () => {
  let send: (payload: Payload) => void = () => {};
  async function* source() {
    yield await new Promise<Payload>((resolve) => {
      send = resolve;
    });
    yield payload("b");
  }
  const replay = new Replay(source());
  const first = replay.requests().next();
  const second = replay.requests();
  expect(read(await first)).toBeUndefined();
  send(payload("a"));
  await new Promise(setImmediate);
  expect(await all(second)).toEqual(["a", "b"]);
  expect(await all(replay.requests())).toEqual(["a", "b"]);
});

test("an attempt that begins after the source has failed fails at the same place", async () => {
  async function* source() {
    yield payload("a");
    throw new Error("broken");
  }
  const replay = new Replay(source());
  await expect(all(replay.requests())).rejects.toThrow("broken");
  const again = replay.requests();
  expect(read(await again.next())).toBe("a");
  await expect(again.next()).rejects.toThrow("broken");
});
