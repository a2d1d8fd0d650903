/**
 * The few byte-string helpers every layer shares. Pure; no runtime is named here.
 *
 * @module
 */

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Text to UTF-8 octets. */
export function encode(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Whether a text has at most so many octets in UTF-8. What is short anyway is not encoded to know. */
export function utf8Fits(text: string, octets: number): boolean {
  // A code unit of UTF-16 makes one octet at least and three at most.
  return text.length * 3 <= octets || (text.length <= octets && encode(text).length <= octets);
}

/** UTF-8 octets to text; ill-formed sequences become U+FFFD. */
export function decode(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** UTF-8 octets to text, or `null` where they are not well-formed UTF-8. */
export function decodeStrict(bytes: Uint8Array): string | null {
  try {
    return strictDecoder.decode(bytes);
  } catch {
    return null;
  }
}

/** One array holding all the parts, in order. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Whether two byte strings are the same octets. Not constant-time: not for secrets. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
