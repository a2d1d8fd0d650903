/**
 * The mode in which octets are a message: DATA or BDAT behind one face, with the size limit and the
 * newline rule. After a failure it goes on reading to the true end of the message (or chunk), so that
 * no octet of it is ever taken for a command; only what passes all bounds ends the session.
 *
 * @module
 */

import { ChunkDecoder } from "./chunk_decoder.ts";
import { type Cursor, cursorOver } from "./cursor.ts";
import { DataDecoder } from "./data_decoder.ts";
import { NewlineCheck } from "./newline_check.ts";
import { NewlineNormalizer } from "./newline_normalizer.ts";
import { type Reply, reply } from "./reply.ts";

/** What the receiver found. Views hold until the next call. */
export type BodyResult =
  | { readonly type: "chunk"; readonly bytes: Uint8Array }
  /** {@link BodyReceiver.failure} has just been set; the rest is being discarded. */
  | { readonly type: "failed" }
  /** A BDAT chunk is over and is not the last. */
  | { readonly type: "chunk-end" }
  /** The message is over, well or not. */
  | { readonly type: "end" }
  /** More was sent after a failure than we will read. */
  | { readonly type: "hopeless" };

/** How messages are received. */
export interface BodyRules {
  /** Octets of a message; 0 for no limit. */
  readonly messageSize: number;
  /** See `SessionSettings.newlines`. */
  readonly newlines: "strict" | "normalize";
}

/** Octets read and dropped after a failure, beside what the size limit allows. */
const DISCARD_SLACK = 1024 * 1024;

const NOTHING = cursorOver(new Uint8Array(0));

/** Receives one message at a time. */
export class BodyReceiver {
  readonly #rules: BodyRules;
  readonly #data: DataDecoder;
  readonly #chunks = new ChunkDecoder();
  readonly #check = new NewlineCheck();
  readonly #normalizer = new NewlineNormalizer();
  #mended: Cursor = NOTHING;
  #command: "DATA" | "BDAT" = "DATA";
  #binary = false;
  #last = false;
  #size = 0;
  #discarded = 0;
  #failure: Reply | null = null;
  #held: BodyResult | null = null;

  constructor(rules: BodyRules) {
    this.#rules = rules;
    this.#data = new DataDecoder({ newlines: rules.newlines });
  }

  /** Octets of the message so far, dots and chunk heads not counted (RFC 1870 §3). */
  get size(): number {
    return this.#size;
  }

  /** Why the message cannot be taken, or `null`. */
  get failure(): Reply | null {
    return this.#failure;
  }

  /** A message begins; by BDAT, its chunks follow one by one. */
  begin(command: "DATA" | "BDAT", binary: boolean): void {
    this.#command = command;
    this.#binary = binary;
    this.#size = 0;
    this.#discarded = 0;
    this.#failure = null;
    this.#held = null;
    this.#data.reset();
    this.#check.reset();
    this.#mended = NOTHING;
    this.#normalizer.reset();
  }

  /** A chunk of `size` octets begins. */
  beginChunk(size: number, last: boolean): void {
    this.#last = last;
    this.#chunks.start(size);
    if (this.#failure === null) this.#limit(this.#size + size);
  }

  /** The message is refused from outside: the rest of it, or of the chunk, is dropped. */
  refuse(failure: Reply): void {
    this.#failure ??= failure;
  }

  /** Whether a chunk of this size could be read to its end at all. */
  bearable(size: number): boolean {
    return this.#discarded + size <= this.#discardLimit();
  }

  /** The next finding, or `null` when the cursor is used up. */
  next(cursor: Cursor): BodyResult | null {
    const held = this.#held;
    this.#held = null;
    if (held !== null) return held;
    for (;;) {
      const failedBefore = this.#failure !== null;
      const result = this.#take(cursor);
      if (result === null) return null;
      if (result.type !== "chunk" && this.#failure !== null && !failedBefore) {
        this.#held = result; // its last octet is what was wrong: that is told first
        return { type: "failed" };
      }
      if (result.type === "chunk") {
        if (this.#failure === null) return result;
        if (!failedBefore) return { type: "failed" };
        this.#discarded += result.bytes.length;
        if (this.#discarded > this.#discardLimit()) return { type: "hopeless" };
        continue;
      }
      return result;
    }
  }

  #take(cursor: Cursor): BodyResult | null {
    return this.#command === "DATA" ? this.#takeData(cursor) : this.#takeChunk(cursor);
  }

  #takeData(cursor: Cursor): BodyResult | null {
    const result = this.#data.next(cursor);
    if (result === null) return null;
    if (this.#data.bareNewline && this.#rules.newlines === "strict") this.refuse(BARE_NEWLINE);
    if (result.type === "chunk") this.#count(result.bytes);
    return result;
  }

  #takeChunk(cursor: Cursor): BodyResult | null {
    const mended = this.#normalizer.next(this.#mended);
    if (mended !== null) return this.#counted(mended);
    const result = this.#chunks.next(cursor);
    if (result === null) return null;
    if (result.type === "chunk") {
      if (this.#binary || this.#failure !== null) return this.#counted(result.bytes);
      if (this.#rules.newlines === "normalize") {
        this.#mended = cursorOver(result.bytes);
        return this.#takeChunk(cursor);
      }
      this.#check.scan(result.bytes);
      if (this.#check.bare) this.refuse(BARE_NEWLINE);
      return this.#counted(result.bytes);
    }
    if (!this.#last) return { type: "chunk-end" };
    return this.#finishChunks();
  }

  /** The last chunk is over: what a CR in the last place means is only known now. */
  #finishChunks(): BodyResult {
    if (this.#binary || this.#failure !== null) return { type: "end" };
    if (this.#rules.newlines === "strict") {
      this.#check.end();
      if (this.#check.bare) this.refuse(BARE_NEWLINE);
      return { type: "end" };
    }
    const owed = this.#normalizer.finish();
    if (owed.length === 0) return { type: "end" };
    this.#chunks.start(0);
    return this.#counted(owed);
  }

  #counted(bytes: Uint8Array): BodyResult {
    this.#count(bytes);
    return { type: "chunk", bytes };
  }

  #count(bytes: Uint8Array): void {
    this.#size += bytes.length;
    this.#limit(this.#size);
  }

  #limit(size: number): void {
    const limit = this.#rules.messageSize;
    if (limit > 0 && size > limit) {
      this.refuse(reply(552, "5.3.4", `message too big: the limit is ${limit} octets`));
    }
  }

  #discardLimit(): number {
    const limit = this.#rules.messageSize;
    return limit > 0 ? 2 * limit + DISCARD_SLACK : Number.MAX_SAFE_INTEGER;
  }
}

const BARE_NEWLINE = reply(550, "5.5.2", "bare CR or LF in the message: lines end in CRLF");
