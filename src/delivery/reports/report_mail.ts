/**
 * A report as a mail: words for people, and the report as a gzipped attachment. Whoever submits it has it signed. Pure.
 *
 * @module
 */

import { formatDate } from "../../message/date.ts";

/** What such a mail is made of. */
export interface ReportMail {
  /** Addresses. */
  readonly from: string;
  readonly to: string;
  /** Epoch milliseconds, for Date. */
  readonly now: number;
  /** Whose report it is, and who sends it. */
  readonly domain: string;
  readonly submitter: string;
  /** The report's id. */
  readonly id: string;
  /** Without angle brackets. */
  readonly messageId: string;
  /** Whole fields, such as `TLS-Required: No`. */
  readonly fields: readonly string[];
  /** The type of the whole, such as `multipart/mixed;`. */
  readonly type: string;
  /** Lines for people, in ASCII. */
  readonly text: readonly string[];
  readonly attachment: {
    readonly type: string;
    readonly name: string;
    readonly octets: Uint8Array;
  };
}

/** The mail, its lines ended by CRLF. The subject is as RFC 8460 §5.3 and RFC 9990 §3.5.2 want it. */
export function formatReportMail(mail: ReportMail): string {
  const { from, to, now, domain, submitter, id, messageId, fields, type, text, attachment } = mail;
  const boundary = `report-${id.replace(/@.*$/, "")}`;
  return [
    `From: ${from}`,
    `To: ${to}`,
    `Date: ${formatDate(now)}`,
    `Subject: Report Domain: ${domain}`,
    ` Submitter: ${submitter}`,
    ` Report-ID: <${id}>`,
    `Message-ID: <${messageId}>`,
    ...fields,
    "Auto-Submitted: auto-generated",
    "MIME-Version: 1.0",
    `Content-Type: ${type}`,
    ` boundary="${boundary}"`,
    "",
    "This is a multipart message in MIME format.",
    "",
    `--${boundary}`,
    `Content-Type: text/plain; charset="us-ascii"`,
    "Content-Transfer-Encoding: 7bit",
    "",
    ...text,
    "",
    `--${boundary}`,
    `Content-Type: ${attachment.type}`,
    "Content-Transfer-Encoding: base64",
    "Content-Disposition: attachment;",
    ` filename="${attachment.name}"`,
    "",
    ...attachment.octets.toBase64().match(/.{1,76}/g) ?? [],
    "",
    `--${boundary}--`,
    "",
  ].join("\r\n");
}
