/**
 * What DNS says, over an adapter's way to ask one server. That must tell a name that does not exist from a name
 * server that is ill, since mail must not bounce for the latter.
 *
 * Name servers are those given, or those of `/etc/resolv.conf`, tried in turn; one that does not answer is put
 * last for a while. Answers are remembered, equal questions at one time share one. Nothing throws; where
 * the file or the permission (`--allow-read=/etc/resolv.conf`, `--allow-net` for port 53) is missing, what is
 * found is still found, and what is not is `failed` with a reason that says so.
 *
 * @module
 */

import { Gate } from "../gate.ts";
import type { DnsReading } from "./dns_answer.ts";
import { DnsCache } from "./dns_cache.ts";
import type { DnsData, DnsType } from "./dns_message.ts";
import { isDnsName, normalizeDnsName, reverseDnsName } from "./dns_name.ts";
import { type DnssecTrust, DnsServers, type ReadText } from "./dns_servers.ts";
import { formatNameServer, type NameServer } from "./resolv_conf.ts";
import type { DnsAnswer, MxRecord, Resolver, SrvRecord, TlsaRecord } from "./resolver.ts";
import type { Clock } from "./runtime.ts";

/** What came of a question; with `ill` the server answers nobody, or not us. */
export type ServerReading = DnsReading & { readonly ill?: boolean };

/** How an adapter asks. None of it throws; where `giveUp` is aborted it may say anything. */
export interface DnsMeans {
  /** Asks one server, for so many milliseconds at most; with `dnssec`, also for what DNSSEC says. */
  askServer(
    server: NameServer,
    name: string,
    type: DnsType,
    timeout: number,
    giveUp: AbortSignal,
    dnssec: boolean,
  ): Promise<ServerReading>;
  /** Asks whom the system asks, where no server is known; `null` says nothing. */
  askSystem(
    name: string,
    type: DnsType,
    timeout: number,
    giveUp: AbortSignal,
  ): Promise<DnsReading | null>;
  /** Reads `/etc/resolv.conf`. */
  readonly readText: ReadText;
}

/** How names are asked for. */
export interface ResolverOptions {
  /** Who is asked, the first first. Default: those of `/etc/resolv.conf`. */
  readonly servers?: readonly NameServer[];
  /** Milliseconds that one server gets for one question. Default 6000. */
  readonly timeout?: number;
  /** When what they say of DNSSEC is believed. Default `auto`. */
  readonly dnssec?: DnssecTrust;
  /** Times how long answers are remembered; its `now` alone is used. */
  readonly clock: Pick<Clock, "now">;
}

/** Servers asked for one question. */
const MAX_SERVERS = 3;
/** Questions on their way at once; each has a socket. */
const MAX_QUESTIONS = 256;
/** Answers remembered. */
const MAX_ANSWERS = 10_000;
/** Records of one answer that are kept. */
const MAX_RECORDS = 100;
/** Seconds for which an answer is remembered: at most, at most for a "no" (RFC 2308 §5), for a failure. */
const LONGEST = 86_400;
const LONGEST_NONE = 300;
const FAILED = 5;

/** A question on its way, and how many wait for it. */
interface Flight {
  readonly answer: Promise<DnsAnswer<DnsData>>;
  readonly giveUp: AbortController;
  waiting: number;
}

/** A resolver with a memory, over an adapter's means. */
export class DnsResolver implements Resolver {
  readonly #means: DnsMeans;
  readonly #timeout: number;
  readonly #clock: Pick<Clock, "now">;
  readonly #servers: DnsServers;
  readonly #cache = new DnsCache<DnsAnswer<DnsData>>(MAX_ANSWERS);
  readonly #flights = new Map<string, Flight>();
  readonly #gate = new Gate(MAX_QUESTIONS);

  /** Asks by these means. */
  constructor(means: DnsMeans, { timeout = 6000, clock, servers, dnssec }: ResolverOptions) {
    this.#means = means;
    this.#timeout = timeout;
    this.#clock = clock;
    this.#servers = new DnsServers(clock, means.readText, servers, dnssec);
  }

  a(name: string, signal?: AbortSignal): Promise<DnsAnswer<string>> {
    return this.#ask(name, "A", signal, (data) => data.type === "A" ? data.address : null);
  }

  aaaa(name: string, signal?: AbortSignal): Promise<DnsAnswer<string>> {
    return this.#ask(name, "AAAA", signal, (data) => data.type === "AAAA" ? data.address : null);
  }

  mx(name: string, signal?: AbortSignal): Promise<DnsAnswer<MxRecord>> {
    return this.#ask(name, "MX", signal, (data) => {
      if (data.type !== "MX") return null;
      return { preference: data.preference, exchange: normalizeDnsName(data.exchange) };
    });
  }

  txt(name: string, signal?: AbortSignal): Promise<DnsAnswer<string>> {
    return this.#ask(name, "TXT", signal, (data) => data.type === "TXT" ? data.text : null);
  }

  ptr(address: string, signal?: AbortSignal): Promise<DnsAnswer<string>> {
    const name = reverseDnsName(address) ?? ".."; // No name at all, so there is none.
    return this.#ask(
      name,
      "PTR",
      signal,
      (data) => data.type === "PTR" ? normalizeDnsName(data.name) : null,
    );
  }

  cname(name: string, signal?: AbortSignal): Promise<DnsAnswer<string>> {
    return this.#ask(
      name,
      "CNAME",
      signal,
      (data) => data.type === "CNAME" ? normalizeDnsName(data.name) : null,
    );
  }

  srv(name: string, signal?: AbortSignal): Promise<DnsAnswer<SrvRecord>> {
    return this.#ask(name, "SRV", signal, (data) => {
      if (data.type !== "SRV") return null;
      const { priority, weight, port, target } = data;
      return { priority, weight, port, target: normalizeDnsName(target) };
    });
  }

  tlsa(name: string, signal?: AbortSignal): Promise<DnsAnswer<TlsaRecord>> {
    return this.#ask(name, "TLSA", signal, (data) => {
      if (data.type !== "TLSA") return null;
      const { usage, selector, matching, data: octets } = data;
      return { usage, selector, matching, data: octets };
    });
  }

  async #ask<T>(
    given: string,
    type: DnsType,
    signal: AbortSignal | undefined,
    read: (data: DnsData) => T | null,
  ): Promise<DnsAnswer<T>> {
    if (!isDnsName(given)) return { status: "none", reason: "nxdomain" };
    const name = normalizeDnsName(given);
    const key = `${type} ${name}`;
    const answer = this.#cache.get(key, this.#clock.now()) ??
      await this.#share(key, signal, (giveUp) => this.#find(key, name, type, giveUp));
    if (answer.status !== "found") return answer;
    const records = answer.records.map(read).filter((record) => record !== null);
    return { ...answer, records };
  }

  /** Joins the flight of a question, which ends early when nobody waits for it any more. */
  async #share(
    key: string,
    signal: AbortSignal | undefined,
    start: (giveUp: AbortSignal) => Promise<DnsAnswer<DnsData>>,
  ): Promise<DnsAnswer<DnsData>> {
    if (signal?.aborted) return ABORTED;
    let flight = this.#flights.get(key);
    if (flight === undefined) {
      const giveUp = new AbortController();
      flight = { answer: start(giveUp.signal), giveUp, waiting: 0 };
      this.#flights.set(key, flight);
    }
    flight.waiting++;
    const { promise: aborted, resolve } = Promise.withResolvers<DnsAnswer<DnsData>>();
    const onAbort = () => resolve(ABORTED);
    signal?.addEventListener("abort", onAbort, { once: true });
    const answer = await Promise.race([flight.answer, aborted]);
    signal?.removeEventListener("abort", onAbort);
    if (--flight.waiting === 0) {
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
      flight.giveUp.abort();
    }
    return answer;
  }

  /** Asks, and remembers the answer. */
  async #find(
    key: string,
    name: string,
    type: DnsType,
    giveUp: AbortSignal,
  ): Promise<DnsAnswer<DnsData>> {
    const { reading, trusted } = await this.#gate.run(() => this.#askServers(name, type, giveUp));
    const answer = answerOf(reading, trusted);
    const seconds = secondsToKeep(reading);
    if (seconds > 0 && !giveUp.aborted) {
      this.#cache.set(key, answer, this.#clock.now() + seconds * 1000);
    }
    return answer;
  }

  /** The first answer that says for sure, or why there is none. */
  async #askServers(name: string, type: DnsType, giveUp: AbortSignal): Promise<Asked> {
    const known = await this.#servers.inOrder();
    if (typeof known === "string") {
      const found = await this.#means.askSystem(name, type, this.#timeout, giveUp);
      const reason = `no answer that could be believed; ${known}`;
      return { reading: found ?? { status: "failed", reason }, trusted: false };
    }
    const { servers, trusted } = known;
    const timeout = this.#timeout;
    const reasons: string[] = [];
    for (const server of servers.slice(0, MAX_SERVERS)) {
      const reading = await this.#means.askServer(server, name, type, timeout, giveUp, trusted);
      if (giveUp.aborted) return { reading: ABORTED, trusted };
      if (reading.status !== "failed") return { reading, trusted };
      if (reading.ill) this.#servers.ill(server);
      reasons.push(`${formatNameServer(server)}: ${reading.reason}`);
    }
    const reason = reasons.join("; ") || "no name server is given";
    return { reading: { status: "failed", reason }, trusted };
  }
}

/** What was said, and whether what it says of DNSSEC is believed. */
interface Asked {
  readonly reading: DnsReading;
  readonly trusted: boolean;
}

const ABORTED = { status: "failed", reason: "aborted" } as const;

function answerOf(reading: DnsReading, trusted: boolean): DnsAnswer<DnsData> {
  switch (reading.status) {
    case "found": {
      const { canonical, authenticated = false } = reading;
      return {
        ...{ status: "found", records: reading.data.slice(0, MAX_RECORDS) },
        ...(trusted && authenticated && { authenticated }),
        ...(trusted && canonical !== undefined && { canonical }),
      };
    }
    case "none": {
      const { reason, authenticated = false } = reading;
      return { status: "none", reason, ...(trusted && authenticated && { authenticated }) };
    }
    case "alias":
      return { status: "failed", reason: "a CNAME that leads nowhere" };
    case "failed":
      return { status: "failed", reason: reading.reason };
  }
}

function secondsToKeep(reading: DnsReading): number {
  switch (reading.status) {
    case "found":
      return Math.min(reading.ttl, LONGEST);
    case "none":
      return Math.min(reading.ttl, LONGEST_NONE);
    case "alias":
    case "failed":
      return FAILED;
  }
}
