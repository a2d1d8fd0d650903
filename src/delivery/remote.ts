/**
 * The way to other stations by SMTP: to the hosts of a domain (RFC 5321 §5) or to a smarthost, their
 * addresses in order, over connections that are kept for a moment.
 *
 * What it leaves to others: who the hosts are (`mx.ts`), what decides a recipient (`attempt.ts`,
 * `answers.ts`), TLS (`tls_policy.ts`), when to try again (the queue).
 *
 * @module
 */

import { parseIp } from "../net_address.ts";
import type { MxRoute, SmarthostRoute } from "../routing/route.ts";
import type { Random, Resolver } from "../runtime/runtime.ts";
import { type Reply, reply } from "../smtp/reply.ts";
import { attempt, type AttemptPlan } from "./attempt.ts";
import { ConnectionPool } from "./connection_pool.ts";
import type { LoopSigns } from "./loop_check.ts";
import { findHosts, isAllowed, type MailHost, type OwnStation } from "./mx.ts";
import { failureOf, putOff } from "./outcomes.ts";
import type { ExchangeServices, ExchangeTarget } from "./smtp_exchange.ts";
import { tlsPlan } from "./tls_policy.ts";
import type { KeepingTransport } from "./transport.ts";

/** What remote delivery is made of. */
export interface RemoteServices extends ExchangeServices {
  readonly resolver: Resolver;
  readonly random: Random;
  /** What makes a host ourselves; asked anew for each job. */
  readonly own: () => OwnStation;
  /** Where connections rest; default one of its own. {@link KeepingTransport.stop} ends it. */
  readonly pool?: ConnectionPool;
}

/** Addresses that one attempt tries: each may cost minutes. */
const MAX_ADDRESSES = 10;

/**
 * The transport of the routes `mx` and `smarthost`.
 *
 * @example
 * ```ts
 * import { remoteTransport } from "./remote.ts";
 * import { Deadlines } from "../runtime/deadlines.ts";
 * import { memoryRuntime } from "../runtime/memory.ts";
 *
 * const { clock, network, random, resolver } = memoryRuntime();
 * const transport = remoteTransport({
 *   hostname: "mail.example.net",
 *   network,
 *   clock,
 *   random,
 *   resolver,
 *   deadlines: new Deadlines(clock),
 *   nonce: () => random.bytes(18).toBase64(),
 *   own: () => ({ hostnames: ["mail.example.net"], addresses: ["192.0.2.1"] }),
 *   emit: (fact) => console.log(fact),
 * });
 * await transport.stop();
 * ```
 */
export function remoteTransport(services: RemoteServices): KeepingTransport {
  const pool = services.pool ?? new ConnectionPool(services.clock);
  const shared = { ...services, pool };
  const search = new TargetSearch(services);
  return {
    get resting() {
      return pool.size;
    },
    async deliver(job, signal) {
      const { route, entry: { requireTls }, recipients } = job;
      if (route.kind !== "mx" && route.kind !== "smarthost") return putOff(recipients, NOT_REMOTE);
      const found = search.known(route, requireTls) ??
        await search.find(route, requireTls, signal);
      if ("failure" in found) {
        return recipients.map((recipient) => ({ recipient, ...found.failure }));
      }
      const plan: AttemptPlan = {
        job,
        targets: found.targets,
        chosen: route.kind === "smarthost",
        ...(found.missing !== undefined && { missing: found.missing }),
        taken: "relayed",
        eightBit: route.eightBit,
      };
      return await attempt(shared, plan, signal);
    },
    stop: () => pool.stop(),
  };
}

/** Whom to try, or why nobody. */
type FoundTargets =
  | { readonly targets: Iterable<ExchangeTarget>; readonly missing?: Reply }
  | { readonly failure: ReturnType<typeof failureOf> };

/** What was found for a smarthost that is an address, and by what. */
interface KnownTargets {
  readonly requireTls: boolean;
  readonly own: OwnStation;
  readonly found: FoundTargets;
}

/** Finds whom to try. What is found without DNS is found once for all messages. */
class TargetSearch {
  readonly #services: RemoteServices;
  readonly #known = new WeakMap<SmarthostRoute, KnownTargets>();

  constructor(services: RemoteServices) {
    this.#services = services;
  }

  /** What need not be looked for. */
  known(route: MxRoute | SmarthostRoute, requireTls: boolean): FoundTargets | null {
    const known = route.kind === "smarthost" ? this.#known.get(route) : undefined;
    if (known?.requireTls !== requireTls) return null;
    return isSameStation(known.own, this.#services.own()) ? known.found : null;
  }

  async find(
    route: MxRoute | SmarthostRoute,
    requireTls: boolean,
    signal: AbortSignal,
  ): Promise<FoundTargets> {
    const { resolver, random } = this.#services;
    const own = this.#services.own();
    const search = await findHosts(resolver, route, own, random, signal);
    if (search.status !== "found") return { failure: failureOf(search.reply) };
    const { missing } = search;
    const targets = targetsOf(route, search.hosts, requireTls, own);
    if (route.kind === "smarthost" && parseIp(route.host) !== null) {
      const found = { targets: [...targets] };
      this.#known.set(route, { requireTls, own, found });
      return found;
    }
    return { targets, ...(missing !== undefined && { missing }) };
  }
}

function isSameStation(one: OwnStation, other: OwnStation): boolean {
  return isSameList(one.hostnames, other.hostnames) && isSameList(one.addresses, other.addresses);
}

function isSameList(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((text, index) => text === other[index]);
}

/** The addresses of hosts in the order in which an attempt tries them, and how each is talked to. */
export function* targetsOf(
  route: MxRoute | SmarthostRoute,
  hosts: readonly MailHost[],
  requireTls: boolean,
  own: OwnStation,
): Iterable<ExchangeTarget> {
  const { port, source: sources, authorities } = route;
  // Never to a host that DNS named.
  const credentials = route.kind === "smarthost" ? route.credentials : undefined;
  const tls = tlsPlan(route, requireTls);
  let left = MAX_ADDRESSES;
  for (const { name, addresses } of hosts) {
    const serverName = name.replace(/^\[(?:IPv6:)?|\]$/g, "");
    for (const ip of addresses) {
      if (left-- <= 0) return;
      const loop = loopSigns(route, own, ip);
      const source = ip.includes(":") ? sources?.ipv6 : sources?.ipv4;
      yield {
        address: { transport: "tcp", hostname: ip, port },
        serverName,
        label: serverName === ip ? `[${ip}]:${port}` : `${name} [${ip}]:${port}`,
        protocol: "smtp",
        tls,
        ...(source !== undefined && { source }),
        ...(authorities !== undefined && { authorities }),
        ...(credentials !== undefined && { credentials }),
        ...(loop !== undefined && { loop }),
      };
    }
  }
}

/** A host next door, or at an address that is allowed, may be another server on this machine: the name tells. */
function loopSigns(
  route: MxRoute | SmarthostRoute,
  { hostnames }: OwnStation,
  ip: string,
): LoopSigns | undefined {
  if (hostnames.length === 0) return undefined;
  if (route.kind === "smarthost") return { hostnames, sameAddress: false };
  return { hostnames, sameAddress: !isAllowed(route, ip), domain: route.domain };
}

const NOT_REMOTE: Reply = reply(451, "4.3.5", "no remote route is known for this recipient");
