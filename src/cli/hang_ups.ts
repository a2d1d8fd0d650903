/**
 * SIGHUP, which asks a server to read its configuration again. It is caught from the first line of a server's process
 * on, before the rest of the program is loaded, since whoever rotates a certificate does not know that the server is just
 * starting, or stopping: one that came too early is answered as soon as somebody can, and none ends the process.
 *
 * Other commands leave it alone: with the terminal they end.
 *
 * @module
 */

import process from "node:process";

/** Those of this process; `null`: it ends by one. */
let caught: HangUps | null = null;

/** Catches SIGHUP until it is disposed of. */
export class HangUps implements Disposable {
  #answer: (() => void) | null = null;
  #asked = false;
  readonly #handler = () => {
    if (this.#answer === null) this.#asked = true;
    else this.#answer();
  };

  private constructor() {
    process.on("SIGHUP", this.#handler);
  }

  /** Catches it from now on, if that is not so already. */
  static catch(): HangUps {
    return caught ??= new HangUps();
  }

  /** Answers every one from here on, and one that came before. */
  answer(answer: () => void): void {
    this.#answer = answer;
    if (this.#asked) answer();
  }

  [Symbol.dispose](): void {
    process.off("SIGHUP", this.#handler);
    caught = null;
  }
}
