import http2 from "node:http2";
import net from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import type { Exchange } from "../../../src/frontend/exchange.ts";
import type { Listener, ListenerLimits } from "../../../src/frontend/listener.ts";
import { createNodeListener } from "../../../src/frontend/node-engine/listener.ts";
import { exchangeRaw } from "../../support/raw-socket.ts";
import { until } from "../../support/until.ts";

const limits: ListenerLimits = {
  headerBytes: 4096,
  headerCount: 20,
  targetBytes: 1024,
  streamsPerConnection: 10,
  idleMs: 60_000,
  headMs: 400,
  bodyIdleMs: 400,
};

let listener: Listener | undefined;

afterEach(async () => {
  await listener?.drain(0);
  listener = undefined;
});

async function listen(exchange: (exchange: Exchange) => void): Promise<number> {
  listener = createNodeListener({
    limits,
    events: { exchange, upgrade: (upgrade) => upgrade.refuse(501, []) },
  });
  return (await listener.listen({ host: "127.0.0.1", port: 0 })).port;
}

/** Answers with what was read. */
function echo(exchange: Exchange): void {
  exchange.readBody(1000).then(
    (body) => exchange.respond(200, ["x-target", exchange.head.target], body),
    (error) => exchange.respond(error.httpStatus ?? 500, [], Buffer.from(error.reason)),
  );
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly rst: number;
  readonly headers: http2.IncomingHttpHeaders;
}

function request(
  session: http2.ClientHttp2Session,
  headers: http2.OutgoingHttpHeaders,
  body?: Uint8Array,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stream = session.request(headers, { endStream: body === undefined });
    const chunks: Buffer[] = [];
    let seen: http2.IncomingHttpHeaders = {};
    stream.on("response", (fields) => {
      seen = fields;
    });
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", () => {});
    stream.on("close", () => {
      resolve({
        status: Number(seen[":status"] ?? 0),
        body: Buffer.concat(chunks).toString(),
        rst: stream.rstCode,
        headers: seen,
      });
    });
    session.once("error", reject);
    if (body !== undefined) stream.end(body);
  });
}

async function withSession<T>(
  port: number,
  use: (session: http2.ClientHttp2Session) => Promise<T>,
): Promise<T> {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  try {
    return await use(session);
  } finally {
    session.destroy();
  }
}

describe("cleartext, both versions on one port", () => {
  test("http/1.1", async () => {
    const port = await listen(echo);
    const answer = await exchangeRaw(
      port,
      "POST /a?b HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi",
    );
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(answer).toContain("x-target: /a?b");
    expect(answer.endsWith("\r\n\r\nhi")).toBe(true);
  });

  test("HTTP/2 with prior knowledge, its preface cut anywhere", async () => {
    const port = await listen(echo);
    const answer = await withSession(port, (session) =>
      request(session, { ":method": "POST", ":path": "/a?b" }, Buffer.from("hi")),
    );
    expect(answer).toMatchObject({ status: 200, body: "hi" });
    const socket = net.connect(port, "127.0.0.1");
    socket.write("PRI * HT");
    await new Promise((resolve) => setImmediate(resolve));
    socket.write(
      Buffer.concat([Buffer.from("TP/2.0\r\n\r\nSM\r\n\r\n"), Buffer.from("000000040000000000", "hex")]),
    );
    const first = await new Promise<Buffer>((resolve) => socket.once("data", resolve));
    expect(first[3]).toBe(4);
    socket.destroy();
  });
});

describe("limits and bad input over http/1.1", () => {
  const cases: readonly [string, string, number, string][] = [
    ["garbage", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "malformed_header"],
    ["no host", "GET / HTTP/1.1\r\n\r\n", 400, ""],
    ["two hosts", "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400, ""],
    ["userinfo in the host", "GET / HTTP/1.1\r\nhost: u@a\r\n\r\n", 400, "malformed_header"],
    ["absolute form", "GET http://a/ HTTP/1.1\r\nhost: a\r\n\r\n", 400, "malformed_header"],
    ["a long target", `GET /${"a".repeat(1100)} HTTP/1.1\r\nhost: a\r\n\r\n`, 414, "uri_too_long"],
    [
      "a large header",
      `GET / HTTP/1.1\r\nhost: a\r\nx: ${"a".repeat(4096)}\r\n\r\n`,
      431,
      "header_too_large",
    ],
    [
      "a huge header",
      `GET / HTTP/1.1\r\nhost: a\r\nx: ${"a".repeat(40_960)}\r\n\r\n`,
      431,
      "header_too_large",
    ],
    ["many headers", `GET / HTTP/1.1\r\nhost: a\r\n${"x: 1\r\n".repeat(30)}\r\n`, 431, "header_too_large"],
    [
      "both lengths",
      "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
      400,
      "malformed_header",
    ],
    [
      "two lengths",
      "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
      400,
      "malformed_header",
    ],
    ["a folded header", "GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\n 2\r\n\r\n", 400, ""],
    ["a tunnel", "CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n", 405, "method_not_allowed"],
    [
      "an upgrade to something else",
      "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
      400,
      "",
    ],
    ["a slow head", "GET / HTTP/1.1\r\nhost: a\r\n", 408, "request_timeout"],
    [
      "a body over the limit",
      `POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1001\r\n\r\n${"a".repeat(10)}`,
      413,
      "body_too_large",
    ],
    [
      "a slow body",
      "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 5\r\n\r\nab",
      408,
      "request_timeout",
    ],
  ];
  test.each(cases)("%s", async (_name, bytes, status, reason) => {
    const port = await listen(echo);
    const text = await exchangeRaw(port, Buffer.from(bytes, "latin1"));
    expect(text.split("\r\n", 1)[0]).toContain(` ${status} `);
    expect(text).toContain(reason);
    const after = await exchangeRaw(port, "GET /still HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    expect(after).toContain(" 200 ");
  });

  test("100-continue is sent only when somebody reads the body", async () => {
    const port = await listen((exchange) => exchange.respond(401, []));
    const refused = await exchangeRaw(
      port,
      "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n",
    );
    expect(refused).not.toContain("100 Continue");
    expect(refused).toContain(" 401 ");
    await listener?.drain(0);
    const other = await listen(echo);
    const socket = net.connect(other, "127.0.0.1");
    socket.write(
      "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\nconnection: close\r\ncontent-length: 2\r\n\r\n",
    );
    const first = await new Promise<Buffer>((resolve) => socket.once("data", resolve));
    expect(first.toString()).toBe("HTTP/1.1 100 Continue\r\n\r\n");
    socket.destroy();
  });
});

describe("limits over HTTP/2", () => {
  test("a large header and a long target have their status, and the connection lives on", async () => {
    const port = await listen(echo);
    await withSession(port, async (session) => {
      const large = await request(session, { ":path": "/", "x-large": "a".repeat(5000) });
      expect(large).toMatchObject({ status: 431 });
      const long = await request(session, { ":path": `/${"a".repeat(1100)}` });
      expect(long).toMatchObject({ status: 414 });
      expect(await request(session, { ":path": "/ok" })).toMatchObject({ status: 200 });
    });
  });

  test("a body over the limit is refused before it is all there, and the stream is stopped without an error", async () => {
    const port = await listen(echo);
    await withSession(port, async (session) => {
      const answer = await request(session, { ":method": "POST", ":path": "/" }, Buffer.alloc(500_000));
      expect(answer).toMatchObject({ status: 413, body: "body_too_large", rst: 0 });
    });
  });

  test("no more streams at once than allowed", async () => {
    const waiting: Exchange[] = [];
    const port = await listen((exchange) => waiting.push(exchange));
    await withSession(port, async (session) => {
      await new Promise((resolve) => session.once("remoteSettings", resolve));
      const answers = Array.from({ length: 12 }, () => request(session, { ":path": "/" }));
      await until("ten are there", () => waiting.length === 10);
      for (const exchange of waiting.splice(0)) exchange.respond(200, []);
      await until("two more are there", () => waiting.length === 2);
      for (const exchange of waiting) exchange.respond(200, []);
      expect((await Promise.all(answers)).every(({ status }) => status === 200)).toBe(true);
    });
  });

  test("garbage after the preface ends that connection alone", async () => {
    const port = await listen(echo);
    await exchangeRaw(
      port,
      Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Buffer.alloc(64, 0xff)]),
    );
    expect(await withSession(port, (session) => request(session, { ":path": "/" }))).toMatchObject({
      status: 200,
    });
  });
});

describe("answers", () => {
  test("a client that goes aborts the signal", async () => {
    let seen: Exchange | undefined;
    const port = await listen((exchange) => {
      seen = exchange;
    });
    const socket = net.connect(port, "127.0.0.1");
    socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    await until("it came", () => seen !== undefined);
    const { signal } = seen as unknown as Exchange;
    expect(signal.aborted).toBe(false);
    socket.destroy();
    await until("it is aborted", () => signal.aborted);
    expect(signal.reason).toMatchObject({ reason: "client_gone" });
  });

  test("a reader that stops holds the writer back", async () => {
    let written = 0;
    const chunk = Buffer.alloc(16 * 1024);
    const port = await listen((exchange) => {
      const writer = exchange.open(200, []);
      void (async () => {
        while (!exchange.signal.aborted) {
          await writer.write(chunk);
          written += chunk.length;
          await new Promise((resolve) => setImmediate(resolve));
        }
      })();
    });
    await withSession(port, async (session) => {
      const stream = session.request({ ":path": "/" });
      stream.on("error", () => {});
      await new Promise((resolve) => stream.once("response", resolve));
      let before = -1;
      await until("it stands still", async () => {
        const same = before === written;
        before = written;
        await new Promise((resolve) => setTimeout(resolve, 50));
        return same;
      });
      expect(written).toBeLessThan(1024 * 1024);
      stream.resume();
      const now = written;
      await until("it goes on", () => written > now + 1024 * 1024);
      stream.close();
    });
  });

  test("trailers of a stream over http/1.1 for those who take them", async () => {
    const port = await listen((exchange) => {
      const writer = exchange.open(200, []);
      writer.write(Buffer.from("body"));
      writer.end(["t", "1", "t", "2"]);
    });
    const ask = (te: string) =>
      exchangeRaw(port, `GET / HTTP/1.1\r\nhost: a\r\n${te}connection: close\r\n\r\n`);
    expect(await ask("te: gzip, trailers\r\n")).toMatch(/\r\n0\r\nt: 1\r\nt: 2\r\n\r\n$/);
    for (const te of ["", "te: gzip\r\n"]) expect(await ask(te)).toMatch(/body\r\n0\r\n\r\n$/);
  });

  test("trailers over HTTP/2, and no body for HEAD on either", async () => {
    const port = await listen((exchange) =>
      exchange.respond(200, ["a", "1", "a", "2"], Buffer.from("body"), ["t", "end"]),
    );
    await withSession(port, async (session) => {
      const stream = session.request({ ":path": "/" });
      stream.resume();
      const trailers = await new Promise<http2.IncomingHttpHeaders>((resolve) =>
        stream.once("trailers", resolve),
      );
      expect(trailers.t).toBe("end");
    });
    await listener?.drain(0);
    const other = await listen((exchange) => exchange.respond(200, [], Buffer.from("body")));
    const head = await exchangeRaw(other, "HEAD / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    expect(head).toContain("content-length: 4");
    expect(head.endsWith("\r\n\r\n")).toBe(true);
    expect(
      await withSession(other, (session) => request(session, { ":method": "HEAD", ":path": "/" })),
    ).toMatchObject({
      status: 200,
      body: "",
    });
  });
});

describe("drain", () => {
  test("finishes what runs, refuses what comes after, and loses nothing that was on its way", async () => {
    const waiting: Exchange[] = [];
    const port = await listen((exchange) => waiting.push(exchange));
    const session = http2.connect(`http://127.0.0.1:${port}`);
    const goaways: number[] = [];
    session.on("goaway", (_code, last) => goaways.push(last ?? -1));
    const first = request(session, { ":path": "/" });
    await until("it came", () => waiting.length === 1);
    const late = net.connect(port, "127.0.0.1");
    late.write("GET /one HTTP/1.1\r\nhost: a\r\n\r\n");
    await until("both came", () => waiting.length === 2);
    const drained = (listener as Listener).drain(5000);
    await until("the end was announced", () => goaways.length > 0);
    expect(goaways[0]).toBe(2 ** 31 - 1);
    let text = "";
    late.on("data", (chunk) => {
      text += chunk;
    });
    for (const exchange of waiting) exchange.respond(200, [], Buffer.from("done"));
    expect(await first).toMatchObject({ status: 200, body: "done" });
    await drained;
    await until("the other is closed", () => late.closed);
    expect(text).toContain("connection: close");
    expect(text.endsWith("done")).toBe(true);
    session.destroy();
    await expect(exchangeRaw(port, "x")).rejects.toThrow("ECONNREFUSED");
  });

  test("after the grace period tears down what is left", async () => {
    let seen: Exchange | undefined;
    const port = await listen((exchange) => {
      seen = exchange;
    });
    const answer = withSession(port, (session) => request(session, { ":path": "/" }));
    await until("it came", () => seen !== undefined);
    await (listener as Listener).drain(50);
    expect(await answer).toMatchObject({ status: 0 });
    await until("its signal is aborted", () => seen?.signal.aborted === true);
  });
});
