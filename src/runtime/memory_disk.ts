/**
 * A disk in memory that keeps only what it must. A file's content survives a power cut when the file
 * was synced, a name when its directory was; a rename is atomic, and durable when either directory is
 * synced. Real file systems often keep more; a program that is right here is right there.
 *
 * It can be full, and it can be cut off: every {@link MemoryFiles} made of it before a crash fails with
 * EIO, so that what was running then cannot go on writing.
 *
 * @module
 */

import { encode } from "../bytes.ts";
import { DirectoryNode, FileNode, type MemoryNode } from "./memory_node.ts";
import type { MemoryRandom } from "./memory_random.ts";
import type { Clock } from "./runtime.ts";
import { SystemError } from "./system_error.ts";

/**
 * What becomes of unsynced changes: `kept`, only the process died; `lost`, power was cut before any
 * of them reached the disk; `torn`, some did, some did in part, decided by the seed.
 */
export type Unsynced = "kept" | "lost" | "torn";

/** Names that change together; `null` takes a name away. */
type NameChange = readonly {
  readonly directory: DirectoryNode;
  readonly name: string;
  readonly node: MemoryNode | null;
}[];

/** Where a path leads: the directory, and the name in it. */
export interface Place {
  /** The directory the name is in. */
  readonly directory: DirectoryNode;
  /** The last name of the path; empty for the root. */
  readonly name: string;
  /** What has that name, if anything. */
  readonly node: MemoryNode | undefined;
}

/** A disk. */
export class MemoryDisk {
  /** Octets of file content it has room for. */
  capacity: number = Infinity;
  /** Files and directories it has room for. */
  inodes: number = Infinity;
  readonly #clock: Clock;
  readonly #random: MemoryRandom;
  readonly #root: DirectoryNode;
  #journal: NameChange[] = [];
  #usedBytes = 0;
  #usedInodes = 0;
  #boots = 0;

  /** An empty disk. `clock` gives files their times, `random` decides what a torn crash leaves. */
  constructor(clock: Clock, random: MemoryRandom) {
    this.#clock = clock;
    this.#random = random;
    this.#root = new DirectoryNode(clock.now());
  }

  /** How often it was started anew; what was made before is cut off. */
  get boots(): number {
    return this.#boots;
  }

  /** Room left. */
  get space(): { readonly bytes: number; readonly inodes: number } {
    return {
      bytes: Math.max(0, this.capacity - this.#usedBytes),
      inodes: Math.max(0, this.inodes - this.#usedInodes),
    };
  }

  /** The machine stops here and now, and the disk is as it would find it at its next start. */
  crash(unsynced: Unsynced): void {
    this.#boots++;
    if (unsynced === "kept") return;
    if (unsynced === "torn") {
      const survivors = new Set(this.#journal.filter(() => this.#random.below(2) === 0));
      this.#commit((change) => survivors.has(change));
    }
    this.#journal = [];
    this.#root.revert(unsynced, this.#random);
    this.#count();
  }

  /** Follows a path. @throws ENOENT, ENOTDIR, ENAMETOOLONG */
  find(path: string): Place {
    const names = splitPath(path);
    let place: Place = { directory: this.#root, name: "", node: this.#root };
    for (const name of names) {
      if (encode(name).length > 255) {
        throw new SystemError("ENAMETOOLONG", `${path}: name too long`);
      }
      const { node } = place;
      if (node === undefined) throw notFound(path);
      if (node.kind !== "directory") throw new SystemError("ENOTDIR", `${path}: not a directory`);
      place = { directory: node, name, node: node.entries.get(name) };
    }
    return place;
  }

  /** Gives a new file or directory a name. @throws ENOSPC */
  create(place: Place, kind: "file" | "directory"): MemoryNode {
    if (this.#usedInodes >= this.inodes) throw full(place.name);
    const now = this.#clock.now();
    const node = kind === "file" ? new FileNode(now) : new DirectoryNode(now);
    this.#usedInodes++;
    this.#change([{ directory: place.directory, name: place.name, node }]);
    return node;
  }

  /** Takes the name away. */
  remove(place: Place): void {
    this.#forget(place.node);
    this.#change([{ directory: place.directory, name: place.name, node: null }]);
  }

  /** Moves a node to another name, over what has that. */
  move(from: Place, to: Place): void {
    this.#forget(to.node);
    this.#change([
      { directory: from.directory, name: from.name, node: null },
      { directory: to.directory, name: to.name, node: from.node! },
    ]);
  }

  /** Writes what there is room for. @throws ENOSPC when that was not all. */
  write(file: FileNode, offset: number, bytes: Uint8Array): void {
    const growth = Math.max(0, offset + bytes.length - file.size);
    const room = file.linked ? this.space.bytes : Infinity;
    const fits = growth <= room ? bytes.length : Math.max(0, bytes.length - (growth - room));
    const before = file.size;
    file.write(offset, bytes.subarray(0, fits));
    file.modified = this.#clock.now();
    if (file.linked) this.#usedBytes += file.size - before;
    if (fits < bytes.length) throw full("write");
  }

  /** Empties a file. */
  truncate(file: FileNode): void {
    if (file.linked) this.#usedBytes -= file.size;
    file.truncate();
    file.modified = this.#clock.now();
  }

  /** Makes a directory's names durable. */
  syncDirectory(directory: DirectoryNode): void {
    this.#commit((change) => change.some((part) => part.directory === directory));
  }

  #change(change: NameChange): void {
    for (const { directory, name, node } of change) {
      if (node === null) directory.entries.delete(name);
      else directory.entries.set(name, node);
      directory.modified = this.#clock.now();
    }
    this.#journal.push(change);
  }

  /** Makes chosen changes durable, and the earlier ones they build on: those of the same names. */
  #commit(chosen: (change: NameChange) => boolean): void {
    const touched = new Map<DirectoryNode, Set<string>>();
    const needed = new Set<NameChange>();
    for (const change of this.#journal.toReversed()) {
      const builtOn = change.some(({ directory, name }) => touched.get(directory)?.has(name));
      if (!builtOn && !chosen(change)) continue;
      needed.add(change);
      for (const { directory, name } of change) {
        touched.set(directory, (touched.get(directory) ?? new Set()).add(name));
      }
    }
    const rest: NameChange[] = [];
    for (const change of this.#journal) {
      if (!needed.has(change)) {
        rest.push(change);
        continue;
      }
      for (const { directory, name, node } of change) {
        if (node === null) directory.durable.delete(name);
        else directory.durable.set(name, node);
      }
    }
    this.#journal = rest;
  }

  #forget(node: MemoryNode | undefined): void {
    if (node === undefined) return;
    this.#usedInodes--;
    if (node.kind === "directory") return;
    this.#usedBytes -= node.size;
    node.linked = false;
  }

  /** Counts anew what is used. */
  #count(): void {
    this.#usedBytes = 0;
    this.#usedInodes = 0;
    const visit = (directory: DirectoryNode) => {
      for (const node of directory.entries.values()) {
        this.#usedInodes++;
        this.#usedBytes += node.size;
        if (node.kind === "directory") visit(node);
        else node.linked = true;
      }
    };
    visit(this.#root);
  }
}

/** The names of a path; a relative one is taken from the root. */
function splitPath(path: string): string[] {
  const names: string[] = [];
  for (const name of path.split("/")) {
    if (name === "..") names.pop();
    else if (name !== "" && name !== ".") names.push(name);
  }
  return names;
}

/** Nothing lies there. */
export function notFound(path: string): SystemError {
  return new SystemError("ENOENT", `${path}: no such file or directory`);
}

function full(what: string): SystemError {
  return new SystemError("ENOSPC", `${what}: no space left on the disk`);
}
