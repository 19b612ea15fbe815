import { describe, expect, test } from "vitest";
import { until } from "../../support/until.ts";
import { bytes, DATA, END_HEADERS, END_STREAM, HEADERS, RST_STREAM } from "../support/frame-types.ts";
import { alive, opened, roles } from "../support/opened.ts";
import { frame, get, literal, post, preface, rawPeer, settings } from "../support/raw-peer.ts";
import { rawServer } from "../support/raw-server.ts";

// 8.1.1: whatever is malformed is a stream error of this type.
const PROTOCOL_ERROR = 1;
const whole = END_STREAM | END_HEADERS;
const ok = bytes(0x88);

/** What no header and no trailers may have, in requests and in responses. */
const badFields: readonly (readonly [section: string, field: Buffer])[] = [
  ["8.2.1: a name in upper case", literal("X-A", "b")],
  ["8.2.1: a name with a blank", literal("x a", "b")],
  ["8.2.1: a name with a control character", literal("x\x01", "b")],
  ["8.2.1: a name with DEL", literal("x\x7f", "b")],
  ["8.2.1: a name beyond ASCII", literal("x-ü", "b")],
  ["8.2.1: a name with a colon", literal("x:a", "b")],
  ["8.2.1: a name of no length", literal("", "b")],
  ["8.2.1: a value with NUL", literal("x-a", "b\0c")],
  ["8.2.1: a value with a line feed", literal("x-a", "b\nc")],
  ["8.2.1: a value with a carriage return", literal("x-a", "b\rc")],
  ["8.2.1: a value that begins with a blank", literal("x-a", " b")],
  ["8.2.1: a value that begins with a tab", literal("x-a", "\tb")],
  ["8.2.1: a value that ends with a blank", literal("x-a", "b ")],
  ["8.2.1: a value that ends with a tab", literal("x-a", "b\t")],
  ["8.2.2: connection", literal("connection", "close")],
  ["8.2.2: keep-alive", literal("keep-alive", "timeout=5")],
  ["8.2.2: proxy-connection", literal("proxy-connection", "close")],
  ["8.2.2: transfer-encoding", literal("transfer-encoding", "chunked")],
  ["8.2.2: upgrade", literal("upgrade", "h2c")],
  ["8.2.2: te other than trailers", literal("te", "trailers, gzip")],
  ["8.3: an unknown pseudo-header field", literal(":x", "y")],
];

const badTrailers: typeof badFields = [
  ...badFields,
  ["8.1: a pseudo-header field of requests in trailers", literal(":path", "/")],
  ["8.1: a pseudo-header field of responses in trailers", bytes(0x88)],
];

describe.each(roles)("malformed trailers to a %s", (role) => {
  test.each(badTrailers)("%s", async (_section, field) => {
    await using peer = await opened(role);
    peer.send(frame(HEADERS, whole, 1, Buffer.concat([literal("x-fine", "1"), field])));
    const reset = await peer.seen("RST_STREAM", ({ type }) => type === RST_STREAM);
    expect(reset.payload.readUInt32BE(0)).toBe(PROTOCOL_ERROR);
    await alive(peer);
    expect(peer.outcome()).toMatch(/^broken by rule/);
  });
});

const connect = literal(":method", "CONNECT");
const authority = literal(":authority", "a.test:1");
const length = (value: string): Buffer => literal("content-length", value);
const head = (...fields: readonly Buffer[]): Buffer => frame(HEADERS, whole, 1, Buffer.concat(fields));
const openHead = (...fields: readonly Buffer[]): Buffer =>
  frame(HEADERS, END_HEADERS, 1, Buffer.concat(fields));

describe("malformed requests", () => {
  const rows: readonly (readonly [section: string, frames: readonly Buffer[]])[] = [
    ...badFields.map(([section, field]) => [section, [head(get, field)]] as const),
    ["8.1.1: less than content-length", [openHead(post, length("3")), frame(DATA, END_STREAM, 1, bytes(1))]],
    ["8.1.1: more than content-length", [openHead(post, length("3")), frame(DATA, 0, 1, bytes(1, 2, 3, 4))]],
    ["8.1.1: content-length and no body", [head(post, length("3"))]],
    [
      "8.1.1: content-length, and trailers before it is all there",
      [
        openHead(post, length("3")),
        frame(DATA, 0, 1, bytes(1)),
        frame(HEADERS, whole, 1, literal("x-a", "b")),
      ],
    ],
    ["8.1.1: a content-length that is no number", [head(post, length("0x0"))]],
    ["8.1.1: two lengths that differ", [head(post, length("0"), length("1"))]],
    ["8.3: a pseudo-header field of responses", [head(get, bytes(0x88))]],
    ["8.3: a pseudo-header field after others", [head(bytes(0x82, 0x86), literal("x-a", "b"), bytes(0x84))]],
    ["8.3.1: no method", [head(bytes(0x86, 0x84), authority)]],
    ["8.3.1: an empty method", [head(literal(":method", ""), bytes(0x86, 0x84), authority)]],
    ["8.3.1: no scheme", [head(bytes(0x82, 0x84), authority)]],
    ["8.3.1: no path", [head(bytes(0x82, 0x86), authority)]],
    ["8.3.1: an empty path", [head(bytes(0x82, 0x86), literal(":path", ""))]],
    ["8.3.1: a path that is neither absolute nor *", [head(bytes(0x82, 0x86), literal(":path", "a"))]],
    ["8.3.1: * with a method other than OPTIONS", [head(bytes(0x82, 0x86), literal(":path", "*"))]],
    ["8.3.1: two methods", [head(get, bytes(0x82))]],
    ["8.3.1: two schemes", [head(get, bytes(0x86))]],
    ["8.3.1: two paths", [head(get, bytes(0x84))]],
    ["8.3.1: two authorities", [head(get, authority)]],
    ["8.5: CONNECT with a scheme", [head(connect, bytes(0x86), authority)]],
    ["8.5: CONNECT with a path", [head(connect, bytes(0x84), authority)]],
    ["8.5: CONNECT without an authority", [head(connect)]],
    ["RFC 8441 4: :protocol without CONNECT", [head(get, literal(":protocol", "websocket"))]],
    [
      "RFC 8441 4: extended CONNECT without a path",
      [head(connect, literal(":protocol", "websocket"), bytes(0x86), authority)],
    ],
    [
      "RFC 8441 4: extended CONNECT without a scheme",
      [head(connect, literal(":protocol", "websocket"), bytes(0x84), authority)],
    ],
  ];
  test.each(rows)("%s", async (_section, frames) => {
    await using peer = await rawPeer({ onRequest: () => {} });
    peer.send(preface, settings(), ...frames);
    const reset = await peer.seen("RST_STREAM", ({ type }) => type === RST_STREAM);
    expect(reset.payload.readUInt32BE(0)).toBe(PROTOCOL_ERROR);
    await alive(peer);
    // 8.1.1: nobody is handed what is malformed, as far as it was known in time.
    for (const { outcome } of peer.requests) expect(outcome).toBe("broken by rule");
  });

  test("8.3 and RFC 8441 3: extended CONNECT to a server that does not offer it", async () => {
    await using peer = await rawPeer({ extendedConnect: false });
    peer.send(
      preface,
      settings(),
      head(connect, literal(":protocol", "websocket"), bytes(0x86, 0x84), authority),
    );
    const reset = await peer.seen("RST_STREAM", ({ type }) => type === RST_STREAM);
    expect(reset.payload.readUInt32BE(0)).toBe(PROTOCOL_ERROR);
    expect(peer.requests).toEqual([]);
  });
});

describe("malformed responses", () => {
  const rows: readonly (readonly [section: string, frames: readonly Buffer[]])[] = [
    ...badFields.map(([section, field]) => [section, [head(ok, field)]] as const),
    ["8.1: DATA before the header", [frame(DATA, 0, 1, bytes(1))]],
    ["8.1: an informational response that ends the stream", [head(literal(":status", "103"))]],
    ["8.1.1: less than content-length", [openHead(ok, length("3")), frame(DATA, END_STREAM, 1, bytes(1))]],
    ["8.1.1: more than content-length", [openHead(ok, length("3")), frame(DATA, 0, 1, bytes(1, 2, 3, 4))]],
    ["8.1.1: content-length and no body", [head(ok, length("3"))]],
    ["8.1.1: two lengths that differ", [head(ok, length("0"), length("1"))]],
    ["8.3: a pseudo-header field of requests", [head(ok, bytes(0x84))]],
    ["8.3: a pseudo-header field after others", [head(literal("x-a", "b"), ok)]],
    ["8.3.2: no status", [head(literal("x-a", "b"))]],
    ["8.3.2: two statuses", [head(ok, ok)]],
    ["8.3.2: a status of two digits", [head(literal(":status", "20"))]],
    ["8.3.2: a status that is no number", [head(literal(":status", "2OO"))]],
    ["8.6: 101 Switching Protocols", [openHead(literal(":status", "101"))]],
  ];
  test.each(rows)("%s", async (_section, frames) => {
    await using server = await rawServer();
    const call = server.call();
    await server.seen("the request", ({ type }) => type === HEADERS);
    server.send(...frames);
    const reset = await server.seen("RST_STREAM", ({ type }) => type === RST_STREAM);
    expect(reset.payload.readUInt32BE(0)).toBe(PROTOCOL_ERROR);
    await alive(server);
    expect(call.outcome).toBe("broken by rule with 1");
  });
});

describe("what is not malformed", () => {
  test("8.1: informational responses come before the header, with fields of their own", async () => {
    await using server = await rawServer();
    const call = server.call({ end: true });
    await server.seen("the request", ({ type }) => type === HEADERS);
    server.send(
      openHead(literal(":status", "103"), literal("link", "</a>")),
      openHead(ok, literal("x-a", "b")),
      frame(DATA, 0, 1, bytes(1)),
      frame(HEADERS, whole, 1, literal("x-t", "c")),
    );
    await until("the call has ended", () => call.outcome === "ended with x-t,c");
    expect([call.statuses, call.fields]).toEqual([
      [103, 200],
      ["x-a", "b"],
    ]);
  });

  test.each([
    ["a response to HEAD", "HEAD", ok],
    ["204", "GET", literal(":status", "204")],
    ["304", "GET", literal(":status", "304")],
  ])("8.1.1: content-length without content: %s", async (_name, method, status) => {
    await using server = await rawServer();
    const call = server.call({ method, end: true });
    await server.seen("the request", ({ type }) => type === HEADERS);
    server.send(head(status, length("300")));
    await until("the call has ended", () => call.outcome === "ended");
    await alive(server);
  });

  test("8.1.1: lengths that agree, and one of what has come", async () => {
    await using peer = await rawPeer();
    peer.send(
      preface,
      settings(),
      openHead(post, length("2"), length("2")),
      frame(DATA, END_STREAM, 1, bytes(1, 2)),
    );
    await until("the request has ended", () => peer.requests[0]?.outcome === "ended");
    await alive(peer);
  });

  test("8.2.2: te with trailers", async () => {
    await using peer = await rawPeer();
    peer.send(preface, settings(), head(get, literal("te", "trailers")));
    await peer.seen("the answer", ({ type }) => type === HEADERS);
    expect(peer.requests[0]?.fields).toEqual(["te", "trailers"]);
  });

  test("8.2.3: crumbs of cookies are one cookie for whoever gets the request", async () => {
    await using peer = await rawPeer();
    const crumbs = [
      literal("cookie", "a=1"),
      literal("x-a", "b"),
      literal("cookie", "b=2"),
      literal("cookie", "c=3"),
    ];
    peer.send(preface, settings(), head(get, ...crumbs));
    await peer.seen("the answer", ({ type }) => type === HEADERS);
    expect(peer.requests[0]?.fields).toEqual(["cookie", "a=1; b=2; c=3", "x-a", "b"]);
  });

  test("8.3.1: OPTIONS of *", async () => {
    await using peer = await rawPeer();
    peer.send(
      preface,
      settings(),
      head(literal(":method", "OPTIONS"), bytes(0x86), literal(":path", "*"), authority),
    );
    await peer.seen("the answer", ({ type }) => type === HEADERS);
    expect(peer.requests[0]?.path).toBe("*");
  });

  test("8.5: CONNECT with an authority alone, and RFC 8441 4: with all of them", async () => {
    await using peer = await rawPeer();
    const extended = Buffer.concat([
      connect,
      literal(":protocol", "websocket"),
      bytes(0x87),
      literal(":path", "/chat"),
      authority,
    ]);
    peer.send(preface, settings(), openHead(connect, authority), frame(HEADERS, END_HEADERS, 3, extended));
    await peer.seen("the answer", ({ type, streamId }) => type === HEADERS && streamId === 3);
    expect(peer.requests.map(({ path }) => path)).toEqual([undefined, "/chat"]);
  });
});
