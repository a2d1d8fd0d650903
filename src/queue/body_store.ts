/**
 * Where message bodies wait while their message comes in: in memory while they are small and the
 * common budget lasts, else in a file of a temporary folder. Nothing here is durable: what is kept is
 * written again, and synced, where it belongs.
 *
 * What fails: a write that finds no room throws what the disk says (`ENOSPC`, `EMFILE`, …);
 * `create()` gives `null` when too many files are open and `reserveHead()` gives `false` when heads
 * hold too much; the client is told to come again.
 *
 * @module
 */

import { BufferPool } from "../buffer_pool.ts";
import type { FileHandle, Files } from "../runtime/files.ts";
import type { Random } from "../runtime/runtime.ts";

/** The octets of a body, wherever they are. */
export interface BodySource {
  /** Octets so far. */
  readonly size: number;
  /** The octets from the start, as often as asked. */
  open(): AsyncIterable<Uint8Array>;
  /** The octets at once, where they are in memory; `null` where they are in a file. Valid as long as the body is. */
  parts(): readonly Uint8Array[] | null;
  /**
   * Moves the file of a finished body to another path of the same file system, whole and synced (the folder is
   * not); `false` when the body is in memory, was moved before, or cannot be moved: it is to be copied then.
   * The file belongs to whoever has it moved: `open` reads it there while it is there, `dispose` leaves it.
   *
   * @throws what the disk says when the file cannot be synced.
   */
  move(path: string): Promise<boolean>;
}

/** A body on its way. */
export interface Body extends BodySource {
  /** Adds octets; the view is free again when this settles, or at once when nothing is returned. */
  write(chunk: Uint8Array): void | Promise<void>;
  /** No more octets come. */
  finish(): void;
  /** Frees memory and file. Harmless twice. */
  dispose(): void | Promise<void>;
}

/** What a store is made of. */
export interface BodyStoreOptions {
  readonly files: Files;
  readonly random: Random;
  /** The folder for large bodies. It belongs to one process: whatever lies there at start is removed. */
  readonly directory: string;
  /** Octets of all bodies in memory together; default 64 MiB. */
  readonly memory?: number;
  /** Octets of one body in memory; default 2 MiB. */
  readonly bodyMemory?: number;
  /** Bodies in files at once; default 4,096. */
  readonly openFiles?: number;
}

const KIB = 1024;
/** Octets of a block: most mail fits one. All are of one size, so that any can be used again. */
const BLOCK = 16 * KIB;

/** Octets of one body in memory, where nothing is said: what the spool takes into its log. */
const BODY_MEMORY = 2048 * KIB;
/** From here on a body takes memory only as long as an eighth of it is left: large ones shall not leave small ones none. */
const LARGE_BODY = 256 * KIB;

/** Octets of all bodies in memory, where nothing is said. */
export const DEFAULT_BODY_MEMORY: number = 64 * KIB * KIB;
/** Heads may hold a quarter of what bodies may, beside them. */
const HEAD_SHARE = 4;

/** All bodies on their way. */
export class BodyStore {
  readonly #files: Files;
  readonly #directory: string;
  #memory: number;
  readonly #bodyMemory: number;
  readonly #openFiles: number;
  readonly #mark: string;
  #blocks: BufferPool;
  #used = 0;
  #heads = 0;
  #inFiles = 0;
  #count = 0;

  constructor(options: BodyStoreOptions) {
    this.#files = options.files;
    this.#directory = options.directory;
    this.#memory = options.memory ?? DEFAULT_BODY_MEMORY;
    this.#bodyMemory = options.bodyMemory ?? BODY_MEMORY;
    this.#openFiles = options.openFiles ?? 4096;
    this.#mark = options.random.bytes(6).toHex();
    this.#blocks = new BufferPool(BLOCK, this.#memory / BLOCK);
  }

  /** Octets of memory the bodies hold. */
  get memoryUsed(): number {
    return this.#used;
  }

  /** Lets all bodies together hold so many octets in memory from here on; default 64 MiB. */
  resize(memory: number = DEFAULT_BODY_MEMORY): void {
    if (memory === this.#memory) return;
    this.#memory = memory;
    this.#blocks = new BufferPool(BLOCK, memory / BLOCK);
  }

  /** Makes the folder ready and removes what an earlier process left. */
  async prepare(): Promise<void> {
    await makeDirectories(this.#files, this.#directory);
    for await (const { name, kind } of this.#files.list(this.#directory)) {
      if (kind === "file" && name.endsWith(".body")) {
        await this.#files.remove(`${this.#directory}/${name}`);
      }
    }
  }

  /** A new, empty body; `null` when there is room for no more. */
  create(): Body | null {
    return this.#inFiles >= this.#openFiles ? null : new StoredBody(this);
  }

  /** A block of the memory budget for a body that holds `held` octets; `null` when it must do without. */
  takeBlock(held: number): Uint8Array | null {
    if (held + BLOCK > this.#bodyMemory) return null;
    const most = held < LARGE_BODY ? this.#memory : this.#memory * 7 / 8;
    if (this.#used + BLOCK > most) return null;
    this.#used += BLOCK;
    return this.#blocks.take();
  }

  /** Gives a block back; one that somebody may still look at is not used again. */
  giveBlock(block: Uint8Array, lookedAt: boolean): void {
    this.#used -= block.length;
    if (!lookedAt) this.#blocks.give(block);
  }

  /** Takes memory for a head, which cannot go to a file; `false` when heads have had their share. */
  reserveHead(octets: number): boolean {
    if (this.#heads + octets > this.#memory / HEAD_SHARE) return false;
    this.#heads += octets;
    return true;
  }

  /** Gives the memory of a head back. */
  releaseHead(octets: number): void {
    this.#heads -= octets;
  }

  /** A file for one body. */
  async openFile(): Promise<{ readonly path: string; readonly handle: FileHandle }> {
    const path = `${this.#directory}/${this.#mark}-${this.#count++}.body`;
    this.#inFiles++;
    try {
      const handle = await this.#files.open(path, { write: true, createNew: true, mode: 0o600 });
      return { path, handle };
    } catch (error) {
      this.#inFiles--;
      throw error;
    }
  }

  /** Removes a body's file. */
  async removeFile(path: string): Promise<void> {
    this.#inFiles--;
    await this.#files.remove(path);
  }

  /** Gives a body's file away, synced; `false` when it stays. */
  async giveFile(path: string, to: string): Promise<boolean> {
    const handle = await this.#files.open(path, { write: true });
    try {
      await handle.sync();
    } finally {
      handle.close();
    }
    try {
      await this.#files.rename(path, to);
    } catch {
      return false; // another file system, or no such folder: copying will tell
    }
    this.#inFiles--;
    return true;
  }

  /** Opens a body's file for reading. */
  openToRead(path: string): Promise<FileHandle> {
    return this.#files.open(path, { read: true });
  }
}

/** Somebody who reads a body. */
interface Reader {
  /** Open while a file is read. */
  handle: FileHandle | null;
}

/** One body: blocks filled one after the other, so that tiny chunks waste no memory, or a file. */
class StoredBody implements Body {
  readonly #store: BodyStore;
  #blocks: Uint8Array[] = [];
  /** Octets used of the last block. */
  #filled = 0;
  #file: { readonly path: string; readonly handle: FileHandle } | null = null;
  /** The file is somebody else's now. */
  #moved = false;
  #size = 0;
  #disposed = false;
  /** Those who read it and have not come to the end: a policy that hangs may never do so. */
  readonly #readers = new Set<Reader>();

  constructor(store: BodyStore) {
    this.#store = store;
  }

  get size(): number {
    return this.#size;
  }

  write(chunk: Uint8Array): void | Promise<void> {
    if (this.#file !== null) return this.#append(chunk);
    const kept = this.#keep(chunk);
    if (kept < chunk.length) return this.#spill(chunk.subarray(kept));
  }

  finish(): void {
    this.#file?.handle.close();
  }

  parts(): readonly Uint8Array[] | null {
    return this.#file === null ? [...this.#inMemory()] : null;
  }

  async move(path: string): Promise<boolean> {
    if (this.#file === null || this.#moved || this.#disposed) return false;
    const from = this.#file.path;
    // At once: of two who ask at the same time one must copy.
    this.#moved = true;
    try {
      this.#moved = await this.#store.giveFile(from, path);
    } catch (error) {
      this.#moved = false;
      throw error;
    } finally {
      if (this.#moved) this.#file = { ...this.#file, path };
      else if (this.#disposed) await this.#store.removeFile(from);
    }
    return this.#moved;
  }

  async *open(): AsyncGenerator<Uint8Array> {
    const reader: Reader = { handle: null };
    this.#readers.add(reader);
    try {
      if (this.#file === null) yield* this.#inMemory();
      else yield* this.#fromFile(this.#file.path, reader);
    } finally {
      reader.handle?.close();
      this.#readers.delete(reader);
    }
  }

  async *#fromFile(path: string, reader: Reader): AsyncGenerator<Uint8Array> {
    const handle = await this.#store.openToRead(path);
    reader.handle = handle;
    const buffer = new Uint8Array(BLOCK);
    for (let length; !this.#disposed && (length = await handle.read(buffer)) !== null;) {
      yield buffer.subarray(0, length);
    }
    if (this.#disposed) throw new Error("the message is gone");
  }

  dispose(): void | Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const { handle } of this.#readers) handle?.close();
    this.#forget();
    if (this.#file === null) return;
    this.#file.handle.close();
    if (!this.#moved) return this.#store.removeFile(this.#file.path);
  }

  /** Copies into memory what there is room for; gives how much. */
  #keep(chunk: Uint8Array): number {
    let at = 0;
    while (at < chunk.length) {
      let block = this.#blocks.at(-1);
      if (block === undefined || this.#filled === block.length) {
        const next = this.#store.takeBlock(this.#size);
        if (next === null) break;
        this.#blocks.push(block = next);
        this.#filled = 0;
      }
      const part = chunk.subarray(at, at + block.length - this.#filled);
      block.set(part, this.#filled);
      this.#filled += part.length;
      this.#size += part.length;
      at += part.length;
    }
    return at;
  }

  /** Moves to a file, and adds what memory had no room for. */
  async #spill(rest: Uint8Array): Promise<void> {
    const file = await this.#store.openFile();
    if (this.#disposed) {
      file.handle.close();
      await this.#store.removeFile(file.path);
      throw new Error("the message is gone");
    }
    this.#file = file;
    for (const block of this.#inMemory()) await file.handle.write(block);
    this.#forget();
    await this.#append(rest);
  }

  async #append(chunk: Uint8Array): Promise<void> {
    await this.#file!.handle.write(chunk);
    this.#size += chunk.length;
  }

  *#inMemory(): Generator<Uint8Array> {
    const last = this.#blocks.length - 1;
    for (let i = 0; i <= last; i++) {
      // Blocks that were given back hold another message by now.
      if (this.#disposed) throw new Error("the message is gone");
      yield i < last ? this.#blocks[i]! : this.#blocks[i]!.subarray(0, this.#filled);
    }
  }

  #forget(): void {
    const lookedAt = this.#readers.size > 0;
    for (const block of this.#blocks) this.#store.giveBlock(block, lookedAt);
    this.#blocks = [];
    this.#filled = 0;
  }
}

/** Makes a folder and its parents, each 0700. */
export async function makeDirectories(files: Files, path: string): Promise<void> {
  if (path === "" || path === "/" || (await files.stat(path)) !== null) return;
  await makeDirectories(files, path.slice(0, Math.max(0, path.lastIndexOf("/"))));
  try {
    await files.makeDirectory(path, 0o700);
  } catch (error) {
    if ((await files.stat(path)) === null) throw error;
  }
}
