import { connect, type TLSSocket } from "node:tls";

/** Opens so many connections, says on each what HTTP/2 wants said, and then nothing more until it is killed. */
const [url = "", count = "0"] = process.argv.slice(2);
const { hostname, port } = new URL(url);

const preface = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  // SETTINGS with nothing in it, and the acknowledgement of the server's.
  Buffer.from("000000040000000000", "hex"),
  Buffer.from("000000040100000000", "hex"),
]);

/** Connections that are being opened at once. */
const atOnce = 100;

function open(): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: hostname,
      port: Number(port),
      servername: "localhost",
      rejectUnauthorized: false,
      ALPNProtocols: ["h2"],
    });
    socket.once("error", reject);
    socket.once("secureConnect", () => {
      socket.write(preface);
      // Either the settings of a gateway, or the first byte of a server that speaks nothing.
      socket.once("data", () => resolve(socket));
    });
  });
}

const sockets: TLSSocket[] = [];
for (let left = Number(count); left > 0; left -= atOnce)
  sockets.push(...(await Promise.all(Array.from({ length: Math.min(atOnce, left) }, open))));
process.stdout.write(`${sockets.length} open\n`);
setInterval(() => {}, 1 << 30);
