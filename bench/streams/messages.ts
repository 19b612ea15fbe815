import { WebSocket } from "ws";
import { type Asked, ask, connect } from "./client.ts";
import { manyOf } from "./subject.ts";

/** What is opened on a connection. */
interface Opened {
  start(): void;
  /** Resolves when the call that runs has ended, which no other follows. */
  close(): Promise<void>;
}

/** A way to receive a server stream. */
export interface StreamLayout {
  readonly name: string;
  /**
   * Opens a connection on which streams of so many messages follow each other until it is closed. `onMessages` may count
   * parts of one.
   */
  open(base: string, perCall: number, onMessages: (count: number) => void): Promise<Opened>;
}

/** Has one call follow the other. */
function inTurn(call: () => Promise<void>, afterwards: () => void): Opened {
  let closed = false;
  let running = Promise.resolve();
  const run = async (): Promise<void> => {
    while (!closed) await call();
  };
  return {
    start() {
      running = run();
    },
    async close() {
      closed = true;
      await running;
      afterwards();
    },
  };
}

function overHttp2(name: string, bytesPerMessage: number, request: (perCall: number) => Asked): StreamLayout {
  return {
    name,
    async open(base, perCall, onMessages) {
      const connection = await connect(base);
      const asked = request(perCall);
      return inTurn(
        () => ask(connection, asked, (bytes) => onMessages(bytes / bytesPerMessage)).ended,
        () => connection.destroy(),
      );
    },
  };
}

/** The message that the upstream sends, in JSON. */
const json = '{"name":"name","amount":"1999"}';

const target = (perCall: number): string => `/v1/count/${perCall}`;

const accept =
  (type: string) =>
  (perCall: number): Asked => ({ method: "GET", path: target(perCall), fields: ["accept", type] });

/** A request of `Count` with an amount under 16,384, in a frame of gRPC. */
const countRequest = (amount: number): Buffer =>
  Buffer.from([0, 0, 0, 0, 3, 0x10, (amount & 127) | 128, amount >> 7]);

/**
 * WebSockets that may be opened at once. More than the kernel keeps for a server that has not accepted them yet
 * (`net.core.somaxconn`) it forgets, after which it resets what their clients send.
 */
const maxOpening = 500;
let opening = 0;
const waiting: (() => void)[] = [];

/** Resolves when another WebSocket may be opened; `opened` is to be called once it is. */
async function turnToOpen(): Promise<void> {
  if (opening < maxOpening) opening++;
  else await new Promise<void>((resolve) => waiting.push(resolve));
}

/** Gives the turn to the next. */
function opened(): void {
  const next = waiting.shift();
  if (next === undefined) opening--;
  else next();
}

const webSocket: StreamLayout = {
  name: "WebSocket",
  // A WebSocket carries one call: it is opened for it.
  async open(base, perCall, onMessages) {
    const url = `${base.replace("http", "ws")}${target(perCall)}`;
    const call = async (): Promise<void> => {
      await turnToOpen();
      await new Promise<void>((resolve, reject) => {
        const socket = new WebSocket(url, { perMessageDeflate: false });
        socket.once("open", opened);
        socket.on("message", () => onMessages(1));
        socket.on("close", () => resolve());
        socket.on("error", reject);
      });
    };
    return inTurn(call, () => {});
  },
};

export const layouts: readonly StreamLayout[] = [
  overHttp2("NDJSON", `${json}\n`.length, accept("application/x-ndjson")),
  overHttp2("server-sent events", `data: ${json}\n\n`.length, accept("text/event-stream")),
  overHttp2("gRPC", 14, (perCall) => ({
    method: "POST",
    path: "/bench.v1.Bench/Count",
    fields: ["content-type", "application/grpc", "te", "trailers"],
    body: countRequest(perCall),
  })),
  webSocket,
];

/** Streams on each of so many connections. */
export async function driveStreams(base: string, layout: StreamLayout, connections: number, seconds: number) {
  let messages = 0;
  // The answers that run at the end are waited for.
  const perCall = connections > 1000 ? 20 : 1000;
  const all = await manyOf(connections, () =>
    layout.open(base, perCall, (count) => {
      messages += count;
    }),
  );
  const from = performance.now();
  for (const each of all) each.start();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  await Promise.all(all.map((each) => each.close()));
  return { messages, seconds: (performance.now() - from) / 1000 };
}
