import { afterEach, beforeEach, expect, test } from "vitest";
import { type TestGateway, testGateway } from "../../support/gateway.ts";
import { until } from "../../support/until.ts";
import { type KeyServer, startKeyServer } from "./support/key-server.ts";
import { audience, issuer, makeKey, type SigningKey } from "./support/tokens.ts";

const proto = `syntax = "proto3"; package t; service T { rpc M(R) returns (R); } message R {}`;

let key: SigningKey;
let server: KeyServer;
beforeEach(async () => {
  key = await makeKey("es");
  server = await startKeyServer([key]);
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
});

const gateway = (startup: Readonly<Record<string, string>>): Promise<TestGateway> =>
  testGateway(
    { "t.proto": proto },
    {
      upstreams: { a: "grpc://127.0.0.1:1" },
      auth: { startup, issuers: { main: { issuer, jwks: server.url, audiences: [audience] } } },
      routes: [{ match: "*", auth: {} }],
    },
  );

const ready = async (at: TestGateway) => {
  const response = await fetch(`${at.admin}/readyz`);
  return { status: response.status, text: await response.text() };
};

test("the gateway listens when the keys are there, and is ready then", async () => {
  const held: (() => void)[] = [];
  server.answer((response) => {
    held.push(() => response.end(JSON.stringify({ keys: [key.jwk] })));
  });
  let listens = false;
  const starting = gateway({ wait: "60s" }).then((at) => {
    listens = true;
    return at;
  });
  await until("the keys are asked for", () => server.requests === 1);
  // Two that begin later, one after the other, and do not wait.
  for (let i = 0; i < 2; i++) {
    await using _later = await gateway({});
  }
  expect(listens).toBe(false);
  for (const release of held) release();
  await using at = await starting;
  expect((await ready(at)).status).toBe(200);
});

test("a provider that does not answer is waited for no longer than configured; then nothing is ready", async () => {
  server.answer(() => {});
  await using at = await gateway({ wait: "20ms" });
  expect(await ready(at)).toMatchObject({
    status: 503,
    text: expect.stringContaining("the keys of main have not been loaded"),
  });
});

test("unless the gateway is to be ready without keys", async () => {
  server.answer(() => {});
  await using at = await gateway({ withoutKeys: "ready" });
  expect((await ready(at)).status).toBe(200);
});
