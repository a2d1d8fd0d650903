/**
 * Finds what must not be seen: a secret, or a recognizable part of one, in any of the forms in which it goes
 * over the wire, in any case.
 *
 * @module
 */

import { assertEquals } from "@std/assert";

/** Characters in a row that give a secret away. */
const WINDOW = 5;

/** Fails where a text holds a part of one of the secrets, plain or in base64 (also as PLAIN carries it). */
export function assertNoSecret(text: string, user: string, ...passwords: readonly string[]): void {
  const seen = text.toLowerCase();
  for (const password of passwords) {
    for (const form of formsOf(user, password)) {
      for (let at = 0; at + WINDOW <= form.length; at++) {
        const part = form.slice(at, at + WINDOW).toLowerCase();
        assertEquals(
          seen.includes(part),
          false,
          `${JSON.stringify(part)} of a secret in:\n${text}`,
        );
      }
    }
  }
}

function formsOf(user: string, password: string): string[] {
  return [password, base64(password), base64(user), base64(`\0${user}\0${password}`)];
}

/** Base64 of a text. */
export function base64(text: string): string {
  return new TextEncoder().encode(text).toBase64();
}
