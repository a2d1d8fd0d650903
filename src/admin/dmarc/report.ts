/**
 * Aggregate reports of DMARC that others have made: by RFC 9990 (Appendix A) or RFC 7489 (Appendix C), and as reporters
 * write them, who do not keep to either in everything.
 *
 * Total: what cannot be read is a fault, in words.
 *
 * @module
 */

import { domainKey, parseDomain, toAsciiDomain } from "../../address.ts";
import { canonicalIp, parseIp } from "../../net_address.ts";
import { childAt, readXml, textAt, type XmlElement, XmlFault } from "./xml_tree.ts";

/** A report. */
export interface AggregateReport {
  /** Who made it. */
  readonly organization: string;
  readonly email: string;
  readonly id: string;
  /** The time it is about, in epoch milliseconds. */
  readonly begin: number;
  readonly end: number;
  /** The policy domain, as A-labels. */
  readonly domain: string;
  /** What it asks for: `none`, `quarantine`, `reject`, or what the reporter wrote. */
  readonly policy: string;
  readonly rows: readonly AggregateRow[];
  /** Records that could not be read, … */
  readonly lost: number;
  /** … and why the first could not. */
  readonly lostReason: string;
}

/** Messages that were alike. */
export interface AggregateRow {
  /** An IP address. */
  readonly source: string;
  readonly count: number;
  /** What became of them. */
  readonly disposition: "none" | "quarantine" | "reject";
  /** Whether a valid signature was aligned. */
  readonly dkimAligned: boolean;
  /** Whether SPF passed and was aligned. */
  readonly spfAligned: boolean;
  /** Why they fared otherwise than asked for, such as `forwarded`. */
  readonly reasons: readonly string[];
  readonly headerFrom: string;
  /** Empty where it is not said, or there was none. */
  readonly envelopeFrom: string;
  readonly dkim: readonly { readonly domain: string; readonly result: string }[];
  readonly spf: readonly { readonly domain: string; readonly result: string }[];
}

/** What came of reading. */
export type ReadReport =
  | { readonly status: "report"; readonly report: AggregateReport }
  | { readonly status: "fault"; readonly reason: string };

/** Records of one report. */
const MAX_ROWS = 200_000;
const MAX_NAME = 255;

/**
 * Reads a report.
 *
 * @example
 * ```ts
 * import { parseAggregateReport } from "./report.ts";
 * import { encode } from "../../bytes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const read = parseAggregateReport(encode("<feedback><version>1.0</version></feedback>"));
 * assertEquals(read, { status: "fault", reason: "it has no report_metadata" });
 * ```
 */
export function parseAggregateReport(octets: Uint8Array): ReadReport {
  const draft = new Draft();
  try {
    const root = readXml(octets, (child) => draft.add(child));
    if (root !== "feedback") return fault(`it is no report: its element is ${root.slice(0, 40)}`);
    return { status: "report", report: draft.finish() };
  } catch (error) {
    if (error instanceof XmlFault) return fault(error.message);
    if (error instanceof Fault) return fault(error.message);
    throw error;
  }
}

function fault(reason: string): ReadReport {
  return { status: "fault", reason };
}

/** What makes a whole report worthless. */
class Fault extends Error {
  override readonly name = "Fault";
}

class Draft {
  #metadata: XmlElement | null = null;
  #policy: XmlElement | null = null;
  readonly #rows: AggregateRow[] = [];
  #lost = 0;
  #lostReason = "";

  add(child: XmlElement): void {
    if (child.name === "report_metadata") this.#metadata ??= child;
    else if (child.name === "policy_published") this.#policy ??= child;
    else if (child.name === "record") this.#addRecord(child);
  }

  #addRecord(record: XmlElement): void {
    if (this.#rows.length >= MAX_ROWS) throw new Fault(`it has more than ${MAX_ROWS} records`);
    const row = readRow(record);
    if (typeof row !== "string") {
      this.#rows.push(row);
    } else if (this.#lost++ === 0) {
      this.#lostReason = row;
    }
  }

  finish(): AggregateReport {
    if (this.#metadata === null) throw new Fault("it has no report_metadata");
    if (this.#policy === null) throw new Fault("it has no policy_published");
    const domain = domainOf(textAt(this.#policy, "domain"));
    if (domain === null) throw new Fault("its policy_published names no domain");
    const [begin, end] = ["begin", "end"].map((name) => timeAt(this.#metadata!, name));
    if (this.#rows.length === 0 && this.#lost > 0) {
      throw new Fault(`none of its records can be read: ${this.#lostReason}`);
    }
    return {
      organization: textAt(this.#metadata, "org_name").slice(0, MAX_NAME),
      email: textAt(this.#metadata, "email").slice(0, MAX_NAME),
      id: textAt(this.#metadata, "report_id").slice(0, MAX_NAME),
      ...{ begin: begin!, end: end!, domain },
      policy: textAt(this.#policy, "p").toLowerCase().slice(0, 20),
      ...{ rows: this.#rows, lost: this.#lost, lostReason: this.#lostReason },
    };
  }
}

/** Seconds since the epoch; some reporters write a fraction. */
function timeAt(metadata: XmlElement, name: "begin" | "end" | string): number {
  const text = textAt(metadata, `date_range/${name}`);
  if (!/^\d{1,10}(?:\.\d*)?$/.test(text)) throw new Fault(`its date_range has no ${name}`);
  return Math.trunc(Number(text)) * 1000;
}

/** A record, or why it is none. */
function readRow(record: XmlElement): AggregateRow | string {
  const source = textAt(record, "row/source_ip");
  if (parseIp(source) === null) return `its source_ip is no address: ${source.slice(0, 60)}`;
  const count = textAt(record, "row/count");
  if (!/^\d{1,12}$/.test(count)) return `its count is no number: ${count.slice(0, 60)}`;
  const headerFrom = domainOf(textAt(record, "identifiers/header_from"));
  if (headerFrom === null) return "its header_from is no domain";
  const evaluated = childAt(record, "row/policy_evaluated");
  if (evaluated === undefined) return "it has no policy_evaluated";
  return {
    source: canonicalIp(source),
    count: Number(count),
    disposition: dispositionOf(textAt(evaluated, "disposition")),
    dkimAligned: isPass(textAt(evaluated, "dkim")),
    spfAligned: isPass(textAt(evaluated, "spf")),
    reasons: evaluated.children.filter(({ name }) => name === "reason")
      .map((reason) => textAt(reason, "type").toLowerCase().slice(0, 40)),
    headerFrom,
    envelopeFrom: domainOf(textAt(record, "identifiers/envelope_from")) ?? "",
    dkim: resultsOf(record, "dkim"),
    spf: resultsOf(record, "spf"),
  };
}

function resultsOf(record: XmlElement, method: "dkim" | "spf") {
  const results = childAt(record, "auth_results")?.children ?? [];
  return results.filter(({ name }) => name === method).slice(0, 100).map((one) => ({
    domain: domainOf(textAt(one, "domain")) ?? "",
    result: textAt(one, "result").toLowerCase().slice(0, 20),
  }));
}

function dispositionOf(text: string): AggregateRow["disposition"] {
  const word = text.toLowerCase();
  return word === "quarantine" || word === "reject" ? word : "none";
}

function isPass(text: string): boolean {
  return text.toLowerCase() === "pass";
}

/** As A-labels in lower case. */
function domainOf(text: string): string | null {
  const domain = parseDomain(text.replace(/\.$/, ""), { smtputf8: true });
  const ascii = domain && toAsciiDomain(domain);
  return ascii && domainKey(ascii);
}
