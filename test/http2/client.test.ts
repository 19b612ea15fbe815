import { expect, test, vi } from "vitest";
import { until } from "../support/until.ts";
import { ACK, DATA, END_HEADERS, END_STREAM, HEADERS, PING } from "./support/frame-types.ts";
import { alive } from "./support/opened.ts";
import { frame } from "./support/raw-peer.ts";
import { rawServer } from "./support/raw-server.ts";

const whole = END_STREAM | END_HEADERS;

test("keepalive: a server that is gone without a word is given up, and its calls are", async () => {
  await using server = await rawServer({ keepalive: { ms: 150, timeoutMs: 150 } });
  const call = server.call();
  await server.seen("PING", ({ type, flags }) => type === PING && flags === 0);
  await until("the call is over", () => call.outcome === "broken by connection");
  await until("the connection is closed", () => server.closed);
});

test("keepalive: a server that answers, or sends anything else, is not", async () => {
  await using server = await rawServer({ keepalive: { ms: 150, timeoutMs: 5000 } });
  const call = server.call();
  const asked = () => server.received.filter(({ type, flags }) => type === PING && flags === 0);
  for (let n = 1; n < 4; n++) {
    await until("it was asked", () => asked().length === n);
    server.send(frame(PING, ACK, 0, asked()[n - 1]?.payload));
  }
  await alive(server);
  expect(call.outcome).toBe("open");
});

test("what calls of one turn have to say leaves in one write", async () => {
  await using server = await rawServer();
  await alive(server);
  const { socket } = server.connection;
  const writes = vi.spyOn(socket, "write");
  for (let n = 0; n < 9; n++) server.call().stream.sendWhole(Buffer.alloc(0), Buffer.alloc(100));
  await server.seen("the last", ({ streamId, type }) => streamId === 17 && type === DATA);
  expect(writes).toHaveBeenCalledTimes(1);
});

test("a cancelled call is reset, and what still comes of it is dropped", async () => {
  await using server = await rawServer();
  const [one, two] = [server.call(), server.call()];
  await server.seen("both", ({ type, streamId }) => type === HEADERS && streamId === 3);
  one.stream.cancel();
  const reset = await server.seen("RST_STREAM", ({ type }) => type === 3);
  expect([reset.streamId, reset.payload.readUInt32BE(0)]).toEqual([1, 8]);
  server.send(frame(HEADERS, whole, 1, Buffer.of(0x88)), frame(HEADERS, whole, 3, Buffer.of(0x88)));
  await until("the other has ended", () => two.outcome === "ended");
  expect([one.outcome, one.statuses]).toEqual(["open", []]);
});
