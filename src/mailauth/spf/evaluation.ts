/**
 * A record held against a client: its mechanisms in their order, and the records it includes or redirects to
 * (RFC 7208 §4.6, §5, §6.1).
 *
 * What fails: errors of records and of DNS end the whole, by {@link SpfStop}.
 *
 * @module
 */

import { canonicalIp, networkContains, parseIp } from "../../net_address.ts";
import type { Soon } from "../../soon.ts";
import { ClientNames } from "./client_names.ts";
import { expandName, type MacroString, type MacroValues, mentions } from "./macro_string.ts";
import { dnsText, type SpfQuestions, SpfStop } from "./questions.ts";
import {
  isSpf,
  readSpf,
  type SpfDirective,
  type SpfMechanism,
  type SpfModifier,
  type SpfQualifier,
  type SpfRecord,
} from "./record.ts";

/** Who sends, checked. */
export interface SpfClient {
  /** The client's address, canonical. */
  readonly ip: string;
  /** The sender's local part, unquoted. */
  readonly local: string;
  /** The sender's domain, in A-labels. */
  readonly domain: string;
  /** What the client said in HELO or EHLO. */
  readonly hello: string;
  /** Our own name; `null` where it is not told. */
  readonly receiver: string | null;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
}

/** What a record says. */
export interface SpfDecision {
  /** What it says of the client. */
  readonly result: SpfQualifier;
  /** The directive that decided; `null` where none was about the client. */
  readonly directive: SpfDirective | null;
  /** The record it stands in. */
  readonly record: SpfRecord;
  /** The domain that has this record. */
  readonly domain: string;
}

/** Of the mechanisms, those that ask. */
type Asking = Exclude<SpfMechanism, { kind: "all" | "ip4" | "ip6" }>;

/** Leading bits of an address that count. */
type Prefixes = Pick<SpfMechanism & { kind: "a" | "mx" }, "prefix4" | "prefix6">;

/** One check. */
export class SpfEvaluation {
  readonly #client: SpfClient;
  readonly #questions: SpfQuestions;
  readonly #six: boolean;
  readonly #names: ClientNames;
  #senderTerm: string | null = null;

  /** A check of this client. */
  constructor(client: SpfClient, questions: SpfQuestions) {
    this.#client = client;
    this.#questions = questions;
    this.#six = client.ip.includes(":");
    this.#names = new ClientNames(client.ip, questions);
  }

  /** The first term that was looked at by the sender's local part, or the name in HELO: others may get another result. */
  get senderTerm(): string | null {
    return this.#senderTerm;
  }

  /**
   * What the record of a domain says; `null` where it has none (RFC 7208 §4.4, §4.5).
   *
   * @throws {SpfStop} where it is malformed, asks too much, or DNS is ill.
   */
  async decide(domain: string): Promise<SpfDecision | null> {
    const records = (await this.#questions.texts(dnsText(domain))).filter(isSpf);
    if (records.length > 1) {
      throw new SpfStop("permerror", `${domain} has more than one SPF record`);
    }
    if (records.length === 0) return null;
    const parsed = readSpf(records[0]!);
    if (parsed.status === "bad") throw new SpfStop("permerror", `${domain}: ${parsed.reason}`);
    const { record } = parsed;
    for (const directive of record.directives) {
      const matches = this.#matches(directive, domain);
      if (typeof matches === "boolean" ? matches : await matches) {
        return { result: directive.qualifier, directive, record, domain };
      }
    }
    if (record.redirect !== null) return await this.#redirect(record.redirect, domain);
    return { result: "neutral", directive: null, record, domain };
  }

  /** The values of macros in a record of `domain`; the client's name is looked up where it has a place in it. */
  async values(pieces: MacroString, domain: string): Promise<MacroValues> {
    const name = mentions(pieces, "p") ? await this.#names.nameFor(domain) : "unknown";
    return (letter) => {
      const { ip, local, domain: sender, hello, receiver, now } = this.#client;
      switch (letter) {
        case "s":
          return `${local}@${sender}`;
        case "l":
          return local;
        case "o":
          return sender;
        case "d":
          return domain;
        case "i":
          return dotted(ip);
        case "p":
          return name;
        case "v":
          return this.#six ? "ip6" : "in-addr";
        case "h":
          return hello;
        case "c":
          return ip;
        case "r":
          return receiver ?? "unknown";
        case "t":
          return `${Math.floor(now / 1000)}`;
      }
    };
  }

  #matches({ mechanism, text }: SpfDirective, domain: string): Soon<boolean> {
    if (mechanism.kind === "all") return true;
    if ("network" in mechanism) return networkContains(mechanism.network, this.#client.ip);
    return this.#asks(mechanism, text, domain);
  }

  async #asks(mechanism: Asking, text: string, domain: string): Promise<boolean> {
    this.#questions.count();
    const target = await this.#target(mechanism.domain, domain, text);
    if (target === null) return false; // It is nobody's name (RFC 7208 §4.8, RFC 8616 §4).
    const name = dnsText(target);
    switch (mechanism.kind) {
      case "include":
        return this.#demand(await this.decide(target), "include", target).result === "pass";
      case "a": {
        const found = await this.#questions.addresses(name, this.#six);
        if (found.length === 0) this.#questions.countVoid(target);
        return this.#isAmong(found, mechanism);
      }
      case "mx":
        return await this.#isExchange(name, mechanism);
      case "ptr":
        if (await this.#names.areNone()) this.#questions.countVoid(this.#client.ip);
        if (await this.#names.areUnder(target)) return true;
        this.#questions.checkTime();
        return false;
      case "exists": {
        const found = await this.#questions.addresses(name, false); // RFC 7208 §5.7: even for IPv6.
        if (found.length === 0) this.#questions.countVoid(target);
        return found.length > 0;
      }
    }
  }

  /** Hosts without an address are not counted as void: the term found something. */
  async #isExchange(name: string, prefixes: Prefixes): Promise<boolean> {
    const hosts = await this.#questions.exchanges(name);
    if (hosts.length === 0) this.#questions.countVoid(name);
    for (const host of hosts) {
      if (host === "") continue; // A null MX (RFC 7505).
      if (this.#isAmong(await this.#questions.addresses(host, this.#six), prefixes)) return true;
    }
    return false;
  }

  #isAmong(found: readonly string[], { prefix4, prefix6 }: Prefixes): boolean {
    const prefix = this.#six ? prefix6 : prefix4;
    return found.some((text) => {
      const address = parseIp(text);
      return address !== null && networkContains({ address, prefix }, this.#client.ip);
    });
  }

  async #redirect({ text, domain: spec }: SpfModifier, domain: string): Promise<SpfDecision> {
    this.#questions.count();
    const target = await this.#target(spec, domain, text);
    if (target === null) throw new SpfStop("permerror", `${domain}: ${text} leads nowhere`);
    return this.#demand(await this.decide(target), "redirect", target);
  }

  /** The name a term is about; `null` where what its macros stand for cannot be a name. */
  async #target(spec: MacroString | null, domain: string, text: string): Promise<string | null> {
    if (spec === null) return domain;
    if (mentions(spec, "slh")) this.#senderTerm ??= text;
    if (mentions(spec, "p") && !this.#names.known) this.#questions.count();
    return expandName(spec, await this.values(spec, domain));
  }

  /** Who is included or redirected to must have a record (RFC 7208 §5.2, §6.1). */
  #demand(decision: SpfDecision | null, term: string, domain: string): SpfDecision {
    if (decision !== null) return decision;
    throw new SpfStop("permerror", `${term} ${domain}, which has no SPF record`);
  }
}

/** An address with dots between its octets, or between its hexadecimal digits (RFC 7208 §7.3). */
function dotted(ip: string): string {
  const octets = parseIp(canonicalIp(ip));
  if (octets === null || octets.length === 4) return ip;
  const hex = [...octets].map((octet) => octet.toString(16).padStart(2, "0")).join("");
  return [...hex.toUpperCase()].join(".");
}
