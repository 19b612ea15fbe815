// Runs h2spec in strict mode against a gateway with its own HTTP/2, over TLS:
//
//   go install github.com/summerwind/h2spec/cmd/h2spec@latest
//   npm run conformance:h2
//
// H2SPEC says where the program is, if not on the path.
import { fork, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseConfig } from "../../dist/src/config/index.js";
import { startGateway } from "../../dist/src/gateway/index.js";

const text = `
version: 1
listen:
  https: { host: 127.0.0.1, port: 0, tls: dev }
  http: { host: 127.0.0.1, port: 0, mode: off }
admin: { port: 0 }
schema: [{ proto: ${JSON.stringify(path.resolve(import.meta.dirname, "../../proto"))} }]
upstreams: { nobody: "grpc://127.0.0.1:1" }
routes: [{ match: "*", public: true }]
`;
const stateDir = mkdtempSync(path.join(tmpdir(), "dragoman-h2-"));
const { config, problems } = parseConfig(text, { file: path.join(stateDir, "gateway.yaml"), env: {} });
if (config === undefined) throw new Error(problems.map(({ message }) => message).join("\n"));

// h2spec blocks while it runs; the gateway goes on in a process of its own.
if (process.argv[2] === "serve") {
  const gateway = await startGateway(config, { stateDir, sink: { write: () => {}, writeOctets: () => {} } });
  process.send(gateway.httpsPort);
  process.on("disconnect", () => void gateway.close(0).then(() => process.exit()));
} else {
  const gateway = fork(import.meta.filename, ["serve"]);
  const port = await new Promise((resolve) => gateway.once("message", resolve));
  const { status, error } = spawnSync(
    process.env.H2SPEC ?? "h2spec",
    ["-S", "-t", "-k", "-h", "127.0.0.1", "-p", String(port), "-P", "/shop.v1.Catalog/GetProduct", "-o", "5"],
    { stdio: "inherit" },
  );
  if (error !== undefined) throw error;
  gateway.disconnect();
  process.exitCode = status ?? 1;
}
rmSync(stateDir, { recursive: true, force: true });
