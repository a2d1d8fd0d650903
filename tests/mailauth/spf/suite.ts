/**
 * The form of the SPF test suite, read: scenarios of checks, each with a world of DNS. As the suite has it, what is
 * said of the type SPF is said of TXT too where the name has no TXT of its own; `TXT: NONE` keeps that from
 * happening; and `TIMEOUT` is silence to all questions that nothing else of the name answers.
 *
 * @module
 */

import { normalizeDnsName, reverseDnsName } from "../../../src/runtime/dns_name.ts";
import type { DnsAnswer, MxRecord } from "../../../src/runtime/resolver.ts";
import type { SpfResolver } from "../../../src/mailauth/spf/questions.ts";

/** One check. */
export interface SuiteCase {
  readonly helo: string;
  readonly host: string;
  readonly mailfrom: string;
  /** What it may come to, the best first where there are several. */
  readonly result: string | readonly string[];
  readonly explanation?: string;
}

/** Checks in one world. */
export interface SuiteScenario {
  readonly description: string;
  readonly cases: readonly (readonly [name: string, data: SuiteCase])[];
  /** For {@link resolverOf}. */
  readonly zones: unknown;
}

interface Document {
  readonly description: string;
  readonly tests: Readonly<Record<string, SuiteCase>>;
  readonly zonedata: unknown;
}

/** The scenarios of the documents of a suite. @throws {Error} where a document has errors. */
export function parseSuite(
  documents: Iterable<{ readonly errors: readonly Error[]; toJS(): unknown }>,
): SuiteScenario[] {
  return [...documents].map((document) => {
    const [error] = document.errors;
    if (error !== undefined) throw error;
    const { description, tests, zonedata } = document.toJS() as Document;
    return { description, cases: Object.entries(tests), zones: zonedata };
  });
}

type Item = "TIMEOUT" | Readonly<Record<string, unknown>>;

/** Answers as a world of the suite has it. */
export function resolverOf(zones: unknown): SpfResolver {
  const names = new Map(
    Object.entries(zones as Record<string, Item[]>).map(([name, items]) => [
      name.toLowerCase(),
      items,
    ]),
  );
  // deno-lint-ignore require-await
  async function ask(given: string, type: string, aliases = 0): Promise<DnsAnswer<unknown>> {
    const items = names.get(normalizeDnsName(given).replaceAll("\\\\", "\\"));
    if (items === undefined) return { status: "none", reason: "nxdomain" };
    const [alias] = valuesOf(items, "CNAME");
    if (alias !== undefined) {
      if (aliases === 8) return { status: "failed", reason: "a loop of CNAMEs" };
      return ask(`${alias}`, type, aliases + 1);
    }
    const values = valuesOf(items, type);
    if (values.length > 0) return { status: "found", records: values };
    if (items.includes("TIMEOUT")) return { status: "failed", reason: "timeout" };
    return { status: "none", reason: "nodata" };
  }
  const texts = (name: string, type: string) => ask(name, type) as Promise<DnsAnswer<string>>;
  return {
    a: (name) => texts(name, "A"),
    aaaa: (name) => texts(name, "AAAA"),
    txt: (name) => texts(name, "TXT"),
    ptr: (address) => texts(reverseDnsName(address)!, "PTR"),
    mx: (name) => ask(name, "MX") as Promise<DnsAnswer<MxRecord>>,
  };
}

/** What a name has of a type. */
function valuesOf(items: readonly Item[], type: string): unknown[] {
  const kept = (type: string) =>
    items.flatMap((item) => item !== "TIMEOUT" && item[type] !== undefined ? [[item[type]]] : [])
      .map(([value]) => value);
  switch (type) {
    case "TXT": {
      const own = kept("TXT");
      const texts = (own.length > 0 ? own : kept("SPF")).filter((text) => text !== "NONE");
      return texts.map((text) => [text].flat().join("")); // The strings of a record may be a list.
    }
    case "MX":
      return kept("MX").map((value) => {
        const [preference, exchange] = value as [number, string];
        return { preference, exchange: normalizeDnsName(exchange) };
      });
    case "PTR":
      return kept("PTR").map((name) => normalizeDnsName(`${name}`));
    default:
      return kept(type);
  }
}
