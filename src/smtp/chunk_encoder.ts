/**
 * Encodes a message for BDAT (RFC 3030 §2): gathers octets, and gives them as `BDAT n` chunks, the last one as
 * `BDAT n LAST`.
 *
 * A message that is not BINARYMIME is text: its bare CR and LF become CRLF or are refused, as with DATA, since
 * a later station may have to send it by DATA. BINARYMIME goes as it is. Nothing is thrown.
 *
 * @module
 */

import { concat, encode } from "../bytes.ts";
import { cursorOver } from "./cursor.ts";
import { NewlineCheck } from "./newline_check.ts";
import { NewlineNormalizer } from "./newline_normalizer.ts";

/** How an encoder is to work. */
export interface ChunkEncoderOptions {
  /** What becomes of bare CR and LF; `keep` is for BINARYMIME. */
  readonly newlines: "normalize" | "refuse" | "keep";
  /** Octets from which on a chunk is given, and that one copies at most. */
  readonly chunk: number;
}

/** The octets of one BDAT command and its chunk; `null` when nothing is to be sent yet. */
export type ChunkResult = Uint8Array | null | { readonly type: "bare-newline" };

/**
 * The incremental encoder for BDAT.
 *
 * @example
 * ```ts
 * import { ChunkEncoder } from "./chunk_encoder.ts";
 * import { decode, encode } from "../bytes.ts";
 * import { assert, assertEquals } from "@std/assert";
 *
 * const encoder = new ChunkEncoder({ newlines: "keep", chunk: 1000 });
 * assertEquals(encoder.write(encode("Hello\r\n")), null);
 * const last = encoder.finish();
 * assert(last instanceof Uint8Array);
 * assertEquals(decode(last), "BDAT 7 LAST\r\nHello\r\n");
 * ```
 */
export class ChunkEncoder {
  readonly #chunk: number;
  readonly #check: NewlineCheck | null;
  readonly #normalizer: NewlineNormalizer | null;
  #parts: Uint8Array[] = [];
  #length = 0;

  /** Made to stand before the first octet of a message. */
  constructor({ newlines, chunk }: ChunkEncoderOptions) {
    this.#chunk = chunk;
    this.#check = newlines === "refuse" ? new NewlineCheck() : null;
    this.#normalizer = newlines === "normalize" ? new NewlineNormalizer() : null;
  }

  /** Takes octets, which are copied; gives a chunk when there are enough. */
  write(bytes: Uint8Array): ChunkResult {
    this.#check?.scan(bytes);
    if (this.#check?.bare) return { type: "bare-newline" };
    if (this.#normalizer === null) {
      this.#gather(bytes);
    } else {
      const cursor = cursorOver(bytes);
      for (let piece; (piece = this.#normalizer.next(cursor)) !== null;) this.#gather(piece);
    }
    return this.#length < this.#chunk ? null : this.#give(false);
  }

  /** The message is whole: gives the last chunk, of no octets perhaps. To be called once. */
  finish(): Exclude<ChunkResult, null> {
    this.#check?.end();
    if (this.#check?.bare) return { type: "bare-newline" };
    if (this.#normalizer !== null) this.#gather(this.#normalizer.finish());
    return this.#give(true);
  }

  #gather(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#parts.push(bytes.slice());
    this.#length += bytes.length;
  }

  #give(last: boolean): Uint8Array {
    const command = encode(`BDAT ${this.#length}${last ? " LAST" : ""}\r\n`);
    const octets = concat([command, ...this.#parts]);
    this.#parts = [];
    this.#length = 0;
    return octets;
  }
}
