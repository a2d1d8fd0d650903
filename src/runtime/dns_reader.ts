/**
 * The octets of a DNS message, read one after the other: numbers, names with their pointers, strings
 * (RFC 1035 §3.3, §4.1.4). What they mean is for `dns_message.ts`.
 *
 * What fails: nothing throws; from where something is not as it must be all is zero or empty, and `failed` says so.
 *
 * @module
 */

import { concat } from "../bytes.ts";
import { formatDnsOctet, MAX_LABEL, MAX_NAME } from "./dns_name.ts";

/** Labels of a name are at most 127, so no honest name needs more jumps. */
const MAX_JUMPS = 127;

/** Reads a message from its beginning. */
export class DnsReader {
  /** Something was not as it must be. */
  failed = false;
  readonly #octets: Uint8Array;
  #at = 0;

  /** Of the octets of a whole message: names point into it. */
  constructor(octets: Uint8Array) {
    this.#octets = octets;
  }

  /** How many octets are left. */
  get left(): number {
    return this.#octets.length - this.#at;
  }

  /** An octet. */
  uint8(): number {
    const octet = this.#octets[this.#at++];
    if (octet === undefined) this.failed = true;
    return octet ?? 0;
  }

  /** Two octets, the higher first. */
  uint16(): number {
    return (this.uint8() << 8) | this.uint8();
  }

  /** Four octets, the highest first. */
  uint32(): number {
    return this.uint16() * 0x10000 + this.uint16();
  }

  /** Passes over so many octets. */
  skip(length: number): void {
    this.#at += length;
  }

  /** A copy of so many octets. */
  octets(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#octets.length) this.failed = true;
    // A `Buffer` would give a view.
    const octets = Uint8Array.from(this.#octets.subarray(this.#at, end));
    this.#at = end;
    return octets;
  }

  /** The strings that so many octets have, joined. */
  strings(length: number): Uint8Array {
    const end = this.#at + length;
    const parts: Uint8Array[] = [];
    while (this.#at < end) {
      const size = this.uint8();
      if (this.#at + size > end) this.failed = true;
      parts.push(this.#octets.subarray(this.#at, Math.min(end, this.#at + size)));
      this.#at += size;
    }
    return concat(parts);
  }

  /** A name, compressed or not (RFC 1035 §4.1.4). Pointers lead backwards only, so they end. */
  name(): string {
    const labels: string[] = [];
    let length = 1;
    let jumps = 0;
    let after = -1; // Where reading goes on, once a pointer was followed.
    for (;;) {
      const from = this.#at;
      const size = this.uint8();
      if (size === 0 || this.failed) break;
      if (size >= 0xc0) {
        const target = ((size & 0x3f) << 8) | this.uint8();
        if (after < 0) after = this.#at;
        if (target >= from || ++jumps > MAX_JUMPS) this.failed = true;
        this.#at = target;
        continue;
      }
      length += size + 1;
      if (size > MAX_LABEL || length > MAX_NAME) this.failed = true;
      labels.push(this.#label(size));
    }
    if (after >= 0) this.#at = after;
    return labels.join(".");
  }

  #label(size: number): string {
    let text = "";
    for (let i = 0; i < size && !this.failed; i++) text += formatDnsOctet(this.uint8());
    return text;
  }
}
