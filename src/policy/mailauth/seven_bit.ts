/**
 * A message made 7-bit, or made of lines that are no longer than lines may be, before it is signed (RFC 6376 §5.3: what
 * a station on the way would re-encode, or break, is to be encoded first), as changes for a policy to ask for.
 *
 * What fails: reading the body throws.
 *
 * @module
 */

import { decode, equal } from "../../bytes.ts";
import {
  findFields,
  formatFields,
  makeField,
  parseFields,
  type RawField,
} from "../../message/header.ts";
import { canonicalField } from "../../mailauth/dkim/canonical_field.ts";
import { namesToSign } from "../../mailauth/dkim/sign.ts";
import { LongLines } from "../../message/long_lines.ts";
import { transcode } from "../../message/transcode.ts";
import type { BodySource } from "../../queue/body_store.ts";
import type { Change, MessageView } from "../policy.ts";

/** A message that was re-encoded. */
export interface Reencoded {
  /** What its header fields are then. */
  readonly fields: readonly RawField[];
  /** What makes it so. */
  readonly changes: readonly Change[];
}

/**
 * Re-encodes a message that its ways are known not to carry as it is: 8-bit where they take 7-bit only, and binary
 * content and lines that are too long, of which that is taken for granted.
 *
 * @param longLines whether the body is known to have lines over 998 octets. @param see gets the new body, chunk by chunk; a view that is not to be kept.
 * @returns `null` where nothing has to be done, or nothing can: it is then for delivery to say so, of those recipients
 * that it concerns. `no-room` where another body has none.
 */
export async function reencode(
  view: MessageView,
  longLines: boolean,
  see: (chunk: Uint8Array) => void,
): Promise<Reencoded | null | "no-room"> {
  const sevenBit = view.carriage === "7bit";
  if (!sevenBit && !longLines && view.envelope.body !== "BINARYMIME") return null;
  const source = { head: formatFields(view.fields), openBody: () => view.openBody() };
  const made = await transcode(source, sevenBit ? "7bit" : "8bit");
  if (made === null || !made.changed) return null;
  const draft = view.draftBody();
  for await (const chunk of made.openBody()) {
    see(chunk);
    await draft.write(chunk);
  }
  const body: BodySource | null = await draft.finish();
  if (body === null) return "no-room";
  const fields = parseFields(made.head);
  return {
    fields,
    changes: [...relabelling(view.fields, fields), { change: "replace-body", body }],
  };
}

/** The fields that say how a message is encoded, in the order in which they are added where they are missing. */
const LABELS = ["Content-Type", "Content-Transfer-Encoding", "MIME-Version"];

/** What makes the fields that were those that are: what was set stands once, in the place of the first, or at the end. */
function relabelling(before: readonly RawField[], after: readonly RawField[]): Change[] {
  const changes: Change[] = [];
  for (const name of LABELS) {
    const old = findFields(before, name);
    const [made, ...others] = findFields(after, name);
    // What is as it was stays as it was, twice where it was there twice: that is what is signed.
    if (made === undefined || equal(formatFields(old), formatFields([made, ...others]))) continue;
    const value = valueOf(made);
    if (old.length === 0) {
      // Behind all there are.
      changes.push({
        change: "insert-field",
        index: after.length,
        name: made.name,
        value,
        verbatim: true,
      });
      continue;
    }
    for (let occurrence = old.length; occurrence > 1; occurrence--) {
      changes.push({ change: "replace-field", name, occurrence, value: null });
    }
    changes.push({ change: "replace-field", name, occurrence: 1, value, verbatim: true });
  }
  return changes;
}

/**
 * Folds fields that are signed and have lines over 998 octets, which other stations break in the midst of words. Folded
 * where they have white space they are the same to who checks signatures (relaxed, RFC 6376 §3.4.2), so these changes
 * may be made before or after signing. What cannot be folded so stays as it is.
 */
export function foldLongLines(fields: readonly RawField[]): Change[] {
  const changes: Change[] = [];
  const seen = new Map<string, number>();
  for (const field of fields) {
    const key = field.name.toLowerCase();
    const occurrence = (seen.get(key) ?? 0) + 1;
    seen.set(key, occurrence);
    if (!hasLongLine(field.raw) || !namesToSign([field]).includes(key)) continue;
    const folded = makeField(field.name, valueOf(field));
    const isSame = equal(
      canonicalField(folded.raw, "relaxed"),
      canonicalField(field.raw, "relaxed"),
    );
    if (!isSame) continue;
    const value = valueOf(folded);
    changes.push({ change: "replace-field", name: field.name, occurrence, value, verbatim: true });
  }
  return changes;
}

function hasLongLine(raw: Uint8Array): boolean {
  if (raw.length < 1000) return false;
  const lines = new LongLines();
  lines.write(raw);
  return lines.found;
}

/** What stands behind the colon, without the line end. */
export function valueOf({ raw }: RawField): string {
  return decode(raw.subarray(raw.indexOf(0x3a) + 1, raw.length - 2));
}
