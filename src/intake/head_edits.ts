/**
 * What we do to a head on its way in: trace field on top (RFC 5321 §4.4), the fix-ups of submission
 * (RFC 6409 §8), and what policies asked for. Fields that are not touched stay byte for byte.
 *
 * @module
 */

import { formatDate } from "../message/date.ts";
import {
  findField,
  isField,
  makeField,
  type RawField,
  removeFields,
  verbatimField,
} from "../message/header.ts";
import type { HeadChange } from "../policy/policy.ts";

/** A mail that has been through so many stations is going round (RFC 5321 §6.3). */
export const MAX_HOPS = 100;

/** What a submitted message may lack: Date and Message-ID are added, Bcc taken out (RFC 6409 §8). */
export function fixSubmission(
  fields: readonly RawField[],
  facts: { readonly now: number; readonly id: string; readonly hostname: string },
): RawField[] {
  const fixed = removeFields(removeFields(fields, "Bcc"), "Resent-Bcc");
  if (findField(fixed, "Date") === null) fixed.push(makeField("Date", formatDate(facts.now)));
  if (findField(fixed, "Message-ID") === null) {
    fixed.push(makeField("Message-ID", `<${facts.id}@${facts.hostname}>`));
  }
  return fixed;
}

/** Carries out what policies asked for; added fields go on top, the last one uppermost. */
export function applyChanges(
  fields: readonly RawField[],
  changes: readonly HeadChange[],
): RawField[] {
  let edited = [...fields];
  for (const change of changes) edited = applyChange(edited, change);
  return edited;
}

function applyChange(fields: RawField[], change: HeadChange): RawField[] {
  switch (change.change) {
    case "add-field":
      return [fieldOf(change, change.value), ...fields];
    case "insert-field":
      return fields.toSpliced(change.index, 0, fieldOf(change, change.value));
    case "replace-field":
      return replaceField(fields, change);
    case "remove-field":
      return removeFields(fields, change.name);
  }
}

/** What is not there is not replaced. */
function replaceField(
  fields: RawField[],
  change: Extract<HeadChange, { change: "replace-field" }>,
): RawField[] {
  const { name, occurrence, value } = change;
  let left = occurrence;
  const at = fields.findIndex((field) => isField(field, name) && --left === 0);
  if (at === -1) return fields;
  return value === null ? fields.toSpliced(at, 1) : fields.with(at, fieldOf(change, value));
}

/** The field that a change wants. */
function fieldOf(
  { name, verbatim = false }: { readonly name: string; readonly verbatim?: boolean },
  value: string,
): RawField {
  return (verbatim ? verbatimField(name, value) : null) ?? makeField(name, value);
}
