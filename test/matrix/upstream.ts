import net from "node:net";
import * as grpc from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import { type Kind, kinds } from "./client.ts";
import { statusToWire } from "./status.ts";
import { fromWire, type Step, step, toWire } from "./step.ts";

/** What the upstream does with a call, as its metadata `x-plan` asks. */
export type Plan =
  | "ok"
  | "empty"
  | "early"
  | "late"
  | "wait"
  | "cancelled"
  | "flood"
  | "big"
  | "hold"
  | "deaf";

/** What the upstream saw of a call, by its metadata `x-call`. */
export interface Seen {
  readonly metadata: grpc.Metadata;
  readonly received: Step[];
  halfClosed: boolean;
  cancelled: boolean;
  /** Messages that it has written. */
  sent: number;
  /** Its writes are not taken any more, for now. */
  full: boolean;
  /** Lets a call end that was told to hold, and has one listen that was told to be deaf. */
  finish(): void;
}

export const notFound = { code: 5, message: "no süch thing", details: [step(5, "early")] };
export const broken = { code: 9, message: "brökén", details: [step(9, "late")] };
export const bigBytes = 128 * 1024;
export const floodBytes = 16 * 1024;

export interface Upstream extends AsyncDisposable {
  readonly address: string;
  /** Leads to the same server, by connections of its own. */
  readonly frailAddress: string;
  /** Breaks them, and takes no others. */
  cut(): void;
  readonly calls: ReadonlyMap<string, Seen>;
}

/** The answering side of a call of any kind. */
interface Answering {
  readonly kind: Kind;
  readonly seen: Seen;
  write(message: Step): boolean;
  onDrain(listener: () => void): void;
  end(): void;
  fail(code: number, message: string, details: readonly Step[]): void;
}

const binary = (text: string): Buffer => Buffer.from([0, 255, ...Buffer.from(text)]);

export async function startUpstream(services: readonly string[]): Promise<Upstream> {
  const calls = new Map<string, Seen>();
  const server = new grpc.Server();
  for (const service of services) {
    server.addService(
      Object.fromEntries(kinds.map((kind) => [kind, definition(`/${service}/${kind}`, kind)])),
      handlers(calls),
    );
  }
  new HealthImplementation({ "": "SERVING" }).addToServer(server);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  const sockets = new Set<net.Socket>();
  const frail = net.createServer((socket) => {
    const onward = net.connect(port, "127.0.0.1");
    for (const [one, other] of [
      [socket, onward],
      [onward, socket],
    ] as const) {
      sockets.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  await new Promise<void>((resolve) => frail.listen(0, "127.0.0.1", resolve));
  const at = frail.address();
  if (at === null || typeof at === "string") throw new Error("no address");
  const cut = (): void => {
    if (frail.listening) frail.close();
    for (const socket of sockets) socket.destroy();
  };
  return {
    address: `127.0.0.1:${port}`,
    frailAddress: `127.0.0.1:${at.port}`,
    cut,
    calls,
    async [Symbol.asyncDispose]() {
      cut();
      server.forceShutdown();
    },
  };
}

function definition(path: string, kind: Kind): grpc.MethodDefinition<Step, Step> {
  return {
    path,
    requestStream: kind === "Client" || kind === "Bidi",
    responseStream: kind === "Server" || kind === "Bidi",
    requestSerialize: toWire,
    requestDeserialize: fromWire,
    responseSerialize: toWire,
    responseDeserialize: fromWire,
  };
}

function handlers(calls: Map<string, Seen>): grpc.UntypedServiceImplementation {
  const unary: grpc.handleUnaryCall<Step, Step> = (call, done) => {
    const answering = one(calls, "Unary", call, done);
    received(answering, call.request);
    halfClosed(answering);
  };
  const client: grpc.handleClientStreamingCall<Step, Step> = (call, done) => {
    const answering = one(calls, "Client", call, done);
    listen(answering, call);
  };
  const server: grpc.handleServerStreamingCall<Step, Step> = (call) => {
    const answering = many(calls, "Server", call);
    received(answering, call.request);
    halfClosed(answering);
  };
  const bidi: grpc.handleBidiStreamingCall<Step, Step> = (call) => listen(many(calls, "Bidi", call), call);
  return { Unary: unary, Client: client, Server: server, Bidi: bidi };
}

function listen(answering: Answering, call: NodeJS.ReadableStream): void {
  const hear = (): void => void call.on("data", (message: Step) => received(answering, message));
  if (planOf(answering) === "deaf") answering.seen.finish = hear;
  else hear();
  call.on("end", () => halfClosed(answering));
  call.on("error", () => {});
  if (planOf(answering) === "early") fail(answering, notFound);
}

function one(
  calls: Map<string, Seen>,
  kind: Kind,
  call: grpc.ServerUnaryCall<Step, Step> | grpc.ServerReadableStream<Step, Step>,
  done: grpc.sendUnaryData<Step>,
): Answering {
  const seen = seenOf(calls, call);
  let response: Step | undefined;
  return {
    kind,
    seen,
    write(message) {
      response = message;
      return true;
    },
    onDrain: () => {},
    end: () => done(null, response ?? step(0), trailer()),
    fail: (code, details, attached) => done(failure(code, details, attached)),
  };
}

function many(
  calls: Map<string, Seen>,
  kind: Kind,
  call: grpc.ServerWritableStream<Step, Step> | grpc.ServerDuplexStream<Step, Step>,
): Answering {
  return {
    kind,
    seen: seenOf(calls, call),
    write: (message) => call.write(message),
    onDrain: (listener) => call.once("drain", listener),
    end: () => call.end(trailer()),
    fail: (code, details, attached) => call.emit("error", failure(code, details, attached)),
  };
}

interface AnyServerCall {
  readonly metadata: grpc.Metadata;
  sendMetadata(metadata: grpc.Metadata): void;
  on(event: "cancelled", listener: () => void): unknown;
}

function seenOf(calls: Map<string, Seen>, call: AnyServerCall): Seen {
  const header = new grpc.Metadata();
  header.set("x-head", "at first");
  header.set("x-head-bin", binary("at first"));
  if (call.metadata.get("x-plan")[0] !== "early") call.sendMetadata(header);
  const seen: Seen = {
    metadata: call.metadata,
    received: [],
    halfClosed: false,
    cancelled: false,
    sent: 0,
    full: false,
    finish: () => {},
  };
  calls.set(String(call.metadata.get("x-call")[0]), seen);
  call.on("cancelled", () => {
    seen.cancelled = true;
  });
  return seen;
}

function trailer(): grpc.Metadata {
  const metadata = new grpc.Metadata();
  metadata.set("x-tail", "at last");
  metadata.set("x-tail-bin", binary("at last"));
  return metadata;
}

function failure(code: number, message: string, details: readonly Step[]): Partial<grpc.StatusObject> {
  const metadata = trailer();
  if (details.length > 0) metadata.set("grpc-status-details-bin", statusToWire({ code, message, details }));
  return { code, details: message, metadata };
}

function planOf({ seen }: Answering): string {
  return String(seen.metadata.get("x-plan")[0]);
}

function fail(answering: Answering, { code, message, details }: typeof notFound): void {
  answering.fail(code, message, details);
}

function received(answering: Answering, message: Step): void {
  const { seen, kind } = answering;
  const first = seen.received.push(message) === 1;
  const streams = kind === "Server" || kind === "Bidi";
  const write = (response: Step): boolean => {
    seen.sent++;
    return answering.write(response);
  };
  const plan = planOf(answering);
  if (plan === "ok") {
    if (kind === "Server") for (const index of [0, 1, 2]) write(step(index, message.text));
    if (kind === "Unary" || kind === "Bidi") write(message);
  }
  if (!first) return;
  switch (plan) {
    case "early":
      if (kind === "Unary" || kind === "Server") fail(answering, notFound);
      break;
    case "late":
      if (streams) for (const index of [0, 1]) write(step(index));
      fail(answering, broken);
      break;
    case "cancelled":
      if (streams) write(step(0));
      answering.fail(1, "not any more", []);
      break;
    case "big":
      write(step(0, "big", Buffer.alloc(bigBytes, "x")));
      if (kind === "Unary" || kind === "Client") answering.end();
      break;
    case "hold":
      write(step(0));
      seen.finish = () => answering.end();
      break;
    case "wait":
      if (streams) write(step(0));
      break;
    case "flood": {
      const padding = Buffer.alloc(floodBytes, "x");
      const more = (): void => {
        while (!seen.cancelled) {
          seen.full = !write(step(seen.sent, "", padding));
          if (seen.full) {
            answering.onDrain(more);
            return;
          }
        }
      };
      more();
    }
  }
}

function halfClosed(answering: Answering): void {
  const { seen, kind } = answering;
  seen.halfClosed = true;
  const plan = planOf(answering);
  if (plan !== "ok" && plan !== "empty") return;
  if (kind === "Client") answering.write(step(seen.received.length));
  answering.end();
}
