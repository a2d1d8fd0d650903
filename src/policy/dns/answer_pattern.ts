/**
 * Patterns for the addresses that DNS lists answer with (RFC 5782 §2.1): `127.0.0.2`, `127.0.0.4-7`, `127.0.0.x`. Each
 * octet is a number, a range, or `x` for any. Total: what is no pattern is `null`.
 *
 * @module
 */

/** For each of four octets the least and the greatest that fit. */
export type AnswerPattern = readonly (readonly [least: number, greatest: number])[];

/**
 * Reads a pattern. Only answers in 127.0.0.0/8 mean anything, so the first octet is 127.
 *
 * @example
 * ```ts
 * import { matchesAnswer, parseAnswerPattern } from "./answer_pattern.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const pattern = parseAnswerPattern("127.0.x.4-7")!;
 * assertEquals(matchesAnswer(pattern, "127.0.3.5"), true);
 * assertEquals(matchesAnswer(pattern, "127.0.3.8"), false);
 * assertEquals(parseAnswerPattern("10.0.0.2"), null);
 * ```
 */
export function parseAnswerPattern(text: string): AnswerPattern | null {
  const parts = text.split(".");
  if (parts.length !== 4 || parts[0] !== "127") return null;
  const octets: (readonly [number, number])[] = [];
  for (const part of parts) {
    const match = /^(?:x|(0|[1-9]\d{0,2})(?:-(0|[1-9]\d{0,2}))?)$/i.exec(part);
    if (match === null) return null;
    const least = Number(match[1] ?? 0);
    const greatest = match[1] === undefined ? 255 : Number(match[2] ?? least);
    if (least > greatest || greatest > 255) return null;
    octets.push([least, greatest]);
  }
  return octets;
}

/** Whether an IPv4 address fits. */
export function matchesAnswer(pattern: AnswerPattern, address: string): boolean {
  const octets = address.split(".").map(Number);
  return octets.length === 4 &&
    pattern.every(([least, greatest], index) =>
      octets[index]! >= least && octets[index]! <= greatest
    );
}
