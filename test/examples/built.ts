import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "../..");

/** Replicas are forked from built JavaScript: builds it when it is older than its sources. */
export function ensureExamplesBuilt(): void {
  const stale = readdirSync(path.join(root, "examples"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .some((file) => {
      const built = path.join(root, "dist/examples", file.replace(/\.ts$/, ".js"));
      return (
        !existsSync(built) || statSync(built).mtimeMs < statSync(path.join(root, "examples", file)).mtimeMs
      );
    });
  if (stale) execFileSync("npx", ["tsc", "-p", "tsconfig.build.json"], { cwd: root, stdio: "inherit" });
}
