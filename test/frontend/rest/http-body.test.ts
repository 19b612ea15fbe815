import type { ServerReadableStream, ServerWritableStream, sendUnaryData } from "@grpc/grpc-js";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type TestGateway, testGateway } from "../../support/gateway.ts";
import { bothVersions } from "../../support/live-request.ts";
import { type RawServer, serverStream, startRawServer } from "../../support/raw-server.ts";
import { until } from "../../support/until.ts";

const proto = `syntax = "proto3";
package t.v1;
import "google/api/annotations.proto";
import "google/api/httpbody.proto";
service T {
  rpc Upload(stream Part) returns (Text) { option (google.api.http) = { post: "/v1/{name}/file" body: "body" }; }
  rpc Whole(stream google.api.HttpBody) returns (Text) { option (google.api.http) = { post: "/v1/whole" body: "*" }; }
  rpc Download(Text) returns (stream google.api.HttpBody) { option (google.api.http) = { get: "/v1/file/{text}" }; }
}
message Text { string text = 1; }
message Part { google.api.HttpBody body = 1; string name = 2; string note = 3; int32 number = 4; }
`;

const MiB = 1024 * 1024;
/** A GiB on request: `DRAGOMAN_TEST_BIG=1`. */
const bigBytes = process.env.DRAGOMAN_TEST_BIG === undefined ? 64 * MiB : 1024 * MiB;

let server: RawServer;
let at: TestGateway;
let upload: ServerReadableStream<Buffer, Buffer> | undefined;
let download: ServerWritableStream<Buffer, Buffer> | undefined;
let answer: sendUnaryData<Buffer> | undefined;
let cancelled = false;

const takesUpload = {
  requestStream: true,
  responseStream: false,
  handler: (call: ServerReadableStream<Buffer, Buffer>, done: sendUnaryData<Buffer>) => {
    upload = call;
    answer = done;
    call.on("error", () => {});
    call.on("cancelled", () => {
      cancelled = true;
    });
  },
};

beforeAll(async () => {
  server = await startRawServer("t.v1.T", {
    Upload: takesUpload,
    Whole: takesUpload,
    Download: serverStream((call) => {
      download = call;
      call.on("error", () => {});
      call.on("cancelled", () => {
        cancelled = true;
      });
    }),
  });
  at = await testGateway(
    { "t.proto": proto },
    { upstreams: { t: `grpc://${server.address}` }, routes: [{ match: "*", public: true }] },
  );
});

beforeEach(() => {
  upload = undefined;
  download = undefined;
  answer = undefined;
  cancelled = false;
});

afterAll(async () => {
  await at[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

interface Part {
  readonly fields: Readonly<Record<number, string>>;
  readonly type: string;
  readonly data: Buffer;
}

/** The fields of a message on the wire, whose values are texts, bytes and small numbers. */
function fieldsOf(wire: Buffer): Map<number, Buffer> {
  const fields = new Map<number, Buffer>();
  const varint = (from: number): [number, number] => {
    let value = 0;
    for (let i = 0; ; i++) {
      const byte = wire[from + i] ?? 0;
      value += (byte & 127) * 2 ** (7 * i);
      if (byte < 128) return [value, from + i + 1];
    }
  };
  for (let pos = 0; pos < wire.length; ) {
    const [tag, after] = varint(pos);
    const [value, next] = varint(after);
    const isBytes = (tag & 7) === 2;
    fields.set(tag >> 3, isBytes ? wire.subarray(next, next + value) : Buffer.from(String(value)));
    pos = isBytes ? next + value : next;
  }
  return fields;
}

function partOf(wire: Buffer, within: boolean): Part {
  const outer = fieldsOf(wire);
  const body = within ? fieldsOf(outer.get(1) ?? Buffer.alloc(0)) : outer;
  const fields: Record<number, string> = {};
  if (within) for (const [number, value] of outer) if (number > 1) fields[number] = value.toString();
  return { fields, type: body.get(1)?.toString() ?? "", data: body.get(2) ?? Buffer.alloc(0) };
}

/** Reads an upload to its end. */
async function received(within = true): Promise<Part[]> {
  await until("the upload has begun", () => upload !== undefined);
  const parts: Part[] = [];
  for await (const message of upload as ServerReadableStream<Buffer, Buffer>)
    parts.push(partOf(message as Buffer, within));
  return parts;
}

/** `HttpBody` on the wire. */
function httpBody(type: string, data: Uint8Array): Buffer {
  const lengthOf = (bytes: Uint8Array): Buffer => {
    const length: number[] = [];
    let rest = bytes.length;
    for (; rest >= 128; rest = Math.floor(rest / 128)) length.push((rest % 128) | 128);
    return Buffer.from([...length, rest]);
  };
  const name = Buffer.from(type);
  const head =
    name.length === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.from([0x0a]), lengthOf(name), name]);
  return Buffer.concat([head, Buffer.from([0x12]), lengthOf(data), data]);
}

/** Resolves when a number has stopped growing. */
async function settled(count: () => number): Promise<number> {
  let last = -1;
  let same = 0;
  await until("nothing moves any more", async () => {
    await new Promise((resolve) => setTimeout(resolve, 10));
    same = count() === last ? same + 1 : 0;
    last = count();
    return same >= 20 && last > 0;
  });
  return last;
}

describe.each(bothVersions(() => at))("over %s", (version, ask) => {
  const post = (path: string, type: string) =>
    ask({ method: "POST", path, headers: { "content-type": type }, sends: true });
  const answered = async (live: ReturnType<typeof post>) => {
    const { status, headers } = await live.head;
    await live.done;
    return { status, reason: headers["x-dragoman-reason"], text: live.text() };
  };

  test("the first message has the type and what the path says, the others have bytes alone", async () => {
    const live = post("/v1/n/file?note=x", "image/png");
    const bytes = Buffer.alloc(300_000, "abcdefghij");
    live.sending.end(bytes);
    const parts = await received();
    answer?.(null, Buffer.alloc(0));
    expect(await answered(live)).toMatchObject({ status: 200, text: "{}" });
    expect(parts.length).toBeGreaterThan(4);
    expect(parts[0]).toMatchObject({ fields: { 2: "n", 3: "x" }, type: "image/png" });
    for (const part of parts.slice(1)) expect(part).toMatchObject({ fields: {}, type: "" });
    expect(Math.max(...parts.map(({ data }) => data.length))).toBeLessThanOrEqual(64 * 1024);
    expect(Buffer.concat(parts.map(({ data }) => data)).equals(bytes)).toBe(true);
  });

  test("an empty upload is one message", async () => {
    const live = post("/v1/n/file", "image/png");
    live.sending.end();
    expect(await received()).toMatchObject([{ fields: { 2: "n" } }]);
    answer?.(null, Buffer.alloc(0));
    expect(await answered(live)).toMatchObject({ status: 200 });
  });

  test("bytes go on as they come", async () => {
    const live = post("/v1/whole", "text/plain");
    live.sending.write("a");
    await until("the upload has begun", () => upload !== undefined);
    const messages = (upload as ServerReadableStream<Buffer, Buffer>)[Symbol.asyncIterator]();
    expect(partOf((await messages.next()).value, false)).toMatchObject({ type: "text/plain" });
    live.sending.write("b");
    expect(partOf((await messages.next()).value, false).data.toString()).toBe("b");
    live.sending.end();
    expect((await messages.next()).done).toBe(true);
    answer?.(null, Buffer.alloc(0));
    expect(await answered(live)).toMatchObject({ status: 200 });
  });

  test("a download has the type of its first message, and a name from the metadata", async () => {
    const live = ask({ path: "/v1/file/a" });
    await until("the download has begun", () => download !== undefined);
    download?.metadata.get("x");
    const { Metadata } = await import("@grpc/grpc-js");
    const metadata = new Metadata();
    metadata.set("content-disposition", 'attachment; filename="a.svg"');
    download?.sendMetadata(metadata);
    download?.write(httpBody("image/svg+xml", Buffer.from("<svg>")));
    download?.write(httpBody("text/html", Buffer.from("</svg>")));
    download?.end();
    expect((await live.head).headers).toMatchObject({
      "content-type": "image/svg+xml",
      "content-disposition": 'attachment; filename="a.svg"',
      "x-content-type-options": "nosniff",
    });
    expect(await live.done).toBe("ended");
    expect(live.text()).toBe("<svg></svg>");
  });

  test("a download that fails half-way is torn down", async () => {
    const live = ask({ path: "/v1/file/a" });
    await until("the download has begun", () => download !== undefined);
    download?.write(httpBody("text/plain", Buffer.from("half")));
    await until("half has come", () => live.text() === "half");
    download?.emit("error", { code: 13, details: "no more" });
    expect(await live.done).toBe("torn");
  });

  test("a large upload is never held", { timeout: 600_000 }, async () => {
    const live = post("/v1/whole", "application/octet-stream");
    const chunk = Buffer.alloc(256 * 1024, 7);
    let sent = 0;
    let seen = 0;
    let most = 0;
    const before = process.memoryUsage().rss;
    const sending = (async () => {
      while (sent < bigBytes) {
        sent += chunk.length;
        most = Math.max(most, sent - seen);
        if (!live.sending.write(chunk)) await new Promise((resolve) => live.sending.once("drain", resolve));
      }
      live.sending.end();
    })();
    await until("the upload has begun", () => upload !== undefined);
    for await (const message of upload as ServerReadableStream<Buffer, Buffer>)
      seen += partOf(message as Buffer, false).data.length;
    await sending;
    answer?.(null, Buffer.alloc(0));
    expect(await answered(live)).toMatchObject({ status: 200 });
    expect(seen).toBe(bigBytes);
    expect(most).toBeLessThan(16 * MiB);
    if (bigBytes > 512 * MiB) expect(process.memoryUsage().rss - before).toBeLessThan(512 * MiB);
  });

  test("a large download is never held", { timeout: 600_000 }, async () => {
    const live = ask({ path: "/v1/file/a", deaf: true });
    await until("the download has begun", () => download !== undefined);
    const message = httpBody("application/octet-stream", Buffer.alloc(256 * 1024, 7));
    const { length } = Buffer.alloc(256 * 1024);
    let sent = 0;
    let seen = 0;
    let most = 0;
    const before = process.memoryUsage().rss;
    const sending = (async () => {
      while (sent < bigBytes) {
        sent += length;
        most = Math.max(most, sent - seen);
        if (download?.write(message) === false)
          await new Promise((resolve) => download?.once("drain", () => resolve(undefined)));
      }
      download?.end();
    })();
    const reading = await live.reading();
    for await (const piece of reading) seen += (piece as Buffer).length;
    await sending;
    expect(seen).toBe(bigBytes);
    expect(most).toBeLessThan(16 * MiB);
    if (bigBytes > 512 * MiB) expect(process.memoryUsage().rss - before).toBeLessThan(512 * MiB);
  });

  // Over http/1.1 the kernel's buffers of the two sockets come on top.
  const ahead = version === "HTTP/2" ? MiB : 16 * MiB;

  test("who stops reading stops the upstream", async () => {
    const live = ask({ path: "/v1/file/a", deaf: true });
    await until("the download has begun", () => download !== undefined);
    const message = httpBody("application/octet-stream", Buffer.alloc(16 * 1024, 7));
    let sent = 0;
    const send = async (): Promise<void> => {
      while (!cancelled && sent < 64 * MiB) {
        sent += message.length;
        if (download?.write(message) === false)
          await new Promise((resolve) => download?.once("drain", () => resolve(undefined)));
      }
    };
    void send();
    expect(await settled(() => sent)).toBeLessThan(ahead);
    (await live.reading()).resume();
    await until("the rest is sent", () => sent >= 64 * MiB);
    live.leave();
    await until("the upstream hears of it", () => cancelled);
  });

  test("an upstream that stops reading stops the client", async () => {
    const live = post("/v1/whole", "application/octet-stream");
    const chunk = Buffer.alloc(16 * 1024, 7);
    let sent = 0;
    let left = false;
    const send = async (): Promise<void> => {
      while (!left && sent < 64 * MiB) {
        sent += chunk.length;
        if (!live.sending.write(chunk)) await new Promise((resolve) => live.sending.once("drain", resolve));
      }
    };
    void send();
    await until("the upload has begun", () => upload !== undefined);
    expect(await settled(() => sent)).toBeLessThan(ahead);
    left = true;
    live.leave();
    // Over http/1.1 that the client has gone stands behind the bytes that nobody reads.
    if (version === "http/1.1") upload?.resume();
    await until("the upstream hears of it", () => cancelled);
  });

  const form = (...parts: readonly string[]): string =>
    `${parts.map((part) => `--frontier\r\n${part}\r\n`).join("")}--frontier--\r\n`;
  const formField = (name: string, value: string): string =>
    `content-disposition: form-data; name="${name}"\r\n\r\n${value}`;
  const formFile = (data: string): string =>
    `content-disposition: form-data; name="file"; filename="a.png"\r\ncontent-type: image/png\r\n\r\n${data}`;
  const formType = "multipart/form-data; boundary=frontier";

  test("a form is an upload whose fields are part of the first message", async () => {
    const live = post("/v1/n/file", formType);
    const data = "0123456789".repeat(20_000);
    live.sending.end(form(formField("note", "a b&c+ü"), formField("number", "7"), formFile(data)));
    const parts = await received();
    answer?.(null, Buffer.alloc(0));
    expect(await answered(live)).toMatchObject({ status: 200 });
    expect(parts[0]).toMatchObject({ fields: { 2: "n", 3: "a b&c+ü", 4: "7" }, type: "image/png" });
    for (const part of parts.slice(1)) expect(part).toMatchObject({ fields: {}, type: "" });
    expect(Buffer.concat(parts.map((each) => each.data)).toString()).toBe(data);
  });

  test("a form's file goes on as it comes", async () => {
    const live = post("/v1/n/file", formType);
    live.sending.write(form(formFile("x".repeat(100_000))).slice(0, 50_000));
    await until("the upload has begun", () => upload !== undefined);
    const messages = (upload as ServerReadableStream<Buffer, Buffer>)[Symbol.asyncIterator]();
    expect(partOf((await messages.next()).value, true).data.length).toBeGreaterThan(0);
    live.leave();
    await until("the upstream hears of it", () => cancelled);
  });

  test("an empty file is one message", async () => {
    const live = post("/v1/n/file", formType);
    live.sending.end(form(formField("note", "x"), formFile("")));
    expect(await received()).toMatchObject([{ fields: { 2: "n", 3: "x" } }]);
    answer?.(null, Buffer.alloc(0));
    expect(await answered(live)).toMatchObject({ status: 200 });
  });

  const refusals: readonly [string, string, string, RegExp][] = [
    ["no boundary", "multipart/form-data", form(formFile("a")), /boundary/],
    ["another boundary", "multipart/form-data; boundary=other", form(formFile("a")), /form/],
    ["no file", formType, form(formField("note", "a")), /no file/],
    ["nothing at all", formType, "", /form/],
    ["no parts", formType, form(), /form/],
    ["two files", formType, form(formFile("a"), formFile("b")), /one file/],
    ["a field after the file", formType, form(formFile("a"), formField("note", "b")), /before its file/],
    ["a form that is cut short", formType, form(formFile("a".repeat(100))).slice(0, -40), /form/],
    ["fields that are cut short", formType, form(formField("note", "a")).slice(0, 60), /form/],
    ["a large field", formType, form(formField("note", "a".repeat(70_000)), formFile("a")), /larger/],
    ["a long name", formType, form(formField("n".repeat(300), "a"), formFile("a")), /too long/],
    [
      "many fields",
      formType,
      form(...Array(101).fill(formField("note", "a")), formFile("a")),
      /no more than/,
    ],
    ["an unknown field", formType, form(formField("colour", "a"), formFile("a")), /colour/],
    ["a field that the path gives", formType, form(formField("name", "a"), formFile("a")), /name/],
    ["a field of another type", formType, form(formField("number", "a"), formFile("a")), /number/],
  ];
  test.each(refusals)("a form with %s is refused", async (_name, type, body, message) => {
    const live = post("/v1/n/file", type);
    live.sending.end(body);
    // What goes wrong at the end of a file is told when the file has been read.
    const reading = until("the upload has begun", () => upload !== undefined || live.isDone());
    void reading.then(() => upload?.resume());
    const { status, text } = await answered(live);
    expect(status).toBe(400);
    expect(text).toMatch(message);
    await reading;
  });
});
