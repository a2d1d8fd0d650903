/**
 * Syncs of folders, shared: whoever asks while one is running waits for the next, which then serves all
 * who asked in the meantime. A sync that began before a rename says nothing of it, so nobody is ever
 * served by one that was already running. An error reaches all whom the sync was for.
 *
 * @module
 */

import type { Files } from "../runtime/files.ts";

interface Running {
  readonly done: Promise<void>;
  next: Promise<void> | null;
}

/** Makes the names in folders durable, as seldom as that can be done. */
export class SharedSync {
  readonly #files: Files;
  readonly #running = new Map<string, Running>();

  /** Syncs folders of this disk. */
  constructor(files: Files) {
    this.#files = files;
  }

  /** Resolves when all names the folder has now are durable. */
  sync(folder: string): Promise<void> {
    const running = this.#running.get(folder);
    if (running === undefined) return this.#start(folder);
    running.next ??= running.done.catch(() => {}).then(() => this.#start(folder));
    return running.next;
  }

  #start(folder: string): Promise<void> {
    const done = this.#files.syncDirectory(folder);
    const running: Running = { done, next: null };
    this.#running.set(folder, running);
    const end = () => {
      if (running.next === null) this.#running.delete(folder);
    };
    done.then(end, end);
    return done;
  }
}
