import { afterEach, expect, test, vi } from "vitest";
import { protocols } from "../../matrix/protocols/index.ts";
import { begin } from "../../matrix/stage.ts";
import { step } from "../../matrix/step.ts";
import { startWorld } from "../../matrix/world.ts";
import { until } from "../../support/until.ts";

const pingMs = 30_000;

afterEach(() => {
  vi.useRealTimers();
});

test("a client that has to wait for its upstream, so that its pongs are not read, is not taken for gone", async () => {
  vi.useFakeTimers({ toFake: ["setInterval"] });
  await using world = await startWorld();
  const protocol = protocols.find(({ name }) => name === "WebSocket dragoman.json");
  if (protocol === undefined) throw new Error("no such protocol");
  const { call, arrived } = begin(world, { protocol, version: "1.1", kind: "Client" }, "deaf");
  const padding = Buffer.alloc(16 * 1024, "x");
  const count = 1000;
  let sent = 0;
  const sending = (async () => {
    for (; sent < count; sent++) await call.send(step(sent, "", padding));
  })();
  const seen = await arrived();
  await until("the client has to wait", async () => {
    const before = sent;
    await new Promise((resolve) => setTimeout(resolve, 100));
    return sent === before;
  });
  expect(sent).toBeLessThan(count);
  for (let pings = 0; pings < 3; pings++) {
    vi.advanceTimersByTime(pingMs);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect(seen.cancelled).toBe(false);
  seen.finish();
  await sending;
  await until("all has come", () => seen.received.length === count);
  call.cancel();
  await until("the upstream is cancelled", () => seen.cancelled);
});
