/**
 * DANE for SMTP (RFC 7672): which hosts have TLSA records that DNSSEC vouches for, and so what they must prove. What
 * a server then shows is looked at in `dane_match.ts`.
 *
 * What DNSSEC vouches for a name server must tell that is trusted to validate; without one nothing is ever looked
 * up, and every host is unguarded. The names of the hosts need not be vouched for (RFC 7672 §2.2.1): a host with
 * records proves itself to be that host; whether it is the right one is another question, see `named`.
 *
 * What fails: a host of a signed zone whose records cannot be learnt is shut, since that may be an attack
 * (RFC 7672 §2.1.1); another host may take the mail, or it waits.
 *
 * @module
 */

import type { Resolver, TlsaRecord } from "../runtime/resolver.ts";
import { reply } from "../smtp/reply.ts";
import { usableRecords } from "./dane_match.ts";
import type { MailHost } from "./mx.ts";
import type { GuardQuestion, HostGuard, ShutGuard, TlsFault, TlsGuards } from "./tls_guard.ts";

/** Records of one host that are looked at: no list of a stranger keeps a delivery busy. */
const MAX_RECORDS = 40;

/**
 * The guards that TLSA records are.
 *
 * @example
 * ```ts
 * import { daneGuards } from "./dane.ts";
 * import { memoryRuntime } from "../runtime/memory.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { resolver } = memoryRuntime();
 * resolver.signed.add("example.org");
 * resolver.set("_25._tcp.mx.example.org", { tlsa: [`3 1 1 ${"ab".repeat(32)}`] });
 * const route = {
 *   kind: "mx",
 *   domain: "example.org",
 *   port: 25,
 *   tls: "opportunistic",
 *   dane: true,
 *   family: "ipv6-first",
 *   allowAddresses: [],
 *   connections: 20,
 *   eightBit: "convert",
 * } as const;
 * const host = { name: "mx.example.org", preference: 10, addresses: ["192.0.2.1"], signed: true };
 * const question = { route, domain: "example.org", named: true, hosts: [host] };
 * const [guard] = await daneGuards(resolver).guard(question, []);
 * assertEquals(guard?.kind === "dane" && guard.names, ["mx.example.org", "example.org"]);
 * ```
 */
export function daneGuards(resolver: Resolver): TlsGuards {
  return {
    guard(question, before) {
      const { route, hosts } = question;
      if (route.dane !== true || route.tls === "none" || route.tls === "verified") {
        const why = route.tls === "verified"
          ? "the route goes by the rules of the web (tls: verified)"
          : "the route does without DANE";
        return hosts.map((_, index) => before[index] ?? unguarded(why));
      }
      const found = hosts.map((host) => guardOf(resolver, question, host));
      return found.some((guard) => guard instanceof Promise)
        ? Promise.all(found)
        : found as HostGuard[];
    },
  };
}

/** What guards one host: at once where DNSSEC vouches for nothing. */
function guardOf(
  resolver: Resolver,
  question: GuardQuestion,
  host: MailHost,
): HostGuard | Promise<HostGuard> {
  const { signed, canonical } = host;
  if (!signed && canonical === undefined) {
    const why = `DNSSEC does not vouch for the addresses of ${host.name}`;
    return demanded(question, unguarded(why), host);
  }
  return lookUp(resolver, question, host).then((guard) => demanded(question, guard, host));
}

async function lookUp(
  resolver: Resolver,
  { route, domain, named, signal }: GuardQuestion,
  host: MailHost,
): Promise<HostGuard> {
  const { name, canonical } = host;
  const bases = await baseDomains(resolver, host, signal);
  if (typeof bases === "string") return shut(name, "dnssec-invalid", bases);
  for (const base of bases) {
    const owner = `_${route.port}._tcp.${base}`;
    const answer = await resolver.tlsa(owner, signal);
    // Forged, or nobody answers: who does away with records must not do away with DANE (RFC 7672 §2.1.1).
    if (answer.status === "failed") {
      const text = `DNS gives no answer about its TLSA records at ${owner}: ${answer.reason}`;
      return shut(name, "dnssec-invalid", text);
    }
    if (answer.status === "none" || !answer.authenticated) continue;
    const records = usableRecords(distinct(answer.records.slice(0, MAX_RECORDS)));
    return { kind: "dane", base, records, names: named ? [...new Set([base, domain])] : [base] };
  }
  const places = bases.map((base) => `_${route.port}._tcp.${base}`).join(" or ");
  return unguarded(
    bases.length === 0
      ? `DNSSEC does not vouch for the addresses of ${name}, nor for the CNAME to ${canonical}`
      : `there is no TLSA record at ${places} that DNSSEC vouches for`,
  );
}

/**
 * Where records may lie: at the name that the CNAMEs lead to, then at the host's own (RFC 7672 §2.2.2); only at the
 * host's own where DNSSEC vouches for the CNAME, and not for what it leads to (§2.1.3). Or why that cannot be
 * learnt.
 */
async function baseDomains(
  resolver: Resolver,
  { name, signed, canonical }: MailHost,
  signal: AbortSignal | undefined,
): Promise<readonly string[] | string> {
  if (signed) return canonical === undefined ? [name] : [canonical, name];
  const alias = await resolver.cname(name, signal);
  if (alias.status === "failed") return `DNS gives no answer about its CNAME: ${alias.reason}`;
  return alias.status === "found" && alias.authenticated ? [name] : [];
}

/** Where the route demands DANE, what has none must wait. */
function demanded({ route, domain }: GuardQuestion, guard: HostGuard, host: MailHost): HostGuard {
  if (route.tls !== "dane") return guard;
  if (guard.kind === "none") {
    return shut(
      host.name,
      "dane-required",
      guard.why,
      " (the route demands DANE; see relay.dnssec)",
    );
  }
  if (guard.kind !== "dane" || guard.records.length > 0) return guard;
  const text = `none of its TLSA records can be used, and mail for ${domain} is to go by DANE`;
  return shut(host.name, "tlsa-invalid", text);
}

function unguarded(why: string): HostGuard {
  return { kind: "none", why };
}

/** @param advice for the operator, and not for whoever gets reports. */
function shut(host: string, type: TlsFault["type"], text: string, advice = ""): ShutGuard {
  const said = reply(451, "4.7.5", `DANE: ${host}: ${text}${advice}`);
  return { kind: "shut", by: "dane", reply: said, fault: { type, text } };
}

function distinct(records: readonly TlsaRecord[]): TlsaRecord[] {
  const known = new Map(records.map((record) => [
    `${record.usage} ${record.selector} ${record.matching} ${record.data.toHex()}`,
    record,
  ]));
  return [...known.values()];
}
