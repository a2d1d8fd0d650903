/**
 * What a check of a message came to, in the words of RFC 8601 §2.7: the same for all methods, though none uses all of
 * them.
 *
 * @module
 */

/** A result as Authentication-Results has it. */
export type AuthResult =
  /** Nothing to check: no record, no signature. */
  | "none"
  /** Checked, and neither for nor against it. */
  | "neutral"
  /** It is so. */
  | "pass"
  /** It is not so. */
  | "fail"
  /** Probably not so (SPF `~all`). */
  | "softfail"
  /** It would pass, but for a rule of ours. */
  | "policy"
  /** Nothing could be learnt now; later it may. */
  | "temperror"
  /** What it is checked against is malformed; later it will be no better. */
  | "permerror";
