import { readdir, stat } from "node:fs/promises";
import path from "node:path";

export interface ProtoFile {
  /** Relative to the folder, with forward slashes: the name by which it is imported. */
  readonly name: string;
  /** Changes whenever the file was written. */
  readonly stamp: string;
}

/** Every `.proto` file below a folder, in the order of their names. @throws what the file system throws */
export async function listProtoFiles(dir: string): Promise<ProtoFile[]> {
  const found: ProtoFile[] = [];
  const visit = async (folder: string): Promise<void> => {
    for (const entry of await readdir(path.join(dir, folder), { withFileTypes: true })) {
      if (entry.name.startsWith(".") || entry.name === "node_modules") continue;
      const name = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) await visit(name);
      else if (entry.name.endsWith(".proto")) {
        try {
          const { mtimeMs, size, ino } = await stat(path.join(dir, name));
          found.push({ name, stamp: `${mtimeMs}:${size}:${ino}` });
        } catch {
          // Gone since it was listed: an editor at work. The next look finds it again.
        }
      }
    }
  };
  await visit("");
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}
