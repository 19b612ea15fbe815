import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import { expect, test } from "vitest";
import { Metadata } from "#rpc";
import { until } from "../support/until.ts";
import { callStream, callUnary, channelTo, collect, each, stream, unary } from "./support/calls.ts";
import { frame, liar, respond } from "./support/liar.ts";

/** More than any server takes as resets: node:http2 ends a connection after 1,000, and 33 a second. */
const count = 5000;
const head = { ":status": 200, "content-type": "application/grpc" };

// grpc-js resets each stream at once, and loses its connection over it.
test.skipIf(process.env.DRAGOMAN_TEST_HTTP2 === "node")(
  "thousands of calls that are cancelled break no call of others, and are over for the server too",
  async () => {
    const sessions = new Set<ServerHttp2Session>();
    const hanging = new Set<ServerHttp2Stream>();
    let resets = 0;
    let longRunning: ServerHttp2Stream | undefined;
    await using server = await liar((to, headers) => {
      to.resume();
      if (to.session !== undefined) sessions.add(to.session as ServerHttp2Session);
      if (headers[":path"] === "/test.Echo/Server") {
        longRunning = to;
        to.respond(head, { waitForTrailers: true });
        to.on("wantTrailers", () => to.sendTrailers({ "grpc-status": "0" }));
        to.write(frame("first"));
      } else if (headers["x-hang"] === undefined) respond(to, [frame("pong")], { "grpc-status": "0" });
      else {
        hanging.add(to);
        to.on("close", () => hanging.delete(to));
        to.on("aborted", () => resets++);
      }
    });
    const goaways: number[] = [];
    server.server.on("session", (session) => session.on("goaway", (code: number) => goaways.push(code)));
    server.server.on("sessionError", () => goaways.push(-1));
    const channel = channelTo([server.address]);
    const long = await callStream(channel, stream("Server", each("x")));

    const healthy: Promise<unknown>[] = [];
    for (let sent = 0; sent < count; sent += 500) {
      const aborts: AbortController[] = [];
      const calls: Promise<unknown>[] = [];
      for (let n = 0; n < 500; n++) {
        const abort = new AbortController();
        aborts.push(abort);
        const header = new Metadata(["x-hang", "1"]);
        calls.push(callUnary(channel, unary("ping", { header, signal: abort.signal })).catch(() => {}));
      }
      healthy.push(callUnary(channel, unary("ping")));
      await until("the calls have come", () => hanging.size > 0 || resets > 0);
      for (const abort of aborts) abort.abort();
      await Promise.all(calls);
      healthy.push(callUnary(channel, unary("ping")));
    }
    await Promise.all(healthy);
    longRunning?.end(frame("last"));
    expect(await collect(long)).toEqual(["first", "last"]);
    // None was ended by the server, which would say ENHANCE_YOUR_CALM or INTERNAL_ERROR.
    expect(goaways.filter((code) => code !== 0)).toEqual([]);
    await until("the server has let go of what was cancelled", () => hanging.size < 300, 20_000);
    await callUnary(channel, unary("ping"));
    await channel.close(0);
    await until("nothing is left", () => hanging.size === 0 && [...sessions].every(({ closed }) => closed));
  },
  60_000,
);

test.skipIf(process.env.DRAGOMAN_TEST_HTTP2 === "node")(
  "calls over the allowance that are cancelled when nobody else is there are over for the server at once",
  async () => {
    const hanging = new Set<ServerHttp2Stream>();
    await using server = await liar((to) => {
      to.resume();
      hanging.add(to);
      to.on("error", () => {});
      to.on("close", () => hanging.delete(to));
    });
    const channel = channelTo([server.address]);
    for (let round = 0; round < 3; round++) {
      const abort = new AbortController();
      const calls: Promise<unknown>[] = [];
      for (let n = 0; n < 150; n++)
        calls.push(callUnary(channel, unary("x", { signal: abort.signal })).catch(() => {}));
      await until("the calls have come", () => hanging.size === 150);
      abort.abort();
      await Promise.all(calls);
      // One after the other, three a second, the fifty left would take a quarter of a minute.
      await until("the server has let go of them", () => hanging.size === 0, 5000);
    }
    await channel.close(0);
  },
);
