/**
 * The domain of the reverse-path must exist and be able to take mail: else nobody can be answered, no notice can be
 * returned, and it was most likely made up.
 *
 * | what DNS says of the domain | answer to MAIL |
 * | --- | --- |
 * | there is none | 550 5.1.8 (RFC 3463 §3.2) |
 * | it takes no mail: null MX | 550 5.7.27 (RFC 7505 §4.2) |
 * | neither MX nor address records (RFC 5321 §5.1) | 550 5.1.8 |
 * | its hosts are this machine, private networks and the like only | 550 5.1.8 |
 * | its hosts have no address | 450 4.1.8: perhaps a slip that is mended soon |
 * | nothing, DNS is ill | none, or 451 4.4.3, as is said |
 *
 * One client has only so many domains looked up at once, and waits for the rest: with domains whose name servers are slow
 * it would else use up all the questions that may be on their way, and others' mail would be put off.
 *
 * It is for strangers (`stranger.ts`); the addresses of those who have logged in are looked at elsewhere. The null
 * reverse-path and address literals that others can reach are let pass.
 *
 * @module
 */

import { isAddressLiteral, toAsciiDomain } from "../../address.ts";
import { Gate } from "../../gate.ts";
import {
  classifyIp,
  clientKey,
  type Network,
  networkContains,
  parseNetwork,
} from "../../net_address.ts";
import { reply } from "../../smtp/reply.ts";
import { DEFAULT_EXEMPT, isStranger } from "../abuse/stranger.ts";
import type { Policy, Verdict } from "../policy.ts";
import { DEFAULT_DNS_TIMEOUT } from "./dns_time.ts";
import type { DnsAnswer, Resolver } from "../../runtime/resolver.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { withinTime } from "../../runtime/within_time.ts";

/** What is not as usual. */
export interface SenderDomainOptions {
  /** What becomes of mail while DNS gives no answer. Default `accept`: no outage of DNS stops the mail. */
  readonly whenUnknown?: "defer" | "accept";
  /** Networks a domain's hosts may be in though others cannot reach them, such as `10.0.0.0/8`. Default none. */
  readonly allowAddresses?: readonly Network[];
  /** Milliseconds in which DNS answers. Default {@link DEFAULT_DNS_TIMEOUT}. */
  readonly timeout?: number;
  /** Networks whose senders are not looked at. Default loopback. */
  readonly exempt?: readonly Network[];
}

/** What it asks with. */
export interface SenderDomainServices {
  /** Answers for DNS. */
  readonly resolver: Pick<Resolver, "a" | "aaaa" | "mx">;
  /** Tells the time. */
  readonly clock: Clock;
}

/** What was found of a domain. */
export type MailDomain =
  | "takes-mail"
  | "no-domain"
  | "null-mx"
  | "no-hosts"
  | "unreachable"
  | "no-address"
  | "unknown";

/** Hosts of a domain that are looked up: no list of a stranger keeps us busy. */
const MAX_HOSTS = 5;

/** Domains that are looked up at once for one client, each with two questions a host: others have DNS too. */
const MAX_LOOKUPS = 3;

/** Unicast, and yet nobody's in particular (RFC 1918, RFC 6598, RFC 4193, RFC 6890 §2.2.2). */
const PRIVATE: readonly Network[] = [
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "100.64.0.0/10",
  "192.0.0.0/24",
  "fc00::/7",
].map((text) => parseNetwork(text)!);

/** The policy. */
export function senderDomain(options: SenderDomainOptions, services: SenderDomainServices): Policy {
  const { exempt = DEFAULT_EXEMPT, timeout = DEFAULT_DNS_TIMEOUT } = options;
  const { whenUnknown = "accept", allowAddresses = [] } = options;

  /** By client, while any of its domains is looked up. */
  const gates = new Map<string, { readonly gate: Gate; users: number }>();

  async function inTurn<T>(client: string, work: () => Promise<T>): Promise<T> {
    const key = clientKey(client);
    const own = gates.get(key) ?? { gate: new Gate(MAX_LOOKUPS), users: 0 };
    gates.set(key, own);
    own.users++;
    try {
      return await own.gate.run(work);
    } finally {
      if (--own.users === 0) gates.delete(key);
    }
  }

  async function judge(client: string, domain: string): Promise<Verdict | undefined> {
    const work = (signal: AbortSignal) =>
      inTurn(client, () => findMailDomain(services.resolver, domain, allowAddresses, signal));
    const found = await withinTime(services.clock, timeout, work);
    return found === "unknown" && whenUnknown === "accept" ? undefined : VERDICTS[found](domain);
  }

  return {
    name: "sender-domain",
    sender(session, sender) {
      if (sender === null || !isStranger(session, exempt)) return;
      return judge(session.client, sender.domain);
    },
  };
}

/**
 * Looks a domain up as whoever would answer its mail does (RFC 5321 §5.1). Never rejects.
 *
 * @example
 * ```ts
 * import { findMailDomain } from "./sender_domain.ts";
 * import { memoryRuntime } from "../../runtime/memory.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { resolver } = memoryRuntime();
 * resolver.set("example.org", { mx: ["10 mx.example.org"] });
 * resolver.set("mx.example.org", { a: ["192.0.2.25"] });
 * resolver.set("silent.example", { mx: ["0 ."] });
 * assertEquals(await findMailDomain(resolver, "example.org"), "takes-mail");
 * assertEquals(await findMailDomain(resolver, "silent.example"), "null-mx");
 * assertEquals(await findMailDomain(resolver, "made-up.example"), "no-domain");
 * ```
 */
export async function findMailDomain(
  resolver: Pick<Resolver, "a" | "aaaa" | "mx">,
  domain: string,
  allowAddresses: readonly Network[] = [],
  signal?: AbortSignal,
): Promise<MailDomain> {
  const reachable = (address: string) =>
    allowAddresses.some((network) => networkContains(network, address)) ||
    (classifyIp(address) === "unicast" &&
      !PRIVATE.some((network) => networkContains(network, address)));
  if (isAddressLiteral(domain)) {
    const address = domain.replace(/^\[(?:IPv6:)?|\]$/gi, "");
    return reachable(address) ? "takes-mail" : "unreachable";
  }
  const name = toAsciiDomain(domain);
  if (name === null) return "no-domain";
  const mx = await resolver.mx(name, signal);
  if (mx.status === "failed") return "unknown";
  if (mx.status === "none" && mx.reason === "nxdomain") return "no-domain";
  const isItsHost = mx.status === "none";
  // RFC 7505 §3: a null MX stands alone; beside others it says nothing.
  const hosts = isItsHost ? [name] : mx.records.flatMap(({ exchange }) => exchange || []);
  if (hosts.length === 0) return "null-mx";
  const found = await lookUp(resolver, hosts.slice(0, MAX_HOSTS), signal);
  const addresses = found.flatMap((answer) => answer.status === "found" ? answer.records : []);
  if (addresses.some(reachable)) return "takes-mail";
  if (found.some(({ status }) => status === "failed")) return "unknown";
  // What was not looked up may be better.
  if (hosts.length > MAX_HOSTS) return "takes-mail";
  if (addresses.length > 0) return "unreachable";
  return isItsHost ? "no-hosts" : "no-address";
}

async function lookUp(
  resolver: Pick<Resolver, "a" | "aaaa">,
  hosts: readonly string[],
  signal?: AbortSignal,
): Promise<DnsAnswer<string>[]> {
  const answers = hosts.map((host) => {
    // An address in place of a name is not allowed (RFC 5321 §5.1), and common enough.
    if (classifyIp(host) !== null) return [{ status: "found", records: [host] } as const];
    return [resolver.a(host, signal), resolver.aaaa(host, signal)];
  });
  return await Promise.all(answers.flat());
}

const VERDICTS: Record<MailDomain, (domain: string) => Verdict | undefined> = {
  "takes-mail": () => undefined,
  "no-domain": (domain) => reject("5.1.8", `there is no domain ${domain}`),
  "null-mx": (domain) => reject("5.7.27", `${domain} accepts no mail (null MX), so it sends none`),
  "no-hosts": (domain) =>
    reject("5.1.8", `${domain} accepts no mail: it has neither MX nor address records`),
  "unreachable": (domain) =>
    reject("5.1.8", `${domain} accepts no mail: its hosts have no addresses that others can reach`),
  "no-address": (domain) =>
    defer(450, "4.1.8", `no mail host of ${domain} has an address: try again later`),
  "unknown": (domain) =>
    defer(451, "4.4.3", `DNS gives no answer about ${domain}: try again later`),
};

function reject(enhanced: string, text: string): Verdict {
  return { action: "reject", reply: reply(550, enhanced, text) };
}

function defer(code: number, enhanced: string, text: string): Verdict {
  return { action: "defer", reply: reply(code, enhanced, text) };
}
