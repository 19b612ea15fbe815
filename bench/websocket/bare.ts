import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import type { AddressInfo, Server } from "node:net";
import tls from "node:tls";
import { WebSocketServer } from "ws";

/**
 * `ws` alone, which echoes, in cleartext and over TLS; and TLS alone, which says one octet. Its usage is at `/metrics`, under
 * the names that the gateway's has. Arguments: certificate and key. Prints the three addresses.
 */
const [cert = "", key = ""] = process.argv.slice(2);
const certificate = { cert: readFileSync(cert), key: readFileSync(key) };

const plain = http.createServer((_request, response) => {
  const { user, system } = process.cpuUsage();
  response.end(
    `process_cpu_seconds_total ${(user + system) / 1e6}\nprocess_resident_memory_bytes ${process.memoryUsage.rss()}\n`,
  );
});
const secure = https.createServer(certificate);
for (const server of [plain, secure])
  new WebSocketServer({ server, perMessageDeflate: false }).on("connection", (socket) =>
    socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary })),
  );

const sockets = new Set<tls.TLSSocket>();
const silent = tls.createServer(certificate, (socket) => {
  sockets.add(socket);
  socket.on("error", () => {});
  socket.once("close", () => sockets.delete(socket));
  socket.on("data", () => {});
  socket.write(Buffer.from([0]));
});

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", 65_535, () => resolve((server.address() as AddressInfo).port));
  });
}
const [http1, https1, raw] = await Promise.all([plain, secure, silent].map(listen));
process.stdout.write(`http://127.0.0.1:${http1} https://127.0.0.1:${https1} tls://127.0.0.1:${raw}\n`);
