import type { Settings } from "node:http2";
import { expect, test } from "vitest";
import { testGateway } from "../support/gateway.ts";
import { until } from "../support/until.ts";

test("over HTTP/2 a connection has 100 streams, 64 KiB ahead on each and 1 MiB on all, and WebSockets", async () => {
  await using at = await testGateway(
    { "t.proto": 'syntax = "proto3";\npackage t.v1;\n' },
    { upstreams: { pages: "http://127.0.0.1:9" }, routes: [{ match: "GET /page", public: true }] },
  );
  using client = at.connect();
  const { session } = client;
  const settings = await new Promise<Settings>((resolve) => session.once("remoteSettings", resolve));
  expect(settings).toMatchObject({
    maxConcurrentStreams: 100,
    initialWindowSize: 64 * 1024,
    enableConnectProtocol: true,
  });
  await until("the window of the connection is open", () => session.state.remoteWindowSize === 1024 * 1024);
});
