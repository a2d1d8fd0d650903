/**
 * The folders of a spool: made, and made durable, when something is to go into them, and removed when they are
 * empty.
 *
 * What fails: what the disk says.
 *
 * @module
 */

import type { Files } from "../../runtime/files.ts";
import { errorCode } from "../../runtime/system_error.ts";
import { SharedSync } from "../shared_sync.ts";

/** Why a folder cannot be synced when that is no fault: closed to us, or not to be synced at all. */
const NOT_OURS: ReadonlySet<string> = new Set(["EACCES", "EPERM", "EROFS", "EINVAL", "ENOTSUP"]);

/** The folders of a spool. */
export class Folders {
  readonly #files: Files;
  readonly #made = new Set<string>();
  readonly #syncs: SharedSync;

  /** Folders of this disk. */
  constructor(files: Files) {
    this.#files = files;
    this.#syncs = new SharedSync(files);
  }

  /** Makes a folder where it is missing; it is there for good when this resolves. Its parent must be there. */
  async make(folder: string): Promise<void> {
    if (this.#made.has(folder)) return;
    await this.#makeOne(folder);
    // Also where it was there: whoever made it may have died before this.
    await this.sync(parentOf(folder));
    this.#made.add(folder);
  }

  /**
   * Makes a folder and its parents where they are missing, for good. Also the first that is there: whoever made
   * it may have died before it was durable.
   */
  async makeAll(folder: string): Promise<void> {
    const parent = parentOf(folder);
    if ((await this.#files.stat(folder, { follow: true })) === null) {
      await this.makeAll(parent);
      await this.#makeOne(folder);
    }
    try {
      await this.sync(parent);
    } catch (error) {
      // The program may only look at what is its own; then it has to trust that the folder stays.
      if (!NOT_OURS.has(errorCode(error) ?? "")) throw error;
    }
  }

  /** Resolves when all names the folder has now are durable. */
  sync(folder: string): Promise<void> {
    return this.#syncs.sync(folder);
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

  /**
   * Removes a folder if it is empty, and that it is so is durable: else what was moved out of it might be gone with it
   * after a crash, and not yet be where it was moved to. `false` when it stays.
   */
  async removeEmpty(folder: string): Promise<boolean> {
    this.#made.delete(folder);
    try {
      await this.sync(folder);
      await this.#files.remove(folder);
      return true;
    } catch (error) {
      return errorCode(error) === "ENOENT";
    }
  }

  async #makeOne(folder: string): Promise<void> {
    try {
      await this.#files.makeDirectory(folder, 0o700);
    } catch (error) {
      if (errorCode(error) !== "EEXIST") throw error;
    }
  }
}

function parentOf(folder: string): string {
  const end = folder.lastIndexOf("/");
  return end === -1 ? "." : folder.slice(0, end) || "/";
}
