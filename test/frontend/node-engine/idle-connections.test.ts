import { once } from "node:events";
import http2 from "node:http2";
import net, { type AddressInfo, type Socket } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { completing } from "../../../src/frontend/complete-fields.ts";
import type { Exchange } from "../../../src/frontend/exchange.ts";
import { createHttp2Engine } from "../../../src/frontend/node-engine/http2-server.ts";
import { until } from "../../support/until.ts";

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

async function serve(idleMs: number, exchange: (exchange: Exchange) => void) {
  const engine = createHttp2Engine({
    limits: {
      headerBytes: 4096,
      headerCount: 20,
      targetBytes: 1024,
      streamsPerConnection: 10,
      idleMs,
      headMs: 400,
      bodyIdleMs: 400,
    },
    events: { exchange, upgrade: (upgrade) => upgrade.refuse(501, []) },
    complete: completing([], []),
    count: () => {},
  });
  const kept: WeakRef<Socket>[] = [];
  const server = net.createServer((socket) => {
    kept.push(new WeakRef(socket));
    engine.serve({ socket, scheme: "http", trusted: false, peer: { address: "127.0.0.1", port: 1 } });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { kept, url, [Symbol.dispose]: () => server.close() };
}

test("nothing is kept of a connection that is gone", async () => {
  using at = await serve(60_000, (exchange) => exchange.respond(204, []));
  for (let i = 0; i < 5; i++) {
    const client = http2.connect(at.url);
    const stream = client.request({ ":path": "/" }).resume();
    await once(stream, "close");
    client.destroy();
    await once(client, "close");
  }
  expect(at.kept).toHaveLength(5);
  await until("they are collected", () => {
    collectGarbage();
    // The last one may still be referred to by the loop that closed it.
    return at.kept.filter((each) => each.deref() !== undefined).length <= 1;
  });
});

test("a connection is closed when it has had no request for a while, but never under a call", async () => {
  const waiting: Exchange[] = [];
  using at = await serve(50, (exchange) => waiting.push(exchange));
  const client = http2.connect(at.url);
  const stream = client.request({ ":path": "/" }).resume();
  let gone = false;
  client.once("goaway", () => {
    gone = true;
  });
  await until("the call has come", () => waiting.length === 1);
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(gone).toBe(false);
  waiting[0]?.respond(204, []);
  await once(stream, "close");
  await once(client, "close");
  expect(gone).toBe(true);
});
