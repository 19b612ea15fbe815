import type { Socket } from "node:net";
import { WebSocket } from "ws";
import type { Ask, ClientCall, Fields, Lacks, Outcome, Protocol } from "../client.ts";
import { frame, pieces } from "../http-call.ts";
import type { Status } from "../status.ts";
import { fromJson, fromWire, type Step, toJson, toWire } from "../step.ts";
import type { Gate, HttpVersion } from "../wire.ts";
import { grpcFields, statusFromFields } from "./grpc.ts";
import { trailerFields } from "./grpc-web.ts";
import { restFields, statusFromJson } from "./rest.ts";

/** What one subprotocol makes of frames. */
interface Frames {
  readonly subprotocol: string | undefined;
  /** What is sent before any request, in place of the fields of the handshake. */
  opening?(ask: Ask): Uint8Array;
  request(message: Step): string | Uint8Array;
  readonly halfClose: string | Uint8Array;
  /** The end of requests is told even where there is only one. */
  readonly alwaysEnds?: true;
  /** A frame of the server: a response, or something that is not one. */
  response(data: Buffer, isBinary: boolean, told: Told): Step | undefined;
}

/** What frames have told beside responses. */
interface Told {
  status: Status | undefined;
  header: Fields;
  trailer: Fields;
}

class SocketCall implements ClientCall {
  readonly #socket: WebSocket;
  readonly #frames: Frames;
  readonly #ask: Ask;
  readonly #opened: Promise<void>;
  readonly #queue: Step[] = [];
  readonly #told: Told = { status: undefined, header: {}, trailer: {} };
  #ended: Outcome | undefined;
  #failed: unknown;
  #wake: () => void = () => {};

  constructor(socket: WebSocket, frames: Frames, ask: Ask) {
    this.#socket = socket;
    this.#frames = frames;
    this.#ask = ask;
    this.#opened = new Promise((resolve) => {
      socket.once("open", () => {
        if (frames.opening !== undefined) socket.send(frames.opening(ask));
        resolve();
      });
      socket.once("close", () => resolve());
    });
    socket.on("message", (data: Buffer, isBinary) => this.#received(data, isBinary));
    socket.on("unexpected-response", (_request, response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => {
        const status = statusFromJson(JSON.parse(Buffer.concat(chunks).toString()));
        this.#end({ status, shown: `no upgrade: HTTP ${response.statusCode}` });
        socket.terminate();
      });
    });
    socket.on("error", () => {});
    socket.on("close", (code, reason) => this.#closed(code, String(reason)));
  }

  async send(message: Step): Promise<void> {
    await this.#opened;
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    await this.#write(this.#frames.request(message));
  }

  async end(): Promise<void> {
    await this.#opened;
    const streams = this.#ask.kind === "Client" || this.#ask.kind === "Bidi";
    if ((streams || this.#frames.alwaysEnds === true) && this.#socket.readyState === this.#socket.OPEN)
      await this.#write(this.#frames.halfClose);
  }

  cancel(): void {
    this.#socket.terminate();
  }

  async read(): Promise<Step | undefined> {
    for (;;) {
      const next = this.#queue.shift();
      if (next !== undefined) return next;
      if (this.#failed !== undefined) throw this.#failed;
      if (this.#ended !== undefined) return undefined;
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      if (this.#socket.isPaused) this.#socket.resume();
      await woken;
    }
  }

  outcome(): Outcome {
    if (this.#ended === undefined) throw new Error("the call has not ended");
    return this.#ended;
  }

  #write(data: string | Uint8Array): Promise<void> {
    const send = (part: Uint8Array | string, fin: boolean) =>
      new Promise<void>((resolve) => {
        this.#socket.send(part, { binary: typeof data !== "string", fin }, () => resolve());
      });
    if (this.#ask.inPieces !== true || data.length === 0) return send(data, true);
    return pieces(Buffer.from(data)).reduce(async (before, piece, index) => {
      await before;
      await send(piece, index === 2);
      await new Promise((resolve) => setImmediate(resolve));
    }, Promise.resolve());
  }

  #received(data: Buffer, isBinary: boolean): void {
    try {
      const message = this.#frames.response(data, isBinary, this.#told);
      if (message === undefined) return;
      this.#queue.push(message);
      // Who is not asked for the next does not take it.
      this.#socket.pause();
    } catch (error) {
      this.#failed = error;
    }
    this.#wake();
  }

  #closed(code: number, reason: string): void {
    if (code === 1006) this.#end({ status: undefined, shown: "torn down" });
    else this.#end({ status: this.#told.status ?? statusOfClose(code, reason), shown: `close ${code}` });
  }

  #end({ status, shown }: Pick<Outcome, "status" | "shown">): void {
    const { header, trailer } = this.#told;
    this.#ended ??= { status, header, trailer, shown };
    this.#wake();
  }
}

/** What a close frame means in the terms of gRPC. */
function statusOfClose(code: number, message: string): Status {
  const codes: Readonly<Record<number, number>> = { 1000: 0, 1001: 14, 1009: 8 };
  const known = code >= 4000 ? code - 4000 : codes[code];
  if (known === undefined) throw new TypeError(`unexpected close ${code}: ${message}`);
  return { code: known, message, details: [] };
}

const json: Omit<Frames, "subprotocol"> = {
  request: toJson,
  halfClose: "",
  response(data, isBinary) {
    if (isBinary) throw new TypeError("a binary frame");
    return fromJson(JSON.parse(data.toString()));
  },
};

const drained = "a WebSocket has no GOAWAY: it is closed with 1001, and the client calls again";

const closeFrameAlone: Lacks = {
  header: "a frame is a message: there is none for metadata",
  trailer: "a close frame carries a code and a reason",
  details: "a close frame carries a code and a reason",
  drain: drained,
};

function open(gate: Gate, version: HttpVersion, ask: Ask, { subprotocol, opening }: Frames): WebSocket {
  const { authorization: _token, te: _te, ...headers } = restFields(ask);
  const asked = [
    ...(subprotocol === undefined ? [] : [subprotocol]),
    ...(ask.token === undefined || opening !== undefined ? [] : ["dragoman.bearer", ask.token]),
  ];
  const scheme = version === "2" ? "ws" : "wss";
  return new WebSocket(`${scheme}://${gate.authority}/${ask.service}/${ask.method}`, asked, {
    ca: gate.ca,
    headers: opening === undefined ? headers : {},
    perMessageDeflate: false,
    ...(version === "2" ? { createConnection: () => gate.tunnel() as Socket } : {}),
  });
}

const proto: Omit<Frames, "subprotocol"> = {
  request: toWire,
  halfClose: "",
  response(data, isBinary) {
    if (!isBinary) throw new TypeError("a text frame");
    return fromWire(data);
  },
};

const envelope: Omit<Frames, "subprotocol"> = {
  request: (message) => `{"message":${toJson(message)}}`,
  halfClose: '{"end":true}',
  response(data, isBinary, told) {
    if (isBinary) throw new TypeError("a binary frame");
    const { header, message, status, trailer } = JSON.parse(data.toString());
    if (header !== undefined) told.header = header;
    if (status !== undefined) {
      told.status = statusFromJson(status);
      told.trailer = trailer;
    }
    return message === undefined ? undefined : fromJson(message);
  },
};

const framed: Omit<Frames, "subprotocol"> = {
  opening: (ask) =>
    Buffer.from(
      Object.entries({ ...grpcFields(ask), "content-type": "application/grpc-web+proto", "x-grpc-web": "1" })
        .map(([name, value]) => `${name}: ${value}\r\n`)
        .join(""),
      "latin1",
    ),
  request: (message) => Buffer.concat([Buffer.from([0]), frame(0, toWire(message))]),
  halfClose: Buffer.from([1]),
  alwaysEnds: true,
  response(data, isBinary, told) {
    if (!isBinary || data.length !== 5 + data.readUInt32BE(1)) throw new TypeError("not a frame of gRPC-Web");
    const content = data.subarray(5);
    if (data[0] === 0) return fromWire(content);
    const fields = trailerFields(content);
    if (fields["grpc-status"] === undefined) told.header = fields;
    else {
      told.status = statusFromFields(fields);
      told.trailer = fields;
    }
    return undefined;
  },
};

function webSocket(name: string, frames: Frames, lacks: Lacks): Protocol {
  return {
    name,
    versions: ["1.1", "2"],
    carries: { Unary: true, Server: true, Client: true, Bidi: true },
    lacks: () => lacks,
    unknownMethod: 5,
    open: (gate, version, ask) => new SocketCall(open(gate, version, ask, frames), frames, ask),
  };
}

export const webSocketProtocols: readonly Protocol[] = [
  webSocket("WebSocket without a subprotocol", { subprotocol: undefined, ...json }, closeFrameAlone),
  webSocket("WebSocket dragoman.json", { subprotocol: "dragoman.json", ...json }, closeFrameAlone),
  webSocket(
    "WebSocket dragoman.envelope",
    { subprotocol: "dragoman.envelope", ...envelope },
    { drain: drained },
  ),
  webSocket("WebSocket dragoman.proto", { subprotocol: "dragoman.proto", ...proto }, closeFrameAlone),
  webSocket("WebSocket grpc-websockets", { subprotocol: "grpc-websockets", ...framed }, { drain: drained }),
];
