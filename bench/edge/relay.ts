import { readFileSync } from "node:fs";
import { type AddressInfo, connect } from "node:net";
import { createServer } from "node:tls";

/**
 * Passes the octets of each secured connection on over a plain one of its own, and back, and looks at none of them: the least
 * that a proxy on Node's sockets can cost which does not gather what many connections have to say. A window of HTTP/2 at either
 * end bounds what piles up.
 */
const [cert = "", key = "", upstream = ""] = process.argv.slice(2);
const server = createServer(
  { cert: readFileSync(cert), key: readFileSync(key), ALPNProtocols: ["h2"], noDelay: true },
  (client) => {
    const behind = connect({ host: "127.0.0.1", port: Number(upstream), noDelay: true });
    client.on("data", (chunk) => behind.write(chunk));
    behind.on("data", (chunk) => client.write(chunk));
    client.on("error", () => {}).once("close", () => behind.destroy());
    behind.on("error", () => {}).once("close", () => client.destroy());
  },
);
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`https://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
});
