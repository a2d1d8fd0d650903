/**
 * A report of TLS as a mail (RFC 8460 §5.3). Whoever submits it has it signed: a report without a DKIM signature of the
 * domain that sends it is thrown away where it arrives (§3). Pure.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { formatDate } from "../../message/date.ts";
import type { QueueEntry } from "../../queue/entry.ts";
import { packReport, type ReportFacts, reportFileName, reportId } from "./report.ts";

/** What the ids of reports begin with, in `submit()` and in the queue. */
const PREFIX = "tlsrpt-";

/** Names a report for `submit()`: the same for the same report and recipient. */
export function reportMailId(facts: ReportFacts, to: string): string {
  const hash = createHash("sha256").update(`${reportId(facts)}\n${to}`).digest("hex");
  return `${PREFIX}${facts.day}-${hash.slice(0, 32)}`;
}

/**
 * Whether an entry of the queue is a report of ours. How TLS goes with it is not reported in its turn (RFC 8460 §5.3):
 * else two stations would write to one another every day for ever.
 */
export function isTlsReport({ id, origin }: Pick<QueueEntry, "id" | "origin">): boolean {
  return origin.kind === "submit" && id.startsWith(PREFIX);
}

/** A mail with a report, its lines ended by CRLF. @param now epoch milliseconds, for Date. */
export function formatReportMail(facts: ReportFacts, to: string, now: number): string {
  const { domain, day, submitter, contact } = facts;
  const id = reportId(facts);
  const boundary = `report-${id.replace(/@.*$/, "")}`;
  const base64 = packReport(facts).toBase64();
  return [
    `From: ${contact}`,
    `To: ${to}`,
    `Date: ${formatDate(now)}`,
    `Subject: Report Domain: ${domain}`,
    ` Submitter: ${submitter}`,
    ` Report-ID: <${id}>`,
    `Message-ID: <tlsrpt.${id}>`,
    `TLS-Report-Domain: ${domain}`,
    `TLS-Report-Submitter: ${submitter}`,
    // It must arrive though TLS is broken (RFC 8460 §5.3): so says RFC 8689 §5 to the stations behind us.
    "TLS-Required: No",
    "Auto-Submitted: auto-generated",
    "MIME-Version: 1.0",
    `Content-Type: multipart/report; report-type="tlsrpt";`,
    ` boundary="${boundary}"`,
    "",
    "This is a multipart message in MIME format.",
    "",
    `--${boundary}`,
    `Content-Type: text/plain; charset="us-ascii"`,
    "Content-Transfer-Encoding: 7bit",
    "",
    `This is an aggregate TLS report from ${submitter}`,
    `about mail for ${domain} on ${day} (UTC).`,
    "",
    `--${boundary}`,
    "Content-Type: application/tlsrpt+gzip",
    "Content-Transfer-Encoding: base64",
    "Content-Disposition: attachment;",
    ` filename="${reportFileName(facts)}"`,
    "",
    ...base64.match(/.{1,76}/g) ?? [],
    "",
    `--${boundary}--`,
    "",
  ].join("\r\n");
}
