/**
 * Whether a key has signed a head as a signature says (RFC 6376 §3.7): for DKIM-Signature, and for ARC-Message-Signature,
 * which is made the same way (RFC 8617 §4.1.2). The body is compared by its hash, elsewhere; that hash is signed here, as
 * it is in the signature's own field.
 *
 * @module
 */

import type { RawField } from "../../message/header.ts";
import { canonicalField, headerHashInput } from "./canonical_field.ts";
import type { MessageSignature } from "./signature.ts";
import { withoutSignature } from "./signed_form.ts";
import { type DkimPublicKey, verifySignature } from "./verify_signature.ts";

/**
 * Whether it has. Never throws.
 *
 * @param field the signature's own.
 * @param signature what that field says.
 * @param fields of the whole head, `field` among them.
 */
export function isHeadSigned(
  field: RawField,
  { names, headCanonicalization, signature, algorithm }: MessageSignature,
  fields: readonly RawField[],
  key: DkimPublicKey,
): boolean {
  // A signature may have signed others of its name, never itself (RFC 6376 §3.5, h=).
  const others = names.includes(field.name.toLowerCase())
    ? fields.filter((one) => one !== field)
    : fields;
  const input = headerHashInput(others, names, headCanonicalization);
  // Its own field ends the input, without the CRLF at its end (RFC 6376 §3.7).
  input.push(canonicalField(withoutSignature(field), headCanonicalization).subarray(0, -2));
  return verifySignature(input, signature, algorithm, key);
}
