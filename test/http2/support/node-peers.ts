import http2 from "node:http2";
import { type ExchangeClient, type ExchangeServer, each, listen } from "./exchange-peer.ts";
import { type Exchange, type Heard, heard, indexOf, type Message } from "./exchange-plan.ts";

type Heads = http2.IncomingHttpHeaders;

const pairs = (fields: readonly string[]): http2.OutgoingHttpHeaders => {
  const headers: Record<string, string | string[]> = {};
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!;
    const before = headers[name];
    headers[name] = before === undefined ? fields[i + 1]! : [before, fields[i + 1]!].flat();
  }
  return headers;
};

/** Without pseudo-header fields. */
const plain = (raw: readonly string[]): string[] =>
  raw.flatMap((name, i) => (i % 2 === 0 && !name.startsWith(":") ? [name, raw[i + 1]!] : []));

function writeNode(stream: http2.Http2Stream, { chunks, trailers }: Message): void {
  if (trailers !== undefined) stream.on("wantTrailers", () => stream.sendTrailers(pairs(trailers)));
  for (const chunk of chunks) stream.write(chunk);
  stream.end();
}

export async function nodeServer(planned: readonly Exchange[]): Promise<ExchangeServer> {
  const requests = new Map<number, Heard>();
  const sessions = new Set<http2.ServerHttp2Session>();
  const server = http2.createServer();
  server.on("session", (session) => sessions.add(session));
  server.on("stream", (stream: http2.ServerHttp2Stream, headers: Heads, _flags: number, raw: string[]) => {
    const path = String(headers[":path"]);
    const chunks: Buffer[] = [];
    let trailers: string[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("trailers", (_headers: Heads, _flags: number, rawTrailers: string[]) => {
      trailers = plain(rawTrailers);
    });
    stream.on("end", () => {
      requests.set(indexOf(path), heard(`${headers[":method"]} ${path}`, plain(raw), chunks, trailers));
      const { status, response } = planned[indexOf(path)]!;
      stream.respond({ ":status": status, ...pairs(response.fields), [http2.sensitiveHeaders]: [] }, {
        waitForTrailers: response.trailers !== undefined,
        sendDate: false,
      } as http2.ServerStreamResponseOptions);
      writeNode(stream, response);
    });
  });
  return {
    port: await listen(server),
    requests,
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export const nodeClient: ExchangeClient = async (port, planned) => {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  try {
    return await each(
      planned,
      ({ method, path, request }) =>
        new Promise((resolve, reject) => {
          const head = { ":method": method, ":path": path, ...pairs(request.fields) };
          const stream = session.request(head, {
            endStream: false,
            waitForTrailers: request.trailers !== undefined,
          });
          const chunks: Buffer[] = [];
          let start = "";
          let fields: string[] = [];
          let trailers: string[] = [];
          stream.on("response", (headers: Heads, _flags: number, raw: string[]) => {
            start = String(headers[":status"]);
            fields = plain(raw);
          });
          stream.on("data", (chunk: Buffer) => chunks.push(chunk));
          stream.on("trailers", (_headers: Heads, _flags: number, raw: string[]) => {
            trailers = plain(raw);
          });
          stream.on("error", reject);
          stream.on("close", () => resolve(heard(start, fields, chunks, trailers)));
          writeNode(stream, request);
        }),
    );
  } finally {
    session.destroy();
  }
};
