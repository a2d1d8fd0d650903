/**
 * Delivery status notifications: values in, a `multipart/report` out (RFC 3461 to 3464, RFC 6522). The
 * three parts are text for people (`dsn_text.ts`), fields for programs, and the message it is about: its
 * header section, or all of it.
 *
 * Where an address, or the message itself, is internationalised, the parts are `message/global-…`
 * (RFC 6533) and hold UTF-8; else all is 7-bit, but for the message itself where that is not. Everything that
 * comes from strangers (answers, addresses, envelope ids) is cleaned and folded: none of it can begin a
 * field or a part. The boundary is made from the id, which nobody knew when the message was written, and
 * looked for in the contents all the same. No line has more than 998 octets: long ones of the returned header
 * section are folded.
 *
 * Pure. Whom to tell, and of what, is `delivery/bounce.ts`.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { type Address, formatAddress, toAsciiDomain } from "../address.ts";
import { concat, encode } from "../bytes.ts";
import { describeReply } from "../smtp/reply.ts";
import { encodeUnitext } from "../smtp/xtext.ts";
import { formatDate } from "./date.ts";
import type { DsnFacts, DsnRecipient } from "./dsn_facts.ts";
import { statusOf } from "./dsn_status.ts";
import { formatDsnText } from "./dsn_text.ts";
import { foldLongLines, hasLongLine } from "./fold_lines.ts";
import { formatFields, makeField, parseFields, type RawField } from "./header.ts";
import { formatQuotedPrintableLine } from "./transfer_encoding.ts";

/** A notice. */
export interface DsnMessage {
  /** The header section, without the empty line. */
  readonly head: Uint8Array;
  /** The body. */
  readonly body: Uint8Array;
  /** Whether the body has octets beyond ASCII: 8BITMIME. */
  readonly eightBit: boolean;
  /** Whether it needs SMTPUTF8. */
  readonly smtputf8: boolean;
}

/** Octets of the header section that are returned: whole fields from the top. */
const HEAD_LIMIT = 64 * 1024;
/** Characters of an answer in Diagnostic-Code. */
const DIAGNOSTIC = 1000;

const SUBJECTS = {
  failed: "Your message could not be delivered",
  delayed: "Your message is delayed",
  delivered: "Your message has been delivered",
  relayed: "Your message has been passed on",
} as const;

/**
 * Writes a notice.
 *
 * @example
 * ```ts
 * import { formatDsn } from "./dsn.ts";
 * import { reply } from "../smtp/reply.ts";
 * import { decode, encode } from "../bytes.ts";
 * import { assertStringIncludes } from "@std/assert";
 *
 * const { body } = formatDsn({
 *   kind: "failed", id: "dsn-1", hostname: "mx.example.org", time: 1709633472000,
 *   to: { local: "alice", domain: "example.org" }, audience: "sender",
 *   sender: { local: "alice", domain: "example.org" }, arrived: 1709633472000, smtputf8: false,
 *   head: encode("Subject: hello\r\n"), body: null,
 *   recipients: [{
 *     address: { local: "bob", domain: "example.net" },
 *     reply: reply(550, "5.1.1", "no such user"), host: "mx.example.net [192.0.2.7]:25",
 *   }],
 * });
 * assertStringIncludes(decode(body), "Final-Recipient: rfc822; bob@example.net\r\n");
 * assertStringIncludes(decode(body), "Remote-MTA: dns; mx.example.net\r\n");
 * ```
 */
export function formatDsn(given: DsnFacts): DsnMessage {
  const international = isInternational(given);
  const facts = isReturnable(given, international) ? given : { ...given, body: null };
  const parts = [
    textPart(facts),
    statusPart(facts, international),
    originalPart(facts, international),
  ];
  const contents = concat(parts.flatMap(({ header, content }) => [encode(header), content]));
  const boundary = chooseBoundary(facts.id, contents);
  const body = concat([
    encode("This is a delivery status notification (RFC 3464) in MIME format.\r\n\r\n"),
    ...parts.flatMap(({ header, content }) => [
      encode(`--${boundary}\r\n${header}\r\n`),
      content,
      CRLF,
    ]),
    encode(`--${boundary}--\r\n`),
  ]);
  const eightBit = has8bit(body);
  const head = formatHead(facts, boundary, eightBit);
  return { head, body, eightBit, smtputf8: international || has8bit(head) };
}

function formatHead(facts: DsnFacts, boundary: string, eightBit: boolean): Uint8Array {
  const { kind, id, time, to, audience, messageId } = facts;
  const hostname = asciiHost(facts);
  const subject = audience === "postmaster" ? "Mail that nobody can be told of" : SUBJECTS[kind];
  const fields = [
    makeField("From", `Mail Delivery System <MAILER-DAEMON@${hostname}>`),
    makeField("To", `<${formatAddress(to)}>`),
    makeField("Subject", subject),
    makeField("Date", formatDate(time)),
    makeField("Message-ID", `<${id}@${hostname}>`),
  ];
  const about = /^<[!-;=?-~]{1,250}>$/.exec(messageId ?? "")?.[0];
  if (about !== undefined) {
    fields.push(makeField("In-Reply-To", about), makeField("References", about));
  }
  fields.push(
    makeField("Auto-Submitted", "auto-replied"), // RFC 3834 §5.1
    makeField("MIME-Version", "1.0"),
    makeField(
      "Content-Type",
      `multipart/report; report-type=delivery-status;\n boundary="${boundary}"`,
    ),
  );
  if (eightBit) fields.push(makeField("Content-Transfer-Encoding", "8bit"));
  return formatFields(fields);
}

/** One part; its content has no boundary's CRLF. */
interface Part {
  /** Its header fields. */
  readonly header: string;
  readonly content: Uint8Array;
}

function textPart(facts: DsnFacts): Part {
  const text = formatDsnText(facts);
  const header = "Content-Type: text/plain; charset=utf-8\r\n";
  if (isAscii(text)) return { header, content: encode(text) };
  const lines = text.split("\r\n").map((line) => formatQuotedPrintableLine(encode(line)));
  return {
    header: `${header}Content-Transfer-Encoding: quoted-printable\r\n`,
    content: concat(lines.flatMap((line, index) => index === 0 ? [line] : [CRLF, line])),
  };
}

function statusPart(facts: DsnFacts, international: boolean): Part {
  const { envelopeId, arrived, recipients } = facts;
  const fields = [makeField("Reporting-MTA", `dns; ${asciiHost(facts)}`)];
  const shown = international ? (text: string) => text : toAscii;
  if (envelopeId !== undefined) {
    fields.unshift(makeField("Original-Envelope-Id", toAscii(envelopeId)));
  }
  fields.push(makeField("Arrival-Date", formatDate(arrived)));
  const blocks = [fields, ...recipients.map((one) => recipientFields(facts, one, shown))];
  return {
    header: `Content-Type: message/${international ? "global-" : ""}delivery-status\r\n` +
      eightBitLabel(blocks.some((block) => block.some(({ raw }) => has8bit(raw)))),
    content: concat(
      blocks.flatMap((block, i) => i === 0 ? [formatFields(block)] : [CRLF, formatFields(block)]),
    ),
  };
}

/** RFC 3464 §2.3. */
function recipientFields(
  { kind }: DsnFacts,
  recipient: DsnRecipient,
  shown: (text: string) => string,
): RawField[] {
  const { originalRecipient, reply, host, lastAttempt, retryUntil } = recipient;
  const fields: RawField[] = [];
  if (originalRecipient !== undefined) {
    const { type, address } = originalRecipient;
    fields.push(makeField("Original-Recipient", `${toAscii(type)}; ${shown(oneLine(address))}`));
  }
  fields.push(
    makeField("Final-Recipient", typedAddress(recipient.address)),
    makeField("Action", kind),
    makeField("Status", statusOf(reply, kind)),
  );
  if (host !== undefined) {
    if (!recipient.forwarded) fields.push(makeField("Remote-MTA", remoteMta(host)));
    const words = oneLine(describeReply(reply)).slice(0, DIAGNOSTIC);
    fields.push(makeField("Diagnostic-Code", `smtp; ${shown(words)}`));
  } else if (kind === "failed" || kind === "delayed") {
    const words = oneLine(describeReply(reply)).slice(0, DIAGNOSTIC);
    fields.push(makeField("Diagnostic-Code", `x-yizhan; ${shown(words)}`));
  }
  if (lastAttempt !== undefined) {
    fields.push(makeField("Last-Attempt-Date", formatDate(lastAttempt)));
  }
  if (kind === "delayed" && retryUntil !== undefined) {
    fields.push(makeField("Will-Retry-Until", formatDate(retryUntil)));
  }
  return fields;
}

/** RFC 3464 §2.3.2; RFC 6533 §3 for what is not ASCII. */
function typedAddress(address: Address): string {
  const text = formatAddress(address);
  return isAscii(text) ? `rfc822; ${text}` : `utf-8; ${text}`;
}

/** The name before the address and port; what is no host of the network is of a type of its own. */
function remoteMta(host: string): string {
  const name =
    /^(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,253}[A-Za-z0-9_])?(?=$| \[|:\d{1,5}$)|\[[0-9A-Fa-f.:]+\])/
      .exec(
        host,
      );
  return name === null ? `x-local; ${toAscii(oneLine(host)).slice(0, 255)}` : `dns; ${name[0]}`;
}

/**
 * Whether a message can be returned whole. One whose raw 8-bit header section no transfer encoding helps cannot; nor
 * one with lines longer than a station must take (RFC 5321 §4.5.3.1.6): it may be refused with the notice, and then
 * nobody is told. No encoding is allowed around it (RFC 2046 §5.2.1), and it is not ours to change, as it may be
 * signed. RET=FULL is a wish (RFC 3461 §4.3).
 */
function isReturnable({ head, body, smtputf8 }: DsnFacts, international: boolean): boolean {
  if (body === null || hasLongLine(head) || hasLongLine(body)) return false;
  return (international && smtputf8) || !has8bit(head);
}

function originalPart({ head, body, smtputf8 }: DsnFacts, international: boolean): Part {
  const global = international && smtputf8;
  if (body !== null) {
    const content = concat([head, CRLF, body]);
    return {
      header: `Content-Type: message/${global ? "global" : "rfc822"}\r\n` +
        eightBitLabel(has8bit(content)),
      content,
    };
  }
  const content = firstFields(foldLongLines(head));
  return {
    header: `Content-Type: ${global ? "message/global-headers" : "text/rfc822-headers"}\r\n` +
      eightBitLabel(has8bit(content)),
    content,
  };
}

function firstFields(head: Uint8Array): Uint8Array {
  if (head.length <= HEAD_LIMIT) return head;
  let end = 0;
  for (const { raw } of parseFields(head)) {
    if (end + raw.length > HEAD_LIMIT) break;
    end += raw.length;
  }
  return head.subarray(0, end);
}

function isInternational({ to, sender, recipients, smtputf8, head }: DsnFacts): boolean {
  const beyond = (address: Address | null) => address !== null && !isAscii(formatAddress(address));
  return (smtputf8 && has8bit(head)) || beyond(to) || beyond(sender) ||
    recipients.some(({ address }) => beyond(address));
}

function chooseBoundary(id: string, contents: Uint8Array): string {
  for (let attempt = 0;; attempt++) {
    const digest = createHash("sha256").update(`boundary ${attempt} ${id}`).digest("hex");
    const boundary = `=_${digest.slice(0, 32)}`; // "=_" is nowhere in quoted-printable or base64
    if (!new TextDecoder("latin1").decode(contents).includes(boundary)) return boundary;
  }
}

const CRLF = encode("\r\n");

function eightBitLabel(needed: boolean): string {
  return needed ? "Content-Transfer-Encoding: 8bit\r\n" : "";
}

function asciiHost({ hostname }: DsnFacts): string {
  return toAsciiDomain(hostname) ?? toAscii(oneLine(hostname));
}

function isAscii(text: string): boolean {
  return !/[\u0080-\uffff]/.test(text);
}

function has8bit(octets: Uint8Array): boolean {
  return octets.some((octet) => octet > 0x7f);
}

/** In 7-bit fields letters beyond ASCII are written as RFC 6533 §3 does in addresses. */
function toAscii(text: string): string {
  return isAscii(text) ? text : text.replace(/[^\x20-\x7e]+/g, encodeUnitext);
}

function oneLine(text: string): string {
  return text.toWellFormed().replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ");
}
