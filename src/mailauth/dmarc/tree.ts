/**
 * The way up the tree of names (RFC 9989 §4.10): from a domain to the policy records above it, and by these to its
 * organizational domain, whose subdomains are one owner's. No list of public suffixes is asked: records say `psd=y`
 * where a registry is, `psd=n` where an owner begins.
 *
 * A walk takes eight questions at most, however many labels a name has; those of one message share their answers.
 * What DNS cannot answer now makes the walk fail, as an answer that is missing may be the one that counts.
 *
 * @module
 */

import type { Resolver } from "../../runtime/resolver.ts";
import { askDns } from "../ask_dns.ts";
import { type DmarcRecord, isDmarcRecord, parseDmarcRecord } from "./record.ts";

/** What a name has: its record, or `null` where it has none, or more than one, which counts as none. */
export type RecordAnswer =
  | { readonly status: "known"; readonly record: DmarcRecord | null }
  | { readonly status: "failed"; readonly reason: string };

/** A record, and the domain that has it. */
export interface FoundRecord {
  readonly domain: string;
  readonly record: DmarcRecord;
}

/** What a walk has found. */
export type TreeWalk =
  | {
    readonly status: "done";
    /** All records on the way, that of the longest name first. */
    readonly records: readonly FoundRecord[];
    /** The organizational domain of where it began. */
    readonly organization: string;
  }
  | { readonly status: "failed"; readonly reason: string };

/** Labels from which on a long name is looked at (RFC 9989 §4.10, step 4). */
const FIRST_SHORTENED = 7;

/** Names asked for in one evaluation, with all its walks: enough for an author, SPF and eight signatures. */
const MAX_QUESTIONS = 64;

/** The answers of one evaluation, each asked for once. */
export class PolicyRecords {
  readonly #resolver: Pick<Resolver, "txt">;
  readonly #signal: AbortSignal | undefined;
  readonly #answers = new Map<string, Promise<RecordAnswer>>();

  /** Asks as long as the signal is not aborted; failing it is then. */
  constructor(resolver: Pick<Resolver, "txt">, signal?: AbortSignal) {
    this.#resolver = resolver;
    this.#signal = signal;
  }

  /** The record of a domain, given as A-labels. Never rejects. */
  at(domain: string): Promise<RecordAnswer> {
    let answer = this.#answers.get(domain);
    if (answer !== undefined) return answer;
    if (this.#answers.size >= MAX_QUESTIONS) {
      return Promise.resolve({ status: "failed", reason: "too many names to look at" });
    }
    answer = this.#ask(domain);
    this.#answers.set(domain, answer);
    return answer;
  }

  async #ask(domain: string): Promise<RecordAnswer> {
    const name = `_dmarc.${domain}`;
    const answer = await askDns(() => this.#resolver.txt(name, this.#signal));
    if (answer.status === "failed") {
      return { status: "failed", reason: `DNS gives no answer about ${name}: ${answer.reason}` };
    }
    if (answer.status === "none") return { status: "known", record: null };
    const texts = answer.records.filter(isDmarcRecord);
    // Several are all discarded (RFC 9989 §4.10, step 2).
    return { status: "known", record: texts.length === 1 ? parseDmarcRecord(texts[0]!) : null };
  }
}

/**
 * The names whose records a walk asks for, in order.
 *
 * @example
 * ```ts
 * import { treeTargets } from "./tree.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(treeTargets("a.mail.example.com"), [
 *   "a.mail.example.com", "mail.example.com", "example.com", "com",
 * ]);
 * assertEquals(treeTargets("a.b.c.d.e.f.g.h.i.j.mail.example.com").slice(0, 2), [
 *   "a.b.c.d.e.f.g.h.i.j.mail.example.com", "g.h.i.j.mail.example.com",
 * ]);
 * ```
 */
export function treeTargets(domain: string): string[] {
  const labels = domain.split(".");
  const targets = [domain];
  for (let left = Math.min(labels.length - 1, FIRST_SHORTENED); left > 0; left--) {
    targets.push(labels.slice(-left).join("."));
  }
  return targets;
}

/** Walks up from a domain, given as A-labels (RFC 9989 §4.10, §4.10.2). Never rejects. */
export async function walkTree(records: PolicyRecords, domain: string): Promise<TreeWalk> {
  const [start, ...above] = treeTargets(domain);
  const found: FoundRecord[] = [];
  const own = await records.at(start!);
  // What is above is asked for at once, not one after the other: a client waits for it.
  const answers = stops(own) || own.status === "failed"
    ? [own]
    : [own, ...await Promise.all(above.map((target) => records.at(target)))];
  for (const [index, answer] of answers.entries()) {
    if (answer.status === "failed") return answer;
    if (answer.record === null) continue;
    found.push({ domain: index === 0 ? start! : above[index - 1]!, record: answer.record });
    if (stops(answer)) break;
  }
  return { status: "done", records: found, organization: organizationOf(domain, found) };
}

/** A record that says `psd=y` or `psd=n` ends a walk. */
function stops(answer: RecordAnswer): boolean {
  return answer.status === "known" && answer.record !== null && answer.record.psd !== "u";
}

/** RFC 9989 §4.10.2. @param found by a walk from the domain, the longest name first. */
function organizationOf(domain: string, found: readonly FoundRecord[]): string {
  const last = found.at(-1);
  if (last === undefined) return domain;
  // Only the last of a walk can say psd=y or psd=n. Where the walk began, psd=y says nothing of what is below.
  if (last.record.psd === "y" && last.domain !== domain) return oneLabelBelow(last.domain, domain);
  return last.domain;
}

/** `a.mail.example.com` seen from `com`: `example.com`. */
function oneLabelBelow(above: string, domain: string): string {
  const labels = above.split(".").length + 1;
  return domain.split(".").slice(-labels).join(".");
}
