/**
 * An aggregate report of DMARC for one policy domain and day: what it says (RFC 9990, Appendix A), how it is named
 * (§3.5.1, §3.5.2) and the mail it goes in. Pure.
 *
 * @module
 */

import { gzipSync } from "node:zlib";
import { encode } from "../../bytes.ts";
import type { ObservedSignature } from "../../mailauth/dmarc/observation.ts";
import { escapeXml } from "../../message/xml_text.ts";
import { startOfDay } from "../reports/day_files.ts";
import { formatReportMail } from "../reports/report_mail.ts";
import { hashOf } from "../reports/submit_report.ts";
import type { DomainCounts, ReportedPolicy, ReportedRow, ReportedSpf } from "./totals.ts";

/** What a report is made of. */
export interface DmarcReportFacts {
  /** The policy domain. */
  readonly domain: string;
  /** The UTC day, such as `2026-11-23`. */
  readonly day: string;
  readonly counts: DomainCounts;
  /** Whose name it bears. */
  readonly organization: string;
  /** A mail address. */
  readonly contact: string;
  /** The domain that sends it, which signs it too: that of the contact. */
  readonly submitter: string;
  /** The program that made it, with its version. */
  readonly generator: string;
}

type Named = Pick<DmarcReportFacts, "domain" | "day" | "submitter">;

/**
 * A report of a day is one and the same however often it is made: this names it. Letters and digits only, as it is the
 * unique-id of the file's name too (RFC 9990 §3.1.4).
 */
export function dmarcReportId({ domain, day, submitter }: Named): string {
  return hashOf("dmarc", day, domain, submitter);
}

/** RFC 9990 §3.5.2: `example.net!example.org!1795392000!1795478399!ID.xml.gz`. */
export function dmarcReportFileName(named: Named): string {
  const { domain, day, submitter } = named;
  const begin = startOfDay(day) / 1000;
  return `${submitter}!${domain}!${begin}!${begin + LAST_SECOND}!${dmarcReportId(named)}.xml.gz`;
}

const LAST_SECOND = 86_399;

/**
 * The report as XML.
 *
 * @example
 * ```ts
 * import { formatDmarcReport } from "./report.ts";
 * import { assertStringIncludes } from "@std/assert";
 *
 * const policy = {
 *   p: "reject",
 *   sp: "none",
 *   np: "reject",
 *   adkim: "r",
 *   aspf: "s",
 *   fo: "0",
 *   testing: false,
 *   discovery: "treewalk",
 * } as const;
 * const xml = formatDmarcReport({
 *   domain: "example.org",
 *   day: "2026-11-23",
 *   counts: { policy, seen: 0, rows: new Map(), unlisted: 2, worthwhile: true },
 *   organization: "Examples & Co.",
 *   contact: "postmaster@example.net",
 *   submitter: "example.net",
 *   generator: "Yizhan",
 * });
 * assertStringIncludes(xml, "<org_name>Examples &amp; Co.</org_name>");
 * assertStringIncludes(xml, "<error>2 more messages are not listed</error>");
 * ```
 */
export function formatDmarcReport(facts: DmarcReportFacts): string {
  const { day, counts, organization, contact, generator } = facts;
  const begin = startOfDay(day) / 1000;
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0">',
    element("version", "1.0"),
    group("report_metadata", [
      element("org_name", organization),
      element("email", contact),
      element("report_id", dmarcReportId(facts)),
      group("date_range", [element("begin", begin), element("end", begin + LAST_SECOND)]),
      ...optional("error", describeUnlisted(counts)),
      element("generator", generator),
    ]),
    formatPolicy(facts.domain, counts.policy),
    ...counts.rows.values().map(formatRow),
    "</feedback>",
  ];
  return `${lines.join("\n")}\n`;
}

function formatPolicy(domain: string, policy: ReportedPolicy): string {
  const { p, sp, np, adkim, aspf, fo, testing, discovery } = policy;
  return group("policy_published", [
    element("domain", domain),
    element("p", p),
    element("sp", sp),
    element("np", np),
    element("adkim", adkim),
    element("aspf", aspf),
    element("discovery_method", discovery),
    element("fo", fo),
    element("testing", testing ? "y" : "n"),
  ]);
}

function formatRow(row: ReportedRow): string {
  const { source, count, disposition, dkimAligned, spfAligned, overrides } = row;
  return group("record", [
    group("row", [
      element("source_ip", source),
      element("count", count),
      group("policy_evaluated", [
        element("disposition", disposition),
        element("dkim", dkimAligned ? "pass" : "fail"),
        element("spf", spfAligned ? "pass" : "fail"),
        ...overrides.map(({ type, comment }) =>
          group("reason", [element("type", type), ...optional("comment", comment)])
        ),
      ]),
    ]),
    group("identifiers", [
      element("header_from", row.headerFrom),
      element("envelope_from", row.envelopeFrom),
    ]),
    group("auth_results", [
      // Those that passed first (RFC 9990 §3.1.3).
      ...row.dkim.toSorted((one, other) => rank(one) - rank(other)).map(formatSignature),
      ...(row.spf === null ? [] : [formatSpf(row.spf)]),
    ]),
  ]);
}

function rank({ result }: ObservedSignature): number {
  return result === "pass" ? 0 : 1;
}

function formatSignature({ domain, selector, result, reason = "" }: ObservedSignature): string {
  return group("dkim", [
    element("domain", domain),
    element("selector", selector),
    element("result", result),
    ...optional("human_result", reason),
  ]);
}

/** The scope has one value: also where there is no sender, it is the name of HELO as one's (RFC 7208 §2.4). */
function formatSpf({ domain, result, reason = "" }: ReportedSpf): string {
  return group("spf", [
    element("domain", domain),
    element("scope", "mfrom"),
    element("result", result),
    ...optional("human_result", reason),
  ]);
}

function describeUnlisted({ unlisted }: DomainCounts): string {
  return unlisted === 0 ? "" : `${unlisted} more messages are not listed`;
}

function element(name: string, value: string | number): string {
  return `<${name}>${escapeXml(String(value))}</${name}>`;
}

function optional(name: string, text: string): string[] {
  return text === "" ? [] : [element(name, text)];
}

function group(name: string, children: readonly string[]): string {
  const inner = children.map((child) => `  ${child.replaceAll("\n", "\n  ")}`);
  return [`<${name}>`, ...inner, `</${name}>`].join("\n");
}

/** The report as it is sent: by gzip (RFC 9990 §3.5.2). */
export function packDmarcReport(facts: DmarcReportFacts): Uint8Array {
  return new Uint8Array(gzipSync(encode(formatDmarcReport(facts))));
}

/** Names a report for `submit()`: the same for the same report and recipient. */
export function dmarcMailId(facts: DmarcReportFacts, to: string): string {
  return `dmarc-${facts.day}-${hashOf(dmarcReportId(facts), to)}`;
}

/** A mail with a report, its lines ended by CRLF. @param now epoch milliseconds, for Date. */
export function formatDmarcReportMail(facts: DmarcReportFacts, to: string, now: number): string {
  const { domain, day, submitter, contact } = facts;
  const id = dmarcReportId(facts);
  return formatReportMail({
    ...{ from: contact, to, now, domain, submitter, id, messageId: `dmarc.${id}@${submitter}` },
    fields: [],
    type: "multipart/mixed;",
    text: [
      `This is an aggregate report of DMARC from ${submitter}`,
      `about mail in the name of ${domain}`,
      `on ${day} (UTC).`,
    ],
    attachment: {
      type: "application/gzip",
      name: dmarcReportFileName(facts),
      octets: packDmarcReport(facts),
    },
  });
}
