import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer, type TLSSocket } from "node:tls";

/** Keeps secured connections, and speaks nothing: what they cost the platform. */
const [cert = "", key = ""] = process.argv.slice(2);
const sockets = new Set<TLSSocket>();
const server = createServer(
  { cert: readFileSync(cert), key: readFileSync(key), ALPNProtocols: ["h2"] },
  (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => sockets.delete(socket));
    socket.on("data", () => {});
    socket.write(Buffer.from([0]));
  },
);
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`https://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
});
