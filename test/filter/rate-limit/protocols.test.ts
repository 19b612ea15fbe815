import http, { type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { Metadata, status } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { type TestGateway, testGateway } from "../../support/gateway.ts";
import type { HttpAnswer } from "../../support/http2-client.ts";
import { bidiStream, clientStream, type RawServer, startRawServer, unary } from "../../support/raw-server.ts";
import { startKeyServer } from "../authn/support/key-server.ts";
import { audience, issuer, makeKey } from "../authn/support/tokens.ts";

const proto = `syntax = "proto3";
package t.v1;
import "google/api/annotations.proto";
service Echo {
  rpc Say(Text) returns (Text) { option (google.api.http) = { get: "/v1/say/{text}" }; }
  rpc Early(Text) returns (Text) { option (google.api.http) = { get: "/v1/early/{text}" }; }
  rpc Collect(stream Text) returns (Text) { option (google.api.http) = { post: "/v1/collect" body: "*" }; }
  rpc Chat(stream Text) returns (stream Text) { option (google.api.http) = { post: "/v1/chat" body: "*" }; }
}
message Text { string text = 1; }
`;

let server: RawServer;
beforeAll(async () => {
  server = await startRawServer("t.v1.Echo", {
    Say: unary((request) => request),
    Collect: clientStream(() => Buffer.alloc(0)),
    Chat: bidiStream((call) => {
      call.on("data", (message: Buffer) => call.write(message));
      call.on("end", () => call.end());
    }),
  });
});
afterAll(() => server[Symbol.asyncDispose]());

const limited = (limit: object, more: object = {}): Promise<TestGateway> =>
  testGateway(
    { "t.proto": proto },
    {
      upstreams: { echo: `grpc://${server.address}` },
      limits: { few: limit },
      routes: [{ match: "*", public: true, limit: ["few"] }],
      ...more,
    },
  );

const emptyFrame = Buffer.alloc(5);

type Request = Parameters<ReturnType<TestGateway["connect"]>["request"]>[0];

/** One call by each protocol. */
const requests: Readonly<Record<string, Request>> = {
  rest: { path: "/v1/say/x" },
  connect: {
    method: "POST",
    path: "/t.v1.Echo/Say",
    headers: { "content-type": "application/proto" },
    body: Buffer.alloc(0),
  },
  grpc: {
    method: "POST",
    path: "/t.v1.Echo/Say",
    headers: { "content-type": "application/grpc", te: "trailers" },
    body: emptyFrame,
  },
  "grpc-web": {
    method: "POST",
    path: "/t.v1.Echo/Say",
    headers: { "content-type": "application/grpc-web" },
    body: emptyFrame,
  },
};
const calls: Readonly<Record<string, (at: TestGateway) => Promise<HttpAnswer>>> = Object.fromEntries(
  Object.entries(requests).map(([name, request]) => [name, (at: TestGateway) => ask(at, request)]),
);

async function ask(at: TestGateway, request: Request): Promise<HttpAnswer> {
  using client = at.connect();
  return await client.request(request);
}

describe("who calls by IPv6", () => {
  test.each<[string, object, number[]]>([
    ["is known by a /64", {}, [200, 429, 200]],
    ["or by as much as is configured", { ipv6Prefix: 48 }, [200, 429, 429]],
  ])("%s", async (_name, more, statuses) => {
    await using at = await limited(
      { key: "peer.ip", rate: "1/h", burst: 1, ...more },
      { listen: { trustProxies: ["127.0.0.1"] } },
    );
    const heard: number[] = [];
    for (const address of ["2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:2::1"])
      heard.push((await ask(at, { path: "/v1/say/x", headers: { "x-forwarded-for": address } })).status);
    expect(heard).toEqual(statuses);
  });
});

/** A WebSocket that is refused, or one that is accepted and closed. */
function knock(at: TestGateway): Promise<{ status: number; headers: IncomingHttpHeaders }> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${at.url.replace("https", "wss")}/t.v1.Echo/Chat`, { ca: at.ca });
    socket.once("upgrade", ({ headers }) => resolve({ status: 101, headers }));
    socket.once("open", () => socket.terminate());
    socket.once("unexpected-response", (_request, response) => {
      response.resume();
      resolve({ status: response.statusCode ?? 0, headers: response.headers });
    });
    socket.on("error", reject);
  });
}

describe("one allowance for every protocol", () => {
  test("and each tells callers how they stand", async () => {
    await using at = await limited({ key: "peer.ip", rate: "1/h", burst: 4 });
    const left = new Map<string, unknown>();
    for (const [name, call] of Object.entries(calls)) {
      const { status, headers, trailers } = await call(at);
      expect({ name, status }).toEqual({ name, status: 200 });
      left.set(name, headers.ratelimit);
      expect(headers["ratelimit-policy"]).toBe('"few";q=1;w=3600;dragoman-burst=4');
      expect(trailers.ratelimit).toBeUndefined();
    }
    expect([...left]).toEqual([
      ["rest", '"few";r=3;t=10800'],
      ["connect", '"few";r=2;t=7200'],
      ["grpc", '"few";r=1;t=3600'],
      ["grpc-web", expect.stringMatching(/^"few";r=0;t=3(?:600|59\d)$/)],
    ]);
    expect(await knock(at)).toMatchObject({
      status: 429,
      headers: { "x-dragoman-reason": "rate_limited", "ratelimit-policy": expect.stringContaining('"few"') },
    });
  });

  test("WebSockets count as calls", async () => {
    await using at = await limited({ key: "peer.ip", rate: "1/h", burst: 2 });
    expect(await knock(at)).toMatchObject({ status: 101 });
    expect(await knock(at)).toMatchObject({ status: 101 });
    expect(await knock(at)).toMatchObject({ status: 429 });
    expect(await calls.rest?.(at)).toMatchObject({ status: 429 });
  });

  test("N at once over all of them admit exactly as many as may", async () => {
    await using at = await limited({ key: "'everybody'", rate: "1/h", burst: 25 });
    const answers = await Promise.all(
      Array.from({ length: 25 }, () => Object.values(calls).map((call) => call(at))).flat(),
    );
    const passed = answers.filter(
      ({ status, headers }) => status === 200 && (headers["grpc-status"] ?? "0") === "0",
    );
    expect(answers).toHaveLength(100);
    expect(passed).toHaveLength(25);
  });
});

describe("a refusal", () => {
  let at: TestGateway;
  const refused = new Map<string, HttpAnswer>();
  beforeAll(async () => {
    at = await limited({ key: "peer.ip", rate: "1/h" });
    await calls.rest?.(at);
    for (const [name, call] of Object.entries(calls)) refused.set(name, await call(at));
  });
  afterAll(() => at[Symbol.asyncDispose]());
  const of = (name: string): HttpAnswer => refused.get(name) as HttpAnswer;

  test("of HTTP is 429 with retry-after in whole seconds", () => {
    for (const name of ["rest", "connect"]) {
      const { status, headers } = of(name);
      expect(status).toBe(429);
      expect(headers["retry-after"]).toMatch(/^3(?:600|59\d)$/);
      expect(headers.ratelimit).toBe(`"few";r=0;t=${headers["retry-after"]}`);
      expect(headers["x-dragoman-reason"]).toBe("rate_limited");
      expect(headers["cache-control"]).toBe("no-store");
    }
  });

  test("of gRPC is RESOURCE_EXHAUSTED with a pushback, in one block, so that clients may heed it", () => {
    for (const name of ["grpc", "grpc-web"]) {
      const { status, headers, trailers, text } = of(name);
      expect(status).toBe(200);
      expect(headers).toMatchObject({ "grpc-status": "8", "x-dragoman-reason": "rate_limited" });
      expect(Number(headers["grpc-retry-pushback-ms"])).toBeGreaterThan(3_590_000);
      expect(headers.ratelimit).toMatch(/^"few";r=0;t=3(?:600|59\d)$/);
      expect(trailers).toEqual({});
      expect(text).toBe("");
    }
  });

  test("as a problem names its type and the limits", async () => {
    const answer = await ask(at, { path: "/v1/say/x", headers: { accept: "application/problem+json" } });
    expect(answer.headers["content-type"]).toBe("application/problem+json");
    expect(JSON.parse(answer.text)).toMatchObject({
      type: "https://iana.org/assignments/http-problem-types#quota-exceeded",
      title: "Request cannot be satisfied as assigned quota has been exceeded",
      status: 429,
      "violated-policies": ["few"],
      code: 8,
    });
  });
});

describe("in the middle of a stream", () => {
  const perMessage = { key: "peer.ip", rate: "1/h", burst: 3, messages: "requests" };
  const body = '{"text":"a"}\n{"text":"b"}\n{"text":"c"}\n{"text":"d"}\n';

  test("messages pass however many there are, unless they are to be counted", async () => {
    await using at = await limited({ key: "peer.ip", rate: "1/h", burst: 1 });
    const answer = await ask(at, { method: "POST", path: "/v1/chat", body });
    expect(answer.text.trim().split("\n")).toHaveLength(4);
  });

  test("REST tells it in band, or by its status where nothing was answered", async () => {
    await using chat = await limited(perMessage);
    const lines = (await ask(chat, { method: "POST", path: "/v1/chat", body })).text.trim().split("\n");
    // Whether the first answer has overtaken the refusal is a matter of luck.
    const last = JSON.parse(lines.at(-1) ?? "");
    expect(lines.length === 1 ? last : last.error).toMatchObject({ code: 8 });
    await using collect = await limited(perMessage);
    const answer = await ask(collect, { method: "POST", path: "/v1/collect", body });
    expect(answer).toMatchObject({ status: 429, headers: { "x-dragoman-reason": "rate_limited" } });
  });

  test("gRPC by its status, and never RateLimit in trailers", async () => {
    await using at = await limited(perMessage);
    const answer = await ask(at, {
      method: "POST",
      path: "/t.v1.Echo/Chat",
      headers: { "content-type": "application/grpc", te: "trailers" },
      body: Buffer.concat([emptyFrame, emptyFrame, emptyFrame, emptyFrame]),
    });
    const { "grpc-status": code, ratelimit } = { ...answer.headers, ...answer.trailers };
    expect(code).toBe("8");
    if (answer.headers["grpc-status"] === undefined) {
      expect(answer.trailers.ratelimit).toBeUndefined();
      expect(ratelimit).toBe('"few";r=2;t=7200');
    }
  });

  test("a WebSocket by closing with 4008", async () => {
    await using at = await limited(perMessage);
    const closed = await new Promise<number>((resolve, reject) => {
      const socket = new WebSocket(`${at.url.replace("https", "wss")}/t.v1.Echo/Chat`, { ca: at.ca });
      socket.once("open", () => {
        for (let i = 0; i < 4; i++) socket.send('{"text":"x"}');
      });
      socket.once("close", resolve);
      socket.on("error", reject);
    });
    expect(closed).toBe(4008);
  });
});

test("addresses are counted before tokens are looked at, and callers once it is known who they are", async () => {
  const key = await makeKey("k1");
  await using keys = await startKeyServer([key]);
  await using at = await limited(
    { key: "peer.ip", rate: "1/h", burst: 6 },
    {
      auth: { issuers: { main: { issuer, jwks: keys.url, audiences: [audience] } } },
      limits: {
        few: { key: "peer.ip", rate: "1/h", burst: 6 },
        each: { key: "caller.sub", rate: "1/h", burst: 2 },
      },
      routes: [{ match: "*", auth: {}, limit: ["few", "each"] }],
    },
  );
  const of = async (token: string) => {
    const { status, headers } = await ask(at, {
      path: "/v1/say/x",
      headers: { authorization: `Bearer ${token}` },
    });
    return [status, /^"(\w+)";r=\d+/.exec(String(headers.ratelimit))?.[0]];
  };
  const [ann, bob] = [await key.sign({ sub: "ann" }), await key.sign({ sub: "bob" })];
  for (const left of [5, 4, 3]) expect(await of("guessed")).toEqual([401, `"few";r=${left}`]);
  expect([await of(ann), await of(ann)]).toEqual([
    [200, '"each";r=1'],
    [200, '"each";r=0'],
  ]);
  // Of what she may no more the address is none the poorer.
  for (let i = 0; i < 3; i++) expect(await of(ann)).toEqual([429, '"each";r=0']);
  expect(await of(bob)).toEqual([200, '"each";r=1']);
  expect([await of("guessed"), await of(bob)]).toEqual([
    [429, '"few";r=0'],
    [429, '"few";r=0'],
  ]);
});

test("which key is counted is told by a hash, as a byte sequence, where that is configured", async () => {
  await using at = await limited({
    key: "request.header['x-tenant']",
    rate: "1/h",
    burst: 1,
    partitionKey: true,
  });
  const of = async (tenant: string) =>
    (await ask(at, { path: "/v1/say/x", headers: { "x-tenant": tenant } })).headers;
  const [first, second, again] = [await of("secret-a"), await of("secret-b"), await of("secret-a")];
  const pk = (text: unknown) => /^"few";.*;pk=:([A-Za-z0-9+/]{16}):$/.exec(String(text))?.[1];
  expect(pk(first?.ratelimit)).toBeDefined();
  expect(pk(first?.["ratelimit-policy"])).toBe(pk(first?.ratelimit));
  expect(pk(second?.ratelimit)).not.toBe(pk(first?.ratelimit));
  // A refusal tells the same.
  expect([again?.[":status"], pk(again?.ratelimit)]).toEqual([429, pk(first?.ratelimit)]);
  expect(JSON.stringify([first, second, again])).not.toContain("secret-");
});

describe("an upstream that fails, and tells of more than there is by a name that is ours too", () => {
  let failing: RawServer;
  beforeAll(async () => {
    const fail = (header: boolean) =>
      unary((_request, call) => {
        const metadata = new Metadata();
        metadata.set("ratelimit", '"few";r=99;t=1');
        metadata.set("x-ratelimit-remaining", "99");
        metadata.set("x-other", "a");
        if (header) call.sendMetadata(metadata);
        throw Object.assign(new Error("no"), { code: status.NOT_FOUND, ...(header ? {} : { metadata }) });
      });
    failing = await startRawServer("t.v1.Echo", { Say: fail(false), Early: fail(true) });
  });
  afterAll(() => failing[Symbol.asyncDispose]());

  test.each(Object.keys(calls).flatMap((name) => [[name, "Say"] as const, [name, "Early"] as const]))(
    "%s: as strictly as it is, and once (%s)",
    async (name, method) => {
      await using at = await limited(
        { key: "peer.ip", rate: "1/h", burst: 4 },
        {
          upstreams: { echo: `grpc://${failing.address}` },
          defaults: { limitFields: "both" },
        },
      );
      const path = name === "rest" ? `/v1/${method.toLowerCase()}/x` : `/t.v1.Echo/${method}`;
      const { headers, trailers, text } = await ask(at, { ...requests[name], path });
      expect(headers.ratelimit).toBe('"few";r=3;t=10800');
      expect(headers["x-ratelimit-remaining"]).toBe("3");
      expect(headers["x-other"] ?? headers["trailer-x-other"]).toBe("a");
      expect(JSON.stringify([trailers, text, headers["trailer-ratelimit"]])).not.toContain("few");
    },
  );
});

test("the older fields when so configured", async () => {
  await using at = await limited(
    { key: "peer.ip", rate: "1/h", burst: 2 },
    { defaults: { limitFields: "legacy" } },
  );
  const { headers } = await ask(at, { path: "/v1/say/x" });
  expect(headers).toMatchObject({
    "x-ratelimit-limit": "2",
    "x-ratelimit-remaining": "1",
    "x-ratelimit-reset": "3600",
  });
  expect(headers.ratelimit).toBeUndefined();
});

describe("paths that are passed through", () => {
  let pages: http.Server;
  let port: number;
  /** What the upstream tells of limits of its own. */
  let own: Record<string, string> = { ratelimit: '"pages";r=3;t=9' };
  beforeAll(async () => {
    pages = http.createServer((request, response) => {
      response.writeHead(200, request.url === "/own" ? own : {}).end("page");
    });
    await new Promise<void>((resolve) => pages.listen(0, "127.0.0.1", resolve));
    port = (pages.address() as AddressInfo).port;
  });
  afterAll(async () => {
    const closed = new Promise((resolve) => pages.close(resolve));
    pages.closeAllConnections();
    await closed;
  });

  const open = (more: object = {}): Promise<TestGateway> =>
    testGateway(
      { "t.proto": proto },
      {
        upstreams: { pages: `http://127.0.0.1:${port}` },
        limits: {
          few: { key: "peer.ip", rate: "1/h", burst: 3 },
          tenants: { key: "request.header['x-tenant']", rate: "1/h", burst: 2 },
        },
        routes: [{ match: "* /**", public: true, limit: ["few", "tenants"] }],
        ...more,
      },
    );
  const headers = { "x-tenant": "a" };

  test("are limited by what their requests say, and tell how callers stand", async () => {
    await using at = await open();
    const first = await ask(at, { path: "/page", headers });
    expect(first).toMatchObject({ status: 200, text: "page" });
    expect(first.headers.ratelimit).toBe('"few";r=2;t=7200, "tenants";r=1;t=3600');
    expect(await ask(at, { path: "/page" })).toMatchObject({ status: 403 });
    const second = await ask(at, { path: "/own", headers });
    expect(second.headers.ratelimit).toMatch(/^"pages";r=3;t=9, "few";r=1;t=3600, "tenants";r=0;t=\d+$/);
    expect(await ask(at, { path: "/page", headers })).toMatchObject({
      status: 429,
      headers: { "x-dragoman-reason": "rate_limited", ratelimit: expect.stringMatching(/^"tenants";r=0/) },
    });
  });

  test.each<[string, Record<string, string>, Record<string, string>]>([
    [
      "more of the older fields",
      { "x-ratelimit-remaining": "3", "x-ratelimit-limit": "9" },
      { "x-ratelimit-remaining": "1", "x-ratelimit-limit": "2", "x-ratelimit-reset": "3600" },
    ],
    [
      "less of the older fields",
      { "x-ratelimit-remaining": "0", "x-ratelimit-limit": "9" },
      { "x-ratelimit-remaining": "0", "x-ratelimit-limit": "9" },
    ],
    [
      "more by a name that is ours too",
      { ratelimit: '"few";r=99;t=1, "pages";r=3;t=9', "ratelimit-policy": '"few";q=99;w=1' },
      { ratelimit: '"few";r=2;t=7200, "pages";r=3;t=9, "tenants";r=1;t=3600' },
    ],
    [
      "less by a name that is ours too",
      { ratelimit: '"few";r=0;t=1' },
      { ratelimit: '"few";r=0;t=1, "tenants";r=1;t=3600' },
    ],
  ])("an upstream that tells %s is told of as strictly as it is", async (_name, told, expected) => {
    own = told;
    await using at = await open({ defaults: { limitFields: "both" } });
    const answer = await ask(at, { path: "/own", headers });
    expect(answer.headers).toMatchObject(expected);
    if (told["x-ratelimit-remaining"] === "0") expect(answer.headers["x-ratelimit-reset"]).toBeUndefined();
    if (told["ratelimit-policy"] !== undefined)
      expect(answer.headers["ratelimit-policy"]).toMatch(/^"few";q=1;w=3600/);
  });
});
