/**
 * A report of TLS for one domain and day: what it says (RFC 8460 §4.4), and how it is named (§4.4, §5.1). Pure.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { encode } from "../../bytes.ts";
import type { FailureCount, PolicyCount } from "./totals.ts";

/** What a report is made of. */
export interface ReportFacts {
  /** The domain whose mail hosts it is about. */
  readonly domain: string;
  /** The UTC day, such as `2026-11-23`. */
  readonly day: string;
  readonly policies: readonly PolicyCount[];
  /** Whose name it bears. */
  readonly organization: string;
  /** A mail address. */
  readonly contact: string;
  /** The domain that sends it, which signs it too: that of the contact. */
  readonly submitter: string;
}

/** A report of a day is one and the same however often it is made: this names it. */
export function reportId({ domain, day, submitter }: Omit<ReportFacts, "policies">): string {
  const hash = createHash("sha256").update(`${day}\n${domain}\n${submitter}`).digest("hex");
  return `${day}.${hash.slice(0, 24)}@${submitter}`;
}

/**
 * What a report says, as an object for JSON.
 *
 * @example
 * ```ts
 * import { reportOf } from "./report.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const policy = { type: "no-policy-found", domain: "example.org", lines: [], mx: [] } as const;
 * const report = reportOf({
 *   domain: "example.org",
 *   day: "2026-11-23",
 *   policies: [{ policy, successes: 3, failures: [] }],
 *   organization: "Example Net",
 *   contact: "postmaster@example.net",
 *   submitter: "example.net",
 * });
 * assertEquals(report["date-range"], {
 *   "start-datetime": "2026-11-23T00:00:00Z",
 *   "end-datetime": "2026-11-23T23:59:59Z",
 * });
 * ```
 */
export function reportOf(facts: ReportFacts) {
  const { day, policies, organization, contact } = facts;
  return {
    "organization-name": organization,
    "date-range": {
      "start-datetime": `${day}T00:00:00Z`,
      "end-datetime": `${day}T23:59:59Z`,
    },
    "contact-info": contact,
    "report-id": reportId(facts),
    "policies": policies.map(formatPolicy),
  };
}

function formatPolicy({ policy, successes, failures }: PolicyCount) {
  const { type, domain, lines, mx } = policy;
  const details = failures.map(formatFailure);
  return {
    "policy": {
      "policy-type": type,
      ...(lines.length > 0 && { "policy-string": lines }),
      "policy-domain": domain,
      ...(mx.length > 0 && { "mx-host": mx }),
    },
    "summary": {
      "total-successful-session-count": successes,
      "total-failure-session-count": failures.reduce((sum, { count }) => sum + count, 0),
    },
    ...(details.length > 0 && { "failure-details": details }),
  };
}

function formatFailure({ type, source, address, host, reason, count }: FailureCount) {
  return {
    "result-type": type,
    ...(source !== undefined && { "sending-mta-ip": source }),
    ...(host !== undefined && { "receiving-mx-hostname": host }),
    ...(address !== undefined && { "receiving-ip": address }),
    "failed-session-count": count,
    ...(reason !== undefined && { "failure-reason-code": reason }),
  };
}

/** The report as it is sent: JSON, by gzip. */
export function packReport(facts: ReportFacts): Uint8Array {
  return new Uint8Array(gzipSync(encode(JSON.stringify(reportOf(facts), null, 2))));
}

/** RFC 8460 §5.1: `example.net!example.org!1795392000!1795478399!ID.json.gz`. */
export function reportFileName(facts: ReportFacts): string {
  const { domain, day, submitter } = facts;
  const start = Date.parse(`${day}T00:00:00Z`) / 1000;
  const id = reportId(facts).replace(/@.*$/, "").replace(/^.*\./, "");
  return `${submitter}!${domain}!${start}!${start + 86_399}!${id}.json.gz`;
}
