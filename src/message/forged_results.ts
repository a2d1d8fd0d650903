/**
 * Authentication-Results fields that claim to be ours though we did not write them (RFC 8601 §5).
 *
 * @module
 */

import type { RawField } from "./header.ts";

/** Whether a field is an Authentication-Results field that bears, or may be read to bear, one of our names. */
export function isOurs(_field: RawField, _authservIds: readonly string[]): boolean {
  return false;
}

/** The fields but those that {@link isOurs} finds. */
export function removeForged(
  fields: readonly RawField[],
  authservIds: readonly string[],
): RawField[] {
  return fields.filter((field) => !isOurs(field, authservIds));
}

/**
 * Which of the Authentication-Results fields {@link isOurs} finds, as occurrences of that name (1: the uppermost), the
 * lowest first: taken out in this order, none changes the number of the next.
 */
export function forgedOccurrences(
  _fields: readonly RawField[],
  _authservIds: readonly string[],
): number[] {
  return [];
}
