import { readdir, realpath, stat } from "node:fs/promises";
import path from "node:path";

export interface ProtoFile {
  /** Relative to the folder, with forward slashes: the name by which it is imported. */
  readonly name: string;
  /** Changes whenever the file is written or replaced. */
  readonly stamp: string;
}

export interface ProtoTree {
  /** In the order of their names. */
  readonly files: readonly ProtoFile[];
  /** Absolute paths of the folder itself and of all below it that were looked into, each with its identity. */
  readonly folders: ReadonlyMap<string, string>;
}

/**
 * Lists every `.proto` file below a folder, links followed; what is hidden and `node_modules` are left out.
 *
 * @throws what the file system throws when the folder itself cannot be read
 */
export async function listProtoFiles(dir: string): Promise<ProtoTree> {
  const files: ProtoFile[] = [];
  const folders = new Map<string, string>();
  const visit = async (at: string, prefix: string, above: readonly string[]): Promise<void> => {
    const { ino, dev } = await stat(at);
    folders.set(at, `${dev}:${ino}`);
    for (const entry of await readdir(at, { withFileTypes: true })) {
      if (entry.name.startsWith(".") || entry.name === "node_modules") continue;
      const isProto = entry.name.endsWith(".proto");
      if (!isProto && !entry.isDirectory() && !entry.isSymbolicLink()) continue;
      await look(path.join(at, entry.name), `${prefix}${entry.name}`, isProto, above);
    }
  };
  const look = async (
    at: string,
    name: string,
    isProto: boolean,
    above: readonly string[],
  ): Promise<void> => {
    try {
      const found = await stat(at);
      if (found.isFile() && isProto) {
        files.push({ name, stamp: `${found.mtimeMs}:${found.size}:${found.ino}` });
      } else if (found.isDirectory()) {
        const real = await realpath(at);
        // A link to a folder that it lies in would go round for ever.
        if (!above.includes(real)) await visit(at, `${name}/`, [...above, real]);
      }
    } catch {
      // Gone since it was listed, or out of reach: imports of it will say so.
    }
  };
  await visit(dir, "", [await realpath(dir)]);
  return { files: files.sort((a, b) => (a.name < b.name ? -1 : 1)), folders };
}
