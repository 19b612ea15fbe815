import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { expect, test } from "vitest";
import { readInto } from "../../../src/upstream/http2/read-room.ts";

test("what was read is not overwritten by what is read later, be it small or large", async () => {
  const sent: Buffer[] = [];
  const server = createServer(async (socket) => {
    // Each when the last has been read, so that it is read by itself; and all the rest at once.
    for (const size of [1, 40, 4096, 20_000, 40_000, 1, 65_536]) {
      const piece = Buffer.alloc(size, sent.length + 1);
      sent.push(piece);
      socket.write(piece);
      await once(socket, "data");
    }
    const last = Buffer.alloc(1_000_000);
    for (let at = 0; at < last.length; at++) last[at] = at % 251;
    sent.push(last);
    socket.end(last);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const chunks: Buffer[] = [];
  let awaited = 0;
  const onread = readInto((chunk) => {
    chunks.push(chunk);
    awaited += chunk.length;
    if (awaited === sent.reduce((sum, { length }) => sum + length, 0)) socket.write("next");
  });
  const socket = connect({ port: (server.address() as AddressInfo).port, host: "127.0.0.1", onread });
  socket.resume();
  await once(socket, "close");
  server.close();
  expect(Buffer.concat(chunks).equals(Buffer.concat(sent))).toBe(true);
  expect(chunks.some(({ length }) => length > 32 * 1024)).toBe(true);
});
