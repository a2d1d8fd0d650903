/**
 * A report of TLS as a mail (RFC 8460 §5.3). Whoever submits it has it signed: a report without a DKIM signature of the
 * domain that sends it is thrown away where it arrives (§3). Pure.
 *
 * @module
 */

import type { QueueEntry } from "../../queue/entry.ts";
import { formatReportMail } from "../reports/report_mail.ts";
import { hashOf } from "../reports/submit_report.ts";
import { packReport, type ReportFacts, reportFileName, reportId } from "./report.ts";

/** What the ids of reports begin with, in `submit()` and in the queue. */
const PREFIX = "tlsrpt-";

/** Names a report for `submit()`: the same for the same report and recipient. */
export function reportMailId(facts: ReportFacts, to: string): string {
  return `${PREFIX}${facts.day}-${hashOf(reportId(facts), to)}`;
}

/**
 * Whether an entry of the queue is a report of ours. How TLS goes with it is not reported in its turn (RFC 8460 §5.3):
 * else two stations would write to one another every day for ever.
 */
export function isTlsReport({ id, origin }: Pick<QueueEntry, "id" | "origin">): boolean {
  return origin.kind === "submit" && id.startsWith(PREFIX);
}

/** A mail with a report, its lines ended by CRLF. @param now epoch milliseconds, for Date. */
export function formatTlsReportMail(facts: ReportFacts, to: string, now: number): string {
  const { domain, day, submitter, contact } = facts;
  const id = reportId(facts);
  return formatReportMail({
    ...{ from: contact, to, now, domain, submitter, id, messageId: `tlsrpt.${id}` },
    fields: [
      `TLS-Report-Domain: ${domain}`,
      `TLS-Report-Submitter: ${submitter}`,
      // It must arrive though TLS is broken (RFC 8460 §5.3): so says RFC 8689 §5 to the stations behind us.
      "TLS-Required: No",
    ],
    type: `multipart/report; report-type="tlsrpt";`,
    text: [
      `This is an aggregate TLS report from ${submitter}`,
      `about mail for ${domain} on ${day} (UTC).`,
    ],
    attachment: {
      type: "application/tlsrpt+gzip",
      name: reportFileName(facts),
      octets: packReport(facts),
    },
  });
}
