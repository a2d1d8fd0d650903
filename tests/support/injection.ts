/**
 * What the tests of injection share: texts that would begin a line, a field, a command or an escape sequence where
 * somebody writes them out as they are.
 *
 * @module
 */

const LINE = "X-Evil: yes";

/** What is put behind a text. */
export const PAYLOADS: readonly string[] = [
  ...["\r\n", "\n", "\r", "\0", "\n\r", "\r\n\r\n", "\r\n ", "\v", "\f", "\x1c"].map((end) =>
    end + LINE
  ),
  // What Unicode calls the end of a line, and some programs too.
  ...["\x85", "\u2028", "\u2029"].map((end) => end + LINE),
  "\r\n.\r\nMAIL FROM:<evil@evil.test>",
  "\n.\nMAIL FROM:<evil@evil.test>",
  ">\r\nRCPT TO:<evil@evil.test",
  "\x1b[2J\x1b]0;evil\x07",
  "\x08\x7f\x9b",
  "\u202e\u2066",
];

/** Whether a text is one line to every reader, and nothing in it drives a terminal. */
export function isOneLine(text: string): boolean {
  return !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(text);
}
