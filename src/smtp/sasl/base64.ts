/**
 * Base64 (RFC 4648 §4) as SASL wants it: nothing but the alphabet, full padding, zero pad bits, so that
 * every octet string has exactly one text and no two texts mean the same secret.
 *
 * @module
 */

const SHAPE = /^[A-Za-z0-9+/]*={0,2}$/;

/**
 * Text to octets, or `null` where it is not canonical base64 (line breaks and blanks are not).
 *
 * @example
 * ```ts
 * import { parseBase64 } from "./base64.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseBase64("Zm8="), new Uint8Array([0x66, 0x6f]));
 * assertEquals(parseBase64("Zm9="), null); // pad bits not zero
 * ```
 */
export function parseBase64(text: string): Uint8Array | null {
  if (text.length % 4 !== 0 || !SHAPE.test(text)) return null;
  try {
    return Uint8Array.fromBase64(text, { lastChunkHandling: "strict" });
  } catch {
    return null;
  }
}

/** Octets to text, padded, in one line. */
export function formatBase64(bytes: Uint8Array): string {
  return bytes.toBase64();
}
