/**
 * The head of a message as a mailbox keeps it: on top `Return-Path` with the reverse-path, which final
 * delivery writes and of which there is only one (RFC 5321 §4.4), and `Delivered-To` with the address the
 * copy was made for, by which loops are seen. Pure; nothing fails.
 *
 * @module
 */

import { type Address, formatAddress } from "../../address.ts";
import { concat, encode } from "../../bytes.ts";

const LF = 0x0a;
const SPACE = 0x20;
const TAB = 0x09;

/**
 * The head with our two fields on top, any `Return-Path` that came with the message left out, and the
 * empty line after it.
 *
 * @param head whole fields, each ending in CRLF. @param sender `null` for `<>`.
 */
export function storedHead(
  head: Uint8Array,
  sender: Address | null,
  recipient: Address,
): Uint8Array {
  const returnPath = sender === null ? "<>" : `<${formatAddress(sender)}>`;
  const top = `Return-Path: ${returnPath}\r\nDelivered-To: ${formatAddress(recipient)}\r\n`;
  return concat([encode(top), ...withoutField(head, "return-path"), encode("\r\n")]);
}

/** What is left of a head without the fields of one name (lower case), as views into it. */
function withoutField(head: Uint8Array, name: string): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let kept = 0;
  for (let at = 0; at < head.length;) {
    const end = endOfField(head, at);
    if (hasName(head, at, name)) {
      if (at > kept) parts.push(head.subarray(kept, at));
      kept = end;
    }
    at = end;
  }
  if (kept < head.length) parts.push(head.subarray(kept));
  return parts;
}

/** Past the line end that is not followed by white space (RFC 5322 §2.2.3). */
function endOfField(head: Uint8Array, start: number): number {
  for (let at = start;;) {
    const lineEnd = head.indexOf(LF, at);
    if (lineEnd < 0) return head.length;
    at = lineEnd + 1;
    if (head[at] !== SPACE && head[at] !== TAB) return at;
  }
}

/** White space before the colon is obsolete, but read (RFC 5322 §4.5). */
function hasName(head: Uint8Array, start: number, name: string): boolean {
  let at = start;
  for (let i = 0; i < name.length; i++) {
    // Field names are ASCII: this bit is the case of a letter, and the dash has it set already.
    if (((head[at++] ?? 0) | 0x20) !== name.charCodeAt(i)) return false;
  }
  while (head[at] === SPACE || head[at] === TAB) at++;
  return head[at] === 0x3a;
}
