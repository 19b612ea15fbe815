import { Metadata, status } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { testGateway } from "../support/gateway.ts";
import { connectHttp2 } from "../support/http2-client.ts";
import {
  bidiStream,
  clientStream,
  type RawServer,
  serverStream,
  startRawServer,
  unary,
} from "../support/raw-server.ts";
import { until } from "../support/until.ts";

const proto = (extra = "") => `syntax = "proto3";
package t.v1;
import "google/api/annotations.proto";
service Echo {
  rpc Say(Text) returns (Text) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (google.api.http) = { get: "/v1/say/{text}" additional_bindings { post: "/v1/say" body: "*" } };
  }
  rpc Count(Text) returns (stream Text) { option (google.api.http) = { get: "/v1/count/{size}" }; }
  rpc Collect(stream Text) returns (Text) { option (google.api.http) = { post: "/v1/collect" body: "*" }; }
  rpc Chat(stream Text) returns (stream Text) { option (google.api.http) = { post: "/v1/chat" body: "*" }; }
  ${extra}
}
message Text { string text = 1; int64 size = 2; }
`;

/** field 1: a string. */
function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([0x0a, bytes.length]), bytes]);
}

function echo(over: Readonly<Record<string, ReturnType<typeof unary>>> = {}): Promise<RawServer> {
  return startRawServer("t.v1.Echo", {
    Say: unary((request) => request),
    Count: serverStream((call) => {
      const count = call.request.length > 0 ? (call.request.at(-1) as number) : 0;
      for (let i = 0; i < count; i++) call.write(text(`n${i}`));
      call.end();
    }),
    Collect: clientStream((messages) => text(String(messages.length))),
    Chat: bidiStream((call) => {
      call.on("data", (message: Buffer) => call.write(message));
      call.on("end", () => call.end());
    }),
    Later: unary((request) => request),
    ...over,
  });
}

const open = (server: RawServer, more: Readonly<Record<string, unknown>> = {}) => ({
  upstreams: { echo: `grpc://${server.address}` },
  routes: [{ match: "*", public: true }],
  ...more,
});

describe("every kind of method over plain HTTP", () => {
  test("unary by path, body and the method's own path", async () => {
    await using server = await echo();
    await using at = await testGateway({ "t.proto": proto() }, open(server));
    using client = at.connect();
    expect(await client.request({ path: "/v1/say/hi%20there?size=9007199254740993" })).toMatchObject({
      status: 200,
      text: '{"text":"hi there","size":"9007199254740993"}',
    });
    expect(
      await client.request({ method: "POST", path: "/v1/say", body: '{"size":9007199254740993}' }),
    ).toMatchObject({
      text: '{"size":"9007199254740993"}',
    });
    expect(
      await client.request({ method: "POST", path: "/t.v1.Echo/Say", body: '{"text":"x"}' }),
    ).toMatchObject({ text: '{"text":"x"}' });
    const head = await client.request({ method: "HEAD", path: "/v1/say/x" });
    expect(head).toMatchObject({ status: 200, text: "" });
    expect(head.headers["content-length"]).toBe("12");
  });

  const layouts: readonly [string, string, string][] = [
    ["application/x-ndjson", '{"text":"n0"}\n{"text":"n1"}\n', ""],
    [
      "text/event-stream",
      'retry: 3000\n\ndata: {"text":"n0"}\n\ndata: {"text":"n1"}\n\nevent: end\ndata: {}\n\n',
      "retry: 3000\n\nevent: end\ndata: {}\n\n",
    ],
    ["application/json", '[{"text":"n0"},{"text":"n1"}]', "[]"],
    ["application/x-protobuf", "\x04\x0a\x02n0\x04\x0a\x02n1", ""],
  ];
  test.each(layouts)("a stream as %s, and an empty one", async (accept, two, none) => {
    await using server = await echo();
    await using at = await testGateway({ "t.proto": proto() }, open(server));
    using client = at.connect();
    const full = await client.request({ path: "/v1/count/2", headers: { accept } });
    expect(full).toMatchObject({ status: 200, text: two });
    expect(full.headers["content-type"]).toBe(accept);
    expect((await client.request({ path: "/v1/count/0", headers: { accept } })).text).toBe(none);
  });

  test.each([
    ["lines", '{"text":"a"}\n{"text":"b"}\n{"text":"c"}'],
    ["one after the other", '{"text":"a"}{"text":"b"} {"text":"c"}'],
    ["an array", '[{"text":"a"}, {"text":"b"},\n{"text":"c"}]'],
  ])("a stream of requests as %s", async (_name, body) => {
    await using server = await echo();
    await using at = await testGateway({ "t.proto": proto() }, open(server));
    using client = at.connect();
    expect(await client.request({ method: "POST", path: "/v1/collect", body })).toMatchObject({
      status: 200,
      text: '{"text":"3"}',
    });
  });

  test("both ways at once: an answer comes while the request goes on", async () => {
    await using server = await echo();
    await using at = await testGateway({ "t.proto": proto() }, open(server));
    using client = at.connect();
    const stream = client.stream({
      method: "POST",
      path: "/v1/chat",
      body: '{"text":"one"}\n',
      keepOpen: true,
    });
    const heard: string[] = [];
    stream.on("data", (chunk: Buffer) => heard.push(chunk.toString()));
    await until("the first is heard", () => heard.join("") === '{"text":"one"}\n');
    stream.end('{"text":"two"}\n');
    await until("the second is heard", () => heard.join("") === '{"text":"one"}\n{"text":"two"}\n');
  });
});

describe("errors", () => {
  const failing = (code: number, details: string, metadata?: Metadata) =>
    unary(() => Promise.reject(Object.assign(new Error(details), { code, details, metadata })));

  test("an upstream's status, its metadata, and no reason of the gateway's", async () => {
    const metadata = new Metadata();
    metadata.set("x-why", "because");
    await using server = await echo({ Say: failing(status.NOT_FOUND, "no such text: 100%", metadata) });
    await using at = await testGateway({ "t.proto": proto() }, open(server));
    using client = at.connect();
    const answer = await client.request({ path: "/v1/say/x" });
    expect(answer).toMatchObject({
      status: 404,
      text: '{"code":5,"message":"no such text: 100%","details":[]}',
    });
    expect(answer.headers["x-why"]).toBe("because");
    expect(answer.headers["x-dragoman-reason"]).toBeUndefined();
    const problem = await client.request({
      path: "/v1/say/x",
      headers: { accept: "application/problem+json" },
    });
    expect(JSON.parse(problem.text)).toMatchObject({
      status: 404,
      title: "NOT_FOUND",
      detail: "no such text: 100%",
      code: 5,
    });
  });

  test("a stream that fails after its first message says so in band", async () => {
    await using server = await echo({
      Count: serverStream((call) => {
        call.write(text("n0"));
        call.emit("error", Object.assign(new Error("gone"), { code: status.DATA_LOSS, details: "gone" }));
      }),
    });
    await using at = await testGateway({ "t.proto": proto() }, open(server));
    using client = at.connect();
    const lines = await client.request({ path: "/v1/count/2" });
    expect(lines.text).toBe('{"text":"n0"}\n{"error":{"code":15,"message":"gone","details":[]}}\n');
    const events = await client.request({ path: "/v1/count/2", headers: { accept: "text/event-stream" } });
    expect(events.text).toContain('event: error\ndata: {"code":15,"message":"gone","details":[]}\n\n');
    const array = await client.request({ path: "/v1/count/2", headers: { accept: "application/json" } });
    expect(array.rst).not.toBe(0);
    expect(() => JSON.parse(array.text)).toThrow();
  });

  test("a stream that fails at once has its real status", async () => {
    await using server = await echo({
      Count: serverStream((call) => {
        call.emit("error", Object.assign(new Error("no"), { code: status.PERMISSION_DENIED, details: "no" }));
      }),
    });
    await using at = await testGateway({ "t.proto": proto() }, open(server));
    using client = at.connect();
    expect(await client.request({ path: "/v1/count/2" })).toMatchObject({
      status: 403,
      text: '{"code":7,"message":"no","details":[]}',
    });
  });

  const requests: readonly [
    string,
    { method?: string; path: string; headers?: Record<string, string>; body?: string },
    number,
    string,
  ][] = [
    ["malformed JSON", { method: "POST", path: "/v1/say", body: '{"text":' }, 400, "malformed_body"],
    ["a wrong type", { method: "POST", path: "/v1/say", body: '{"size":"x"}' }, 400, "malformed_body"],
    ["an unknown field", { method: "POST", path: "/v1/say", body: '{"nope":1}' }, 400, "malformed_body"],
    [
      "a duplicate key",
      { method: "POST", path: "/v1/say", body: '{"text":"a","text":"b"}' },
      400,
      "malformed_body",
    ],
    ["invalid UTF-8", { method: "POST", path: "/v1/say", body: '{"text":"\ud800"}' }, 400, ""],
    ["an unknown parameter", { path: "/v1/say/x?nope=1" }, 400, "malformed_query"],
    ["a parameter that the path gives", { path: "/v1/say/x?text=y" }, 400, "malformed_query"],
    ["a path value of the wrong type", { path: "/v1/count/many" }, 400, "malformed_path"],
    ["a malformed escape", { path: "/v1/say/%zz" }, 400, "malformed_path"],
    ["dot segments", { path: "/v1/say/%2e%2e" }, 400, "malformed_path"],
    ["an unknown path", { path: "/v2/say" }, 404, "route_not_found"],
    ["another HTTP method", { method: "PUT", path: "/v1/say" }, 405, "method_not_allowed"],
    [
      "a body where none is taken",
      { method: "POST", path: "/v1/say/x", body: "{}" },
      405,
      "method_not_allowed",
    ],
    [
      "a body that is no JSON",
      { method: "POST", path: "/v1/say", body: "x", headers: { "content-type": "text/xml" } },
      415,
      "unsupported_media_type",
    ],
    [
      "an unknown encoding",
      { method: "POST", path: "/v1/say", body: "x", headers: { "content-encoding": "zstd" } },
      415,
      "unsupported_encoding",
    ],
    ["nothing acceptable", { path: "/v1/say/x", headers: { accept: "text/html" } }, 406, "not_acceptable"],
    [
      "events of a unary method",
      { path: "/v1/say/x", headers: { accept: "text/event-stream" } },
      406,
      "not_acceptable",
    ],
    ["a bad timeout", { path: "/v1/say/x", headers: { "grpc-timeout": "soon" } }, 400, "malformed_header"],
    [
      "a -bin header that is not base64",
      { path: "/v1/say/x", headers: { "x-bin": "?" } },
      400,
      "malformed_header",
    ],
    [
      "a body over the limit",
      { method: "POST", path: "/v1/say", body: `{"text":"${"a".repeat(3000)}"}` },
      413,
      "body_too_large",
    ],
  ];
  test("bad input has its status and its reason, and is logged", async () => {
    await using server = await echo();
    await using at = await testGateway(
      { "t.proto": proto() },
      open(server, { listen: { limits: { bodyBytes: "2KiB" } } }),
    );
    using client = at.connect();
    for (const [name, request, code, reason] of requests) {
      const body =
        request.body === undefined
          ? {}
          : { body: Buffer.from(request.body, name === "invalid UTF-8" ? "latin1" : "utf8") };
      const answer = await client.request({ ...request, ...body });
      expect(answer.status, name).toBe(code);
      expect(JSON.parse(answer.text), name).toMatchObject({ details: expect.anything() });
      if (reason !== "") expect(answer.headers["x-dragoman-reason"], name).toBe(reason);
      expect(answer.text, name).not.toMatch(/node_modules|at .*\.ts/);
    }
    expect(at.access()).toHaveLength(requests.length);
    expect(await client.request({ path: "/v1/say/alive" })).toMatchObject({ status: 200 });
  });

  test("no upstream is a 503 without its address", async () => {
    const server = await echo();
    const { address } = server;
    await server[Symbol.asyncDispose]();
    await using at = await testGateway(
      { "t.proto": proto() },
      { upstreams: { echo: `grpc://${address}` }, routes: [{ match: "*", public: true }] },
    );
    using client = at.connect();
    const answer = await client.request({ path: "/v1/say/x" });
    expect(answer.status).toBe(503);
    expect(answer.headers["x-dragoman-reason"]).toBe("no_healthy_endpoint");
    expect(answer.text).not.toContain(address.split(":")[1]);
  });

  test("an upstream's bytes that are no such message are a 502 that does not repeat them", async () => {
    await using server = await echo({ Say: unary(() => Buffer.from("\x0a\xffnonsense", "latin1")) });
    await using at = await testGateway({ "t.proto": proto() }, open(server));
    using client = at.connect();
    const answer = await client.request({ path: "/v1/say/x" });
    expect(answer.status).toBe(502);
    expect(JSON.parse(answer.text).code).toBe(13);
    expect(answer.text).not.toContain("nonsense");
    // A call that failed, to those who look at the log as well.
    await until("the call is logged", () => at.access().length > 0);
    expect(at.access()).toMatchObject([{ code: "INTERNAL", reason: "upstream_message" }]);
  });
});

describe("deadlines and cancellation", () => {
  test("the shorter of the caller's and the route's time, told to the upstream", async () => {
    const seen: number[] = [];
    const cancelled: string[] = [];
    await using server = await echo({
      Say: unary((_request, call) => {
        seen.push(Number(call.getDeadline()) - Date.now());
        call.on("cancelled", () => cancelled.push("cancelled"));
        return new Promise(() => {});
      }),
    });
    await using at = await testGateway(
      { "t.proto": proto() },
      open(server, { routes: [{ match: "*", public: true, timeout: "300ms" }] }),
    );
    using client = at.connect();
    const slow = await client.request({ path: "/v1/say/x", headers: { "x-request-timeout": "10s" } });
    expect(slow).toMatchObject({ status: 504 });
    expect(JSON.parse(slow.text)).toMatchObject({ code: 4 });
    expect(slow.headers["x-dragoman-reason"]).toBe("deadline_exceeded");
    await client.request({ path: "/v1/say/x", headers: { "grpc-timeout": "50m" } });
    expect(seen[0]).toBeLessThanOrEqual(300);
    expect(seen[1]).toBeLessThanOrEqual(50);
    await until("both calls are cancelled", () => cancelled.length === 2);
  });

  test("a client that goes away cancels the upstream at once", async () => {
    let running = 0;
    await using server = await echo({
      Count: serverStream((call) => {
        running++;
        call.write(text("n0"));
        call.on("cancelled", () => running--);
      }),
    });
    await using at = await testGateway({ "t.proto": proto() }, open(server));
    using client = at.connect();
    const stream = client.stream({ path: "/v1/count/1" });
    await until("it runs", () => running === 1);
    stream.close(8);
    await until("it is cancelled", () => running === 0);
    await until("it is logged", () => at.access().some(({ code }) => code === "CANCELLED"));
  });
});

describe("metadata", () => {
  test("both ways, less what belongs to one connection or to the gateway", async () => {
    const received: Record<string, unknown>[] = [];
    await using server = await echo({
      Say: unary((request, call) => {
        received.push(call.metadata.getMap());
        const header = new Metadata();
        header.set("x-answer", "1");
        call.sendMetadata(header);
        return request;
      }),
    });
    await using at = await testGateway({ "t.proto": proto() }, open(server));
    using client = at.connect();
    const headers = {
      "x-one": "1",
      "x-data-bin": Buffer.from([1, 2]).toString("base64"),
      "x-dragoman-subject": "root",
      te: "trailers",
      "x-forwarded-for": "6.6.6.6",
      authorization: "Bearer mine",
    };
    const answer = await client.request({ path: "/v1/say/x", headers });
    expect(answer.headers["x-answer"]).toBe("1");
    expect(answer.headers["content-length"]).toBe("12");
    expect(received[0]).toMatchObject({
      "x-one": "1",
      authorization: "Bearer mine",
      "x-forwarded-proto": "https",
      "x-forwarded-for": "127.0.0.1",
    });
    expect(received[0]?.["x-data-bin"]).toEqual(Buffer.from([1, 2]));
    expect(received[0]?.["x-dragoman-subject"]).toBeUndefined();
    expect(received[0]?.["x-request-id"]).toBe(answer.headers["x-request-id"]);
  });
});

describe("a schema that changes under load", () => {
  test("a file dropped, edited, broken and deleted is soon served so, and no request fails", async () => {
    await using server = await echo();
    await using at = await testGateway({ "t.proto": proto() }, open(server));
    using client = at.connect();
    const statuses = new Map<number, number>();
    let stop = false;
    const load = Array.from({ length: 8 }, async () => {
      while (!stop) {
        const { status: code } = await client.request({ path: "/v1/say/x" });
        statuses.set(code, (statuses.get(code) ?? 0) + 1);
      }
    });
    const later = { path: "/v1/later/x" };
    const answers = (what: string, wanted: number): Promise<void> =>
      until(what, async () => (await client.request(later)).status === wanted);
    try {
      const withLater = proto(
        'rpc Later(Text) returns (Text) { option (google.api.http) = { get: "/v1/later/{text}" }; }',
      );
      await at.folder.write("proto/t.proto", withLater);
      await answers("the edit is served", 200);
      await at.folder.write("proto/t.proto", `${withLater}\nmessage {`);
      await until("the fault is shown", async () => {
        const { problems } = (await (await fetch(`${at.admin}/api/schema`)).json()) as {
          problems: { line?: number }[];
        };
        return problems.some(({ line }) => line === 16);
      });
      expect((await client.request(later)).status).toBe(200);
      expect(at.log.filter((line) => line.includes("t.proto:16:")).join()).toMatch(
        /t\.proto:16:\d+: error: /,
      );
      await at.folder.write("proto/t.proto", proto());
      await answers("the method is gone", 404);
      await at.folder.write(
        "proto/more/u.proto",
        proto().replace("package t.v1", "package u.v1").replaceAll("/v1/", "/u/"),
      );
      await until(
        "the dropped file is served",
        async () => (await client.request({ path: "/u/say/x" })).status !== 404,
      );
    } finally {
      stop = true;
      await Promise.all(load);
    }
    expect([...statuses.keys()]).toEqual([200]);
  }, 30_000);
});

describe("health", () => {
  const counted = (count: () => void) =>
    echo({
      Say: unary((request) => {
        count();
        return request;
      }),
    });

  test("a replica that reports NOT_SERVING gets no calls until it serves again", async () => {
    const hits = { a: 0, b: 0 };
    await using a = await counted(() => hits.a++);
    await using b = await counted(() => hits.b++);
    await using at = await testGateway(
      { "t.proto": proto() },
      { upstreams: { echo: `grpc://${a.address},${b.address}` }, routes: [{ match: "*", public: true }] },
    );
    using client = at.connect();
    const call = () => client.request({ path: "/v1/say/x" });
    await until("both are called", async () => {
      await call();
      return hits.a > 0 && hits.b > 0;
    });
    a.setServing(false);
    await until("it is seen", async () =>
      JSON.stringify(await (await fetch(`${at.admin}/api/upstreams`)).json()).includes("not_serving"),
    );
    const before = hits.a;
    for (let i = 0; i < 20; i++) expect((await call()).status).toBe(200);
    expect(hits.a).toBe(before);
    a.setServing(true);
    await until("it is called again", async () => {
      await call();
      return hits.a > before;
    });
  });
});

describe("limits", () => {
  test("exactly as many as may of those that come at once, then 429 with retry-after", async () => {
    await using server = await echo();
    await using at = await testGateway(
      { "t.proto": proto() },
      open(server, {
        limits: { few: { key: "peer.ip", rate: "10/h", burst: 5 } },
        routes: [{ match: "*", public: true, limit: ["few"] }],
      }),
    );
    using client = at.connect();
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => client.request({ path: "/v1/say/x" })),
    );
    expect(answers.filter((each) => each.status === 200)).toHaveLength(5);
    const refused = answers.filter((each) => each.status === 429);
    expect(refused).toHaveLength(15);
    expect(refused[0]?.headers["x-dragoman-reason"]).toBe("rate_limited");
    expect(Number(refused[0]?.headers["retry-after"])).toBeGreaterThan(300);
    expect(JSON.parse(refused[0]?.text ?? "")).toMatchObject({
      code: 8,
      details: [
        { "@type": "type.googleapis.com/google.rpc.RetryInfo" },
        { "@type": "type.googleapis.com/google.rpc.QuotaFailure", violations: [{ subject: "limit:few" }] },
      ],
    });
  });

  test("calls over the upstream's limit wait, and those over the queue are refused", async () => {
    const waiting: (() => void)[] = [];
    await using server = await echo({
      Say: unary((request) => new Promise((resolve) => waiting.push(() => resolve(request)))),
    });
    await using at = await testGateway(
      { "t.proto": proto() },
      {
        upstreams: { echo: { endpoints: [server.address], maxInFlight: 2, maxQueue: 1 } },
        routes: [{ match: "*", public: true }],
      },
    );
    using client = at.connect();
    const answers = Array.from({ length: 4 }, () => client.request({ path: "/v1/say/x" }));
    const refused = await Promise.race(answers);
    expect(refused).toMatchObject({ status: 503 });
    expect(refused.headers["x-dragoman-reason"]).toBe("concurrency_limited");
    await until("two are under way", () => waiting.length === 2);
    const release = setInterval(() => waiting.splice(0).forEach((done) => void done()), 5);
    expect((await Promise.all(answers)).map((each) => each.status).sort()).toEqual([200, 200, 200, 503]);
    clearInterval(release);
  });
});

describe("plain HTTP and metrics", () => {
  test("h2c serves the same, and what happened is counted", async () => {
    await using server = await echo();
    await using at = await testGateway({ "t.proto": proto() }, open(server));
    using client = connectHttp2(`http://127.0.0.1:${at.gateway.httpPort}`);
    expect(await client.request({ path: "/v1/say/x" })).toMatchObject({ status: 200 });
    await client.request({ path: "/nowhere" });
    const metrics = await (await fetch(`${at.admin}/metrics`)).text();
    expect(metrics).toContain('dragoman_requests_total{method="t.v1.Echo/Say",protocol="rest",code="OK"} 1');
    expect(metrics).toContain(
      'dragoman_requests_total{method="unrouted",protocol="rest",code="NOT_FOUND"} 1',
    );
    expect(metrics).toContain(
      'dragoman_request_duration_seconds_count{method="t.v1.Echo/Say",protocol="rest"} 1',
    );
    expect(at.access()[0]).toMatchObject({
      method: "t.v1.Echo/Say",
      route: "/v1/say/{text}",
      code: "OK",
      attempts: 1,
      upstream: "echo",
      endpoint: server.address,
    });
  });
});
