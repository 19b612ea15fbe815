import { getDefaultHighWaterMark, setDefaultHighWaterMark } from "node:stream";
import { expect, test } from "vitest";
import { testGateway } from "../support/gateway.ts";

test("streams of a gateway buffer as much on every Node", async () => {
  setDefaultHighWaterMark(false, 65_536);
  Buffer.poolSize = 65_536;
  await using _at = await testGateway(
    { "t.proto": 'syntax = "proto3";\npackage t.v1;\n' },
    { upstreams: { echo: "grpc://127.0.0.1:1" }, routes: [{ match: "*", public: true }] },
  );
  expect(getDefaultHighWaterMark(false)).toBe(16_384);
  expect(Buffer.poolSize).toBe(8192);
});
