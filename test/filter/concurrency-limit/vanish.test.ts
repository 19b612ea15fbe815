import { Metadata } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type TestGateway, testGateway } from "../../support/gateway.ts";
import { bidiStream, type RawServer, serverStream, startRawServer, unary } from "../../support/raw-server.ts";
import { until } from "../../support/until.ts";

const proto = `syntax = "proto3";
package t.v1;
service Slow {
  rpc Hang(Text) returns (Text);
  rpc Quiet(Text) returns (stream Text);
  rpc Flood(Text) returns (stream Text);
  rpc Chat(stream Text) returns (stream Text);
  rpc Bounded(Text) returns (stream Text);
}
message Text { string text = 1; }
`;

/** A Text of 64 KiB. */
const large = Buffer.concat([Buffer.from([0x0a, 0x80, 0x80, 0x04]), Buffer.alloc(64 * 1024, "x")]);

/** Floods that have begun. */
let floods = 0;
const flood = serverStream((call) => {
  floods++;
  const pour = (): void => {
    while (!call.cancelled && call.write(large));
  };
  call.on("drain", pour);
  pour();
});

let server: RawServer;
let at: TestGateway;

beforeAll(async () => {
  server = await startRawServer("t.v1.Slow", {
    Hang: unary(() => new Promise(() => {})),
    Quiet: serverStream((call) => call.sendMetadata(new Metadata())),
    Flood: flood,
    Bounded: flood,
    Chat: bidiStream((call) => {
      call.on("data", (message: Buffer) => call.write(message));
    }),
  });
  at = await testGateway(
    { "t.proto": proto },
    {
      upstreams: { slow: { endpoints: [server.address], maxInFlight: 3, maxQueue: 5 } },
      routes: [
        { match: "t.v1.Slow/Bounded", public: true, timeout: "300ms" },
        { match: "*", public: true },
      ],
    },
  );
});
afterAll(async () => {
  await at[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

async function occupied(): Promise<readonly [number, number]> {
  const views = (await (await fetch(`${at.admin}/api/upstreams`)).json()) as {
    inFlight: number;
    queued: number;
  }[];
  return [views[0]?.inFlight ?? -1, views[0]?.queued ?? -1];
}

async function inFlight(method: string): Promise<number> {
  const text = await (await fetch(`${at.admin}/metrics`)).text();
  const series = `dragoman_requests_in_flight{method="t.v1.Slow/${method}"} `;
  return Number(
    text
      .split("\n")
      .find((line) => line.startsWith(series))
      ?.slice(series.length),
  );
}

const logged = (method: string) => at.access().filter((line) => line.method === `t.v1.Slow/${method}`);

test.each(["Hang", "Quiet", "Flood", "Chat"])(
  "callers of %s who vanish, served or waiting, leave no place taken",
  async (method) => {
    for (const type of ["application/json", "application/grpc"]) {
      const before = logged(method).length;
      {
        using client = at.connect();
        for (let i = 0; i < 5; i++) {
          const body = type === "application/json" ? '{"text":"a"}' : Buffer.alloc(5);
          const stream = client.stream({
            method: "POST",
            path: `/t.v1.Slow/${method}`,
            headers: { "content-type": type, te: "trailers" },
            body,
            keepOpen: method === "Chat",
          });
          // Floods are not read.
          if (method !== "Flood") stream.resume();
        }
        await until("three are served and two wait", async () => `${await occupied()}` === "3,2");
      }
      await until("all places are free", async () => `${await occupied()}` === "0,0");
      await until("none is in flight", async () => (await inFlight(method)) === 0);
      await until("all are logged", () => logged(method).length === before + 5);
      for (const line of logged(method).slice(before))
        expect(line).toMatchObject({ code: "CANCELLED", reason: "client_gone" });
    }
  },
);

test("a reader who stays and does not read holds no place beyond the deadline", async () => {
  using client = at.connect();
  const before = floods;
  const streams = Array.from({ length: 3 }, () =>
    client.stream({ method: "POST", path: "/t.v1.Slow/Bounded", body: "{}" }),
  );
  await until("they have begun", () => floods === before + 3);
  await until("the places are free again", async () => `${await occupied()}` === "0,0");
  expect(streams.every((stream) => !stream.destroyed)).toBe(true);
});
