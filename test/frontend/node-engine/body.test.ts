import { once } from "node:events";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { readPieces, readWhole } from "../../../src/frontend/node-engine/body.ts";

test("an empty body that has ended before anybody reads it is whole", async () => {
  const server = http2.createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const request = client.request({ ":method": "POST" });
  const [stream] = (await once(server, "stream")) as [http2.ServerHttp2Stream];
  const ended = once(stream, "end");
  request.end();
  await ended;
  expect(await readWhole(stream, { declared: undefined, limit: 10, idleMs: 60_000 })).toHaveLength(0);
  expect((await readPieces(stream, 60_000).next()).done).toBe(true);
  stream.respond({}, { endStream: true });
  client.destroy();
  server.close();
});
