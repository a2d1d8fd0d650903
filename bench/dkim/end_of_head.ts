/**
 * Where a mail's body begins.
 *
 * @module
 */

/** One past the empty line, in mail whose lines end in CRLF; the end where there is no body. */
export function endOfHead(mail: Uint8Array): number {
  for (let at = mail.indexOf(0x0a); at >= 0; at = mail.indexOf(0x0a, at + 1)) {
    if (mail[at + 1] === 0x0d && mail[at + 2] === 0x0a) return at + 3;
  }
  return mail.length;
}
