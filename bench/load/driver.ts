import http2, { type ClientHttp2Session } from "node:http2";
import { WebSocket } from "ws";

/** What one run of a scenario gave. */
export interface Run {
  /** Requests, or messages for streams and WebSockets. */
  readonly count: number;
  readonly seconds: number;
  /** Milliseconds of each request, sorted. */
  readonly latencies: Float64Array;
}

export interface HttpScenario {
  readonly headers: http2.OutgoingHttpHeaders;
  readonly body?: Buffer;
  /** Messages that one answer holds. */
  readonly messages: number;
}

export interface Shape {
  readonly connections: number;
  readonly streams: number;
  readonly seconds: number;
}

/** Requests over HTTP/2, each stream's next as soon as its last has been answered. */
export async function driveHttp(
  url: string,
  ca: Buffer | undefined,
  scenario: HttpScenario,
  shape: Shape,
): Promise<Run> {
  const options = ca === undefined ? {} : { ca };
  const sessions = await Promise.all(Array.from({ length: shape.connections }, () => connect(url, options)));
  const latencies: number[] = [];
  const end = performance.now() + shape.seconds * 1000;
  const from = performance.now();
  await Promise.all(
    sessions.flatMap((session) =>
      Array.from({ length: shape.streams }, async () => {
        while (performance.now() < end) {
          const started = performance.now();
          await once(session, scenario);
          latencies.push(performance.now() - started);
        }
      }),
    ),
  );
  const seconds = (performance.now() - from) / 1000;
  for (const session of sessions) session.destroy();
  return {
    count: latencies.length * scenario.messages,
    seconds,
    latencies: Float64Array.from(latencies).sort(),
  };
}

function connect(url: string, options: http2.SecureClientSessionOptions): Promise<ClientHttp2Session> {
  return new Promise((resolve, reject) => {
    const session = http2.connect(url, {
      ...options,
      settings: { initialWindowSize: 1 << 20, enablePush: false },
    });
    session.once("connect", () => {
      session.setLocalWindowSize(1 << 24);
      resolve(session);
    });
    session.once("error", reject);
  });
}

function once(session: ClientHttp2Session, { headers, body }: HttpScenario): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = session.request(headers, { endStream: body === undefined });
    stream.on("response", (fields) => {
      if (fields[":status"] !== 200) reject(new Error(`answered with ${fields[":status"]}`));
    });
    stream.on("error", reject);
    stream.on("data", () => {});
    stream.on("end", () => resolve());
    if (body !== undefined) stream.end(body);
  });
}

/**
 * Messages there and back on each WebSocket, so many at a time as the shape has streams: one is sent when another has come
 * back.
 */
export async function driveWebSocket(
  url: string,
  ca: Buffer | undefined,
  message: string,
  shape: Shape,
  opened: () => Promise<void> = async () => {},
): Promise<Run> {
  const open = () =>
    new Promise<WebSocket>((resolve, reject) => {
      const socket = new WebSocket(url, { perMessageDeflate: false, ...(ca === undefined ? {} : { ca }) });
      socket.once("open", () => resolve(socket));
      socket.once("error", reject);
    });
  const sockets: WebSocket[] = [];
  // Not more at once than a listener lets wait.
  while (sockets.length < shape.connections) {
    const some = Math.min(100, shape.connections - sockets.length);
    sockets.push(...(await Promise.all(Array.from({ length: some }, open))));
  }
  await opened();
  const latencies: number[] = [];
  const from = performance.now();
  const end = from + shape.seconds * 1000;
  await Promise.all(
    sockets.map(
      (socket) =>
        new Promise<void>((resolve) => {
          // They come back in the order in which they were sent.
          const started: number[] = [];
          let oldest = 0;
          let inFlight = 0;
          const send = (): void => {
            started[(oldest + inFlight++) % shape.streams] = performance.now();
            socket.send(message);
          };
          socket.on("message", () => {
            const now = performance.now();
            latencies.push(now - (started[oldest] ?? now));
            oldest = (oldest + 1) % shape.streams;
            inFlight--;
            if (now < end) send();
            else if (inFlight === 0) resolve();
          });
          while (inFlight < shape.streams) send();
        }),
    ),
  );
  const seconds = (performance.now() - from) / 1000;
  for (const socket of sockets) socket.terminate();
  return { count: latencies.length, seconds, latencies: Float64Array.from(latencies).sort() };
}
