// Runs the public Connect conformance suite against a gateway before the suite's own gRPC server:
//
//   go install connectrpc.com/conformance/cmd/connectconformance@v1.0.7 connectrpc.com/conformance/cmd/grpcserver@v1.0.7
//   npm run conformance:rpc
//
// CONNECT_CONFORMANCE and CONFORMANCE_GRPC_SERVER say where the two programs are, if not on the path, and
// CONFORMANCE_PROTOS where the suite's `proto` folder is, if not among Go's modules.
import { execFileSync, spawnSync } from "node:child_process";
import path from "node:path";

const here = import.meta.dirname;
const version = "v1.0.7";

function protos() {
  const modules = execFileSync("go", ["env", "GOMODCACHE"], { encoding: "utf8" }).trim();
  return path.join(modules, `connectrpc.com/conformance@${version}/proto`);
}

const { status, error } = spawnSync(
  process.env.CONNECT_CONFORMANCE ?? "connectconformance",
  [
    "--mode",
    "server",
    "--conf",
    path.join(here, "rpc.yaml"),
    "--known-failing",
    `@${path.join(here, "rpc-known-failing.txt")}`,
    "--known-flaky",
    `@${path.join(here, "rpc-known-flaky.txt")}`,
    "--parallel",
    "2",
    "--",
    process.execPath,
    path.join(here, "rpc-server.js"),
  ],
  {
    stdio: "inherit",
    env: { ...process.env, CONFORMANCE_PROTOS: process.env.CONFORMANCE_PROTOS ?? protos() },
  },
);
if (error !== undefined) throw error;
process.exitCode = status ?? 1;
