import { type FSWatcher, watch } from "node:fs";

interface Watched {
  readonly identity: string;
  readonly watcher: FSWatcher;
}

/**
 * Watches folders one by one: a recursive watch by Node is not reliable on Linux when folders come, go and come again.
 * A watch that the system refuses is done without, so that whoever uses this has to look for himself now and then.
 */
export class FolderWatcher {
  readonly #onEvent: () => void;
  readonly #watched = new Map<string, Watched>();

  /** @param onEvent called when anything in one of the folders was created, written, renamed or deleted */
  constructor(onEvent: () => void) {
    this.#onEvent = onEvent;
  }

  /**
   * Watches exactly these folders from now on, given by path with the identity of what is at that path. True when one
   * is new: what happened in it before has gone unseen.
   */
  sync(folders: ReadonlyMap<string, string>): boolean {
    for (const [path, { identity, watcher }] of this.#watched) {
      if (folders.get(path) === identity) continue;
      watcher.close();
      this.#watched.delete(path);
    }
    let added = false;
    for (const [path, identity] of folders) {
      if (!this.#watched.has(path) && this.#watch(path, identity)) added = true;
    }
    return added;
  }

  close(): void {
    for (const { watcher } of this.#watched.values()) watcher.close();
    this.#watched.clear();
  }

  #watch(path: string, identity: string): boolean {
    try {
      const watcher = watch(path, { persistent: false }, this.#onEvent);
      watcher.on("error", () => watcher.close());
      this.#watched.set(path, { identity, watcher });
      return true;
    } catch {
      return false;
    }
  }
}
