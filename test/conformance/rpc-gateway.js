// A gateway before the suite's own gRPC server, for `npm run conformance:rpc`: says on stdout as a line of JSON where it
// listens, and ends when stdin does.
//
// CONFORMANCE_GRPC_SERVER is the suite's `grpcserver`, CONFORMANCE_DESCRIPTORS what its .proto files compile to.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { stringify } from "yaml";
import { parseConfig } from "#config";
import { startGateway } from "#gateway";
import { formatProblem } from "#schema";
import { compatTypes, framed, readMessage } from "./rpc-suite.js";

const descriptors = process.env.CONFORMANCE_DESCRIPTORS ?? "";
const { Request, Response } = compatTypes(descriptors);
const folder = mkdtempSync(path.join(os.tmpdir(), "dragoman-conformance-"));
const upstream = spawn(process.env.CONFORMANCE_GRPC_SERVER ?? "grpcserver", [], {
  stdio: ["pipe", "pipe", "inherit"],
});
// gRPC over HTTP/2, without TLS.
upstream.stdin.write(framed(Request, { protocol: 2, httpVersion: 2, messageReceiveLimit: 2 ** 26 }));
const { host, port } = await readMessage(upstream.stdout, Response);

/** Bytes of a message that the suite expects a server to take, and not one more. */
const limit = "204800B";
const loaded = parseConfig(
  stringify({
    version: 1,
    listen: {
      https: { host: "127.0.0.1", port: 0, tls: "dev" },
      http: { host: "127.0.0.1", port: 0, mode: "serve" },
      limits: {
        messageBytes: limit,
        bodyBytes: limit,
        headerBytes: "1MiB",
        headerCount: 1000,
        targetBytes: "1MiB",
      },
    },
    admin: { port: 0 },
    schema: [{ descriptors }],
    upstreams: { suite: `grpc://${host}:${port}` },
    routes: [{ match: "*", public: true }],
    defaults: { timeout: "off" },
    transcoding: { unknownFields: "ignore" },
    telemetry: { accessLog: "off", log: "error" },
  }),
  { file: path.join(folder, "gateway.yaml"), env: {} },
);
if (loaded.config === undefined) throw new Error(loaded.problems.map(formatProblem).join("\n"));
const gateway = await startGateway(loaded.config, {
  stateDir: path.join(folder, "state"),
  sink: {
    write: (line) => process.stderr.write(line),
    writeOctets: (octets, size) => process.stderr.write(Buffer.from(octets).subarray(0, size)),
  },
});
const { httpsPort, httpPort, caPath } = gateway;
process.stdout.write(`${JSON.stringify({ httpsPort, httpPort, caPath })}\n`);
process.stdin.resume();
process.stdin.once("end", async () => {
  // The runner may say so while the last calls are under way: they end as they would.
  await gateway.close(3000);
  upstream.kill();
  rmSync(folder, { recursive: true, force: true });
  process.exit(0);
});
