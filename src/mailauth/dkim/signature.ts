/**
 * The DKIM-Signature field (RFC 6376 §3.5): what it says, and what is wrong with it.
 *
 * @module
 */

import type { RawField } from "../../message/header.ts";
import type { Canonicalization } from "./canonical_field.ts";
import type { DkimAlgorithm } from "./verify_signature.ts";

/** A signature as its field describes it. */
export interface DkimSignature {
  readonly algorithm: DkimAlgorithm;
  /** `d=`, in lower case, with A-labels. */
  readonly domain: string;
  /** `s=`, the same. */
  readonly selector: string;
  /** `i=`, or `@` and the domain. */
  readonly identity: string;
  readonly headCanonicalization: Canonicalization;
  readonly bodyCanonicalization: Canonicalization;
  /** The names of `h=`, in lower case, in their order. */
  readonly names: readonly string[];
  /** `bh=`. */
  readonly bodyHash: Uint8Array;
  /** `l=`: octets of the canonical body that are signed; `null` for all. */
  readonly bodyLength: number | null;
  /** `b=`. */
  readonly signature: Uint8Array;
  /** `t=`: seconds since 1970. */
  readonly time: number | null;
  /** `x=`: seconds since 1970. */
  readonly expires: number | null;
}

/**
 * A field with the value of its `b=` taken out (RFC 6376 §3.7), which is what is signed: octet for octet the same but
 * for that, with its CRLF. For ARC's fields too.
 */
export function withoutSignature(field: RawField): Uint8Array {
  return field.raw;
}
