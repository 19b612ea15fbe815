import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";

/** A folder that is gone at the end of the test. */
export interface TempFolder extends AsyncDisposable {
  readonly dir: string;
  write(name: string, text: string | Uint8Array): Promise<void>;
  remove(name: string): Promise<void>;
}

export async function tempFolder(files: Readonly<Record<string, string>> = {}): Promise<TempFolder> {
  const dir = await mkdtemp(path.join(os.tmpdir(), "dragoman-test-"));
  const folder: TempFolder = {
    dir,
    async write(name, text) {
      await mkdir(path.dirname(path.join(dir, name)), { recursive: true });
      await writeFile(path.join(dir, name), text);
    },
    remove: (name) => rm(path.join(dir, name), { recursive: true, force: true }),
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }),
  };
  for (const [name, text] of Object.entries(files)) await folder.write(name, text);
  return folder;
}
