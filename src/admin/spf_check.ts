/**
 * What SPF says of a host that sends for a domain (RFC 7208 §4), to see whether a domain's record lets our own
 * addresses send. There is no sender yet, so what depends on one (macros) is `unclear`.
 *
 * At most ten questions are caused by one record (RFC 7208 §4.6.4); nothing throws.
 *
 * @module
 */

import { networkContains, parseIp } from "../net_address.ts";
import type { DnsAnswer, Resolver } from "../runtime/runtime.ts";
import { isSpf, parseSpf, type SpfQualifier, type SpfTerm } from "./spf_record.ts";

/** What SPF says. All but the qualifiers come with a reason. */
export type SpfResult =
  | { readonly result: SpfQualifier }
  | {
    /** No record; one that is wrong; no answer of DNS; it depends on the sender. */
    readonly result: "none" | "permerror" | "temperror" | "unclear";
    readonly reason: string;
  };

/** Terms that ask DNS, and hosts of one `mx` (RFC 7208 §4.6.4). */
const MAX_LOOKUPS = 10;
/** Questions that find nothing. */
const MAX_VOID = 2;

/** Asks what SPF says of mail of `domain` from an IP address. */
export async function checkSpf(
  resolver: Resolver,
  domain: string,
  ip: string,
  signal?: AbortSignal,
): Promise<SpfResult> {
  const check = new SpfCheck(resolver, ip, signal);
  try {
    return await check.domain(domain);
  } catch (error) {
    if (error instanceof Stop) return error.result;
    throw error;
  }
}

/** The end of a check from deep inside. */
class Stop extends Error {
  readonly result: SpfResult;

  constructor(result: "permerror" | "temperror" | "unclear", reason: string) {
    super(reason);
    this.result = { result, reason };
  }
}

class SpfCheck {
  readonly #resolver: Resolver;
  readonly #ip: string;
  readonly #signal: AbortSignal | undefined;
  #lookups = 0;
  #void = 0;

  constructor(resolver: Resolver, ip: string, signal: AbortSignal | undefined) {
    this.#resolver = resolver;
    this.#ip = ip;
    this.#signal = signal;
  }

  async domain(domain: string): Promise<SpfResult> {
    const answer = await this.#resolver.txt(domain, this.#signal);
    if (answer.status === "failed") throw new Stop("temperror", `${domain}: ${answer.reason}`);
    const records = answer.status === "found" ? answer.records.filter(isSpf) : [];
    const [first] = records;
    if (first === undefined) return { result: "none", reason: `${domain} has no SPF record` };
    if (records.length > 1) throw new Stop("permerror", `${domain} has more than one SPF record`);
    const parsed = parseSpf(first);
    if (parsed.status === "bad") throw new Stop("permerror", `${domain}: ${parsed.reason}`);
    const { terms, redirect } = parsed.record;
    for (const term of terms) {
      if (await this.#matches(term, domain)) return { result: term.qualifier };
    }
    if (redirect === null) return { result: "neutral" };
    this.#count(redirect);
    return this.#demand(await this.domain(redirect), "redirect", redirect);
  }

  async #matches(term: SpfTerm, current: string): Promise<boolean> {
    const { kind, network } = term;
    if (kind === "all") return true;
    if (network !== null) return networkContains(network, this.#ip);
    const domain = term.domain ?? current;
    this.#count(domain);
    switch (kind) {
      case "include": {
        const { result } = this.#demand(await this.domain(domain), "include", domain);
        return result === "pass";
      }
      case "a":
        return await this.#hasAddress(domain, term);
      case "mx":
        return await this.#hasExchange(domain, term);
      case "exists":
        return this.#records(await this.#resolver.a(domain, this.#signal), domain).length > 0;
      default:
        return false; // `ptr` should not be used (RFC 7208 §5.5).
    }
  }

  async #hasExchange(domain: string, term: SpfTerm): Promise<boolean> {
    const records = this.#records(await this.#resolver.mx(domain, this.#signal), domain);
    if (records.length > MAX_LOOKUPS) {
      throw new Stop("permerror", `the MX of ${domain} are more than ${MAX_LOOKUPS}`);
    }
    for (const { exchange } of records) {
      if (exchange !== "" && await this.#hasAddress(exchange, term)) return true;
    }
    return false;
  }

  async #hasAddress(name: string, { prefix4, prefix6 }: SpfTerm): Promise<boolean> {
    const six = this.#ip.includes(":");
    const answer = six
      ? await this.#resolver.aaaa(name, this.#signal)
      : await this.#resolver.a(name, this.#signal);
    const prefix = six ? prefix6 : prefix4;
    return this.#records(answer, name).some((text) => {
      const address = parseIp(text);
      return address !== null && networkContains({ address, prefix }, this.#ip);
    });
  }

  /** What was found; too many questions for nothing end the check. */
  #records<T>(answer: DnsAnswer<T>, name: string): readonly T[] {
    if (answer.status === "failed") throw new Stop("temperror", `${name}: ${answer.reason}`);
    if (answer.status === "found") return answer.records;
    if (++this.#void > MAX_VOID) {
      throw new Stop("permerror", `more than ${MAX_VOID} of its questions find nothing (${name})`);
    }
    return [];
  }

  #count(domain: string): void {
    if (domain.includes("%")) throw new Stop("unclear", `it depends on the sender (${domain})`);
    if (++this.#lookups > MAX_LOOKUPS) {
      throw new Stop("permerror", `it asks DNS more than ${MAX_LOOKUPS} times`);
    }
  }

  /** Who is included or redirected to must have a record (RFC 7208 §5.2, §6.1). */
  #demand(result: SpfResult, term: string, domain: string): SpfResult {
    if (result.result !== "none") return result;
    throw new Stop("permerror", `${term} ${domain}, which has no SPF record`);
  }
}
