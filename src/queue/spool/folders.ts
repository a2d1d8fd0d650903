/**
 * Folders and the names in them, made durable as seldom as that can be done: whoever asks for a sync
 * while one is running waits for the next, which then serves all who asked in the meantime. A sync that
 * began before a rename says nothing of it, so nobody is served by one that was already running; an
 * error reaches all whom the sync was for.
 *
 * @module
 */

import { errorCode, type Files } from "../../runtime/runtime.ts";

interface Running {
  readonly done: Promise<void>;
  next: Promise<void> | null;
}

/** The folders of a spool. */
export class Folders {
  readonly #files: Files;
  readonly #made = new Set<string>();
  readonly #running = new Map<string, Running>();

  /** Folders of this disk. */
  constructor(files: Files) {
    this.#files = files;
  }

  /** Makes a folder where it is missing; it is there for good when this resolves. Its parent must be there. */
  async make(folder: string): Promise<void> {
    if (this.#made.has(folder)) return;
    try {
      await this.#files.makeDirectory(folder, 0o700);
    } catch (error) {
      if (errorCode(error) !== "EEXIST") throw error;
    }
    // Also where it was there: whoever made it may have died before this.
    await this.sync(parentOf(folder));
    this.#made.add(folder);
  }

  /** Makes a folder and its parents where they are missing, for good. */
  async makeAll(folder: string): Promise<void> {
    if ((await this.#files.stat(folder, { follow: true })) === null) {
      await this.makeAll(parentOf(folder));
      await this.make(folder);
      return;
    }
    try {
      await this.sync(parentOf(folder));
    } catch {
      // Somebody else's folder, which we may pass through but not open: it was there before us.
    }
  }

  /** Resolves when all names the folder has now are durable. */
  sync(folder: string): Promise<void> {
    const running = this.#running.get(folder);
    if (running === undefined) return this.#start(folder);
    running.next ??= running.done.catch(() => {}).then(() => this.#start(folder));
    return running.next;
  }

  /** Renames into a folder that is made first, and again where somebody removed it at this moment. */
  async moveInto(folder: string, from: string, to: string): Promise<void> {
    for (let again = true;; again = false) {
      await this.make(folder);
      try {
        return await this.#files.rename(from, to);
      } catch (error) {
        if (!again || errorCode(error) !== "ENOENT") throw error;
        this.#made.delete(folder);
      }
    }
  }

  /** Removes a folder if it is empty; `false` when it stays. */
  async removeEmpty(folder: string): Promise<boolean> {
    this.#made.delete(folder);
    try {
      await this.#files.remove(folder);
      return true;
    } catch (error) {
      return errorCode(error) === "ENOENT";
    }
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

function parentOf(folder: string): string {
  const end = folder.lastIndexOf("/");
  return end === -1 ? "." : folder.slice(0, end) || "/";
}
