/**
 * The hashes of a body that DKIM signatures have in `bh=` (RFC 6376 §3.7), for all that want one, in one pass while it
 * streams. Each canonicalization runs once, and hashes once: a length (`l=`) is a place where the hash is copied.
 * SHA-256 only (RFC 8301 §3.1).
 *
 * What fails: wanting a hash when the body has begun, and reading one before its end, which are faults of the
 * program and throw. No body fails.
 *
 * @module
 */

import { createHash, type Hash } from "node:crypto";
import { CanonicalBody } from "./canonical_body.ts";
import type { Canonicalization } from "./canonical_field.ts";

/** What one signature wants to know of the body; readable after {@link BodyHashes.end}. */
export interface BodyHash {
  /** SHA-256 over the canonical body, or over so much of it as was wanted. */
  readonly digest: Uint8Array;
  /** Octets of the whole canonical body. Where they are fewer than an `l=`, that lies. */
  readonly octets: number;
  /** What was wanted; readable before, too. */
  readonly canonicalization: Canonicalization;
  /** The same: octets to be hashed at most; `null` for all. */
  readonly length: number | null;
}

/**
 * The hashes of one body.
 *
 * @example
 * ```ts
 * import { BodyHashes } from "./body_hashes.ts";
 * import { encode } from "../../bytes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const hashes = new BodyHashes();
 * const simple = hashes.want("simple", null);
 * const relaxed = hashes.want("relaxed", null);
 * hashes.write(encode("\r\n\r\n"));
 * hashes.end();
 * // RFC 6376 §3.4.3 and §3.4.4: what no body comes to.
 * assertEquals(simple.digest.toBase64(), "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=");
 * assertEquals(relaxed.digest.toBase64(), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
 * assertEquals([simple.octets, relaxed.octets], [2, 0]);
 * ```
 */
export class BodyHashes {
  readonly #bodies = new Map<Canonicalization, HashedBody>();
  #state: "wanting" | "writing" | "ended" = "wanting";

  /**
   * Asks for a hash, before the body begins; equal ones are one.
   *
   * @param length octets of the canonical body to be hashed (`l=`), a whole number; `null` for all.
   */
  want(canonicalization: Canonicalization, length: number | null): BodyHash {
    if (this.#state !== "wanting") throw new Error("the body has begun");
    const body = this.#bodies.get(canonicalization) ?? new HashedBody(canonicalization);
    this.#bodies.set(canonicalization, body);
    return body.want(length);
  }

  /** Takes a piece of the body. The view is not kept. */
  write(chunk: Uint8Array): void {
    this.#state = "writing";
    for (const body of this.#bodies.values()) body.write(chunk);
  }

  /** The end of the body. */
  end(): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    for (const body of this.#bodies.values()) body.end();
  }
}

/** One canonical body, and the hashes of its beginnings. */
class HashedBody {
  readonly #canonicalization: Canonicalization;
  readonly #body: CanonicalBody;
  readonly #hash: Hash = createHash("sha256");
  /** The shortest first; those before `#reached` have their digest. */
  readonly #wanted: Wanted[] = [];
  #reached = 0;
  #octets = 0;

  constructor(canonicalization: Canonicalization) {
    this.#canonicalization = canonicalization;
    this.#body = new CanonicalBody(canonicalization, (octets) => this.#take(octets));
  }

  want(length: number | null): BodyHash {
    const end = length ?? Infinity;
    const index = this.#wanted.findIndex((wanted) => wanted.end >= end);
    const found = this.#wanted[index];
    if (found?.end === end) return found;
    const wanted = new Wanted(this.#canonicalization, end);
    this.#wanted.splice(index < 0 ? this.#wanted.length : index, 0, wanted);
    return wanted;
  }

  write(chunk: Uint8Array): void {
    this.#body.write(chunk);
  }

  end(): void {
    this.#body.end();
    const whole = this.#hash.digest();
    for (const [index, wanted] of this.#wanted.entries()) {
      wanted.fill(index < this.#reached ? null : whole, this.#octets);
    }
  }

  #take(octets: Uint8Array): void {
    let rest = octets;
    for (let next; (next = this.#wanted[this.#reached]) !== undefined; this.#reached++) {
      const left = next.end - this.#octets;
      if (left > rest.length) {
        this.#hash.update(rest);
        break;
      }
      this.#hash.update(rest.subarray(0, left));
      rest = rest.subarray(left);
      this.#octets = next.end;
      next.cut(this.#hash.copy().digest());
    }
    this.#octets += rest.length;
  }
}

class Wanted implements BodyHash {
  readonly canonicalization: Canonicalization;
  readonly end: number;
  #digest: Uint8Array | null = null;
  #octets: number | null = null;

  constructor(canonicalization: Canonicalization, end: number) {
    this.canonicalization = canonicalization;
    this.end = end;
  }

  get length(): number | null {
    return this.end === Infinity ? null : this.end;
  }

  get digest(): Uint8Array {
    return this.#octets === null ? tooEarly() : this.#digest!;
  }

  get octets(): number {
    return this.#octets ?? tooEarly();
  }

  /** The body goes on, but the hash ends here. */
  cut(digest: Uint8Array): void {
    this.#digest = digest;
  }

  /** The body has ended; `whole` where the hash was not cut before. */
  fill(whole: Uint8Array | null, octets: number): void {
    this.#digest ??= whole;
    this.#octets = octets;
  }
}

function tooEarly(): never {
  throw new Error("the body has not ended");
}
