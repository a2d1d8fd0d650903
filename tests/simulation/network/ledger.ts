/**
 * What clients know of their mails: to whom they were offered, who was taken, and what they were told at the
 * end. This, and not what stations say, is what must hold in the end.
 *
 * @module
 */

/** What a client was told of one mail it sent. */
export type Fate =
  /** 250: it is not the client's any more. */
  | "acknowledged"
  /** 4xx or 5xx to its end, or to all before it. */
  | "refused"
  /** Its end was never said. */
  | "unsent"
  /** Its end was said, and nothing heard. */
  | "unknown";

/** One recipient of a mail. */
export interface Offered {
  readonly address: string;
  /** NOTIFY (RFC 3461), where it was said. */
  readonly notify: string | null;
}

/** One time that a mail was sent. */
export interface Sending {
  readonly id: string;
  readonly sender: string | null;
  readonly offered: readonly Offered[];
  /** Those of them that were answered 250, or not at all. */
  taken: readonly Offered[];
  fate: Fate;
}
