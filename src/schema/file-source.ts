import { stat } from "node:fs/promises";
import path from "node:path";
import { loadDescriptorSet } from "./descriptor-set.ts";
import { listProtoFiles } from "./proto-files.ts";
import { ProtoFolder } from "./proto-folder.ts";
import type { FileSchemaSource, SourceResult } from "./source.ts";

/** What the files of a source look like from outside. */
interface Look {
  /** Changes whenever a file does. */
  readonly stamp: string;
  /** The folders in which changes would show, each with its identity. */
  readonly folders: ReadonlyMap<string, string>;
}

interface Files {
  look(): Promise<Look>;
  load(): Promise<SourceResult>;
  close(): Promise<void>;
}

/** A source that lies in files, with its result as of the last time that they were found changed. */
export class FileSource {
  readonly #files: Files;
  #seen: string | undefined;
  #loaded: string | undefined;
  #result: SourceResult | undefined;

  constructor(source: FileSchemaSource) {
    this.#files = source.kind === "proto" ? folderFiles(source.dir) : descriptorFiles(source.file);
  }

  /** Undefined before the first load has ended. */
  get result(): SourceResult | undefined {
    return this.#result;
  }

  /** Whether the files, when last looked at, were other than what is loaded. */
  get stale(): boolean {
    return this.#loaded === undefined || this.#seen !== this.#loaded;
  }

  /** Makes what is loaded stale, whatever the files look like. */
  forget(): void {
    this.#loaded = undefined;
  }

  /** Looks at the files; returns the folders in which a change would show, each with its identity. Never rejects. */
  async look(): Promise<ReadonlyMap<string, string>> {
    const { stamp, folders } = await this.#files.look();
    this.#seen = stamp;
    return folders;
  }

  /** Never rejects. Not to be called again before it has resolved. */
  async load(): Promise<void> {
    // What was seen is older than what is loaded: a change in between shows at the next look.
    this.#loaded = this.#seen;
    this.#result = await this.#files.load();
  }

  /** Stops a load that goes on. */
  async close(): Promise<void> {
    await this.#files.close();
  }
}

function folderFiles(dir: string): Files {
  const folder = new ProtoFolder(dir);
  return {
    async look() {
      try {
        const { files, folders } = await listProtoFiles(path.resolve(dir));
        return { stamp: files.map(({ name, stamp }) => `${name}:${stamp}`).join("\n"), folders };
      } catch {
        return { stamp: "unreadable", folders: new Map() };
      }
    },
    load: () => folder.load(),
    close: () => folder.close(),
  };
}

function descriptorFiles(file: string): Files {
  const folder = path.dirname(path.resolve(file));
  return {
    async look() {
      return {
        stamp: await identify(file, true),
        folders: new Map([[folder, await identify(folder, false)]]),
      };
    },
    load: () => loadDescriptorSet(file),
    close: async () => {},
  };
}

async function identify(at: string, withContent: boolean): Promise<string> {
  try {
    const { dev, ino, mtimeMs, size } = await stat(at);
    return withContent ? `${dev}:${ino}:${mtimeMs}:${size}` : `${dev}:${ino}`;
  } catch {
    return "unreadable";
  }
}
