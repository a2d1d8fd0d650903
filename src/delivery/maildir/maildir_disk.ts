/**
 * What delivery does to the disk: files made in `tmp/`, shown in `new/`, taken away. A mailbox that was in order and
 * has vanished since is made again, once. What fails is thrown as the disk says it, a `SystemError`.
 *
 * @module
 */

import { SharedSync } from "../../queue/shared_sync.ts";
import type { FileHandle, Files } from "../../runtime/files.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { errorCode } from "../../runtime/system_error.ts";
import { MaildirFolders } from "./maildir_folders.ts";

const NEW_FILE = { write: true, createNew: true, mode: 0o600 } as const;

/** The mailboxes below one root, as files and folders. */
export class MaildirDisk {
  /** The folders of all mailboxes. */
  readonly folders: MaildirFolders;
  readonly #files: Files;
  readonly #syncs: SharedSync;

  /** Nothing is touched yet; the root is made with the first mailbox. */
  constructor(files: Files, clock: Clock, root: string) {
    this.#files = files;
    this.folders = new MaildirFolders(files, clock, root);
    this.#syncs = new SharedSync(files);
  }

  /** A new file in the `tmp/` of the mailbox `path`, open for writing; `name` gives another name each time. */
  async createTemporary(
    path: string,
    name: () => string,
  ): Promise<{ readonly file: FileHandle; readonly temporary: string }> {
    for (let vanished = false;;) {
      const temporary = `${this.folders.locate(path)}/tmp/${name()}`;
      try {
        return { file: await this.#files.open(temporary, NEW_FILE), temporary };
      } catch (error) {
        const code = errorCode(error);
        // Another process, in this very microsecond; the next is free, or the one after it.
        if (code === "EEXIST") continue;
        if (code !== "ENOENT" || vanished) throw error;
        vanished = true;
        await this.#renew(path);
      }
    }
  }

  /** Moves a file from `tmp/` to `new/` of the mailbox `path`. */
  async show(path: string, temporary: string, published: string): Promise<void> {
    try {
      await this.#files.rename(temporary, published);
    } catch (error) {
      if (errorCode(error) !== "ENOENT") throw error;
      await this.#renew(path);
      await this.#files.rename(temporary, published);
    }
  }

  /** Resolves when the names in a folder are durable, in one sync with all who ask at about the same time. */
  sync(folder: string): Promise<void> {
    return this.#syncs.sync(folder);
  }

  /** Whether something lies there. */
  async exists(path: string): Promise<boolean> {
    return await this.#files.stat(path) !== null;
  }

  /** Whether it was there and is gone. */
  async remove(path: string): Promise<boolean> {
    try {
      await this.#files.remove(path);
      return true;
    } catch {
      // A reader has taken it, or the disk is ill: then the 36 hours of tmp/ see to it.
      return false;
    }
  }

  /** The mailbox was in order and is no longer: somebody removed it. */
  async #renew(path: string): Promise<void> {
    this.folders.forget(path);
    await this.folders.ready(path);
  }
}
