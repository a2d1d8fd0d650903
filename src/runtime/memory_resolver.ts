/**
 * Names of a made-up world: what {@link DnsZones} has, without sockets and without waiting.
 *
 * What fails: what `failures` says; a truncated answer is none here.
 *
 * @module
 */

import { type DnsData, type DnsType, RCODE } from "./dns_message.ts";
import { isDnsName, normalizeDnsName, reverseDnsName } from "./dns_name.ts";
import { type DnsFailure, type DnsNameRecords, DnsZones } from "./dns_zones.ts";
import type { DnsAnswer, MxRecord, Resolver, SrvRecord, TlsaRecord } from "./resolver.ts";

/**
 * Answers from a map; a name that is not in it does not exist.
 *
 * @example
 * ```ts
 * import { MemoryResolver } from "./memory_resolver.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const resolver = new MemoryResolver();
 * resolver.set("example.org", { mx: ["10 mx.example.org"] });
 * resolver.set("mx.example.org", { a: ["192.0.2.25"] });
 * resolver.failures.set("aaaa mx.example.org", "servfail");
 * assertEquals(await resolver.mx("example.org"), {
 *   status: "found",
 *   records: [{ preference: 10, exchange: "mx.example.org" }],
 * });
 * assertEquals((await resolver.aaaa("mx.example.org")).status, "failed");
 * assertEquals(resolver.questions.get("mx example.org"), 1);
 * ```
 */
export class MemoryResolver implements Resolver {
  /** All names. */
  readonly zones = new DnsZones();
  /** How often each question was asked, by type and name: `"mx example.org"`. */
  readonly questions = new Map<string, number>();

  /** What shall fail, by `"NAME"`, or by type and name: `"mx NAME"`. */
  get failures(): Map<string, DnsFailure> {
    return this.zones.failures;
  }

  /** Where signed zones begin; see {@link DnsZones.signed}. Without any, it is as where nobody validates. */
  get signed(): Set<string> {
    return this.zones.signed;
  }

  /** The records of a name from now on; see {@link DnsZones.set}. */
  set(name: string, records: DnsNameRecords): void {
    this.zones.set(name, records);
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
      return { preference: data.preference, exchange: data.exchange };
    });
  }

  txt(name: string, signal?: AbortSignal): Promise<DnsAnswer<string>> {
    return this.#ask(name, "TXT", signal, (data) => data.type === "TXT" ? data.text : null);
  }

  ptr(address: string, signal?: AbortSignal): Promise<DnsAnswer<string>> {
    const name = reverseDnsName(address);
    if (name === null) return Promise.resolve({ status: "none", reason: "nxdomain" });
    return this.#ask(name, "PTR", signal, (data) => data.type === "PTR" ? data.name : null);
  }

  cname(name: string, signal?: AbortSignal): Promise<DnsAnswer<string>> {
    return this.#ask(name, "CNAME", signal, (data) => data.type === "CNAME" ? data.name : null);
  }

  srv(name: string, signal?: AbortSignal): Promise<DnsAnswer<SrvRecord>> {
    return this.#ask(name, "SRV", signal, (data) => {
      if (data.type !== "SRV") return null;
      const { priority, weight, port, target } = data;
      return { priority, weight, port, target };
    });
  }

  tlsa(name: string, signal?: AbortSignal): Promise<DnsAnswer<TlsaRecord>> {
    return this.#ask(name, "TLSA", signal, (data) => {
      if (data.type !== "TLSA") return null;
      const { usage, selector, matching, data: octets } = data;
      return { usage, selector, matching, data: octets };
    });
  }

  // deno-lint-ignore require-await
  async #ask<T>(
    name: string,
    type: DnsType,
    signal: AbortSignal | undefined,
    read: (data: DnsData) => T | null,
  ): Promise<DnsAnswer<T>> {
    const key = `${type.toLowerCase()} ${normalizeDnsName(name)}`;
    this.questions.set(key, (this.questions.get(key) ?? 0) + 1);
    if (signal?.aborted) return { status: "failed", reason: "aborted" };
    if (!isDnsName(name)) return { status: "none", reason: "nxdomain" };
    const failure = this.zones.failure(name, type);
    if (failure !== undefined && failure !== "truncated") {
      return { status: "failed", reason: failure };
    }
    const { records, rcode, authenticated, canonical } = this.zones.lookup(name, type);
    if (rcode === RCODE.serverFailure) return { status: "failed", reason: "servfail" };
    const found = records.map((record) => read(record.data)).filter((value) => value !== null);
    const vouched = authenticated ? { authenticated } : {};
    if (found.length === 0) {
      const reason = rcode === RCODE.nameError ? "nxdomain" : "nodata";
      return { status: "none", reason, ...vouched };
    }
    const isAlias = this.zones.signed.size > 0 && canonical !== normalizeDnsName(name);
    return { status: "found", records: found, ...vouched, ...(isAlias && { canonical }) };
  }
}
