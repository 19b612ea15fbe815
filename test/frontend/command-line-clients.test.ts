import { execFile, spawnSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TestGateway, testGateway } from "../support/gateway.ts";
import { type RawServer, startRawServer, unary } from "../support/raw-server.ts";

const proto = `syntax = "proto3";
package t.v1;
message Text { string text = 1; }
service Echo { rpc Say(Text) returns (Text); }
`;

const has = (program: string): boolean => spawnSync(program, ["--version"]).status === 0;
const [curl, nghttp, h2load] = [has("curl"), has("nghttp"), has("h2load")];
const needs = (there: boolean, debian: string): string =>
  there ? "" : ` (skipped: apt-get install ${debian})`;

let server: RawServer;
let at: TestGateway;
let ca: string;
let body: string;
/** Longer than the windows of a stream and of a connection. */
const long = JSON.stringify({ text: "x".repeat(2_000_000) });
let longBody: string;

beforeAll(async () => {
  server = await startRawServer("t.v1.Echo", { Say: unary((request) => request) });
  at = await testGateway(
    { "t.proto": proto },
    { upstreams: { echo: `grpc://${server.address}` }, routes: [{ match: "*", public: true }] },
  );
  ca = path.join(at.folder.dir, "ca.pem");
  body = path.join(at.folder.dir, "body.json");
  longBody = path.join(at.folder.dir, "long.json");
  await Promise.all([writeFile(ca, at.ca), writeFile(body, '{"text":"hello"}'), writeFile(longBody, long)]);
});
afterAll(async () => {
  await at[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const run = async (program: string, ...args: string[]): Promise<string> => {
  const { stdout } = await promisify(execFile)(program, args, { maxBuffer: 1 << 28 });
  return stdout;
};
const say = "/t.v1.Echo/Say";

describe(`curl${needs(curl, "curl")}`, () => {
  const ask = (url: string, ...args: string[]): Promise<string> =>
    run(
      "curl",
      "-sS",
      "--cacert",
      ca,
      "-H",
      "content-type: application/json",
      "-w",
      "\n%{http_version} %{http_code}",
      ...args,
      url,
    );

  test.skipIf(!curl)("over TLS, and by prior knowledge over plaintext", async () => {
    const answer = '{"text":"hello"}\n2 200';
    expect(await ask(`${at.url}${say}`, "--http2", "-d", `@${body}`)).toBe(answer);
    const plain = `http://127.0.0.1:${at.gateway.httpPort}${say}`;
    expect(await ask(plain, "--http2-prior-knowledge", "-d", `@${body}`)).toBe(answer);
  });

  test.skipIf(!curl)("a body longer than any window, both ways", async () => {
    expect(await ask(`${at.url}${say}`, "--http2", "-d", `@${longBody}`)).toBe(`${long}\n2 200`);
  });
});

describe(`nghttp${needs(nghttp, "nghttp2-client")}`, () => {
  test.skipIf(!nghttp)("some at once, with priorities and padding", async () => {
    const args = [
      "-m",
      "10",
      "-b",
      "100",
      "-H",
      ":method: POST",
      "-H",
      "content-type: application/json",
      "-d",
      body,
    ];
    expect(await run("nghttp", ...args, `${at.url}${say}`)).toBe('{"text":"hello"}'.repeat(10));
  });

  test.skipIf(!nghttp)("a body longer than any window, with windows of 1 KiB", async () => {
    const args = [
      "-w",
      "10",
      "-W",
      "12",
      "-H",
      ":method: POST",
      "-H",
      "content-type: application/json",
      "-d",
      longBody,
    ];
    expect(await run("nghttp", ...args, `${at.url}${say}`)).toBe(long);
  });
});

describe(`h2load${needs(h2load, "nghttp2-client")}`, () => {
  test.skipIf(!h2load)(
    "hundreds of requests over some connections, all of which succeed",
    async () => {
      const args = ["-n", "600", "-c", "6", "-m", "20", "-d", body, "-H", "content-type: application/json"];
      const report = await run("h2load", ...args, `${at.url}${say}`);
      expect(report).toContain(
        "600 total, 600 started, 600 done, 600 succeeded, 0 failed, 0 errored, 0 timeout",
      );
      expect(report).toContain("status codes: 600 2xx, 0 3xx, 0 4xx, 0 5xx");
    },
    60_000,
  );
});
