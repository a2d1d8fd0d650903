/**
 * Sums of DMARC reports as text for people. Names in reports are anybody's: they can do no harm on a terminal.
 *
 * @module
 */

import type { DomainSummary, SourceSummary } from "../admin/dmarc/summary.ts";
import { paintFor } from "../observe/paint.ts";
import { formatVisible } from "../observe/visible_text.ts";

/** Sources that are shown of a domain; the rest are counted. */
const SHOWN = 30;
/** Characters of a name. */
const NAME = 80;

const COLUMNS = ["source", "mail", "passed", "dkim", "spf", "junk", "refused", "what it is"];

/**
 * One domain: what was reported, a line for each source, and what is to be done.
 *
 * @example
 * ```ts
 * import { formatDomainSummary } from "./dmarc_text.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const counts = { messages: 3, passed: 3, dkimAligned: 3, spfAligned: 2, quarantined: 0, rejected: 0 };
 * const text = formatDomainSummary({
 *   ...{ domain: "example.org", policy: "reject", reports: 1, reporters: ["Other"], ...counts },
 *   ...{ begin: Date.UTC(2026, 10, 22), end: Date.UTC(2026, 10, 23) - 1000, moreSources: false },
 *   sources: [{
 *     ...{ source: "192.0.2.1", kind: "passes", own: true, ...counts },
 *     ...{ otherDomains: [], headerFrom: ["example.org"] },
 *   }],
 * }, false);
 * assertEquals(text.split("\n").slice(0, 2), [
 *   "example.org (p=reject): 3 messages, 3 passed, 0 failed",
 *   "  1 report of 1 reporter, 2026-11-22 to 2026-11-22: Other",
 * ]);
 * ```
 */
export function formatDomainSummary(summary: DomainSummary, colourful: boolean): string {
  const paint = paintFor(colourful);
  const { domain, policy, messages, passed, sources } = summary;
  const failed = messages - passed;
  const head = `${domain} (p=${visible(policy) || "?"}): ${plural(messages, "message")}, ` +
    `${passed} passed, ${failed} failed`;
  const shown = sources.slice(0, SHOWN);
  const rows = shown.map((source) => rowOf(source, domain));
  const left = sources.slice(SHOWN);
  const rest = left.reduce((sum, source) => sum + source.messages, 0);
  return [
    failed === 0 ? paint.good(head) : paint.warning(head),
    `  ${describeReports(summary)}`,
    "",
    ...table([COLUMNS, ...rows]),
    ...(left.length === 0 ? [] : [`  and ${left.length} more sources with ${rest} messages`]),
    ...(summary.moreSources ? ["  and sources that are too many to be told apart"] : []),
    "",
    ...advise(summary).map((line) => `  ${line}`),
  ].join("\n");
}

function describeReports({ reports, reporters, begin, end }: DomainSummary): string {
  const named = reporters.slice(0, 5).map(visible).join(", ");
  const more = reporters.length > 5 ? `, and ${reporters.length - 5} more` : "";
  return `${plural(reports, "report")} of ${plural(reporters.length, "reporter")}, ` +
    `${dayOf(begin)} to ${dayOf(end)}: ${named}${more}`;
}

function rowOf(summary: SourceSummary, domain: string): string[] {
  const { source, messages, passed, dkimAligned, spfAligned, quarantined, rejected } = summary;
  const numbers = [messages, passed, dkimAligned, spfAligned, quarantined, rejected];
  return [source, ...numbers.map(String), describeSource(summary, domain)];
}

function describeSource(summary: SourceSummary, domain: string): string {
  const { kind, own, otherDomains, headerFrom } = summary;
  const others = otherDomains.slice(0, 2).map(visible).join(", ");
  const host = own ? "this host" : "";
  const names = headerFrom.filter((name) => name !== domain).slice(0, 2).map(visible);
  const about = names.length === 0 ? "" : `From ${names.join(", ")}`;
  const what = {
    passes: "ok",
    mixed: `some fails${others === "" ? "" : `, is ${others}`}`,
    own: "fails: see below",
    forwarder: `a forwarder or a list${others === "" ? "" : ` (${others})`}`,
    service: `is ${others}`,
    unknown: "unknown",
  }[kind];
  return [host, what, about].filter((part) => part !== "").join("; ");
}

/** All columns but the first and the last are numbers. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = COLUMNS.map((_, index) => Math.max(...rows.map((row) => row[index]!.length)));
  return rows.map((row) => {
    const cells = row.map((cell, index) => {
      if (index === 0) return cell.padEnd(widths[0]!);
      return index === row.length - 1 ? cell : cell.padStart(widths[index]!);
    });
    return `  ${cells.join("  ")}`;
  });
}

/** What is to be done, a line each. */
function advise({ domain, policy, messages, passed, sources }: DomainSummary): string[] {
  const of = (kind: SourceSummary["kind"]) => sources.filter((source) => source.kind === kind);
  const lines: string[] = [];
  const own = sources.filter(({ own, kind }) => own && kind !== "passes");
  if (own.length > 0) {
    lines.push(
      `${
        list(own)
      }: this host sends mail that fails. See that it signs (yizhan dkim list) and that`,
      `  DNS has its keys and its SPF: yizhan dns ${domain}`,
    );
  }
  const services = of("service");
  if (services.length > 0) {
    lines.push(
      `${
        list(services)
      }: passes for a domain that is not ${domain}. If you have a service send for`,
      `  you, have it sign as ${domain}, or name it in your SPF record; else it forwards, or forges.`,
    );
  }
  const unknown = of("unknown");
  if (unknown.length > 0) {
    lines.push(
      `${list(unknown)}: nothing passes. Is it yours? Then let it send through this host; else it`,
      `  forges your name, and ${enforces(policy) ? "your policy is there to stop it." : STRICTER}`,
    );
  }
  const mixed = of("mixed").filter((source) => !source.own);
  if (mixed.length > 0) {
    lines.push(`${list(mixed)}: some passes, some does not: does all of it sign?`);
  }
  if (of("forwarder").length > 0 && lines.length === 0) {
    lines.push("Forwarders and lists break SPF, and lists signatures: that is no fault of yours.");
  }
  if (messages > 0 && passed === messages) {
    lines.push(
      enforces(policy)
        ? "Nothing is to be done."
        : "All of it passes. If that is all mail you send, p=quarantine comes next, then p=reject.",
    );
  }
  return lines;
}

const STRICTER = "p=quarantine or p=reject would stop it.";

function enforces(policy: string): boolean {
  return policy === "quarantine" || policy === "reject";
}

function list(sources: readonly SourceSummary[]): string {
  const named = sources.slice(0, 3).map(({ source }) => source).join(", ");
  return sources.length > 3 ? `${named} and ${sources.length - 3} more` : named;
}

function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}

function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

function visible(text: string): string {
  return formatVisible(text, NAME);
}
