import { type AddressInfo, createServer } from "node:net";
import { Connection, type FieldSection, type Stream } from "#http2";

const fields = ["content-type", "application/grpc+proto"];
const trailers = ["grpc-status", "0"];

function frame(message: Buffer): Buffer {
  const framed = Buffer.allocUnsafe(5 + message.length);
  framed[0] = 0;
  framed.writeUInt32BE(message.length, 1);
  message.copy(framed, 5);
  return framed;
}

/** `{ name: "product", amount: 1999, tags: ["a", "b"] }` */
const small = frame(Buffer.from("0a0770726f6475637410cf0f1a01611a0162", "hex"));
const counted = frame(Buffer.from("0a046e616d6510cf0f", "hex"));

/** The varint of field 2 of the one message in these frames. */
function amountOf(body: Buffer): number {
  let value = 0;
  let shift = 0;
  for (let at = body.indexOf(0x10, 5) + 1; at < body.length; at++) {
    const byte = body[at] as number;
    value += (byte & 127) * 2 ** shift;
    if (byte < 128) break;
    shift += 7;
  }
  return value;
}

function echo(stream: Stream): void {
  stream.respond(200, fields, false);
  const waiting: Uint8Array[] = [];
  let writable = true;
  let ended = false;
  const flush = (): void => {
    for (let next = waiting.shift(); next !== undefined; next = writable ? waiting.shift() : undefined) {
      stream.consumed(next.length);
      writable = stream.write(next);
    }
    if (ended && waiting.length === 0) stream.end(trailers);
  };
  stream.consumer = {
    data: (chunk) => {
      if (writable) {
        stream.consumed(chunk.length);
        writable = stream.write(chunk);
      } else waiting.push(chunk);
    },
    end: () => {
      ended = true;
      if (writable) flush();
    },
    writable: () => {
      writable = true;
      flush();
    },
    broken: () => {},
  };
}

const pieceBytes = 64 * 1024;
/** `google.api.HttpBody` with so many bytes of data. */
const piece = frame(
  Buffer.concat([Buffer.from("0a09696d6167652f706e6712808004", "hex"), Buffer.alloc(pieceBytes)]),
);

/** So many MiB in pieces, no faster than they are taken. */
function download(stream: Stream, mebibytes: number): void {
  stream.respond(200, fields, false);
  let left = (mebibytes * 1024 * 1024) / pieceBytes;
  const more = (): void => {
    while (left > 0) {
      left--;
      if (!stream.write(piece) && left > 0) return;
    }
    stream.end(trailers);
  };
  stream.consumer = { data: () => {}, end: () => {}, writable: more, broken: () => {} };
  more();
}

/** Takes whatever comes. */
function upload(stream: Stream): void {
  stream.consumer = {
    data: (chunk) => stream.consumed(chunk.length),
    end: () => stream.answer(200, fields, counted, { trailers }),
    writable: () => {},
    broken: () => {},
  };
}

function serve(stream: Stream, { path }: FieldSection): void {
  if (path === "/bench.v1.Bench/Chat") {
    echo(stream);
    return;
  }
  if (path === "/bench.v1.Bench/Upload") {
    upload(stream);
    return;
  }
  const chunks: Uint8Array[] = [];
  stream.consumer = {
    data: (chunk) => {
      stream.consumed(chunk.length);
      chunks.push(chunk);
    },
    end: () => {
      const body = Buffer.concat(chunks);
      switch (path) {
        case "/bench.v1.Bench/Small":
          stream.answer(200, fields, small, { trailers });
          break;
        case "/bench.v1.Bench/Echo":
          stream.answer(200, fields, body, { trailers });
          break;
        case "/bench.v1.Bench/Count":
          stream.answer(200, fields, Buffer.concat(Array.from({ length: amountOf(body) }, () => counted)), {
            trailers,
          });
          break;
        case "/bench.v1.Bench/Download":
          download(stream, amountOf(body));
          break;
        default:
          stream.answer(200, [...fields, "grpc-status", "12"], undefined);
      }
    },
    writable: () => {},
    broken: () => {},
  };
}

export interface GrpcServer {
  readonly port: number;
  /** Takes no more connections. */
  close(): void;
}

/**
 * A gRPC server that costs next to nothing: no messages decoded, frames by the gateway's own engine, so that the gateway
 * is what is measured.
 */
export function startGrpcServer(): Promise<GrpcServer> {
  const server = createServer({ noDelay: true }, (socket) => {
    new Connection(socket, {
      role: "server",
      maxStreams: 10_000,
      streamWindow: 1 << 20,
      connectionWindow: 1 << 24,
      sections: { bytes: 64 * 1024, count: 1000 },
      extendedConnect: false,
      headMs: 10_000,
      idleMs: Number.POSITIVE_INFINITY,
      stallMs: Number.POSITIVE_INFINITY,
      events: { request: serve, closed: () => {} },
    });
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () =>
      resolve({ port: (server.address() as AddressInfo).port, close: () => server.close() }),
    );
  });
}
