// Runs the public Connect conformance suite against a gateway before the suite's own gRPC server:
//
//   go install connectrpc.com/conformance/cmd/connectconformance@v1.0.7 connectrpc.com/conformance/cmd/grpcserver@v1.0.7
//   npm run conformance:rpc
//
// CONNECT_CONFORMANCE and CONFORMANCE_GRPC_SERVER say where the two programs are, if not on the path, and
// CONFORMANCE_PROTOS where the suite's `proto` folder is, if not among Go's modules. What follows `--` is for the suite:
// npm run conformance:rpc -- --run 'Basic/**'
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";

const here = import.meta.dirname;
const version = "v1.0.7";

function protos() {
  const modules = execFileSync("go", ["env", "GOMODCACHE"], { encoding: "utf8" }).trim();
  return path.join(modules, `connectrpc.com/conformance@${version}/proto`);
}

const folder = mkdtempSync(path.join(os.tmpdir(), "dragoman-conformance-"));
const descriptors = path.join(folder, "suite.binpb");
const buf = path.join(here, "../../node_modules/.bin/buf");
execFileSync(buf, ["build", process.env.CONFORMANCE_PROTOS ?? protos(), "-o", descriptors], {
  stdio: "inherit",
});
const env = { ...process.env, CONFORMANCE_DESCRIPTORS: descriptors };

const gateway = spawn(process.execPath, [path.join(here, "rpc-gateway.js")], {
  stdio: ["pipe", "pipe", "inherit"],
  env,
});
const [listening] = await Promise.race([
  once(createInterface(gateway.stdout), "line"),
  once(gateway, "exit").then(() => Promise.reject(new Error("the gateway did not start"))),
]);

const suite = spawn(
  process.env.CONNECT_CONFORMANCE ?? "connectconformance",
  [
    "--mode",
    "server",
    "--conf",
    path.join(here, "rpc.yaml"),
    "--known-failing",
    `@${path.join(here, "rpc-known-failing.txt")}`,
    "--parallel",
    "2",
    ...process.argv.slice(2),
    "--",
    process.execPath,
    path.join(here, "rpc-server.js"),
  ],
  { stdio: "inherit", env: { ...env, CONFORMANCE_GATEWAY: listening } },
);
const [status] = await once(suite, "exit");
gateway.stdin.end();
await once(gateway, "exit");
rmSync(folder, { recursive: true, force: true });
process.exitCode = status ?? 1;
