import http from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type KeyServer, startKeyServer } from "../filter/authn/support/key-server.ts";
import { makeKey } from "../filter/authn/support/tokens.ts";
import { type TestGateway, testGateway } from "../support/gateway.ts";
import { type RawServer, startRawServer, unary } from "../support/raw-server.ts";
import { type TempFolder, tempFolder } from "../support/temp-folder.ts";

const proto = {
  "t.proto": `syntax = "proto3";
package t.v1;
message Text { string text = 1; }
service Echo { rpc Say(Text) returns (Text); rpc Open(Text) returns (Text); }
`,
};
const token = { authorization: "Bearer nonsense" };

let server: RawServer;
let keys: KeyServer;
let good: string;
let folder: TempFolder;
beforeAll(async () => {
  server = await startRawServer("t.v1.Echo", { Say: unary((text) => text), Open: unary((text) => text) });
  const key = await makeKey("k1");
  keys = await startKeyServer([key]);
  good = await key.sign({});
  folder = await tempFolder({
    "keys.json": JSON.stringify({ consumers: { acme: { keys: [{ sha256: "0".repeat(64) }] } } }),
  });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await keys[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

function gateway(burst: number): Promise<TestGateway> {
  return testGateway(proto, {
    upstreams: { echo: `grpc://${server.address}` },
    auth: {
      issuers: { main: { issuer: "https://id.test", jwks: keys.url, audiences: ["shop"] } },
      keys: { partners: { file: `${folder.dir}/keys.json` } },
    },
    limits: { few: { key: "peer.ip", rate: "1/h", burst } },
    routes: [
      { match: "t.v1.Echo/Say", auth: {}, limit: ["few"] },
      { match: "t.v1.Echo/Open", public: true },
    ],
  });
}

/** Asks, and sends the body once it is asked for: the status, and whether it was. */
const waitingOver: Readonly<
  Record<
    string,
    (at: TestGateway, path: string, headers: http.OutgoingHttpHeaders) => Promise<[number, boolean]>
  >
> = {
  "http/1.1": (at, path, headers) =>
    new Promise((resolve, reject) => {
      let continued = false;
      const request = http.request({
        port: at.gateway.httpPort,
        agent: false,
        method: "POST",
        path,
        headers: { expect: "100-continue", "content-length": 2, ...headers },
      });
      request.on("continue", () => {
        continued = true;
        request.end("{}");
      });
      request.on("response", (response) => {
        response.resume();
        request.destroy();
        resolve([response.statusCode ?? 0, continued]);
      });
      request.on("error", reject);
      request.flushHeaders();
    }),
  "HTTP/2": async (at, path, headers) => {
    using client = at.connect();
    const stream = client.stream({
      method: "POST",
      path,
      headers: { expect: "100-continue", "content-length": 2, ...headers },
      keepOpen: true,
    });
    let continued = false;
    stream.on("continue", () => {
      continued = true;
      stream.end("{}");
    });
    const status = await new Promise<number>((resolve) =>
      stream.once("response", (fields) => resolve(Number(fields[":status"]))),
    );
    return [status, continued];
  },
};

describe.each(Object.entries(waitingOver))("a body that waits, over %s", (_version, ask) => {
  test("is asked for when authentication and limits have let the call pass, and not before", async () => {
    await using at = await gateway(2);
    const said = { authorization: `Bearer ${good}` };
    expect(await ask(at, "/t.v1.Echo/Open", {})).toEqual([200, true]);
    expect(await ask(at, "/t.v1.Echo/Say", said)).toEqual([200, true]);
    expect(await ask(at, "/t.v1.Echo/Say", token)).toEqual([401, false]);
    expect(await ask(at, "/t.v1.Echo/Say", said)).toEqual([429, false]);
  });
});

describe("floods of credentials", () => {
  test.each<[string, (index: number) => Promise<Record<string, string>>]>([
    ["tokens that are none", async (index) => ({ authorization: `Bearer a.${index}.c` })],
    [
      "tokens of keys that nobody has",
      async (index) => ({ authorization: `Bearer ${await (await makeKey(`flood-${index}`)).sign({})}` }),
    ],
    ["API keys", async (index) => ({ "x-api-key": `key-${index}` })],
    ["tokens of any length", async (index) => ({ authorization: `Bearer ${"a".repeat(20_000 + index)}` })],
  ])("%s stop at the limit of their address, and cost the provider next to nothing", async (_name, make) => {
    const flood = await Promise.all(Array.from({ length: 30 }, (_, index) => make(index)));
    await using at = await gateway(20);
    using client = at.connect();
    const asked = keys.requests;
    const answers = await Promise.all(
      flood.map((headers) => client.request({ method: "POST", path: "/t.v1.Echo/Say", headers, body: "{}" })),
    );
    const count = (status: number) => answers.filter((answer) => answer.status === status).length;
    expect([count(401), count(429)]).toEqual([20, 10]);
    expect(keys.requests - asked).toBeLessThanOrEqual(2);
  });
});
