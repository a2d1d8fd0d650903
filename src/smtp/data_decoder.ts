/**
 * Decodes what follows DATA: takes out the dots of transparency and finds the end of the message
 * (RFC 5321 §4.5.2, §4.1.1.4), in any split, without holding back more than one octet.
 *
 * Content comes as views of the octets given; where dots go, the rest is moved down in place, so that a
 * read yields one piece however many it had. A bare CR or LF is never a line end here. In `strict` mode
 * it stays where it is and is noted, and the message is read to its true end, when the session refuses
 * it; in `normalize` mode it becomes CRLF in the content. Nothing is thrown.
 *
 * @module
 */

import { type Cursor, cursorOver } from "./cursor.ts";
import {
  AFTER_CR,
  AFTER_DOT_CR,
  AT_END,
  AT_LINE_START,
  type DataScan,
  type DataScanner,
  scanData,
} from "./data_scan.ts";
import { NewlineNormalizer } from "./newline_normalizer.ts";
import { simdScanner } from "./simd_scan.ts";
import { CR, LF } from "./text_scan.ts";

/** What the DATA decoder found. */
export type DataResult =
  /** Content, never empty; the view holds until the next call. */
  | { readonly type: "chunk"; readonly bytes: Uint8Array }
  /** The message is whole; the cursor stands after its end. */
  | { readonly type: "end" };

const END: DataResult = { type: "end" };
const NO_CONTENT = cursorOver(new Uint8Array(0));

/** How a DATA decoder is to work. */
export interface DataDecoderOptions {
  /** What becomes of bare CR and LF: left in and noted, or made CRLF. */
  readonly newlines: "strict" | "normalize";
  /** The inner scan; the fastest that runs here where nothing is said. */
  readonly scanner?: DataScanner;
}

/**
 * The incremental DATA decoder.
 *
 * @example
 * ```ts
 * import { DataDecoder } from "./data_decoder.ts";
 * import { cursorOver } from "./cursor.ts";
 * import { decode, encode } from "../bytes.ts";
 * import { assert, assertEquals } from "@std/assert";
 *
 * const decoder = new DataDecoder({ newlines: "strict" });
 * const cursor = cursorOver(encode("..signed\r\n.\r\nQUIT\r\n"));
 * const chunk = decoder.next(cursor);
 * assert(chunk?.type === "chunk");
 * assertEquals(decode(chunk.bytes), ".signed\r\n");
 * assertEquals(decoder.next(cursor), { type: "end" });
 * assertEquals(cursor.at, 13); // QUIT is for the line decoder
 * ```
 */
export class DataDecoder {
  readonly #scanner: DataScanner;
  readonly #scan: DataScan = { state: AT_LINE_START, bare: false, read: 0, start: 0, end: 0 };
  readonly #normalizer: NewlineNormalizer | null;
  /** Content on its way through the normaliser. */
  #content: Cursor = NO_CONTENT;

  /** Made to stand before the first octet of a message. */
  constructor(options: DataDecoderOptions) {
    this.#scanner = options.scanner ?? simdScanner() ?? scanData;
    this.#normalizer = options.newlines === "normalize" ? new NewlineNormalizer() : null;
  }

  /** Whether a bare CR or LF was seen in this message so far. */
  get bareNewline(): boolean {
    return this.#scan.bare;
  }

  /**
   * The next piece of content, or the end, or `null` when the cursor is used up. Once the end is
   * reached it stays so, whatever follows, until {@link reset}.
   */
  next(cursor: Cursor): DataResult | null {
    while (true) {
      const mended = this.#normalizer?.next(this.#content);
      if (mended) return { type: "chunk", bytes: mended };
      this.#content = NO_CONTENT; // else it would keep the caller's buffer from being freed
      const content = this.#unstuff(cursor);
      if (content === null) return this.#scan.state === AT_END ? END : null;
      if (this.#normalizer === null) return { type: "chunk", bytes: content };
      if (!this.#scan.bare) { // the usual mail is not looked through twice
        this.#normalizer.pass(content);
        return { type: "chunk", bytes: content };
      }
      this.#content = cursorOver(content);
    }
  }

  /** Stands before the first octet of another message. */
  reset(): void {
    this.#scan.state = AT_LINE_START;
    this.#scan.bare = false;
    this.#normalizer?.reset();
    this.#content = NO_CONTENT;
  }

  /** The next content with its bare newlines as they are. */
  #unstuff(cursor: Cursor): Uint8Array | null {
    const scan = this.#scan;
    while (scan.state !== AT_END && cursor.at < cursor.end) {
      if (scan.state === AFTER_DOT_CR) {
        if (cursor.bytes[cursor.at] === LF) {
          cursor.at++;
          scan.state = AT_END;
          break;
        }
        scan.state = AFTER_CR; // the CR that a read before this one kept back is content
        return Uint8Array.of(CR);
      }
      this.#scanner(cursor.bytes, cursor.at, cursor.end, scan);
      cursor.at = scan.read;
      if (scan.end > scan.start) return cursor.bytes.subarray(scan.start, scan.end);
    }
    return null;
  }
}
