/**
 * Another body for a message, as a policy writes it: in the store of bodies on their way, under the same limits as
 * those that clients bring, and in whole lines whatever the policy thought.
 *
 * What fails: a disk that is full, and too many bodies in files at once. The draft then is none, and whoever finishes
 * it hears so.
 *
 * @module
 */

import type { BodyDraft } from "../policy/policy.ts";
import type { Body, BodySource } from "../queue/body_store.ts";
import { cursorOver } from "../smtp/cursor.ts";
import { NewlineNormalizer } from "../smtp/newline_normalizer.ts";

/** A draft in the store. */
export class StoredDraft implements BodyDraft {
  readonly #newlines = new NewlineNormalizer();
  readonly #onTrouble: (error: unknown) => void;
  /** `null` once nothing comes of it. */
  #body: Body | null;
  /** Ends when all is written that was to be so far. */
  #work: Promise<void> = Promise.resolve();
  #finished = false;

  /** @param body where it goes; `null`: there is no room. @param onTrouble hears why it could not be stored. */
  constructor(body: Body | null, onTrouble: (error: unknown) => void) {
    this.#body = body;
    this.#onTrouble = onTrouble;
  }

  // A policy that forgets to wait would have a body end in the middle: each waits for those before.

  write(octets: Uint8Array): Promise<void> {
    return this.#work = this.#work.then(() => this.#write(octets));
  }

  async finish(): Promise<BodySource | null> {
    await (this.#work = this.#work.then(() => this.#finish()));
    return this.#body;
  }

  /** Frees what it holds; what is still written is dropped. */
  async dispose(): Promise<void> {
    const body = this.#body;
    this.#body = null;
    try {
      await body?.dispose();
    } catch (error) {
      this.#onTrouble(error);
    }
  }

  async #write(octets: Uint8Array): Promise<void> {
    if (this.#finished) return;
    const cursor = cursorOver(octets);
    for (let piece; (piece = this.#newlines.next(cursor)) !== null;) await this.#store(piece);
  }

  async #finish(): Promise<void> {
    await this.#store(this.#newlines.finish());
    this.#finished = true;
    this.#body?.finish();
  }

  async #store(piece: Uint8Array): Promise<void> {
    const body = this.#body;
    if (body === null || piece.length === 0) return;
    try {
      await body.write(piece);
    } catch (error) {
      // Where the message is gone, so is its body: that is no trouble.
      if (this.#body === null) return;
      this.#onTrouble(error);
      await this.dispose();
    }
  }
}
