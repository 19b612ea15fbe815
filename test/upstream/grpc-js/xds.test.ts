import { ServerCredentials } from "@grpc/grpc-js";
import { afterEach, expect, test } from "vitest";
import { Code } from "#rpc";
import { Channel, type UpstreamOptions } from "#upstream";
import { until } from "../../support/until.ts";
import {
  callStream,
  callUnary,
  collect,
  each,
  failure,
  plainUpstream,
  silent,
  stream,
  text,
  unary,
} from "../support/calls.ts";
import { authority } from "../support/certificates.ts";
import { controlPlane } from "../support/control-plane.ts";
import { type EchoServer, echoServer } from "../support/echo-server.ts";

// The client of the control plane reads it once in a process.
const plane = await controlPlane("echo.test");
process.env.GRPC_XDS_BOOTSTRAP_CONFIG = JSON.stringify({
  xds_servers: [
    { server_uri: plane.address, channel_creds: [{ type: "insecure" }], server_features: ["xds_v3"] },
  ],
  node: { id: "gateway", locality: {} },
});

const channels: Channel[] = [];
afterEach(async () => {
  for (const channel of channels.splice(0)) await channel.close(0);
});

function channelTo(uri: string, options: Partial<UpstreamOptions> = {}): Channel {
  // The client of the control plane takes its time to load.
  const upstream = { ...plainUpstream, name: "echo", connectTimeoutMs: 15_000, ...options };
  const channel = new Channel({ ...upstream, target: { kind: "xds", uri } }, silent);
  channels.push(channel);
  return channel;
}

const counts = (...servers: readonly EchoServer[]): number[] => servers.map(({ unaryCalls }) => unaryCalls);

test("calls go to the endpoints that the control plane names, in turns, and to others when it says so", async () => {
  await using one = await echoServer();
  await using two = await echoServer();
  await using three = await echoServer();
  plane.setEndpoints([{ port: one.port }, { port: two.port }]);
  const channel = channelTo("xds:///echo.test");
  await until("both are connected", async () => {
    await callUnary(channel, unary("x"));
    return one.unaryCalls > 0 && two.unaryCalls > 0;
  });
  expect(channel.endpoints).toMatchObject([
    { address: "xds:///echo.test", state: "ready", health: "unchecked" },
  ]);
  const before = counts(one, two);
  for (let i = 0; i < 10; i++)
    expect(text((await callUnary(channel, unary("hello"))).response)).toBe("hello");
  expect(counts(one, two).map((count, i) => count - before[i]!)).toEqual([5, 5]);
  expect(await collect(await callStream(channel, stream("Bidi", each("a", "b"))))).toEqual(["a", "b"]);

  plane.setEndpoints([{ port: one.port, healthy: false }, { port: three.port }]);
  await until("the third has calls", async () => {
    await callUnary(channel, unary("x"));
    return three.unaryCalls > 0;
  });
  const after = counts(one, two);
  for (let i = 0; i < 5; i++) await callUnary(channel, unary("x"));
  expect(counts(one, two)).toEqual(after);
  expect(plane.refusals).toEqual([]);
});

test("a call that no route of the control plane matches is unavailable, and says nothing of the inside", async () => {
  await using one = await echoServer();
  plane.setEndpoints([{ port: one.port }]);
  const channel = channelTo("xds:///echo.test");
  const call = unary("x");
  const other = { ...call, method: { ...call.method, path: "/other.Service/Method" } };
  expect(await failure(callUnary(channel, other))).toMatchObject({
    code: Code.UNAVAILABLE,
    reason: "connect_failed",
    message: "the upstream cannot be reached",
  });
});

test("endpoints that are all down are unavailable, and serve again once they are back", async () => {
  const channel = channelTo("xds:///echo.test");
  const serves = (): Promise<boolean> =>
    callUnary(channel, unary("x")).then(
      () => true,
      (error: unknown) => {
        expect(error).toMatchObject({ code: Code.UNAVAILABLE });
        return false;
      },
    );
  let port = 0;
  {
    await using server = await echoServer();
    port = server.port;
    plane.setEndpoints([{ port }]);
    await until("it serves", serves);
  }
  await until("it does not", async () => !(await serves()));
  await using _again = await echoServer({ port });
  await until("it serves again", serves);
});

test("tls is for a cluster of which the control plane says nothing", async () => {
  const ca = await authority();
  const { cert, key } = await ca.issue("echo.test");
  await using server = await echoServer({
    credentials: ServerCredentials.createSsl(null, [{ cert_chain: cert, private_key: key }]),
  });
  plane.setEndpoints([{ port: server.port }]);
  const channel = channelTo("xds:///echo.test", { tls: { ca: ca.cert } });
  await until("it serves", () =>
    callUnary(channel, unary("x")).then(
      () => true,
      () => false,
    ),
  );
  expect(server.unaryCalls).toBe(1);
});
