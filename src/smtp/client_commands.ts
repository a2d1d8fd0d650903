/**
 * What a client says of a message: the lines of MAIL and RCPT with the parameters that the peer takes, and
 * why a message or a recipient is not even begun with. Pure: a transaction and an offer in, text or a reply out.
 *
 * An address goes out only when what would be written reads back as that path and nothing more: no CR, LF,
 * space or `>` in it can begin a parameter or another command. Parameters that are wishes (DSN) are left
 * out where they are not offered or would be malformed; what the message cannot do without (SMTPUTF8,
 * 8BITMIME, BINARYMIME, REQUIRETLS) is refused instead, in our own words.
 *
 * @module
 */

import type { Address } from "../address.ts";
import type { Transaction, TransactionRecipient } from "./client_event.ts";
import { formatEnvelopeId, formatOriginalRecipient } from "./parameters.ts";
import { formatPath, parsePath } from "./path.ts";
import type { PeerExtensions } from "./peer_extensions.ts";
import { type Reply, reply } from "./reply.ts";
import {
  NO_BINARY,
  NO_EIGHT_BIT,
  NO_REQUIRETLS,
  NO_UTF8_ADDRESS,
  NO_UTF8_HEAD,
  tooLarge,
} from "./unsendable.ts";

/**
 * MAIL for a transaction that {@link refuseTransaction} lets pass, without CRLF.
 *
 * @example
 * ```ts
 * import { mailCommand } from "./client_commands.ts";
 * import { parsePeerExtensions } from "./peer_extensions.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const transaction = {
 *   sender: { local: "a", domain: "a.example" },
 *   recipients: [],
 *   body: "8BITMIME",
 *   size: 1000,
 *   smtputf8: false,
 *   requireTls: false,
 * } as const;
 * const peer = parsePeerExtensions(
 *   { code: 250, lines: ["mx", "SIZE", "8BITMIME"] },
 *   { secure: false },
 * );
 * assertEquals(mailCommand(transaction, peer), "MAIL FROM:<a@a.example> SIZE=1000 BODY=8BITMIME");
 * ```
 */
export function mailCommand(transaction: Transaction, peer: PeerExtensions): string {
  const { size, body, smtputf8, requireTls, dsnReturn, dsnEnvelopeId } = transaction;
  let line = `MAIL FROM:${formatPath(transaction.sender)}`;
  if (size !== undefined && peer.size !== false) line += ` SIZE=${Math.max(0, Math.ceil(size))}`;
  if (body !== "7BIT") line += ` BODY=${body}`;
  if (smtputf8) line += " SMTPUTF8";
  if (requireTls) line += " REQUIRETLS";
  if (!peer.dsn) return line;
  if (dsnReturn !== undefined) line += ` RET=${dsnReturn}`;
  const envelopeId = dsnEnvelopeId === undefined ? null : formatEnvelopeId(dsnEnvelopeId);
  return envelopeId === null ? line : `${line} ENVID=${envelopeId}`;
}

/** RCPT for a recipient that {@link refuseRecipient} lets pass, without CRLF. */
export function rcptCommand(recipient: TransactionRecipient, peer: PeerExtensions): string {
  const { address, notify, originalRecipient } = recipient;
  let line = `RCPT TO:${formatPath(address)}`;
  if (!peer.dsn) return line;
  if (notify !== undefined && notify.length > 0) line += ` NOTIFY=${notify.join(",")}`;
  const original = originalRecipient === undefined
    ? null
    : formatOriginalRecipient(originalRecipient);
  return original === null ? line : `${line} ORCPT=${original}`;
}

/** Why a message cannot be sent to this peer, whoever its recipients are; `null` when it can. */
export function refuseTransaction(transaction: Transaction, peer: PeerExtensions): Reply | null {
  const { sender, size, body, smtputf8, requireTls } = transaction;
  if (requireTls && !peer.requireTls) return NO_REQUIRETLS;
  if (smtputf8 && !peer.smtputf8) {
    const plain = [sender, ...transaction.recipients.map(({ address }) => address)].every(isAscii);
    return plain ? NO_UTF8_HEAD : NO_UTF8_ADDRESS;
  }
  if (sender !== null && !isSayable(sender)) return BAD_SENDER;
  if (!isAscii(sender) && !smtputf8) return NO_UTF8_ADDRESS;
  if (body === "8BITMIME" && !peer.eightBitMime) return NO_EIGHT_BIT;
  if (body === "BINARYMIME" && !peer.binaryMime) return NO_BINARY;
  if (size !== undefined && peer.size !== false && peer.size > 0 && size > peer.size) {
    return tooLarge(size, peer.size);
  }
  return null;
}

/** Why a recipient cannot be said to the peer; `null` when it can. */
export function refuseRecipient(address: Address, smtputf8: boolean): Reply | null {
  if (!isSayable(address)) return BAD_RECIPIENT;
  return smtputf8 || isAscii(address) ? null : NO_UTF8_ADDRESS;
}

/** Whether what would be written is read as this address and nothing else. */
function isSayable(address: Address): boolean {
  if (isPlain(address)) return true;
  const path = formatPath(address);
  // A recipient may be somebody's reverse-path: those pass 64 octets, so both are read by its rule.
  const kind = address.domain === "" ? "forward" : "reverse";
  const read = parsePath(path, kind, { smtputf8: true });
  return "path" in read && read.rest === "" && read.path?.local === address.local;
}

/**
 * Whether an address is of letters and digits, with a dot, hyphen, underscore or plus sign between them: as nearly
 * all are, so that they need not be written and read again to be known as sayable.
 */
function isPlain({ local, domain }: Address): boolean {
  return local.length <= 64 && domain.length <= 255 &&
    /^[a-z0-9]+(?:[-_.+][a-z0-9]+)*$/i.test(local) &&
    /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/i.test(domain);
}

function isAscii(address: Address | null): boolean {
  return address === null || !/[\u0080-\uffff]/.test(address.local + address.domain);
}

const BAD_SENDER = reply(553, "5.1.7", "the sender's address cannot be written as SMTP wants it");
const BAD_RECIPIENT = reply(553, "5.1.3", "the address cannot be written as SMTP wants it");
