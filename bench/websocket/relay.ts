import http from "node:http";
import { type AddressInfo, connect, createServer } from "node:net";
import { WebSocketServer } from "ws";

/**
 * With no argument, a TCP server that echoes. With the port of one, a server of WebSockets that has each message echoed there,
 * behind its length: the least that anything does which stands between a client and its upstream.
 */
const [upstream] = process.argv.slice(2);

const prefixSize = 4;

if (upstream === undefined) {
  const echo = createServer({ noDelay: true }, (socket) => {
    socket.on("error", () => {});
    socket.on("data", (chunk) => socket.write(chunk));
  });
  echo.listen(0, "127.0.0.1", () => process.stdout.write(`${(echo.address() as AddressInfo).port}\n`));
} else {
  const server = http.createServer((_request, response) => {
    const { user, system } = process.cpuUsage();
    response.end(`process_cpu_seconds_total ${(user + system) / 1e6}\nprocess_resident_memory_bytes 0\n`);
  });
  const relay = new WebSocketServer({ server, perMessageDeflate: false });
  relay.on("connection", (socket) => {
    const beyond = connect({ host: "127.0.0.1", port: Number(upstream), noDelay: true });
    let rest: Buffer | undefined;
    beyond.on("data", (chunk: Buffer) => {
      const bytes = rest === undefined ? chunk : Buffer.concat([rest, chunk]);
      let at = 0;
      while (bytes.length - at >= prefixSize) {
        const end = at + prefixSize + bytes.readUInt32BE(at);
        if (end > bytes.length) break;
        socket.send(bytes.subarray(at + prefixSize, end), { binary: false });
        at = end;
      }
      rest = at < bytes.length ? bytes.subarray(at) : undefined;
    });
    beyond.on("error", () => socket.terminate());
    socket.on("message", (data: Buffer) => {
      const framed = Buffer.allocUnsafe(prefixSize + data.length);
      framed.writeUInt32BE(data.length, 0);
      framed.set(data, prefixSize);
      beyond.write(framed);
    });
    socket.on("close", () => beyond.destroy());
  });
  server.listen(0, "127.0.0.1", () =>
    process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`),
  );
}
