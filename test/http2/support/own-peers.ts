import { once } from "node:events";
import net from "node:net";
import { Connection, type Stream } from "#http2";
import { until } from "../../support/until.ts";
import { type ExchangeClient, type ExchangeServer, each, listen } from "./exchange-peer.ts";
import { type Exchange, type Heard, heard, indexOf } from "./exchange-plan.ts";
import { limits } from "./raw-peer.ts";

export async function ownServer(planned: readonly Exchange[]): Promise<ExchangeServer> {
  const requests = new Map<number, Heard>();
  const connections: Connection[] = [];
  const answer = (stream: Stream, path: string): void => {
    const { status, response } = planned[indexOf(path)]!;
    stream.respond(status, response.fields, false);
    for (const chunk of response.chunks) stream.write(chunk);
    stream.end(response.trailers);
  };
  const server = net.createServer((socket) => {
    const request = (
      stream: Stream,
      head: { method: string | undefined; path: string | undefined; fields: readonly string[] },
    ): void => {
      const { method, path = "", fields } = head;
      const chunks: Buffer[] = [];
      const end = (trailers?: readonly string[]): void => {
        requests.set(indexOf(path), heard(`${method} ${path}`, fields, chunks, trailers));
        answer(stream, path);
      };
      if (stream.remoteEnded) {
        end();
        return;
      }
      stream.consumer = {
        data: (chunk) => {
          chunks.push(Buffer.from(chunk));
          stream.consumed(chunk.length);
        },
        end,
        broken: () => {},
        writable: () => {},
      };
    };
    const sections = { bytes: 64 * 1024, count: 200 };
    connections.push(
      new Connection(socket, { ...limits, sections, role: "server", events: { request, closed: () => {} } }),
    );
  });
  return {
    port: await listen(server),
    requests,
    async [Symbol.asyncDispose]() {
      for (const connection of connections) connection.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export const ownClient: ExchangeClient = async (port, planned) => {
  const socket = net.connect(port, "127.0.0.1");
  await once(socket, "connect");
  let settled = false;
  const events = {
    settled: () => {
      settled = true;
    },
    closed: () => {},
  };
  const sections = { bytes: 64 * 1024, count: 200 };
  const connection = new Connection(socket, { ...limits, sections, role: "client", events });
  await until("it has settled", () => settled);
  try {
    return await each(
      planned,
      ({ method, path, request }) =>
        new Promise((resolve, reject) => {
          const head = [
            ":method",
            method,
            ":scheme",
            "http",
            ":authority",
            `127.0.0.1:${port}`,
            ":path",
            path,
          ];
          const stream = connection.request([...head, ...request.fields], false, method);
          const chunks: Buffer[] = [];
          let start = "";
          let fields: readonly string[] = [];
          stream.consumer = {
            response: (status, answered) => {
              start = String(status);
              fields = answered;
            },
            data: (chunk) => {
              chunks.push(Buffer.from(chunk));
              stream.consumed(chunk.length);
            },
            end: (trailers) => resolve(heard(start, fields, chunks, trailers)),
            broken: (breach) => reject(new Error(JSON.stringify(breach))),
            writable: () => {},
          };
          for (const chunk of request.chunks) stream.write(chunk);
          stream.end(request.trailers);
        }),
    );
  } finally {
    connection.destroy();
  }
};
