/**
 * What lies on a disk in memory: files that know which of their octets are durable, and directories
 * that know it of their names.
 *
 * @module
 */

import type { MemoryRandom } from "./memory_random.ts";

/** A file or a directory. */
export type MemoryNode = FileNode | DirectoryNode;

/** A directory: the names as they are, and as a power cut would leave them. */
export class DirectoryNode {
  /** Tells it from a file. */
  readonly kind = "directory";
  /** Directories take no room. */
  readonly size = 0;
  /** The names as they are. */
  entries: Map<string, MemoryNode> = new Map();
  /** The names as a power cut would leave them. */
  readonly durable: Map<string, MemoryNode> = new Map();
  /** When a name changed last. */
  modified: number;

  /** An empty one. */
  constructor(modified: number) {
    this.modified = modified;
  }

  /** Forgets what is not durable, here and below. */
  revert(unsynced: "lost" | "torn", random: MemoryRandom): void {
    this.entries = new Map(this.durable);
    for (const node of this.entries.values()) node.revert(unsynced, random);
  }
}

/** A change of a file's content that is not durable yet. */
type Change =
  | { readonly kind: "write"; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly kind: "truncate" };

/** A file: the octets as they are, and as a power cut would leave them. */
export class FileNode {
  /** Tells it from a directory. */
  readonly kind = "file";
  /** When the content changed last. */
  modified: number;
  /** Whether a name leads here; an open file can outlive its name. */
  linked: boolean = true;
  #current = new Octets();
  #durable = new Octets();
  #changes: Change[] = [];

  /** An empty one. */
  constructor(modified: number) {
    this.modified = modified;
  }

  /** Octets. */
  get size(): number {
    return this.#current.length;
  }

  /** Copies octets from `offset` on; gives how many, 0 at the end. */
  read(offset: number, into: Uint8Array): number {
    return this.#current.read(offset, into);
  }

  /** Puts octets at `offset`, making the file longer where needed. */
  write(offset: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#current.write(offset, bytes);
    this.#changes.push({ kind: "write", offset, bytes: bytes.slice() });
  }

  /** Takes all content away. */
  truncate(): void {
    if (this.size === 0) return;
    this.#current.length = 0;
    this.#changes.push({ kind: "truncate" });
  }

  /** Makes all content durable. */
  sync(): void {
    for (const change of this.#changes) apply(this.#durable, change);
    this.#changes = [];
  }

  /**
   * A sync that failed: what was to be synced never becomes durable, even if a later sync succeeds.
   * Linux does so; it marks the pages clean all the same.
   */
  failSync(): void {
    this.#changes = [];
  }

  /** Content as a power cut leaves it: no unsynced change, or some, in part, in any order. */
  revert(unsynced: "lost" | "torn", random: MemoryRandom): void {
    if (unsynced === "torn") {
      for (const change of this.#changes) applyTorn(this.#durable, change, random);
    }
    this.#changes = [];
    this.#current = this.#durable.copy();
  }
}

function apply(octets: Octets, change: Change): void {
  if (change.kind === "truncate") octets.length = 0;
  else octets.write(change.offset, change.bytes);
}

/** A change reaches the disk whole, not at all, cut at any octet, or as zeros of the right length. */
function applyTorn(octets: Octets, change: Change, random: MemoryRandom): void {
  const fate = random.below(4);
  if (fate === 0) return;
  if (fate === 1 || change.kind === "truncate") return apply(octets, change);
  const { offset, bytes } = change;
  const kept = bytes.slice(0, random.below(bytes.length));
  if (fate === 2) return octets.write(offset, kept);
  const zeroed = new Uint8Array(bytes.length);
  zeroed.set(kept);
  octets.write(offset, zeroed);
}

/** Octets that can grow. */
class Octets {
  #bytes = new Uint8Array(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  set length(length: number) {
    this.#bytes.fill(0, length, this.#length);
    this.#length = length;
  }

  read(offset: number, into: Uint8Array): number {
    const part = this.#bytes.subarray(Math.min(offset, this.#length), this.#length);
    const read = part.subarray(0, into.length);
    into.set(read);
    return read.length;
  }

  write(offset: number, bytes: Uint8Array): void {
    const end = offset + bytes.length;
    if (bytes.length === 0) return;
    if (end > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(end, 2 * this.#bytes.length));
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes.set(bytes, offset);
    this.#length = Math.max(this.#length, end);
  }

  copy(): Octets {
    const copy = new Octets();
    copy.write(0, this.#bytes.subarray(0, this.#length));
    return copy;
  }
}
