import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

/** The folder of this package, from its sources as well as from its build. */
export const packageRoot = findPackageRoot(import.meta.dirname);

function findPackageRoot(from: string): string {
  for (let folder = from; ; folder = path.dirname(folder)) {
    const manifest = path.join(folder, "package.json");
    if (existsSync(manifest) && JSON.parse(readFileSync(manifest, "utf8")).name === "dragoman") return folder;
    if (path.dirname(folder) === folder) throw new Error(`no package.json of dragoman above ${from}`);
  }
}
