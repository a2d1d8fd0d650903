/**
 * `transit/`: entries on their way in and out. A file in here tells what was being done to a message, so that
 * a start after a crash ends it without looking at any message that lies still:
 *
 * - `ID.new`: a message is being put; its entry is about to be renamed to where it belongs. Its body is
 *   no message's yet: it is removed, then this.
 * - `ID.next`: what an entry is to be replaced by. It is removed.
 * - `ID.gone`: the entry of a message that was removed. Its body is removed, then this.
 *
 * @module
 */

import type { Files } from "../../runtime/files.ts";
import { openFresh } from "../../runtime/fresh_file.ts";
import type { BodyFiles } from "./body_files.ts";
import type { Folders } from "./folders.ts";

/** Removed messages whose traces are wiped out together. */
const BATCH = 64;

/** Which way an entry goes. */
export type TransitKind = "new" | "next" | "gone";

const NAME = /^(.+)\.(new|next|gone)$/;

/** The folder of what is under way. */
export class Transit {
  readonly #files: Files;
  readonly #folders: Folders;
  readonly #bodies: BodyFiles;
  readonly #directory: string;
  /** Removed for good, but the file that says so is still here. */
  readonly #gone = new Set<string>();
  #wiping: Promise<void> = Promise.resolve();

  /** In `directory`, which is made by `prepare()`. */
  constructor(files: Files, folders: Folders, bodies: BodyFiles, directory: string) {
    this.#files = files;
    this.#folders = folders;
    this.#bodies = bodies;
    this.#directory = directory;
  }

  /** Makes the folder and ends what a crash left half done. */
  async prepare(): Promise<void> {
    await this.#folders.make(this.#directory);
    // That a message is gone must be durable before its body is removed.
    await this.sync();
    let batch: (readonly [id: string, kind: TransitKind])[] = [];
    const wipe = async () => {
      const ids = batch.filter(([, kind]) => kind !== "next").map(([id]) => id);
      for (const id of ids) await this.#bodies.remove(id);
      await this.#bodies.sync(ids);
      for (const [id, kind] of batch) await this.#files.remove(this.path(id, kind));
      batch = [];
    };
    for await (const { name } of this.#files.list(this.#directory)) {
      const [, id, kind] = NAME.exec(name) ?? [];
      if (id === undefined) continue;
      batch.push([id, kind as TransitKind]);
      if (batch.length === BATCH) await wipe();
    }
    await wipe();
  }

  /** Where an entry on its way lies. */
  path(id: string, kind: TransitKind): string {
    return `${this.#directory}/${id}.${kind}`;
  }

  /** Writes an entry, its content durable, its name not. Nothing is left when that fails. */
  async write(id: string, kind: TransitKind, content: Uint8Array): Promise<string> {
    const path = this.path(id, kind);
    try {
      const file = await openFresh(this.#files, path);
      try {
        await file.write(content);
        await file.sync();
      } finally {
        file.close();
      }
    } catch (error) {
      await this.forget(id, kind);
      throw error;
    }
    return path;
  }

  /** Makes the names in here durable. */
  sync(): Promise<void> {
    return this.#folders.sync(this.#directory);
  }

  /** Takes an entry out of here, if that can be done. */
  async forget(id: string, kind: TransitKind): Promise<void> {
    await this.#files.remove(this.path(id, kind)).catch(() => {});
  }

  /** Takes a body away that became no message's, and the entry that says so. What cannot be done, a start will do. */
  async undo(id: string): Promise<void> {
    try {
      await this.#bodies.remove(id);
      await this.#bodies.sync([id]);
      await this.forget(id, "new");
    } catch {
      // `ID.new` stays.
    }
  }

  /** A message was removed, durably: so is its body now, and sooner or later `ID.gone`. */
  async wipe(id: string): Promise<void> {
    try {
      await this.#bodies.remove(id);
    } catch {
      return; // `ID.gone` stays, for the next start.
    }
    this.#gone.add(id);
    if (this.#gone.size >= BATCH) await this.flush();
  }

  /**
   * Before a message of that id is put again: what is left of it where it was removed, or could not be put, goes. A
   * start would take its new body for the one removed; and while a new `ID.new` takes the place of the old, nothing
   * would say that the old body is no message's. Durable after {@link sync}.
   */
  async clear(id: string): Promise<void> {
    for (const kind of ["gone", "new"] as const) {
      const path = this.path(id, kind);
      if ((await this.#files.stat(path)) === null) continue;
      await this.#bodies.remove(id);
      await this.#bodies.sync([id]);
      await this.#files.remove(path);
    }
    this.#gone.delete(id);
  }

  /** Wipes out the traces of all removed messages, as far as that can be done. */
  flush(): Promise<void> {
    return this.#wiping = this.#wiping.then(async () => {
      const ids = [...this.#gone];
      if (ids.length === 0) return;
      try {
        await this.#bodies.sync(ids);
      } catch {
        return;
      }
      for (const id of ids) {
        await this.forget(id, "gone");
        this.#gone.delete(id);
      }
    });
  }
}
