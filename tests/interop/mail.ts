/**
 * Mail to send: a few messages that are easy to get wrong, all with CRLF line ends and all fields a
 * submission agent would otherwise add, so that every hop has nothing to change but the trace.
 *
 * @module
 */

import { octets } from "./support.ts";

/** A message's octets around `body`, whose lines end in CRLF. */
export function makeMail(
  subject: string,
  body: string,
  fields: readonly string[] = [],
  from = "bob@sender.test",
): Uint8Array {
  const head = [
    `From: ${from}`,
    "To: Alice <alice@example.test>",
    `Subject: ${subject}`,
    "Date: Sun, 22 Nov 2026 10:00:00 +0000",
    `Message-ID: <${subject.replaceAll(/\W+/g, "-")}@sender.test>`,
    "MIME-Version: 1.0",
    ...fields,
  ];
  return octets(`${head.join("\r\n")}\r\n\r\n${body}`);
}

/** Lines that begin with dots, a lone dot among them and at either end (RFC 5321 §4.5.2). */
export const DOTS = ".\r\n..\r\n...\r\n.a\r\n\r\n.\r\nend.\r\n.\r\n";

/** UTF-8, Latin-1 and octets that are neither, as RFC 6152 lets pass. */
export const EIGHT_BIT = "UTF-8: \xe9\xa9\xbf\xe7\xab\x99\r\nLatin-1: \xe4\xf6\xfc\r\nall: " +
  Array.from({ length: 128 }, (_, i) => String.fromCharCode(128 + i)).join("") + "\r\n";

/** Lines of 998 octets, the longest RFC 5322 §2.1.1 allows. */
export const LONG_LINES = Array.from({ length: 50 }, (_, i) => `${"x".repeat(996)}${i % 10}.\r\n`)
  .join("");

/** A body of about `megabytes`, no two lines alike, in lines of 76 octets. */
export function makeLargeBody(megabytes: number): string {
  const lines: string[] = [];
  const count = Math.ceil(megabytes * 1024 * 1024 / 78);
  for (let i = 0; i < count; i++) lines.push(String(i).padEnd(76, ".abcdefghijklmnopqrstuvwxyz"));
  return lines.join("\r\n") + "\r\n";
}

/** With bare LF, as a file on a POSIX system has it and most clients read it. */
export function withNewlines(mail: Uint8Array): Uint8Array {
  return mail.filter((octet, at) => !(octet === 0x0d && mail[at + 1] === 0x0a));
}
