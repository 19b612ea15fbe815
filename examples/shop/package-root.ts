import { existsSync } from "node:fs";
import path from "node:path";

/** The folder of the repository, from the sources as well as from the build, which has no pages and no configuration. */
export const packageRoot = findPackageRoot(import.meta.dirname);

function findPackageRoot(folder: string): string {
  if (existsSync(path.join(folder, "package.json"))) return folder;
  const parent = path.dirname(folder);
  if (parent === folder) throw new Error("the example must run within its repository");
  return findPackageRoot(parent);
}
