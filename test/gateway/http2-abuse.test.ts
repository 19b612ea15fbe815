import { once } from "node:events";
import net from "node:net";
import { expect, test } from "vitest";
import { floods } from "../http2/support/floods.ts";
import { frame, get, post, preface, settings } from "../http2/support/raw-peer.ts";
import { type RawWire, rawWire } from "../http2/support/raw-wire.ts";
import { testGateway } from "../support/gateway.ts";
import { until } from "../support/until.ts";

const [HEADERS, RST_STREAM] = [1, 3] as const;
const END_HEADERS = 4;

async function connect(port: number): Promise<RawWire> {
  const socket = net.connect(port, "127.0.0.1");
  const wire = rawWire(socket);
  await once(socket, "connect");
  return wire;
}

// The engine of Node does not tell what it ended a connection for.
test.skipIf(process.env.DRAGOMAN_TEST_HTTP2 === "node")(
  "each abuse of HTTP/2 ends its connection, is counted by its kind, and told once in a while",
  async () => {
    await using running = await testGateway(
      { "a.proto": 'syntax = "proto3"; package a.v1;' },
      {
        upstreams: { nobody: "grpc://127.0.0.1:1" },
        listen: { limits: { headTimeout: "300ms" } },
        routes: [{ match: "*", public: true }],
      },
    );
    const port = running.gateway.httpPort ?? 0;
    const counted = async (): Promise<Record<string, number>> => {
      const text = await (await fetch(`${running.admin}/metrics`)).text();
      const lines = text.matchAll(/^dragoman_http2_abuse_total\{kind="(\w+)"\} (\d+)$/gm);
      return Object.fromEntries([...lines].map(([, kind, times]) => [kind, Number(times)]));
    };
    const expected: Record<string, number> = {};
    const slow: typeof floods = [
      ["a header that never ends", "slow_frames", [frame(HEADERS, 0, 1, get)]],
      ["a frame that never ends", "slow_frames", [frame(0, 0, 1, Buffer.alloc(100)).subarray(0, 50)]],
    ];
    for (const [name, kind, frames] of [...floods, ...slow]) {
      const wire = await connect(port);
      wire.send(preface, settings(), ...frames);
      expect([name, await wire.goaway()]).toEqual([name, 11]);
      await until("the connection is closed", () => wire.closed);
      expected[kind] = (expected[kind] ?? 0) + 1;
      expect([name, await counted()]).toEqual([name, expected]);
    }
    const told = running.log
      .map((line) => JSON.parse(line))
      .filter(({ message }) => message === "a client abused HTTP/2");
    expect(told.map(({ kind }) => kind).sort()).toEqual(Object.keys(expected).sort());
    expect(told[0].peer).toBe("127.0.0.1");

    // Resets within the allowance are no abuse.
    const honest = await connect(port);
    honest.send(preface, settings());
    for (let id = 1; id < 100; id += 2) {
      honest.send(frame(HEADERS, END_HEADERS, id, post), frame(RST_STREAM, 0, id, Buffer.from([0, 0, 0, 8])));
    }
    const payload = Buffer.from("whatever");
    honest.send(frame(6, 0, 0, payload));
    await honest.seen("PING is answered", ({ type, flags }) => type === 6 && flags === 1);
    expect(await counted()).toEqual(expected);
    honest.socket.destroy();
  },
  60_000,
);

// By bounds of its own, within what one turn of the event loop reads.
test.skipIf(process.env.DRAGOMAN_TEST_HTTP2 !== "node")(
  "the engine of Node ends connections for floods of resets, empty frames and headers, and the gateway lives on",
  async () => {
    await using running = await testGateway(
      { "a.proto": 'syntax = "proto3"; package a.v1;' },
      { upstreams: { nobody: "grpc://127.0.0.1:1" }, routes: [{ match: "*", public: true }] },
    );
    const crashes: unknown[] = [];
    const note = (error: Error): void => void crashes.push(error);
    process.on("uncaughtExceptionMonitor", note);
    const kinds = ["resets", "empty_frames", "continuations"];
    for (const [name, , frames] of floods.filter(([, kind]) => kinds.includes(kind))) {
      const wire = await connect(running.gateway.httpPort ?? 0);
      wire.send(preface, settings(), ...frames);
      await until(`${name} ends it`, () => wire.closed || wire.received.some(({ type }) => type === 7));
      wire.socket.destroy();
    }
    using client = running.connect();
    expect((await client.request({ path: "/nothing" })).status).toBe(404);
    process.off("uncaughtExceptionMonitor", note);
    expect(crashes).toEqual([]);
  },
);
