/**
 * What one check of SPF may ask of DNS, and how much of it (RFC 7208 §4.6.4): a record is a stranger's, and each mail
 * of theirs makes us ask what it says.
 *
 * What fails: too many questions and a DNS that is ill end the whole check, by {@link SpfStop}.
 *
 * @module
 */

import type { DnsAnswer, Resolver } from "../../runtime/resolver.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { withinTime } from "../../runtime/within_time.ts";
import { askDns } from "../ask_dns.ts";

/** Who answers for DNS. */
export type SpfResolver = Pick<Resolver, "a" | "aaaa" | "mx" | "txt" | "ptr">;

/** How far a check goes. */
export interface SpfLimits {
  /** Terms that ask DNS. Default 10. */
  readonly lookups: number;
  /** Terms whose question finds nothing. Default 2. */
  readonly voidLookups: number;
  /** Hosts of one `mx`, more of which are an error; and names of the client, more of which are not looked at. Default 10. */
  readonly names: number;
  /** Milliseconds for the whole, where there is a clock. Default 20000. */
  readonly time: number;
}

/** The limits of RFC 7208 §4.6.4. */
export const SPF_LIMITS: SpfLimits = { lookups: 10, voidLookups: 2, names: 10, time: 20_000 };

/** Characters of a reason. */
const LONGEST_REASON = 400;

/** The end of a check from deep inside. The message is for people, and printable whatever strangers named. */
export class SpfStop extends Error {
  /** What the check came to. */
  readonly result: "permerror" | "temperror";

  /** An end with this result, for this reason. */
  constructor(result: "permerror" | "temperror", reason: string) {
    super(reason.slice(0, LONGEST_REASON).replace(/[^ -~]/g, "?"));
    this.result = result;
  }
}

/** The questions of one check. Names are as DNS has them in text: see {@link dnsText}. */
export class SpfQuestions {
  /** What this check is held to. */
  readonly limits: SpfLimits;
  readonly #resolver: SpfResolver;
  readonly #signal: AbortSignal | undefined;
  readonly #clock: Clock | undefined;
  #lookups = 0;
  #void = 0;

  /** Questions to this resolver. Aborting the signal ends the check. @param clock holds some of them to less time. */
  constructor(
    resolver: SpfResolver,
    limits: SpfLimits,
    signal: AbortSignal | undefined,
    clock?: Clock,
  ) {
    this.#resolver = resolver;
    this.limits = limits;
    this.#signal = signal;
    this.#clock = clock;
  }

  /** Does some work whose questions have a quarter of the time, where there is a clock; what is late is `failed`. */
  hurried<T>(work: (questions: SpfQuestions) => Promise<T>): Promise<T> {
    if (this.#clock === undefined) return work(this);
    const within = (signal: AbortSignal) =>
      work(new SpfQuestions(this.#resolver, this.limits, signal));
    return withinTime(this.#clock, this.limits.time / 4, within, this.#signal);
  }

  /** Counts a term that is going to ask. @throws {SpfStop} where there were enough. */
  count(): void {
    if (++this.#lookups > this.limits.lookups) {
      throw new SpfStop("permerror", `it asks DNS more than ${this.limits.lookups} times`);
    }
  }

  /** Counts a term whose question found nothing. @throws {SpfStop} where there were enough. */
  countVoid(name: string): void {
    if (++this.#void > this.limits.voidLookups) {
      const most = this.limits.voidLookups;
      throw new SpfStop("permerror", `more than ${most} of its questions find nothing (${name})`);
    }
  }

  /** For whom no answer was an answer: whether there was time for one. @throws {SpfStop} where there was not. */
  checkTime(): void {
    if (this.#signal?.aborted) throw new SpfStop("temperror", "DNS gave no answer in time");
  }

  /** The texts of a name. @throws {SpfStop} where DNS is ill. */
  async texts(name: string): Promise<readonly string[]> {
    return records(await this.askTexts(name), name);
  }

  /** The same, for whom no answer is an answer. */
  askTexts(name: string): Promise<DnsAnswer<string>> {
    return askDns(() => this.#resolver.txt(name, this.#signal));
  }

  /** The addresses of a name, of one kind. @throws {SpfStop} where DNS is ill. */
  async addresses(name: string, six: boolean): Promise<readonly string[]> {
    return records(await this.askAddresses(name, six), name);
  }

  /** The same, for whom no answer is an answer. */
  askAddresses(name: string, six: boolean): Promise<DnsAnswer<string>> {
    return askDns(() => this.#resolver[six ? "aaaa" : "a"](name, this.#signal));
  }

  /** The hosts that take mail for a name. @throws {SpfStop} where DNS is ill, or there are too many. */
  async exchanges(name: string): Promise<readonly string[]> {
    const found = records(await askDns(() => this.#resolver.mx(name, this.#signal)), name);
    if (found.length > this.limits.names) {
      throw new SpfStop("permerror", `the MX of ${name} are more than ${this.limits.names}`);
    }
    return found.map(({ exchange }) => exchange);
  }

  /** The names of an address, as many as count. */
  async askNames(address: string): Promise<DnsAnswer<string>> {
    const answer = await askDns(() => this.#resolver.ptr(address, this.#signal));
    if (answer.status !== "found") return answer;
    return { status: "found", records: answer.records.slice(0, this.limits.names) };
  }
}

/** What was found; nothing where there is nothing. */
function records<T>(answer: DnsAnswer<T>, name: string): readonly T[] {
  if (answer.status === "failed") throw new SpfStop("temperror", `${name}: ${answer.reason}`);
  return answer.status === "found" ? answer.records : [];
}

/** A name of a record as DNS has it in text: a backslash, a character in the one, begins an escape in the other (RFC 1035 §5.1). */
export function dnsText(name: string): string {
  return name.includes("\\") ? name.replaceAll("\\", "\\\\") : name;
}
