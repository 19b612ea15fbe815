import { once } from "node:events";
import net, { type AddressInfo } from "node:net";
import { Connection, type ConnectionEvents, type ConnectionOptions, type Stream } from "#http2";
import { limits, preface, settings } from "./raw-peer.ts";
import { type RawWire, rawWire } from "./raw-wire.ts";

/** A request that the engine has sent, and what became of it. */
export interface RawCall {
  readonly stream: Stream;
  /** Informational ones as well. */
  readonly statuses: number[];
  fields: readonly string[];
  body: Buffer;
  outcome: string;
}

/** A client of the engine, and a raw server of it. */
export interface RawServer extends RawWire, AsyncDisposable {
  readonly connection: Connection;
  readonly abuses: readonly string[];
  /** Codes of GOAWAY that the engine has passed on. */
  readonly goingAway: readonly number[];
  /** Sends a request with a body that stays open, or as said. */
  call(options?: {
    readonly method?: string;
    readonly end?: boolean;
    readonly fields?: readonly string[];
  }): RawCall;
}

export interface RawServerOptions extends Partial<ConnectionOptions> {
  /** What the server begins with; settings that say nothing when absent. */
  readonly first?: readonly Buffer[];
}

export async function rawServer({
  first = [settings()],
  ...options
}: RawServerOptions = {}): Promise<RawServer> {
  const abuses: string[] = [];
  const goingAway: number[] = [];
  let settled = false;
  const events: ConnectionEvents = {
    settled: () => {
      settled = true;
    },
    goingAway: (code) => goingAway.push(code),
    abused: (kind) => abuses.push(kind),
    closed: () => {},
  };
  const server = net.createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = net.connect((server.address() as AddressInfo).port, "127.0.0.1");
  const [socket] = (await once(server, "connection")) as [net.Socket];
  const wire = rawWire(socket, preface.length);
  if (client.connecting) await once(client, "connect");
  const connection = new Connection(client, { ...limits, ...options, role: "client", events });
  if (first.length > 0) wire.send(...first);
  if (first[0]?.[3] === 4) await wire.seen("the client has settled", () => settled);
  return {
    ...wire,
    get closed() {
      return wire.closed;
    },
    connection,
    abuses,
    goingAway,
    call({ method = "POST", end = false, fields = [] } = {}) {
      const head = [":method", method, ":scheme", "http", ":path", "/", ":authority", "a.test", ...fields];
      const stream = connection.request(head, end, method);
      const call: RawCall = { stream, statuses: [], fields: [], body: Buffer.alloc(0), outcome: "open" };
      stream.consumer = {
        response: (status, answered) => {
          call.statuses.push(status);
          call.fields = answered;
        },
        data: (chunk) => {
          call.body = Buffer.concat([call.body, chunk]);
          stream.consumed(chunk.length);
        },
        end: (trailers) => {
          call.outcome = trailers === undefined ? "ended" : `ended with ${trailers.join()}`;
        },
        broken: (breach) => {
          call.outcome =
            "code" in breach ? `broken by ${breach.by} with ${breach.code}` : `broken by ${breach.by}`;
        },
        writable: () => {},
      };
      return call;
    },
    async [Symbol.asyncDispose]() {
      connection.destroy();
      socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
