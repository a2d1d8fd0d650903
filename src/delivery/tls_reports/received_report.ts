/**
 * Reads reports of TLS that others send us (RFC 8460 §4.4): JSON, or that by gzip. What a stranger wrote: bounded in all,
 * and a value that is not what it should be is a fault. Pure.
 *
 * @module
 */

import { gunzipSync } from "node:zlib";
import { decodeStrict } from "../../bytes.ts";

/** A report. Texts are the sender's own, without control characters. */
export interface ReceivedTlsReport {
  /** Who made it. */
  readonly organization: string;
  /** Whom to ask about it. */
  readonly contact: string;
  /** The sender's name for it. */
  readonly id: string;
  /** What time it is about, in epoch milliseconds. */
  readonly start: number;
  /** See `start`. */
  readonly end: number;
  /** What sessions came to, by policy. */
  readonly policies: readonly ReceivedPolicy[];
}

/** What sessions under one policy came to. */
export interface ReceivedPolicy {
  /** `tlsa`, `sts`, `no-policy-found`, or what else there may be by then. */
  readonly type: string;
  /** Whose policy it is. */
  readonly domain: string;
  /** Lines of the policy, or TLSA records. */
  readonly lines: readonly string[];
  /** The `mx` of an MTA-STS policy. */
  readonly mx: readonly string[];
  /** Sessions that went well. */
  readonly successes: number;
  /** Sessions that did not. */
  readonly failures: number;
  /** How these failed, as far as that is told. */
  readonly details: readonly ReceivedFailure[];
}

/** Failures of one kind. */
export interface ReceivedFailure {
  /** Such as `certificate-expired`. */
  readonly type: string;
  /** Sessions. */
  readonly count: number;
  /** Address of the sender. */
  readonly source?: string;
  /** Name of our host. */
  readonly host?: string;
  /** What our host called itself. */
  readonly hello?: string;
  /** Address of our host. */
  readonly address?: string;
  /** In the sender's words. */
  readonly reason?: string;
  /** Where there is more. */
  readonly more?: string;
}

/** Octets of JSON, items of a list, and characters of a text. */
const MAX_OCTETS = 16 * 1024 * 1024;
const MAX_ITEMS = 10_000;
const MAX_TEXT = 1000;

/** What is wrong with a report, in words. */
class Fault extends Error {}

/**
 * Reads a report as it is attached to a mail, or posted.
 *
 * @example
 * ```ts
 * import { parseTlsReport } from "./received_report.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseTlsReport(new TextEncoder().encode("{}")), {
 *   fault: "organization-name is missing",
 * });
 * ```
 */
export function parseTlsReport(octets: Uint8Array): ReceivedTlsReport | { readonly fault: string } {
  try {
    const isPacked = octets[0] === 0x1f && octets[1] === 0x8b;
    const plain = isPacked ? gunzipSync(octets, { maxOutputLength: MAX_OCTETS }) : octets;
    if (plain.length > MAX_OCTETS) return { fault: "it is too large" };
    const text = decodeStrict(plain);
    if (text === null) return { fault: "it is no UTF-8" };
    return readReport(objectOf(JSON.parse(text), "the report"));
  } catch (error) {
    return { fault: error instanceof Fault ? error.message : "it is no JSON, packed or not" };
  }
}

type Fields = Readonly<Record<string, unknown>>;

function readReport(report: Fields): ReceivedTlsReport {
  const range = () => objectOf(report["date-range"], "date-range");
  return {
    organization: textOf(report, "organization-name"),
    start: timeOf(range(), "start-datetime"),
    end: timeOf(range(), "end-datetime"),
    // Some leave it out, or say null.
    contact: optionalText(report, "contact-info") ?? "",
    id: textOf(report, "report-id"),
    policies: listOf(report, "policies").map(readPolicy),
  };
}

function readPolicy(given: unknown): ReceivedPolicy {
  const item = objectOf(given, "an item of policies");
  const policy = objectOf(item["policy"], "policy");
  const summary = objectOf(item["summary"], "summary");
  return {
    type: textOf(policy, "policy-type"),
    domain: textOf(policy, "policy-domain"),
    lines: textsOf(policy, "policy-string"),
    mx: textsOf(policy, "mx-host"),
    successes: countOf(summary, "total-successful-session-count"),
    failures: countOf(summary, "total-failure-session-count"),
    details: listOf(item, "failure-details").map(readFailure),
  };
}

function readFailure(given: unknown): ReceivedFailure {
  const failure = objectOf(given, "an item of failure-details");
  const [source, host, hello, address, reason, more] = [
    ...["sending-mta-ip", "receiving-mx-hostname", "receiving-mx-helo", "receiving-ip"],
    ...["failure-reason-code", "additional-information"],
  ].map((name) => optionalText(failure, name));
  return {
    type: textOf(failure, "result-type"),
    count: countOf(failure, "failed-session-count"),
    ...(source !== undefined && { source }),
    ...(host !== undefined && { host }),
    ...(hello !== undefined && { hello }),
    ...(address !== undefined && { address }),
    ...(reason !== undefined && { reason }),
    ...(more !== undefined && { more }),
  };
}

function objectOf(value: unknown, name: string): Fields {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  throw new Fault(`${name} is ${value === undefined ? "missing" : "no object"}`);
}

/** A list that may be missing. */
function listOf(fields: Fields, name: string): readonly unknown[] {
  const value = fields[name] ?? [];
  if (!Array.isArray(value)) throw new Fault(`${name} is no list`);
  if (value.length > MAX_ITEMS) throw new Fault(`${name} is too long`);
  return value;
}

/** Texts; one may stand for a list of one (RFC 8460 §4.4 has both). */
function textsOf(fields: Fields, name: string): readonly string[] {
  const value = fields[name];
  const list = typeof value === "string" ? [value] : listOf(fields, name);
  return list.map((text) => {
    if (typeof text === "string") return plainText(text);
    throw new Fault(`${name} has what is no text`);
  });
}

function textOf(fields: Fields, name: string): string {
  const text = optionalText(fields, name);
  if (text === undefined) throw new Fault(`${name} is missing`);
  return text;
}

function optionalText(fields: Fields, name: string): string | undefined {
  const value = fields[name] ?? undefined;
  if (value === undefined) return undefined;
  if (typeof value !== "string") throw new Fault(`${name} is no text`);
  return plainText(value);
}

function plainText(text: string): string {
  return text.slice(0, MAX_TEXT).toWellFormed().replace(/\p{Cc}+/gu, " ");
}

function countOf(fields: Fields, name: string): number {
  const value = fields[name];
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  throw new Fault(`${name} is ${value === undefined ? "missing" : "no count"}`);
}

/** RFC 3339. */
function timeOf(fields: Fields, name: string): number {
  const text = textOf(fields, name);
  const isWritten = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/.test(
    text,
  );
  const time = isWritten ? Date.parse(text.toUpperCase()) : NaN;
  if (Number.isNaN(time)) throw new Fault(`${name} is no time`);
  return time;
}
