/**
 * What is not as it was written is set aside in `damaged/`, for a person to look at, with an event; the rest
 * goes on. Which troubles pass and which do not is told here too.
 *
 * @module
 */

import type { EventSink } from "../../events.ts";
import type { Files } from "../../runtime/files.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { errorCode } from "../../runtime/system_error.ts";
import type { Folders } from "./folders.ts";

/** Of the machine, not of the file: to be tried again. */
const PASSING = new Set(["EMFILE", "ENFILE", "ENOMEM", "EAGAIN", "EINTR", "EBADF", "ECANCELED"]);

/** Whether a file could not be read for a reason that has nothing to do with it. */
export function isPassing(error: unknown): boolean {
  const code = errorCode(error);
  return code === undefined || PASSING.has(code);
}

/** The folder of what was set aside. */
export class Damaged {
  readonly #files: Files;
  readonly #clock: Clock;
  readonly #folders: Folders;
  readonly #directory: string;
  readonly #events: EventSink;

  /** In `directory`, which is made when it is needed. */
  constructor(
    files: Files,
    clock: Clock,
    folders: Folders,
    directory: string,
    events: EventSink,
  ) {
    this.#files = files;
    this.#clock = clock;
    this.#folders = folders;
    this.#directory = directory;
    this.#events = events;
  }

  /**
   * Sets files aside that belong together, and says so of the first: the last one to be moved, so that a crash
   * leaves what will be found again. Those that are not there are passed over.
   */
  async setAside(paths: readonly [string, ...string[]], reason: string): Promise<void> {
    await this.#folders.make(this.#directory);
    const mark = await this.#freeMark(paths);
    for (const path of paths.toReversed()) {
      try {
        // Whoever has looked at what lay there may have removed the folder too.
        await this.#folders.moveInto(this.#directory, path, this.#place(path, mark));
      } catch (error) {
        if (errorCode(error) !== "ENOENT") throw error;
      }
    }
    await this.#folders.sync(this.#directory);
    const [path] = paths;
    const kept = this.#place(path, mark);
    this.#events({ type: "queue.damaged", time: this.#clock.now(), path, reason, kept });
  }

  #place(path: string, mark: string): string {
    return `${this.#directory}/${path.slice(path.lastIndexOf("/") + 1)}${mark}`;
  }

  /** What is added to the names, so that nothing set aside before is lost. */
  async #freeMark(paths: readonly string[]): Promise<string> {
    for (let count = 1;; count++) {
      const mark = count === 1 ? "" : `.${count}`;
      const taken = await Promise.all(
        paths.map((path) => this.#files.stat(this.#place(path, mark))),
      );
      if (taken.every((stat) => stat === null)) return mark;
    }
  }
}
