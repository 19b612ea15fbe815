#!/usr/bin/env node
// The installed command. In a clone that has not been built yet, builds it first.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const main = path.join(root, "dist/src/main.js");

if (!existsSync(main)) {
  const built = spawnSync("npm", ["run", "--silent", "build"], {
    cwd: root,
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
  });
  if (built.status !== 0 || !existsSync(main)) {
    console.error("dragoman has not been built: run `npm ci` and `npm run build` first");
    process.exitCode = 1;
  }
}
if (existsSync(main)) await import(pathToFileURL(main).href);
