/**
 * What the tests of injection share: texts that would begin a line, a field, a command or an escape sequence where
 * somebody writes them out as they are.
 *
 * @module
 */

import { decode } from "../../src/bytes.ts";

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

/** The names of the fields in a header section, as the most lenient reader sees them. */
export function namesIn(head: Uint8Array): string[] {
  return decode(head).split(/[\r\n\x85\u2028\u2029\v\f]+/).filter((line) => /^[^\s:]+:/.test(line))
    .map((line) => line.slice(0, line.indexOf(":")));
}

/** Every text of a value replaced by one that would break out, one at a time. */
export function* poisoned<T extends object>(value: T, payload: string): Generator<[string, T]> {
  for (const [key, inner] of Object.entries(value)) {
    if (typeof inner === "string") yield [key, { ...value, [key]: `${inner}${payload}` }];
    else if (inner !== null && typeof inner === "object" && !(inner instanceof Uint8Array)) {
      if (Array.isArray(inner)) {
        for (const [index, one] of inner.entries()) {
          if (typeof one === "string") {
            yield [`${key}.${index}`, { ...value, [key]: inner.with(index, one + payload) }];
          } else {
            for (const [path, changed] of poisoned(one, payload)) {
              yield [`${key}.${index}.${path}`, { ...value, [key]: inner.with(index, changed) }];
            }
          }
        }
        continue;
      }
      for (const [path, changed] of poisoned(inner, payload)) {
        yield [`${key}.${path}`, { ...value, [key]: changed }];
      }
    }
  }
}
