/**
 * The Authentication-Results field (RFC 8601): what a station found out about a message, in words that programs read.
 * It is written and read here; which fields claim to be ours is `forged_results.ts`.
 *
 * Pure and total: what is malformed is `null`, and whatever values a field is made of, it can be read again.
 *
 * @module
 */

import type { AuthResult } from "../mailauth/result.ts";

/** What a result was about, as `smtp.mailfrom=alice@example.org` says it (RFC 8601 §2.3). */
export interface ResultProperty {
  /** Where it stood: in the SMTP session, a header field, the body; or it is a rule of this station. */
  readonly type: "smtp" | "header" | "body" | "policy";
  /** Such as `mailfrom`, `helo`, `from`, `d`, `s`. */
  readonly name: string;
  /** Any text; it is quoted where it must be. */
  readonly value: string;
}

/** The outcome of one check, to be written. */
export interface MethodResult {
  /** Such as `spf`, `dkim`, `dmarc`, `arc`, `iprev`, `auth`. */
  readonly method: string;
  /** What it came to. */
  readonly result: AuthResult;
  /** Why, for readers. */
  readonly reason?: string;
  /** What it was about. */
  readonly properties: readonly ResultProperty[];
  /** What stands in parentheses behind the result, for readers. */
  readonly comment?: string;
}

/** A property as somebody wrote it. */
export interface ReportedProperty {
  /** In lower case; other types than ours are registered from time to time. */
  readonly type: string;
  /** In lower case. */
  readonly name: string;
  /** Without quoting. */
  readonly value: string;
}

/** The outcome of one check as somebody wrote it: a {@link MethodResult}, but its words may be unknown to us. */
export interface ReportedResult {
  /** In lower case. */
  readonly method: string;
  /** The version behind the method's slash (RFC 8601 §2.2); 1 where none stands there. */
  readonly version: number;
  /** In lower case. */
  readonly result: string;
  /** Why. */
  readonly reason?: string;
  /** What it was about. */
  readonly properties: readonly ReportedProperty[];
  /** The first comment behind the result, unquoted. */
  readonly comment?: string;
}

/** A whole field. */
export interface AuthenticationResults {
  /** Whose results these are. */
  readonly authservId: string;
  /** Version of the field; 1 where none stands there. */
  readonly version: number;
  /** None where the field says `none`. */
  readonly results: readonly ReportedResult[];
}

/** The value of a field; `makeField` folds it. */
export function formatAuthenticationResults(
  authservId: string,
  _results: readonly MethodResult[],
): string {
  return `${authservId}; none`;
}

/** Reads the unfolded value of a field; `null` where it is malformed. */
export function parseAuthenticationResults(_value: string): AuthenticationResults | null {
  return null;
}
