// The server under test for `connectconformance --mode server`: a gateway before the suite's own gRPC server. Reads a
// ServerCompatRequest from stdin, answers with where the gateway listens, and ends when stdin does.
//
// CONFORMANCE_GRPC_SERVER is the suite's `grpcserver`, CONFORMANCE_PROTOS the folder of its `connectrpc/conformance/v1`.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { stringify } from "yaml";
import { parseConfig } from "#config";
import { startGateway } from "#gateway";
import { formatProblem, loadSchema } from "#schema";

const protos = process.env.CONFORMANCE_PROTOS ?? "";
const { schema, problems } = await loadSchema([{ kind: "proto", dir: protos }], undefined);
if (schema === undefined) throw new Error(problems.map(formatProblem).join("\n"));
const typeOf = (name) => schema.registry.getMessage(`connectrpc.conformance.v1.${name}`);
const [Request, Response] = [typeOf("ServerCompatRequest"), typeOf("ServerCompatResponse")];

/** The first message of a stream: a length of four bytes, then so many. */
async function readMessage(stream) {
  let bytes = Buffer.alloc(0);
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    bytes = Buffer.concat([bytes, chunk]);
    if (bytes.length >= 4 && bytes.length >= 4 + bytes.readUInt32BE()) break;
  }
  return bytes.subarray(4, 4 + bytes.readUInt32BE());
}

function framed(type, message) {
  const bytes = toBinary(type, create(type, message));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

const wanted = fromBinary(Request, await readMessage(process.stdin));
const folder = mkdtempSync(path.join(os.tmpdir(), "dragoman-conformance-"));
const upstream = spawn(process.env.CONFORMANCE_GRPC_SERVER ?? "grpcserver", [], {
  stdio: ["pipe", "pipe", "inherit"],
});
// gRPC over HTTP/2, without TLS.
upstream.stdin.write(framed(Request, { protocol: 2, httpVersion: 2, messageReceiveLimit: 2 ** 26 }));
const { host, port } = fromBinary(Response, await readMessage(upstream.stdout));

const creds = wanted.serverCreds;
if (creds !== undefined) {
  writeFileSync(path.join(folder, "cert.pem"), creds.cert);
  writeFileSync(path.join(folder, "key.pem"), creds.key);
}
const limit = wanted.messageReceiveLimit > 0 ? `${wanted.messageReceiveLimit}B` : "4MiB";
const loaded = parseConfig(
  stringify({
    version: 1,
    listen: {
      https: {
        host: "127.0.0.1",
        port: 0,
        tls:
          creds === undefined
            ? "dev"
            : { certificates: [{ for: "localhost", cert: "cert.pem", key: "key.pem" }] },
      },
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
    schema: [{ proto: protos }],
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
  sink: { write: (line) => process.stderr.write(line) },
});
process.stdout.write(
  framed(Response, {
    host: "127.0.0.1",
    port: wanted.useTls ? gateway.httpsPort : gateway.httpPort,
    pemCert: wanted.useTls ? (creds?.cert ?? readFileSync(gateway.caPath)) : new Uint8Array(),
  }),
);
process.stdin.resume();
process.stdin.once("end", async () => {
  upstream.kill();
  await gateway.close(0);
  rmSync(folder, { recursive: true, force: true });
  process.exit(0);
});
