/**
 * Where signatures that take long are made: beside the program's thread, a few at once, and, when more are waiting
 * than that, some on the thread itself. It does so when one from beside has come: then the thread is free, others have had
 * their turn, and whatever computes beside has its next work already.
 *
 * What fails: as the work fails.
 *
 * @module
 */

/** A signature that is to be made. */
export interface SigningWork {
  /** Makes it beside the thread. */
  beside(): Promise<Uint8Array>;
  /** Makes it at once, or cannot. */
  here(): Uint8Array | null;
}

/** One that waits, and who is to be told. */
interface Waiting {
  readonly work: SigningWork;
  readonly resolve: (signature: Uint8Array | Promise<Uint8Array>) => void;
}

/**
 * Signatures, first come, first served.
 *
 * @example
 * ```ts
 * import { SignQueue } from "./sign_queue.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const queue = new SignQueue(1, 1);
 * const work = {
 *   beside: () => Promise.resolve(new Uint8Array([1])),
 *   here: () => new Uint8Array([2]),
 * };
 * const made = await Promise.all([1, 2, 3].map(() => queue.sign(work)));
 * // The second went beside when the first had come, and the third did not have to wait for it.
 * assertEquals(made.map(([where]) => where), [1, 1, 2]);
 * ```
 */
export class SignQueue {
  readonly #beside: number;
  readonly #here: number;
  #waiting: Waiting[] = [];
  #working = 0;

  /** @param beside how many are made beside the thread at once. @param here how many on it, whenever one has come. */
  constructor(beside: number, here: number) {
    this.#beside = beside;
    this.#here = here;
  }

  /** Makes a signature when its turn comes. */
  sign(work: SigningWork): Promise<Uint8Array> {
    if (this.#working < this.#beside) return this.#goBeside(work);
    return new Promise((resolve) => this.#waiting.push({ work, resolve }));
  }

  async #goBeside(work: SigningWork): Promise<Uint8Array> {
    this.#working++;
    try {
      return await work.beside();
    } finally {
      this.#working--;
      this.#goOn();
    }
  }

  #goOn(): void {
    const next = this.#waiting.shift();
    next?.resolve(this.#goBeside(next.work));
    for (let count = 0; count < this.#here; count++) {
      const own = this.#waiting.shift();
      if (own === undefined) break;
      own.resolve(this.#goHere(own.work));
    }
  }

  async #goHere(work: SigningWork): Promise<Uint8Array> {
    return work.here() ?? await this.#goBeside(work);
  }
}
