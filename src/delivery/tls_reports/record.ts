/**
 * The TXT record by which a domain asks for reports of TLS (RFC 8460 §3). Pure.
 *
 * @module
 */

import { parseDomain } from "../../address.ts";
import { parseIp } from "../../net_address.ts";
import { parseMailto } from "../reports/mailto.ts";

/** Where a report goes. */
export type ReportTarget =
  | { readonly kind: "mail"; readonly address: string }
  | {
    readonly kind: "https";
    readonly host: string;
    readonly port: number;
    /** Path and query. */
    readonly target: string;
    /** The whole, for people. */
    readonly url: string;
  };

/** Places that a report of one domain goes to: a stranger's list does not make us a sprinkler. */
const MAX_TARGETS = 4;

const VERSION = /^v=TLSRPTv1[ \t]*;/;
const FIELD = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}=/;

/**
 * Reads the TXT records of `_smtp._tls.DOMAIN`: where reports go, the first four; `null` where nobody wants any, or the
 * record is wrong (§3: then nothing is published). Targets of kinds that are not known here are passed over.
 *
 * @example
 * ```ts
 * import { parseReportRecord } from "./record.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseReportRecord(["v=TLSRPTv1; rua=mailto:tls@example.org"]), [
 *   { kind: "mail", address: "tls@example.org" },
 * ]);
 * ```
 */
export function parseReportRecord(texts: readonly string[]): readonly ReportTarget[] | null {
  const records = texts.filter((text) => VERSION.test(text));
  if (records.length !== 1) return null;
  const fields = records[0]!.split(";").slice(1).map((field) => field.trim());
  if (fields.at(-1) === "") fields.pop();
  if (!fields.every((field) => FIELD.test(field))) return null;
  const rua = fields.filter((field) => field.startsWith("rua="));
  if (rua.length !== 1) return null;
  const targets = rua[0]!.slice(4).split(",").map((uri) => parseTarget(uri.trim()));
  const known = targets.filter((target) => target !== null).slice(0, MAX_TARGETS);
  return known.length === 0 ? null : known;
}

function parseTarget(uri: string): ReportTarget | null {
  if (uri.length > 1000) return null;
  if (/^https:/i.test(uri)) return parseHttps(uri);
  const address = parseMailto(uri);
  return address === null ? null : { kind: "mail", address };
}

function parseHttps(uri: string): ReportTarget | null {
  const url = URL.parse(uri);
  if (url === null || url.username !== "" || url.password !== "") return null;
  const { hostname: host, pathname, search } = url;
  // A name is what an address is looked up for, and what it must be by our rules.
  if (parseDomain(host) === null || parseIp(host) !== null) return null;
  const port = url.port === "" ? 443 : Number(url.port);
  return { kind: "https", host, port, target: `${pathname}${search}`, url: url.href };
}
