import { readFileSync } from "node:fs";
import http from "node:http";
import http2, { type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import tls from "node:tls";
import { WebSocketServer } from "ws";

/**
 * What node:http2 and `ws` give with nothing behind them: the same answers, made without any upstream. The line that a
 * gateway on them cannot pass. Arguments: certificate and key.
 */
const [cert = "", key = ""] = process.argv.slice(2);
const small = Buffer.from('{"name":"product","amount":"1999","tags":["a","b"]}');
const line = Buffer.from('{"name":"name","amount":"1999"}\n');
const stream1000 = Buffer.concat(Array.from({ length: 1000 }, () => line));
const grpc = Buffer.from("00000000120a0770726f6475637410cf0f1a01611a0162", "hex");

function answer(stream: ServerHttp2Stream, path: string, body: Buffer): void {
  if (path.startsWith("/bench.v1.")) {
    stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.once("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.end(grpc);
    return;
  }
  stream.respond({ ":status": 200, "content-type": "application/json" });
  stream.end(path === "/v1/echo" ? body : path.startsWith("/v1/count/") ? stream1000 : small);
}

const h2 = http2.createServer();
h2.on("stream", (stream, headers) => {
  stream.on("error", () => {});
  const path = headers[":path"] ?? "";
  if (stream.endAfterHeaders) {
    answer(stream, path, small);
    return;
  }
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  stream.on("end", () => answer(stream, path, Buffer.concat(chunks)));
});
const h1 = http.createServer();
const echo = new WebSocketServer({ server: h1, perMessageDeflate: false });
echo.on("connection", (socket) =>
  socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary })),
);
const server = tls.createServer(
  { cert: readFileSync(cert), key: readFileSync(key), ALPNProtocols: ["h2", "http/1.1"], noDelay: true },
  (socket) => (socket.alpnProtocol === "h2" ? h2 : h1).emit("connection", socket),
);
const admin = http.createServer((_request, response) => {
  const { user, system } = process.cpuUsage();
  response.end(
    `process_cpu_seconds_total ${(user + system) / 1e6}\nprocess_resident_memory_bytes ${process.memoryUsage.rss()}\n`,
  );
});
server.listen(0, "127.0.0.1", () =>
  admin.listen(0, "127.0.0.1", () => {
    const port = (listening: { address(): unknown }): number => (listening.address() as AddressInfo).port;
    process.stdout.write(
      `https://localhost:${port(server)}\nadmin http://127.0.0.1:${port(admin)}\nserves 5 methods\n`,
    );
  }),
);
