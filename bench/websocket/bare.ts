import http from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocketServer } from "ws";

/** `ws` alone, which echoes; with its usage at `/metrics`, under the names that the gateway's has. */
const server = http.createServer((_request, response) => {
  const { user, system } = process.cpuUsage();
  response.end(
    `process_cpu_seconds_total ${(user + system) / 1e6}\nprocess_resident_memory_bytes ${process.memoryUsage.rss()}\n`,
  );
});
const echo = new WebSocketServer({ server, perMessageDeflate: false });
echo.on("connection", (socket) =>
  socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary })),
);
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
});
