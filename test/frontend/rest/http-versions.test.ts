import http from "node:http";
import net from "node:net";
import { type handleUnaryCall, Metadata } from "@grpc/grpc-js";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type TestGateway, testGateway } from "../../support/gateway.ts";
import type { Http2Client } from "../../support/http2-client.ts";
import { type RawServer, serverStream, startRawServer, unary } from "../../support/raw-server.ts";
import { exchangeRaw } from "../../support/raw-socket.ts";
import { until } from "../../support/until.ts";

const proto = `syntax = "proto3";
package t.v1;
import "google/api/annotations.proto";
service T {
  rpc Get(Text) returns (Text) { option (google.api.http) = { get: "/v1/get/{text}" additional_bindings { post: "/v1/get" body: "*" } }; }
  rpc Many(Text) returns (stream Text) { option (google.api.http) = { get: "/v1/many/{text}" }; }
  rpc Fail(Text) returns (Text) { option (google.api.http) = { get: "/v1/fail/{text}" }; }
  rpc FailAtOnce(Text) returns (stream Text) { option (google.api.http) = { get: "/v1/fail-at-once/{text}" }; }
  rpc Slow(Text) returns (Text) { option (google.api.http) = { get: "/v1/slow/{text}" }; }
}
message Text { string text = 1; }
`;

const bodyBytes = 100 * 1024;

let server: RawServer;
let at: TestGateway;
let http2: Http2Client;
let calls = 0;
/** The metadata of the last call, and when it must have ended. */
let seen = new Metadata();
let deadline = 0;
/** What the next call answers with before and after its message. */
let header = new Metadata();
let trailer = new Metadata();

const get: handleUnaryCall<Buffer, Buffer> = (call, done) => {
  calls++;
  seen = call.metadata;
  deadline = Number(call.getDeadline());
  call.sendMetadata(header);
  done(null, call.request, trailer);
};

beforeAll(async () => {
  server = await startRawServer("t.v1.T", {
    Get: { requestStream: false, responseStream: false, handler: get },
    Many: serverStream((call) => {
      call.write(call.request);
      call.write(call.request);
      call.end();
    }),
    Fail: unary(() => Promise.reject(Object.assign(new Error("gone"), { code: 5, details: "gone" }))),
    FailAtOnce: serverStream((call) => {
      call.emit("error", Object.assign(new Error("gone"), { code: 5, details: "gone" }));
    }),
    Slow: unary(() => new Promise(() => {})),
  });
  at = await testGateway(
    { "t.proto": proto },
    {
      listen: { limits: { bodyBytes: "100KiB", targetBytes: "1KiB", headerBytes: "4KiB" } },
      upstreams: { t: `grpc://${server.address}` },
      routes: [{ match: "*", public: true }],
    },
  );
  http2 = at.connect();
});

beforeEach(() => {
  calls = 0;
  header = new Metadata();
  trailer = new Metadata();
});

afterAll(async () => {
  http2[Symbol.dispose]();
  await at[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

interface Asked {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: string;
  /** The body goes on, and its end is never sent. */
  readonly unfinished?: boolean;
  /** The body waits until it is asked for. */
  readonly waits?: boolean;
}

interface Answered {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
  /** `100 Continue` came first. */
  readonly continued: boolean;
}

function overHttp1({
  method = "GET",
  path,
  headers = {},
  body,
  unfinished,
  waits,
}: Asked): Promise<Answered> {
  return new Promise((resolve, reject) => {
    let continued = false;
    const request = http.request(
      { host: "127.0.0.1", port: at.gateway.httpPort, agent: false, method, path, headers },
      (response) => {
        let text = "";
        response.on("data", (chunk) => {
          text += chunk;
        });
        response.on("end", () => {
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text, continued });
          request.destroy();
        });
      },
    );
    request.on("error", reject);
    request.on("continue", () => {
      continued = true;
      if (waits === true) request.end(body);
    });
    if (waits === true) request.flushHeaders();
    else if (unfinished === true) request.write(body ?? "");
    else request.end(body);
  });
}

function overHttp2({
  method = "GET",
  path,
  headers = {},
  body,
  unfinished,
  waits,
}: Asked): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const stream = http2.session.request(
      { ":method": method, ":path": path, ...headers },
      { endStream: body === undefined && unfinished !== true && waits !== true },
    );
    let continued = false;
    let answer: http.IncomingHttpHeaders & { ":status"?: number | undefined } = {};
    let text = "";
    stream.on("continue", () => {
      continued = true;
      if (waits === true) stream.end(body);
    });
    stream.on("response", (fields) => {
      answer = fields;
    });
    stream.on("data", (chunk) => {
      text += chunk;
    });
    stream.on("end", () => {
      resolve({ status: answer[":status"] ?? 0, headers: answer, text, continued });
      stream.close();
    });
    stream.on("error", reject);
    if (waits === true) return;
    if (unfinished === true) stream.write(body ?? "");
    else if (body !== undefined) stream.end(body);
  });
}

const bothWays: readonly [string, (asked: Asked) => Promise<Answered>][] = [
  ["http/1.1", overHttp1],
  ["HTTP/2", overHttp2],
];

describe.each(bothWays)("over %s", (_version, ask) => {
  const reasonOf = ({ status, headers }: Answered) => [status, headers["x-dragoman-reason"]];

  test("HEAD has the fields of GET, its length too, and no body", async () => {
    const whole = await ask({ path: "/v1/get/abc" });
    const head = await ask({ method: "HEAD", path: "/v1/get/abc" });
    expect([head.status, head.text]).toEqual([200, ""]);
    expect(head.headers["content-length"]).toBe(String(whole.text.length));
    expect(head.headers["content-type"]).toBe(whole.headers["content-type"]);
  });

  test("HEAD of a stream has its head", async () => {
    const head = await ask({ method: "HEAD", path: "/v1/many/abc" });
    expect([head.status, head.text, head.headers["content-type"]]).toEqual([200, "", "application/x-ndjson"]);
    expect((await ask({ path: "/v1/many/abc" })).text).toBe('{"text":"abc"}\n{"text":"abc"}\n');
  });

  test("HEAD of what fails has no body", async () => {
    for (const [path, status] of [
      ["/v2", 404],
      ["/v1/get/a?nope=1", 400],
      ["/v1/fail/a", 404],
      ["/v1/fail-at-once/a", 404],
    ] as const) {
      const whole = await ask({ path });
      const head = await ask({ method: "HEAD", path });
      expect([path, head.status, head.text]).toEqual([path, status, ""]);
      expect(head.headers["content-length"]).toBe(String(Buffer.byteLength(whole.text)));
      expect(head.headers["content-type"]).toBe("application/json");
    }
  });

  test("OPTIONS tells what a path takes, without a call", async () => {
    const answer = await ask({ method: "OPTIONS", path: "/v1/get" });
    expect([answer.status, answer.text, answer.headers.allow]).toEqual([204, "", "POST, OPTIONS"]);
    expect(answer.headers).not.toHaveProperty("content-length");
    expect(calls).toBe(0);
    expect((await ask({ method: "OPTIONS", path: "/v2" })).status).toBe(404);
  });

  const refusals: readonly [string, Asked, number, string, number][] = [
    ["an unknown path", { path: "/v2" }, 404, "route_not_found", 5],
    ["another method", { method: "PUT", path: "/v1/get" }, 405, "method_not_allowed", 12],
    ["an unknown method", { method: "PROPFIND", path: "/v1/get" }, 405, "method_not_allowed", 12],
    ["nothing acceptable", { path: "/v1/get/a", headers: { accept: "image/png" } }, 406, "not_acceptable", 3],
    [
      "an unknown type",
      { method: "POST", path: "/v1/get", headers: { "content-type": "text/xml" }, body: "<a/>" },
      415,
      "unsupported_media_type",
      3,
    ],
    ["a long target", { path: `/v1/get/${"a".repeat(2000)}` }, 414, "uri_too_long", 3],
    [
      "a large header",
      { path: "/v1/get/a", headers: { "x-large": "a".repeat(5000) } },
      431,
      "header_too_large",
      3,
    ],
    ["a bad timeout", { path: "/v1/get/a", headers: { "grpc-timeout": "soon" } }, 400, "malformed_header", 3],
  ];
  test.each(refusals)("%s is refused with a status", async (_name, asked, status, reason, code) => {
    const answer = await ask(asked);
    expect(reasonOf(answer)).toEqual([status, reason]);
    expect(answer.headers["content-type"]).toBe("application/json");
    expect(JSON.parse(answer.text)).toEqual({
      code,
      message: expect.any(String),
      details: expect.any(Array),
    });
    if (status === 405) expect(answer.headers.allow).toBe("POST");
    expect(calls).toBe(0);
  });

  test("a body that is announced too large is refused before a byte of it came", async () => {
    const answer = await ask({
      method: "POST",
      path: "/v1/get",
      headers: { "content-length": "10000000" },
      unfinished: true,
    });
    expect(reasonOf(answer)).toEqual([413, "body_too_large"]);
    expect(JSON.parse(answer.text)).toMatchObject({ code: 8 });
  });

  test("a body that grows too large is refused before its end", async () => {
    const answer = await ask({
      method: "POST",
      path: "/v1/get",
      body: `{"text":"${"x".repeat(bodyBytes + 1)}`,
      unfinished: true,
    });
    expect(reasonOf(answer)).toEqual([413, "body_too_large"]);
    expect(calls).toBe(0);
  });

  const waiting = (path: string, headers: Readonly<Record<string, string>> = {}) =>
    ask({
      method: "POST",
      path,
      headers: { expect: "100-continue", "content-length": "12", ...headers },
      body: '{"text":"a"}',
      waits: true,
    });

  test("a body that waits is asked for", async () => {
    expect(await waiting("/v1/get")).toMatchObject({ status: 200, text: '{"text":"a"}', continued: true });
  });

  test.each<[string, string, Record<string, string>, number]>([
    ["an unknown path", "/v2", {}, 404],
    ["a method that is not taken", "/v1/get/a", {}, 405],
    ["a type that is not taken", "/v1/get", { "content-type": "text/xml" }, 415],
    ["a length over the limit", "/v1/get", { "content-length": "10000000" }, 413],
  ])("a body that waits is not asked for: %s", async (_name, path, headers, status) => {
    expect(await waiting(path, headers)).toMatchObject({ status, continued: false });
  });

  test("an upstream cannot set what frames the answer or is the gateway's", async () => {
    trailer.set("x-trailer", "t");
    trailer.set("content-type", "text/html");
    trailer.set("content-encoding", "gzip");
    trailer.set("trailer", "x-more");
    trailer.set("x-request-id", "forged");
    trailer.set("x-dragoman-reason", "forged");
    trailer.add("set-cookie", "a=1");
    trailer.add("set-cookie", "b=2");
    const { headers, text } = await ask({ path: "/v1/get/abc" });
    expect(text).toBe('{"text":"abc"}');
    expect(headers).toMatchObject({
      "x-trailer": "t",
      "content-length": "14",
      "content-type": "application/json",
      "set-cookie": ["a=1", "b=2"],
    });
    for (const name of ["content-encoding", "trailer", "x-dragoman-reason"])
      expect(headers).not.toHaveProperty(name);
    expect(headers["x-request-id"]).not.toContain("forged");
  });

  test("binary metadata come back as base64, in order", async () => {
    header.add("x-data-bin", Buffer.from([1, 2]));
    header.add("x-data-bin", Buffer.from([3]));
    const { headers } = await ask({ path: "/v1/get/a" });
    const values = String(headers["x-data-bin"]).split(/\s*,\s*/);
    expect(values.map((each) => Buffer.from(each, "base64").toString("hex"))).toEqual(["0102", "03"]);
  });

  test("values of one header keep their order", async () => {
    await ask({ path: "/v1/get/a", headers: { "x-one": ["b", "a", "c"], "x-data-bin": ["Ag==", "AQ"] } });
    expect(seen.get("x-one").join(",").replaceAll(" ", "")).toBe("b,a,c");
    expect(seen.get("x-data-bin").map((each) => Buffer.from(each).toString("hex"))).toEqual(["02", "01"]);
  });

  test.each<[string, string, number]>([
    ["grpc-timeout", "2500m", 2500],
    ["x-request-timeout", "2.5s", 2500],
    ["x-request-timeout", "2500ms", 2500],
    ["x-request-timeout", "3", 3000],
    // No longer than the route's own.
    ["x-request-timeout", "1m", 15_000],
    ["x-request-timeout", "0.5h", 15_000],
    ["connect-timeout-ms", "2500", 2500],
    ["x-server-timeout", "2.5", 2500],
    ["x-other", "1", 15_000],
  ])("%s: %s reaches the upstream as its deadline, in %i ms", async (name, value, ms) => {
    const before = Date.now();
    expect((await ask({ path: "/v1/get/a", headers: { [name]: value } })).status).toBe(200);
    const rounding = 10;
    expect(deadline).toBeGreaterThanOrEqual(before + ms - rounding);
    expect(deadline).toBeLessThanOrEqual(Date.now() + ms + rounding);
    expect(seen.get(name)).toEqual(name === "x-other" ? [value] : []);
  });

  test.each<[string, string]>([
    ["x-request-timeout", "soon"],
    ["x-server-timeout", "2.5s"],
    ["x-request-timeout", "-1s"],
    ["x-request-timeout", "1d"],
    ["x-request-timeout", "1 s"],
    ["x-request-timeout", "1e3s"],
    ["x-request-timeout", ".5s"],
    ["x-request-timeout", "s"],
    ["connect-timeout-ms", "-1"],
    ["connect-timeout-ms", "1.5"],
    ["connect-timeout-ms", "1s"],
    ["connect-timeout-ms", "12345678901"],
  ])("%s: %s is refused", async (name, value) => {
    expect(reasonOf(await ask({ path: "/v1/get/a", headers: { [name]: value } }))).toEqual([
      400,
      "malformed_header",
    ]);
    expect(calls).toBe(0);
  });

  test.each<[string, string]>([
    ["grpc-timeout", "30m"],
    ["connect-timeout-ms", "30"],
    ["x-request-timeout", "0.03s"],
    ["x-server-timeout", "0.03"],
  ])("%s: %s ends a call that takes longer", async (name, value) => {
    const answer = await ask({ path: "/v1/slow/a", headers: { [name]: value } });
    expect(reasonOf(answer)).toEqual([504, "deadline_exceeded"]);
    expect(JSON.parse(answer.text)).toMatchObject({ code: 4 });
  });
});

describe("http/1.1 byte for byte", () => {
  const raw = (bytes: string) => exchangeRaw(at.gateway.httpPort ?? 0, Buffer.from(bytes, "latin1"));
  const close = "host: a\r\nconnection: close\r\n";

  test("requests that are sent at once are answered in order", async () => {
    const text = await raw(
      `GET /v1/get/one HTTP/1.1\r\nhost: a\r\n\r\nGET /v2 HTTP/1.1\r\nhost: a\r\n\r\nGET /v1/get/three HTTP/1.1\r\n${close}\r\n`,
    );
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 200", "HTTP/1.1 404", "HTTP/1.1 200"]);
    expect(text.indexOf('"one"')).toBeLessThan(text.indexOf('"three"'));
  });

  test("OPTIONS of the server as a whole, which no other method asks about", async () => {
    const options = await raw(`OPTIONS * HTTP/1.1\r\n${close}\r\n`);
    expect(options).toMatch(/^HTTP\/1\.1 204 /);
    expect(options).toMatch(/\r\nallow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n/i);
    expect(await raw(`GET * HTTP/1.1\r\n${close}\r\n`)).toMatch(/^HTTP\/1\.1 400 /);
  });

  test("several content-types are refused", async () => {
    const text = await raw(
      `POST /v1/get HTTP/1.1\r\n${close}content-type: application/json\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\n{}`,
    );
    expect(text).toMatch(/^HTTP\/1\.1 415 /);
  });

  test("a header that gRPC cannot carry is refused, and not repeated", async () => {
    const text = await raw(`GET /v1/get/a HTTP/1.1\r\n${close}x-name: M\xfcller\r\n\r\n`);
    expect(text).toMatch(/^HTTP\/1\.1 400 /);
    expect(text).toContain("x-dragoman-reason: malformed_header");
    expect(text).not.toContain("ller");
  });

  test("accept in several lines is one list", async () => {
    const asks = (path: string, ...lines: readonly string[]) =>
      raw(`GET ${path} HTTP/1.1\r\n${close}${lines.map((line) => `accept: ${line}\r\n`).join("")}\r\n`);
    const head = (text: string) => [
      /^HTTP\/1\.1 (\d+)/.exec(text)?.[1],
      /content-type: (.*)\r/i.exec(text)?.[1],
    ];
    expect(head(await asks("/v1/get/a", "text/html", "application/x-protobuf"))).toEqual([
      "200",
      "application/x-protobuf",
    ]);
    expect(head(await asks("/v1/get/a", "application/json;q=0.1", "text/html"))).toEqual([
      "200",
      "application/json",
    ]);
    expect(head(await asks("/v1/get/a", "text/html", "image/png"))).toEqual(["406", "application/json"]);
    for (const path of ["/v2", `/v1/get/${"a".repeat(2000)}`])
      expect(head(await asks(path, "application/json", "application/problem+json"))[1]).toBe(
        "application/problem+json",
      );
  });

  test("names of headers in any case are metadata in lower case", async () => {
    expect(await raw(`GET /v1/get/a HTTP/1.1\r\n${close}X-MiXed-CASE: VaLue\r\n\r\n`)).toMatch(/ 200 /);
    expect(seen.get("x-mixed-case")).toEqual(["VaLue"]);
  });

  test("a name that gRPC cannot carry is refused", async () => {
    const text = await raw(`GET /v1/get/a HTTP/1.1\r\n${close}x~odd: 1\r\n\r\n`);
    expect(text).toMatch(/^HTTP\/1\.1 400 [\s\S]*x-dragoman-reason: malformed_header/);
    expect(calls).toBe(0);
  });

  test("an HTTP/1.0 client gets a stream without chunks", async () => {
    const text = await raw("GET /v1/many/a HTTP/1.0\r\nhost: a\r\n\r\n");
    expect(text).toMatch(/^HTTP\/1\.1 200 /);
    expect(text).not.toMatch(/transfer-encoding/i);
    expect(text.endsWith('\r\n\r\n{"text":"a"}\n{"text":"a"}\n')).toBe(true);
  });

  test("after a refused body the next bytes are never taken for a request", async () => {
    const socket = net.connect(at.gateway.httpPort ?? 0, "127.0.0.1");
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk;
    });
    socket.on("error", () => {});
    const hidden = "GET /v1/get/hidden HTTP/1.1\r\nhost: a\r\n\r\n";
    socket.write(`POST /v1/get HTTP/1.1\r\nhost: a\r\ncontent-length: 10000000\r\n\r\n${hidden.repeat(20)}`);
    await until("the connection ends", () => socket.closed);
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 413"]);
    expect(calls).toBe(0);
  });
});
