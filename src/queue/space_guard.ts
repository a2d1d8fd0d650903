/**
 * Keeps a reserve on the disk: new mail is put off while it is touched, so that what is already here
 * can still be recorded and moved on. Looks at the disk at most once a second.
 *
 * @module
 */

import type { Files } from "../runtime/files.ts";
import type { Clock } from "../runtime/runtime.ts";
import type { Soon } from "../soon.ts";

/** What to keep free where. */
export interface SpaceGuardOptions {
  readonly files: Files;
  readonly clock: Clock;
  /** Folders whose file systems are watched. */
  readonly paths: readonly string[];
  /** Octets to keep free. */
  readonly bytes: number;
  /** Inodes to keep free; default 1,000. File systems that count none (0 in all) are not held to it. */
  readonly inodes?: number;
}

/** Milliseconds for which a look at the disk is believed. */
const FRESH = 1000;

/** Watches the reserve. */
export class SpaceGuard {
  readonly #options: SpaceGuardOptions;
  #checked = -Infinity;
  #room: Soon<boolean> = true;

  constructor(options: SpaceGuardOptions) {
    this.#options = options;
  }

  /** Whether new mail may come in. A disk that cannot be asked is taken to have room: writing will tell. */
  hasRoom(): Soon<boolean> {
    const now = this.#options.clock.now();
    if (now - this.#checked >= FRESH || now < this.#checked) {
      this.#checked = now;
      const looking = this.#look();
      this.#room = looking;
      looking.then((room) => {
        if (this.#room === looking) this.#room = room;
      });
    }
    return this.#room;
  }

  async #look(): Promise<boolean> {
    const { files, paths, bytes, inodes = 1000 } = this.#options;
    for (const path of paths) {
      const free = await files.space(path).catch(() => null);
      if (free === null) continue;
      if (free.bytes < bytes) return false;
      // btrfs and others count no inodes and say 0.
      if (free.inodes > 0 && free.inodes < inodes) return false;
    }
    return true;
  }
}
