import { once } from "node:events";
import net, { type AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { Connection, type ConnectionOptions } from "#http2";
import { until } from "../support/until.ts";
import { type Random, randomOf } from "./support/random.ts";
import { frame, get, limits, literal, post, preface, settings, word } from "./support/raw-peer.ts";

/** HTTP2_FUZZ_ROUNDS for a longer look, HTTP2_FUZZ_SEED for another. */
const rounds = Number(process.env.HTTP2_FUZZ_ROUNDS ?? 150);
const seed = Number(process.env.HTTP2_FUZZ_SEED ?? 1);

/** Frames that mean something and frames that nearly do. */
function sequence(random: Random, response: boolean): Buffer {
  const frames: Buffer[] = [settings([random(9), random(2) === 0 ? random(70_000) : 16_384])];
  const block = (): Buffer =>
    [
      get,
      post,
      Buffer.of(0x88),
      Buffer.concat([Buffer.of(0x88), literal("content-type", "application/grpc")]),
      literal("grpc-status", "0"),
      Buffer.from(Array.from({ length: random(20) }, () => random(256))),
    ][random(6)]!;
  for (let n = random(30); n > 0; n--) {
    const id = response ? 2 * random(4) + 1 : 2 * random(12) + 1;
    const payloads: readonly (() => Buffer)[] = [
      () => Buffer.alloc(random(40), random(256)),
      block,
      () => Buffer.alloc(5, random(256)),
      () => word(random(16)),
      () => settings([random(9), random(100_000)]).subarray(9),
      block,
      () => Buffer.alloc(8, random(256)),
      () => Buffer.concat([word(random(9)), word(random(14))]),
      () => word(random(5000)),
      block,
    ];
    const type = random(11);
    frames.push(
      frame(
        type,
        random(4) === 0 ? random(256) : [0, 1, 4, 5][random(4)]!,
        [4, 6, 7].includes(type) ? 0 : id,
        payloads[type]?.() ?? Buffer.alloc(3),
      ),
    );
  }
  const bytes = Buffer.concat(frames);
  // Half of them are sound but for their order; in the others a few octets are not what they were.
  if (random(2) === 0) for (let n = random(4); n > 0; n--) bytes[random(bytes.length)] = random(256);
  return bytes;
}

test.each(["server", "client"] as const)(
  "whatever comes, a %s neither throws nor hangs nor keeps anything",
  async (role) => {
    const random = randomOf(seed + (role === "client" ? 1000 : 0));
    const connections: Connection[] = [];
    let closed = 0;
    const options: ConnectionOptions = {
      ...limits,
      role,
      headMs: 300,
      events: {
        request: (stream, head) => {
          stream.consumer = {
            data: (chunk) => stream.consumed(chunk.length),
            end: () => stream.end(["x-trailer", "1"]),
            broken: () => {},
            writable: () => {},
          };
          if (head.tooLarge) stream.reset();
          else stream.respond(200, ["content-type", "text/plain"], false);
          stream.write(Buffer.alloc(random(100_000)));
        },
        settled: () => {
          const connection = connections.at(-1);
          if (role === "server" || connection === undefined) return;
          for (let n = 0; n < 4 && connection.hasRoom; n++) {
            const stream = connection.request(
              [":method", "POST", ":scheme", "http", ":path", "/", ":authority", "a"],
              false,
            );
            stream.consumer = {
              response: () => {},
              data: (chunk) => stream.consumed(chunk.length),
              end: () => {},
              broken: () => {},
              writable: () => {},
            };
            stream.write(Buffer.alloc(random(100_000)));
          }
        },
        closed: () => {
          closed++;
        },
      },
    };
    const server = net.createServer((socket) => connections.push(new Connection(socket, options)));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    for (let round = 0; round < rounds; round++) {
      const socket = net.connect((server.address() as AddressInfo).port, "127.0.0.1");
      socket.on("error", () => {});
      socket.resume();
      await once(socket, "connect");
      const all = Buffer.concat([
        role === "server" ? preface : Buffer.alloc(0),
        sequence(random, role === "client"),
      ]);
      for (let at = 0; at < all.length && !socket.destroyed; ) {
        const size = 1 + random(random(2) === 0 ? 12 : 400);
        socket.write(all.subarray(at, at + size));
        at += size;
        if (random(3) === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      // What waits to be sent is bounded, whatever the peer does with its windows.
      for (const { sender } of connections) expect(sender.output.pending).toBeLessThan(256 * 1024);
      socket.end();
      await until(`round ${round} of seed ${seed} has ended`, () => closed === round + 1);
      socket.destroy();
    }
    server.close();
    await once(server, "close");
    expect(connections.map(({ streams }) => streams.size)).toEqual(connections.map(() => 0));
  },
  600_000,
);
