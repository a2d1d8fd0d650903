/**
 * A made-up world of names, and what a name server that knows all of it would answer. The resolver in
 * memory and small name servers of tests and demonstrations share it. No sockets here.
 *
 * What fails: what `failures` says shall fail. A record that cannot be read makes {@link DnsZones.set}
 * throw.
 *
 * @module
 */

import {
  type DnsData,
  type DnsMessage,
  type DnsQuestion,
  type DnsRecord,
  RCODE,
} from "./dns_message.ts";
import { normalizeDnsName } from "./dns_name.ts";

/** The records of one name. All names in them are absolute; a dot at the end may be there. */
export interface DnsNameRecords {
  /** IPv4 addresses. */
  readonly a?: readonly string[];
  /** IPv6 addresses. */
  readonly aaaa?: readonly string[];
  /** As in a zone file: `"10 mx.example.org"`; `"0 ."` is a null MX (RFC 7505). */
  readonly mx?: readonly string[];
  /** As in a zone file: priority, weight, port and host, `"0 1 465 mail.example.org"`. */
  readonly srv?: readonly string[];
  /** Texts. */
  readonly txt?: readonly string[];
  /** As in a zone file: usage, selector, matching and octets in hexadecimal, `"3 1 1 8cd9…"`. */
  readonly tlsa?: readonly string[];
  /** Names, of a name under `in-addr.arpa` or `ip6.arpa`. */
  readonly ptr?: readonly string[];
  /** The name this one stands for; nothing else may be there then. */
  readonly cname?: string;
}

/** How a question can fail; `timeout` is silence, `truncated` an answer that fits into no datagram. */
export type DnsFailure = "servfail" | "refused" | "timeout" | "truncated";

/** What a question finds: the records with the CNAMEs that led to them, and the rcode. */
export interface DnsLookup {
  readonly records: readonly DnsRecord[];
  readonly rcode: number;
  /** Whether all of it lies in zones that are signed. */
  readonly authenticated: boolean;
  /** The last name of the CNAMEs. */
  readonly canonical: string;
}

/** Chains of CNAMEs longer than this are a fault of the zone. */
const MAX_CNAMES = 8;

/**
 * Names and their records.
 *
 * @example
 * ```ts
 * import { DnsZones } from "./dns_zones.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const zones = new DnsZones({
 *   "example.org": { mx: ["10 mx.example.org"] },
 *   "mx.example.org": { a: ["192.0.2.25"] },
 * });
 * zones.failures.set("mx broken.test", "servfail");
 * const { records } = zones.lookup("example.org", "MX");
 * assertEquals(records[0]?.data, { type: "MX", preference: 10, exchange: "mx.example.org" });
 * ```
 */
export class DnsZones {
  /** What shall fail, by `"NAME"`, or by type and name: `"mx NAME"`. In lower case, without a dot at the end. */
  readonly failures = new Map<string, DnsFailure>();
  /**
   * Names at which signed zones begin: what lies at and below them is vouched for (AD). In lower case, without a dot
   * at the end.
   */
  readonly signed = new Set<string>();
  /** How long answers may be remembered, "no" too, in seconds. */
  ttl = 300;
  readonly #names = new Map<string, readonly DnsData[]>();

  /** Begins with some names. */
  constructor(names: Readonly<Record<string, DnsNameRecords>> = {}) {
    for (const [name, records] of Object.entries(names)) this.set(name, records);
  }

  /**
   * The records of a name from now on; those it had are gone.
   *
   * @throws {TypeError} where an MX is not a number and a name, an SRV not three and one, or a TLSA not three and octets.
   */
  set(name: string, records: DnsNameRecords): void {
    this.#names.set(normalizeDnsName(name), dataOf(records));
  }

  /** From now on there is no such name. */
  delete(name: string): void {
    this.#names.delete(normalizeDnsName(name));
  }

  /** What shall become of a question other than its answer. */
  failure(name: string, type: string): DnsFailure | undefined {
    const key = normalizeDnsName(name);
    return this.failures.get(`${type.toLowerCase()} ${key}`) ?? this.failures.get(key);
  }

  /** Answers a question as the zones have it, failures aside. CNAMEs are followed. */
  lookup(name: string, type: string): DnsLookup {
    const records: DnsRecord[] = [];
    let owner = normalizeDnsName(name);
    let authenticated = true;
    for (let links = 0; links <= MAX_CNAMES; links++) {
      const all = this.#names.get(owner);
      authenticated &&= this.#isSigned(owner);
      const found = (all ?? []).filter((data) => data.type === type || data.type === "CNAME");
      for (const data of found) records.push({ name: owner, ttl: this.ttl, data });
      const link = found.find((data) => data.type === "CNAME");
      if (link?.type !== "CNAME" || type === "CNAME") {
        const exists = all !== undefined || this.#hasBelow(owner);
        const rcode = exists ? RCODE.noError : RCODE.nameError;
        return { records, rcode, authenticated, canonical: owner };
      }
      owner = normalizeDnsName(link.name);
    }
    return { records: [], rcode: RCODE.serverFailure, authenticated: false, canonical: owner };
  }

  #isSigned(name: string): boolean {
    if (this.signed.size === 0) return false;
    const labels = name.split(".");
    return labels.some((_, index) => this.signed.has(labels.slice(index).join(".")));
  }

  /** A name exists, empty, where there is one below it (RFC 8020). */
  #hasBelow(name: string): boolean {
    for (const other of this.#names.keys()) if (other.endsWith(`.${name}`)) return true;
    return false;
  }

  /**
   * The answer of a recursive name server to a message, or `null` for silence.
   *
   * @param query what {@link decodeDnsMessage} made of the octets.
   * @param stream whether it came by TCP, where nothing is truncated.
   */
  answer(query: DnsMessage | null, stream: boolean): DnsMessage | null {
    if (query === null || query.response) return null;
    const { question } = query;
    if (question === null) return respond(query, RCODE.formatError);
    switch (this.failure(question.name, question.type)) {
      case "timeout":
        return null;
      case "servfail":
        return respond(query, RCODE.serverFailure);
      case "refused":
        return respond(query, RCODE.refused);
      case "truncated":
        if (!stream) return { ...respond(query, RCODE.noError), truncated: true };
        return this.#answer(query, question);
      case undefined:
        return this.#answer(query, question);
    }
  }

  #answer(query: DnsMessage, question: DnsQuestion): DnsMessage {
    const { records, rcode, authenticated } = this.lookup(question.name, question.type);
    const found = records.some((record) => record.data.type === question.type);
    const soa: DnsData = { type: "SOA", minimum: this.ttl };
    return {
      ...respond(query, rcode),
      // Only who asks for it by AD is told (RFC 6840 §5.7).
      authenticated: authenticated && query.authenticated === true,
      answers: records,
      authority: found ? [] : [{ name: "", ttl: this.ttl, data: soa }],
    };
  }
}

function respond(query: DnsMessage, rcode: number): DnsMessage {
  return {
    ...query,
    response: true,
    authoritative: false,
    truncated: false,
    authenticated: false,
    recursionAvailable: true,
    rcode,
    answers: [],
    authority: [],
  };
}

function dataOf(records: DnsNameRecords): DnsData[] {
  const { a = [], aaaa = [], mx = [], srv = [], txt = [], tlsa = [], ptr = [], cname } = records;
  return [
    ...a.map((address): DnsData => ({ type: "A", address })),
    ...aaaa.map((address): DnsData => ({ type: "AAAA", address })),
    ...mx.map(parseMx),
    ...srv.map(parseSrv),
    ...txt.map((text): DnsData => ({ type: "TXT", text })),
    ...tlsa.map(parseTlsa),
    ...ptr.map((name): DnsData => ({ type: "PTR", name: normalizeDnsName(name) })),
    ...(cname === undefined ? [] : [{ type: "CNAME", name: normalizeDnsName(cname) } as const]),
  ];
}

function parseMx(text: string): DnsData {
  const [, preference, exchange] = /^(\d{1,5}) (\S+)$/.exec(text) ?? [];
  if (preference === undefined || exchange === undefined) {
    throw new TypeError(`no MX such as "10 mx.example.org": ${text}`);
  }
  return { type: "MX", preference: Number(preference), exchange: normalizeDnsName(exchange) };
}

function parseSrv(text: string): DnsData {
  const [, priority, weight, port, target] = /^(\d{1,5}) (\d{1,5}) (\d{1,5}) (\S+)$/.exec(text) ??
    [];
  if (target === undefined) throw new TypeError(`no SRV such as "0 1 465 mx.example.org": ${text}`);
  return {
    type: "SRV",
    priority: Number(priority),
    weight: Number(weight),
    port: Number(port),
    target: normalizeDnsName(target),
  };
}

function parseTlsa(text: string): DnsData {
  const [, usage, selector, matching, hex = ""] =
    /^(\d{1,3}) (\d{1,3}) (\d{1,3}) ((?:[\da-f]{2})*)$/i.exec(text) ?? [];
  if (matching === undefined) throw new TypeError(`no TLSA such as "3 1 1 8cd9": ${text}`);
  return {
    type: "TLSA",
    usage: Number(usage),
    selector: Number(selector),
    matching: Number(matching),
    data: Uint8Array.fromHex(hex),
  };
}
