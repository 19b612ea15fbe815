import http2, { type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";

/**
 * A cheap gRPC server: frames of gRPC by hand over node:http2, no messages decoded, so that the gateway is what is
 * measured. Prints its port.
 */
const header = { ":status": 200, "content-type": "application/grpc+proto" };
const trailers = { "grpc-status": "0" };

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

function answer(stream: ServerHttp2Stream, body: Buffer | undefined): void {
  stream.respond(header, { waitForTrailers: true });
  stream.once("wantTrailers", () => stream.sendTrailers(trailers));
  stream.end(body);
}

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

const server = http2.createServer({ settings: { maxConcurrentStreams: 10_000, initialWindowSize: 1 << 20 } });
server.on("session", (session) => session.setLocalWindowSize(1 << 24));
server.on("stream", (stream, headers) => {
  stream.on("error", () => {});
  const path = headers[":path"];
  if (path === "/bench.v1.Bench/Chat") {
    stream.respond(header, { waitForTrailers: true });
    stream.once("wantTrailers", () => stream.sendTrailers(trailers));
    stream.pipe(stream);
    return;
  }
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  stream.on("end", () => {
    const body = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
    switch (path) {
      case "/bench.v1.Bench/Small":
        answer(stream, small);
        break;
      case "/bench.v1.Bench/Echo":
        answer(stream, body);
        break;
      case "/bench.v1.Bench/Count":
        answer(stream, Buffer.concat(Array.from({ length: amountOf(body) }, () => counted)));
        break;
      default:
        stream.respond({ ...header, "grpc-status": "12" }, { endStream: true });
    }
  });
});
server.listen(0, "127.0.0.1", () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
