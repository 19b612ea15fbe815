// Fails when gen/ is not what `buf generate` makes of the .proto files now.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "../..");
const fresh = mkdtempSync(path.join(os.tmpdir(), "dragoman-gen-"));
try {
  execFileSync("buf", ["generate", "--output", fresh], { cwd: root, stdio: "inherit" });
  execFileSync("diff", ["-r", path.join(fresh, "gen"), path.join(root, "gen")], { stdio: "inherit" });
} catch {
  console.error("gen/ is out of date: run `npm run proto:generate`");
  process.exitCode = 1;
} finally {
  rmSync(fresh, { recursive: true, force: true });
}
