/**
 * The bodies, `bodies/H/ID.msg`: written once, never moved, whatever becomes of their entries. H is the first
 * hexadecimal digit of the SHA-256 of the id: sixteen folders are few enough to be synced for many at once,
 * and many enough for a million files. Which bodies belong to a message is for others to know.
 *
 * What fails: what the disk says; and a body that is not as long as its entry says, by an `Error`.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { FileHandle, Files } from "../../runtime/files.ts";
import { openFresh } from "../../runtime/fresh_file.ts";
import { errorCode } from "../../runtime/system_error.ts";
import type { MessageSource } from "../local_delivery.ts";
import type { Folders } from "./folders.ts";

/** Octets read at once. */
const BLOCK = 64 * 1024;

/** Bodies in files. */
export class BodyFiles {
  readonly #files: Files;
  readonly #folders: Folders;
  readonly #directory: string;

  /** Below `directory`, which is made by `prepare()`. */
  constructor(files: Files, folders: Folders, directory: string) {
    this.#files = files;
    this.#folders = folders;
    this.#directory = directory;
  }

  /** Makes the folders. */
  async prepare(): Promise<void> {
    await this.#folders.make(this.#directory);
    for (const digit of "0123456789abcdef") {
      await this.#folders.make(`${this.#directory}/${digit}`);
    }
  }

  /** Where the body of a message lies. */
  path(id: string): string {
    return `${this.#folder(id)}/${id}.msg`;
  }

  /** Writes a body, or moves it here; durable with its name. */
  async write(id: string, source: MessageSource): Promise<void> {
    const path = this.path(id);
    if (!await source.moveBody?.(path)) await this.#copy(path, source);
    await this.sync([id]);
  }

  /** Octets of a body, `null` where there is none. */
  async size(id: string): Promise<number | null> {
    const stat = await this.#files.stat(this.path(id));
    return stat?.kind === "file" ? stat.size : null;
  }

  /** The octets of a body, which must be `size`. */
  async *read(id: string, size: number): AsyncGenerator<Uint8Array> {
    const file = await this.#files.open(this.path(id), { read: true });
    try {
      const buffer = new Uint8Array(Math.min(BLOCK, size + 1));
      let seen = 0;
      for (let length; (length = await file.read(buffer)) !== null;) {
        seen += length;
        if (seen > size) break;
        yield buffer.subarray(0, length);
      }
      if (seen !== size) throw wrongSize(this.path(id), size);
    } finally {
      file.close();
    }
  }

  /** Removes a body; harmless where there is none. Durable after {@link sync}. */
  async remove(id: string): Promise<void> {
    try {
      await this.#files.remove(this.path(id));
    } catch (error) {
      if (errorCode(error) !== "ENOENT") throw error;
    }
  }

  /** Makes durable that the bodies are there, or not. */
  async sync(ids: readonly string[]): Promise<void> {
    const folders = new Set(ids.map((id) => this.#folder(id)));
    for (const folder of folders) await this.#folders.sync(folder);
  }

  #folder(id: string): string {
    return `${this.#directory}/${createHash("sha256").update(id).digest("hex")[0]}`;
  }

  async #copy(path: string, source: MessageSource): Promise<void> {
    // What lies there already belongs to no message.
    const file = await openFresh(this.#files, path);
    try {
      const size = await copyBody(file, source);
      if (size !== source.bodySize) throw wrongSize("the body", source.bodySize);
      await file.sync();
    } finally {
      file.close();
    }
  }
}

/** Gives the octets copied, of which there may be too many. */
async function copyBody(file: FileHandle, source: MessageSource): Promise<number> {
  let size = 0;
  for await (const chunk of source.openBody()) {
    size += chunk.length;
    if (size > source.bodySize) break;
    await file.write(chunk);
  }
  return size;
}

function wrongSize(what: string, size: number): Error {
  return new Error(`${what} is not the ${size} octets it should be`);
}
