/**
 * What `yizhan dns` found out, as people read it. Texts of DNS are anybody's, and can do no harm on a terminal.
 *
 * @module
 */

import type { DnsFinding, DnsStatus } from "../admin/dns_finding.ts";
import type { RecordPurpose, WantedRecord } from "../admin/wanted_record.ts";
import { formatZoneData } from "../admin/zone_text.ts";
import { type Paint, paintFor } from "../observe/paint.ts";
import { escapeJson, formatVisible } from "../observe/visible_text.ts";

const LABELS: Readonly<Record<RecordPurpose, string>> = {
  mx: "MX",
  address: "address",
  ptr: "PTR",
  spf: "SPF",
  dkim: "DKIM",
  dmarc: "DMARC",
  "mta-sts": "MTA-STS",
  "tls-rpt": "TLS-RPT",
  tlsa: "TLSA",
  site: "site",
  srv: "SRV",
};

/** Longer texts are cut: a key has some 400 characters. */
const MAX_TEXT = 600;
const MAX_FOUND = 10;

/** A finding: a line, and where something is to be done, what is there, what should be, and the advice. */
export function formatFinding(finding: DnsFinding, colourful: boolean): string {
  const { purpose, status, name, found, wanted, message, advice } = finding;
  const word = colour(paintFor(colourful), status)(status.padEnd(9));
  const head = `  ${word}  ${LABELS[purpose].padEnd(7)}  ${name}: ${visible(message)}`;
  if (status === "ok" || status === "optional") return head;
  const rows = [
    ...found.slice(0, MAX_FOUND).map((text) => `found:   ${visible(text)}`),
    ...(found.length > MAX_FOUND ? [`and ${found.length - MAX_FOUND} more`] : []),
    ...(wanted === null || status === "unknown" ? [] : [`wanted:  ${visible(wanted)}`]),
    ...(advice === null ? [] : [`to do:   ${visible(advice)}`]),
  ];
  return [head, ...rows.map((row) => `${" ".repeat(13)}${row}`)].join("\n");
}

/** The last line. */
export function formatSummary(wrong: number, unknown: number): string {
  if (wrong === 0 && unknown === 0) return "All is well.";
  const parts = [
    ...(wrong === 0 ? [] : [`${wrong} to mend`]),
    ...(unknown === 0 ? [] : [`${unknown} unknown`]),
  ];
  return `${parts.join(", ")}.`;
}

/** A record for programs: those of providers' interfaces take name, type and value. */
export function recordAsJson({ purpose, name, data, need }: WantedRecord) {
  const value = data.type === "TXT" ? data.text : formatZoneData(data);
  return { purpose, need, name, type: data.type, value };
}

/** A line of JSON that can do no harm on a terminal. */
export function formatJsonLine(value: object): string {
  return escapeJson(JSON.stringify(value));
}

function visible(text: string): string {
  return formatVisible(text, MAX_TEXT);
}

function colour(paint: Paint, status: DnsStatus): (text: string) => string {
  switch (status) {
    case "ok":
      return paint.good;
    case "missing":
    case "different":
      return paint.bad;
    case "unknown":
      return paint.warning;
    case "optional":
      return paint.dim;
  }
}
