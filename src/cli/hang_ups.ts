/**
 * SIGHUP, which asks a server to read its configuration again. It is caught from the moment this is made, since
 * whoever rotates a certificate does not know that the server is just starting, or stopping: one that came
 * too early is answered as soon as somebody can, and none ends the process.
 *
 * @module
 */

import process from "node:process";

/** Catches SIGHUP until it is disposed of. */
export class HangUps implements Disposable {
  #answer: (() => void) | null = null;
  #asked = false;
  readonly #handler = () => {
    if (this.#answer === null) this.#asked = true;
    else this.#answer();
  };

  constructor() {
    process.on("SIGHUP", this.#handler);
  }

  /** Answers every one from here on, and one that came before. */
  answer(answer: () => void): void {
    this.#answer = answer;
    if (this.#asked) answer();
  }

  [Symbol.dispose](): void {
    process.off("SIGHUP", this.#handler);
  }
}
