import http from "node:http";
import type http2 from "node:http2";
import type { Readable, Writable } from "node:stream";
import type { TestGateway } from "./gateway.ts";

export interface LiveHead {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** A request under way, whose body is sent, and whose answer is seen, piece by piece. */
export interface LiveRequest {
  readonly sending: Writable;
  readonly head: Promise<LiveHead>;
  /** The pieces of the answer so far. */
  readonly chunks: readonly Buffer[];
  text(): string;
  /** How the answer ended. */
  readonly done: Promise<"ended" | "torn">;
  readonly isDone: () => boolean;
  /** What is read of the answer, for who wants to stop reading. */
  reading(): Promise<Readable>;
  leave(): void;
}

export interface LiveAsk {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Nothing of the answer is read. */
  readonly deaf?: boolean;
  /** The body is sent by the test; else there is none. */
  readonly sends?: boolean;
}

export type Ask = (ask: LiveAsk) => LiveRequest;

/** The same over both versions of HTTP: a connection of its own for each request. */
export function bothVersions(at: () => TestGateway): readonly (readonly [string, Ask])[] {
  return [
    ["http/1.1", (ask) => overHttp1(at().gateway.httpPort ?? 0, ask)],
    ["HTTP/2", (ask) => overHttp2(at(), ask)],
  ];
}

function overHttp1(
  port: number,
  { method = "GET", path, headers = {}, deaf = false, sends = false }: LiveAsk,
): LiveRequest {
  const request = http.request({ host: "127.0.0.1", port, agent: false, method, path, headers });
  const reading = new Promise<http.IncomingMessage>((resolve, reject) => {
    request.on("response", resolve);
    request.on("error", reject);
  });
  const head = reading.then((response) => ({ status: response.statusCode ?? 0, headers: response.headers }));
  if (sends) request.flushHeaders();
  else request.end();
  return live(request, head, reading, deaf, () => request.destroy());
}

function overHttp2(
  at: TestGateway,
  { method = "GET", path, headers = {}, deaf = false, sends = false }: LiveAsk,
): LiveRequest {
  const client = at.connect();
  const stream = client.session.request(
    { ":method": method, ":path": path, ...headers },
    { endStream: !sends },
  );
  const head = new Promise<LiveHead>((resolve, reject) => {
    stream.on("response", (fields: http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader) =>
      resolve({ status: fields[":status"] ?? 0, headers: fields }),
    );
    stream.on("error", reject);
    stream.on("close", () => reject(new Error("no answer")));
  });
  stream.on("close", () => client[Symbol.dispose]());
  return live(
    stream,
    head,
    head.then(() => stream),
    deaf,
    () => stream.destroy(),
  );
}

function live(
  sending: Writable,
  head: Promise<LiveHead>,
  reading: Promise<Readable>,
  deaf: boolean,
  leave: () => void,
): LiveRequest {
  const chunks: Buffer[] = [];
  let isDone = false;
  sending.on("error", () => {});
  head.catch(() => {});
  const done = reading.then(
    (body) =>
      new Promise<"ended" | "torn">((resolve) => {
        let ended = false;
        body.on("error", () => {});
        body.on("end", () => {
          ended = true;
        });
        body.on("close", () => {
          isDone = true;
          resolve(ended && !("rstCode" in body && body.rstCode !== 0) ? "ended" : "torn");
        });
        if (!deaf) body.on("data", (chunk: Buffer) => chunks.push(chunk));
      }),
    () => {
      isDone = true;
      return "torn" as const;
    },
  );
  return {
    sending,
    head,
    chunks,
    text: () => Buffer.concat(chunks).toString(),
    done,
    isDone: () => isDone,
    reading: () => reading,
    leave,
  };
}
