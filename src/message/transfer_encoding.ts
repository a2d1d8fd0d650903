/**
 * The two transfer encodings that every station carries: quoted-printable and base64
 * (RFC 2045 §6.7, §6.8), written as content streams.
 *
 * @module
 */

import { concat, encode } from "../bytes.ts";

/** RFC 2045 §6.7 (5), §6.8. */
const LINE = 76;
/** Octets that make one line of base64. */
const GROUP = 57;

const SP = 0x20;
const HT = 0x09;
const EQUALS = 0x3d;
const CR = 0x0d;
const LF = 0x0a;
const HEX = encode("0123456789ABCDEF");

/**
 * One line of text, without its line end, in quoted-printable; soft line breaks where it becomes longer
 * than 76 octets. White space stays as it is but at the end, where relays strip it.
 *
 * @example
 * ```ts
 * import { formatQuotedPrintableLine } from "./transfer_encoding.ts";
 * import { decode, encode } from "../bytes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(decode(formatQuotedPrintableLine(encode("1+1=2 é "))), "1+1=3D2 =C3=A9=20");
 * ```
 */
export function formatQuotedPrintableLine(line: Uint8Array): Uint8Array {
  const out = new Uint8Array(line.length * 3 + Math.ceil(line.length / 24) * 3);
  let length = 0;
  let column = 0;
  for (let at = 0; at < line.length; at++) {
    const octet = line[at] ?? 0;
    const last = at === line.length - 1;
    const white = octet === SP || octet === HT;
    const plain = white ? !last : octet > SP && octet < 0x7f && octet !== EQUALS;
    const width = plain ? 1 : 3;
    if (column + width > (last ? LINE : LINE - 1)) { // one for the "=" of a soft break
      out.set([EQUALS, CR, LF], length);
      length += 3;
      column = 0;
    }
    if (plain) out[length] = octet;
    else out.set([EQUALS, HEX[octet >> 4] ?? 0, HEX[octet & 15] ?? 0], length);
    length += width;
    column += width;
  }
  return out.subarray(0, length);
}

/**
 * Base64 in lines of 76, as content streams. The last line has no line end of its own.
 *
 * @example
 * ```ts
 * import { Base64Encoder } from "./transfer_encoding.ts";
 * import { decode, encode } from "../bytes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const encoder = new Base64Encoder();
 * encoder.write(encode("Hel"));
 * assertEquals(decode(encoder.write(encode("lo"))) + decode(encoder.end()), "SGVsbG8=");
 * ```
 */
export class Base64Encoder {
  /** Whole lines of it, collected. */
  readonly #block = new Uint8Array(GROUP * 64);
  #length = 0;
  #begun = false;

  /** Takes the next octets; gives lines that are complete, perhaps none yet. */
  write(octets: Uint8Array): Uint8Array {
    const block = this.#block;
    const parts: Uint8Array[] = [];
    for (let at = 0; at < octets.length;) {
      const part = octets.subarray(at, at + block.length - this.#length);
      block.set(part, this.#length);
      this.#length += part.length;
      at += part.length;
      if (this.#length === block.length) parts.push(this.end());
    }
    return parts.length === 1 ? parts[0]! : concat(parts);
  }

  /** Gives the lines that are left. */
  end(): Uint8Array {
    if (this.#length === 0) return new Uint8Array();
    const text = this.#block.subarray(0, this.#length).toBase64();
    let lines = this.#begun ? "\r\n" : "";
    this.#begun = true;
    this.#length = 0;
    for (let at = 0; at < text.length; at += LINE) {
      lines += at === 0 ? text.slice(0, LINE) : `\r\n${text.slice(at, at + LINE)}`;
    }
    return encode(lines);
  }
}
