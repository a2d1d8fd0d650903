/**
 * Tells who left a mail in the drop folder that it was not taken, for all or for some of its recipients: a
 * notice (RFC 3464) as for any mail that fails. It goes to the reverse-path where that was theirs to use, else to
 * their own address, and where nobody has that, to the postmaster. There is none about mail with the null reverse-path (RFC 5321 §4.5.5), nor where the
 * sender wants none (NOTIFY, RFC 3461 §4.1). Made again after a crash it has the same id.
 *
 * @module
 */

import { type Address, formatAddress, parseAddress } from "../../address.ts";
import { concat, encode } from "../../bytes.ts";
import { formatDsn } from "../../message/dsn.ts";
import { decodeEncodedWords } from "../../message/encoded_word.ts";
import { fieldValue, findField } from "../../message/header.ts";
import type { Reply } from "../../smtp/reply.ts";
import type { SubmitEnvelope, SubmitMessage, SubmitOptions } from "../submit.ts";
import type { DroppedMail } from "./drop_reader.ts";

/** What a notice is made from. */
export interface DropNotice {
  readonly hostname: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** When the mail was left. */
  readonly arrived: number;
  /** The id of the mail. */
  readonly id: string;
  readonly mail: DroppedMail;
  /** Who is told. */
  readonly to: Address;
  /** Whether that is who sent it, or the postmaster since they cannot be told. */
  readonly audience: "sender" | "postmaster";
  /** Who will not get it, and why. */
  readonly refused: readonly { readonly recipient: string; readonly reply: Reply }[];
}

/** The arguments of a submission. */
export type Submission = readonly [SubmitEnvelope, SubmitMessage, SubmitOptions];

/** The notice as a submission; `null` where nobody wants to hear of it. */
export function dropNotice(notice: DropNotice): Submission | null {
  const { hostname, now, arrived, id, mail, to, audience } = notice;
  const { envelope, fields } = mail;
  if (envelope.sender === null) return null;
  const told = notice.refused.filter(({ recipient }) => wantsFailures(envelope, recipient));
  if (told.length === 0) return null;
  const subject = findField(fields, "Subject");
  const messageId = findField(fields, "Message-ID");
  const noticeId = `${audience === "sender" ? "notice" : "postmaster"}-${id}`;
  const { head, body } = formatDsn({
    kind: "failed",
    id: noticeId,
    hostname,
    time: now,
    to,
    audience,
    sender: parseAddress(envelope.sender, { smtputf8: true }),
    ...(envelope.dsnEnvelopeId !== undefined && { envelopeId: envelope.dsnEnvelopeId }),
    arrived,
    ...(subject && { subject: decodeEncodedWords(fieldValue(subject)) }),
    ...(messageId && { messageId: fieldValue(messageId) }),
    smtputf8: false,
    head: mail.head,
    body: null,
    recipients: told.flatMap(({ recipient, reply }) => {
      const address = parseAddress(recipient, { smtputf8: true });
      return address === null ? [] : [{ address, reply }];
    }),
  });
  return [
    { sender: null, recipients: [{ address: formatAddress(to), notify: ["NEVER"] }] },
    concat([head, encode("\r\n"), body]),
    // A mailbox that is full must not make us take the mail itself again and again.
    { id: noticeId, handedIn: arrived, unattended: true },
  ];
}

function wantsFailures({ recipients }: SubmitEnvelope, refused: string): boolean {
  const found = recipients.find((one) => typeof one !== "string" && one.address === refused);
  if (found === undefined || typeof found === "string") return true;
  return found.notify === undefined || found.notify.includes("FAILURE");
}
