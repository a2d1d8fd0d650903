/**
 * The head of a message as a mailbox keeps it: on top `Return-Path` with the reverse-path, which final
 * delivery writes and of which there is only one (RFC 5321 §4.4), and `Delivered-To` with the address the
 * copy was made for, by which loops are seen. Pure; nothing fails.
 *
 * @module
 */

import { type Address, formatAddress } from "../../address.ts";
import { concat, encode, encodeBrief } from "../../bytes.ts";
import { formatFields, parseFields, removeFields } from "../../message/header.ts";

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
  const returnPath = sender === null ? "" : formatAddress(sender);
  const top = `Return-Path: <${returnPath}>\r\nDelivered-To: ${formatAddress(recipient)}\r\n`;
  return concat([encodeBrief(top), withoutReturnPath(head), CRLF]);
}

function withoutReturnPath(head: Uint8Array): Uint8Array {
  return mayHaveReturnPath(head)
    ? formatFields(removeFields(parseFields(head), "Return-Path"))
    : head;
}

/** Most mail has none: a look at where its lines begin costs a tenth of taking it apart. */
function mayHaveReturnPath(head: Uint8Array): boolean {
  if (isReturnPath(head, 0)) return true;
  for (let at = 0; at < head.length; at++) {
    if (head[at] === LF && isReturnPath(head, at + 1)) return true;
  }
  return false;
}

function isReturnPath(head: Uint8Array, start: number): boolean {
  for (let i = 0; i < NAME.length; i++) {
    if ((head[start + i]! | 0x20) !== NAME[i]) return false;
  }
  return true;
}

const LF = 0x0a;
const CRLF = encode("\r\n");
const NAME = encode("return-path");
