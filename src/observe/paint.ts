/**
 * The few colours of text for terminals. Whether there are any is the caller's to know.
 *
 * @module
 */

/** The four ways a piece of a line is set off. */
export interface Paint {
  /** It went well. */
  good(text: string): string;
  /** It failed. */
  bad(text: string): string;
  /** Somebody should look. */
  warning(text: string): string;
  /** It matters less. */
  dim(text: string): string;
}

/** With ANSI colours, or none. */
export function paintFor(colour: boolean): Paint {
  return colour ? ANSI : PLAIN;
}

const PLAIN: Paint = {
  good: (text) => text,
  bad: (text) => text,
  warning: (text) => text,
  dim: (text) => text,
};

const ANSI: Paint = {
  good: (text) => `\x1b[32m${text}\x1b[39m`,
  bad: (text) => `\x1b[31m${text}\x1b[39m`,
  warning: (text) => `\x1b[33m${text}\x1b[39m`,
  dim: (text) => `\x1b[2m${text}\x1b[22m`,
};
