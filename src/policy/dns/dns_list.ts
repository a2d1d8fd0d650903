/**
 * One list in DNS of clients or domains to refuse or to welcome (RFC 5782): how it is asked, and when its answers are
 * not believed.
 *
 * A list is not asked for a while, and the operator is told once, when
 * - it lists what no list may (127.0.0.1, or the domain `INVALID`), so that it would list everybody;
 * - it does not list what every list must (127.0.0.2, or `TEST`; RFC 5782 §5), so that it is dead;
 * - it answers outside 127.0.0.0/8, as a domain does that somebody else has bought;
 * - it answers 127.255.255.x, by which lists say that they do not serve us;
 * - it does not answer, several times in a row.
 *
 * The first two are looked at when the list is first asked, and then seldom. An answer that does not come counts for
 * nothing, and mail goes on.
 *
 * @module
 */

import { reverseDnsName } from "../../runtime/dns_name.ts";
import { matchesAnswer, parseAnswerPattern } from "./answer_pattern.ts";
import type { DnsAnswer, Resolver } from "../../runtime/resolver.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { NOBODY_WAITS, withinTime } from "../../runtime/within_time.ts";

/** What a list has entries for: addresses of clients, domains of senders, or names said in HELO and EHLO. */
export type DnsListKind = "address" | "sender-domain" | "hello";

/** A list to ask. */
export interface DnsListOptions {
  /** Such as `zen.spamhaus.org`. */
  readonly zone: string;
  /** What clients and the log are told in place of the zone, which may hold a key that is nobody's business. */
  readonly name?: string;
  /** Default `address`. */
  readonly kind?: DnsListKind;
  /** What an entry counts; below 0 on a list of those who are welcome. Default 1. */
  readonly weight?: number;
  /**
   * What entries count by what the list answers: patterns such as `127.0.0.2`, `127.0.0.4-7`, `127.0.0.x`. The first
   * that fits counts, and nothing where none does. Absent: every answer counts {@link weight}.
   */
  readonly answers?: Readonly<Record<string, number>>;
  /** Whether the list has the entries by which it can be tested (RFC 5782 §5). Default `true`. */
  readonly test?: boolean;
}

/** An entry that was found. */
export interface DnsListing {
  /** The list, as people may be told. */
  readonly list: string;
  /** What it has an entry for, as people may be told. */
  readonly subject: string;
  /** The name that was asked for; its TXT record may say why. */
  readonly query: string;
  readonly weight: number;
}

/** Milliseconds for which a list that is broken, or has stopped to answer, is not asked. */
export const BROKEN_REST = 60 * 60_000;
export const SILENT_REST = 5 * 60_000;
/** Milliseconds from one test of a list to the next. */
export const TEST_INTERVAL = 6 * 60 * 60_000;
/** Questions in a row without an answer before a list is not asked. */
const MAX_SILENCE = 5;
/** Names of a client longer than DNS has are on no list (RFC 1035 §2.3.4). */
const MAX_NAME = 253;

/** What a list asks with. */
export interface DnsListServices {
  readonly resolver: Pick<Resolver, "a">;
  readonly clock: Clock;
}

/** A list and how it has behaved. */
export class DnsList {
  readonly kind: DnsListKind;
  readonly #zone: string;
  readonly #name: string;
  readonly #weigh: (address: string) => number;
  readonly #tested: boolean;
  readonly #timeout: number;
  readonly #services: DnsListServices;
  /** Not asked before. */
  #restsUntil = 0;
  #silences = 0;
  #testing: Promise<string | null> | null = null;
  #testAgain = 0;

  /**
   * Asks nothing yet.
   *
   * @param timeout milliseconds that a test may take.
   * @throws {TypeError} for a pattern that is none.
   */
  constructor(options: DnsListOptions, timeout: number, services: DnsListServices) {
    const { zone, name = zone, kind = "address", test = true } = options;
    this.kind = kind;
    this.#zone = zone.replace(/^\.|\.$/g, "").toLowerCase();
    this.#name = name;
    this.#weigh = weigher(options);
    this.#tested = test;
    this.#timeout = timeout;
    this.#services = services;
  }

  /**
   * Looks for an entry; `null` where there is none that counts. Never rejects.
   *
   * @param subject an IP address for a list of addresses, else a domain in A-labels.
   * @param onTrouble is told, in words, when the list is not asked for a while from now on.
   */
  async ask(
    subject: string,
    signal: AbortSignal,
    onTrouble: (why: string) => void,
  ): Promise<DnsListing | null> {
    const { clock, resolver } = this.#services;
    if (clock.now() < this.#restsUntil) return null;
    const query = this.#query(subject);
    if (query === null) return null;
    const [answer, fault] = await Promise.all([resolver.a(query, signal), this.#test()]);
    if (fault !== null) return this.#rest(BROKEN_REST, fault, onTrouble);
    if (answer.status === "failed") {
      // Else who connects and leaves at once could have the list switched off.
      if (signal.reason === NOBODY_WAITS) return null;
      return this.#silent(onTrouble);
    }
    this.#silences = 0;
    if (answer.status === "none") return null;
    const wrong = answer.records.map(faultOf).find((why) => why !== null);
    if (wrong) return this.#rest(BROKEN_REST, wrong, onTrouble);
    const weight = answer.records.map(this.#weigh).reduce(stronger, 0);
    return weight === 0 ? null : { list: this.#name, subject, query, weight };
  }

  #query(subject: string): string | null {
    const entry = this.kind === "address" ? reversed(subject) : subject;
    const query = `${entry}.${this.#zone}`;
    return entry === null || query.length > MAX_NAME ? null : query;
  }

  #silent(onTrouble: (why: string) => void): null {
    if (++this.#silences < MAX_SILENCE) return null;
    this.#silences = 0;
    return this.#rest(SILENT_REST, "it does not answer", onTrouble);
  }

  /** Told by the first of those who ask at the same time. */
  #rest(duration: number, why: string, onTrouble: (why: string) => void): null {
    const now = this.#services.clock.now();
    if (now < this.#restsUntil) return null;
    this.#restsUntil = now + duration;
    onTrouble(`the list ${this.#name} is not asked for ${duration / 60_000} minutes: ${why}`);
    return null;
  }

  /** Why the list must not be believed; `null`: no reason is known. All who ask meanwhile share one test. */
  #test(): Promise<string | null> | null {
    const now = this.#services.clock.now();
    if (!this.#tested) return null;
    if (this.#testing !== null || now < this.#testAgain) return this.#testing;
    this.#testAgain = now + TEST_INTERVAL;
    this.#testing = withinTime(this.#services.clock, this.#timeout, async (signal) => {
      const ask = (entry: string) => this.#services.resolver.a(`${entry}.${this.#zone}`, signal);
      return this.kind === "address" ? await testAddresses(ask) : await testDomains(ask);
    }).then((fault) => {
      this.#testing = null;
      if (fault !== null) this.#testAgain = 0; // looked at again after the rest
      return fault;
    });
    return this.#testing;
  }
}

/**
 * Looks whether a list can be used from here, by the entries that every list has (RFC 5782 §5).
 *
 * @returns in words why not; `null`: it can.
 */
export async function testDnsList(
  { zone, kind = "address", test = true }: DnsListOptions,
  resolver: Pick<Resolver, "a">,
  signal: AbortSignal,
): Promise<string | null> {
  const ask = (entry: string) => resolver.a(`${entry}.${zone}`, signal);
  const answer = await ask(kind === "address" ? "2.0.0.127" : "test");
  if (answer.status === "failed") {
    return signal.aborted ? "it does not answer" : `it does not answer (${answer.reason})`;
  }
  const wrong = answer.status === "found" ? answer.records.find(faultOf) : undefined;
  if (wrong !== undefined) return faultOf(wrong);
  if (!test) return null;
  return kind === "address" ? await testAddresses(ask) : await testDomains(ask);
}

type Ask = (entry: string) => Promise<DnsAnswer<string>>;

/** RFC 5782 §5. A list of IPv6 addresses alone has ::FFFF:7F00:2 in place of 127.0.0.2. */
async function testAddresses(ask: Ask): Promise<string | null> {
  const [never, always] = await Promise.all([ask("1.0.0.127"), ask("2.0.0.127")]);
  if (listed(never)) return "it lists 127.0.0.1, so it would list everybody";
  if (always.status !== "none") return null;
  const also = await ask(reversed("::ffff:7f00:2")!);
  return also.status === "none" ? "it does not list 127.0.0.2, so it is dead" : null;
}

/** RFC 5782 §5. */
async function testDomains(ask: Ask): Promise<string | null> {
  const [never, always] = await Promise.all([ask("invalid"), ask("test")]);
  if (listed(never)) return "it lists the domain INVALID, so it would list everybody";
  return always.status === "none" ? "it does not list the domain TEST, so it is dead" : null;
}

/** Whatever it is: also a domain somebody else has bought answers all names. Not what says that we are not served. */
function listed(answer: DnsAnswer<string>): boolean {
  return answer.status === "found" && !answer.records.some(isRefusal);
}

/** The octets, or the nibbles of IPv6, the other way round (RFC 5782 §2.1, §2.4). */
function reversed(address: string): string | null {
  return reverseDnsName(address)?.replace(/\.(?:in-addr|ip6)\.arpa$/, "") ?? null;
}

function isRefusal(address: string): boolean {
  return address.startsWith("127.255.255.");
}

function faultOf(address: string): string | null {
  if (isRefusal(address)) return `it does not serve this name server (${address})`;
  return address.startsWith("127.") ? null : `it answers ${address}, which is not in 127.0.0.0/8`;
}

function weigher({ weight = 1, answers }: DnsListOptions): (address: string) => number {
  if (answers === undefined) return () => weight;
  const patterns = Object.entries(answers).map(([text, counts]) => {
    const pattern = parseAnswerPattern(text);
    if (pattern === null) throw new TypeError(`no pattern such as 127.0.0.4-7: ${text}`);
    return { pattern, counts };
  });
  return (address) => patterns.find(({ pattern }) => matchesAnswer(pattern, address))?.counts ?? 0;
}

/** A list counts once, however many of its answers fit. */
function stronger(a: number, b: number): number {
  return Math.abs(b) > Math.abs(a) ? b : a;
}
