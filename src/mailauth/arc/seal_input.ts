/**
 * What an ARC-Seal signs (RFC 8617 §5.1.1): the three fields of each set, the oldest set first, and last the seal itself
 * without its signature. Those that seal and those that check must agree on it.
 *
 * Pure; nothing fails.
 *
 * @module
 */

import type { RawField } from "../../message/header.ts";
import { canonicalField } from "../dkim/canonical_field.ts";
import { withoutSignature } from "../dkim/signed_form.ts";

/** The fields of a set. */
export interface SetFields {
  readonly results: RawField;
  readonly signature: RawField;
  readonly seal: RawField;
}

/** A set as the seals behind it sign it. */
export function sealedSet({ results, signature, seal }: SetFields): Uint8Array[] {
  return [results, signature, seal].map(({ raw }) => canonicalField(raw, "relaxed"));
}

/** A set as its own seal signs it: without the signature, and without the CRLF at its end (RFC 6376 §3.7). */
export function sealingSet({ results, signature, seal }: SetFields): Uint8Array[] {
  const own = canonicalField(withoutSignature(seal), "relaxed");
  return [
    canonicalField(results.raw, "relaxed"),
    canonicalField(signature.raw, "relaxed"),
    own.subarray(0, -2),
  ];
}
