/**
 * The way to other stations by SMTP: to the hosts of a domain (RFC 5321 §5) or to a smarthost, their
 * addresses in order, over connections that are kept for a moment.
 *
 * What it leaves to others: who the hosts are (`mx.ts`), what decides a recipient (`attempt.ts`,
 * `answers.ts`), TLS (`tls_policy.ts`), when to try again (the queue).
 *
 * @module
 */

import { decode } from "../bytes.ts";
import { parseFields } from "../message/header.ts";
import { parseIp } from "../net_address.ts";
import type { Outcome } from "../queue/outcome.ts";
import type { MxRoute, SmarthostRoute } from "../routing/route.ts";
import type { Resolver } from "../runtime/resolver.ts";
import type { Random } from "../runtime/runtime.ts";
import { type Reply, reply } from "../smtp/reply.ts";
import { attempt, type AttemptPlan, type AttemptServices } from "./attempt.ts";
import { ConnectionPool } from "./connection_pool.ts";
import type { LoopSigns } from "./loop_check.ts";
import { findHosts, type HostSearch, isAllowed, type MailHost, type OwnStation } from "./mx.ts";
import { failureOf, putOff } from "./outcomes.ts";
import type { ExchangeServices, ExchangeTarget } from "./smtp_exchange.ts";
import {
  type HostGuard,
  type ShutGuard,
  type TlsGuards,
  type TlsResult,
  UNGUARDED,
} from "./tls_guard.ts";
import { tlsPlan } from "./tls_policy.ts";
import { isTlsReport } from "./tls_reports/report_mail.ts";
import type { KeepingTransport } from "./transport.ts";

/** What remote delivery is made of. */
export interface RemoteServices extends ExchangeServices {
  readonly resolver: Resolver;
  readonly random: Random;
  /** What makes a host ourselves; asked anew for each job. */
  readonly own: () => OwnStation;
  /** What guards the hosts, beside what the route says; default nothing is asked. */
  readonly guards?: TlsGuards;
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
        await search.find(route, requireTls, signal, isTlsReport(job.entry));
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
      const outcomes = await attempt(shared, plan, signal);
      const { unguarded } = found;
      if (unguarded === undefined || requireTls || signal.aborted) return outcomes;
      if (!outcomes.some(isKeptBack)) return outcomes;
      return await withoutGuards(shared, { ...plan, targets: unguarded() }, outcomes, signal);
    },
    stop: () => pool.stop(),
  };
}

/** Whether it may be a guard that kept a recipient's mail back: no host has said so, be it that another one is dead. */
function isKeptBack({ status, host }: Outcome): boolean {
  return status === "deferred" && host === undefined;
}

/** Where the sender would rather have the mail go without TLS than not at all (RFC 8689 §5), guards do not count. */
async function withoutGuards(
  services: AttemptServices,
  plan: AttemptPlan,
  outcomes: readonly Outcome[],
  signal: AbortSignal,
): Promise<readonly Outcome[]> {
  const { job } = plan;
  const head = await Promise.resolve(job.open()).then((source) => source.head).catch(() => null);
  if (head === null || !waivesTls(head)) return outcomes;
  const recipients = outcomes.filter(isKeptBack).map(({ recipient }) => recipient);
  const again = await attempt(services, { ...plan, job: { ...job, recipients } }, signal);
  return [...outcomes.filter((outcome) => !isKeptBack(outcome)), ...again];
}

/** Whether a head says `TLS-Required: No` (RFC 8689 §5). */
function waivesTls(head: Uint8Array): boolean {
  return parseFields(head).some(({ name, raw }) =>
    name.toLowerCase() === "tls-required" && /^[^:]*:\s*no\s*$/i.test(decode(raw))
  );
}

/** Whom to try, or why nobody. */
type FoundTargets =
  | {
    readonly targets: Iterable<ExchangeTarget>;
    readonly missing?: Reply;
    /** The same without what guards them, where something does that is not the operator's own demand. */
    readonly unguarded?: () => Iterable<ExchangeTarget>;
  }
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

  /** @param quiet how TLS goes is not noted. */
  async find(
    route: MxRoute | SmarthostRoute,
    requireTls: boolean,
    signal: AbortSignal,
    quiet = false,
  ): Promise<FoundTargets> {
    const { resolver, random } = this.#services;
    const own = this.#services.own();
    const search = await findHosts(resolver, route, own, random, signal);
    if (search.status !== "found") return { failure: failureOf(search.reply) };
    const { hosts } = search;
    if (route.kind === "smarthost" && parseIp(route.host) !== null) {
      const found = { targets: [...targetsOf(route, hosts, requireTls, own)] };
      this.#known.set(route, { requireTls, own, found });
      return found;
    }
    const found = await guardHosts(this.#services.guards, route, search, signal);
    const guarded = requireTls ? demandNamed(search, found) : found;
    const unnamed = guarded.find((guard) => guard.kind === "shut" && guard.by === "requiretls");
    if (unnamed?.kind === "shut" && guarded.every((guard) => guard === unnamed)) {
      return { failure: failureOf(unnamed.reply) };
    }
    const missing = search.missing ?? shutReply(guarded);
    const { guards } = this.#services;
    // What was broken off tells nothing of the domain.
    const note = quiet || signal.aborted ? undefined : guards?.note?.bind(guards);
    return {
      targets: targetsOf(route, hosts, requireTls, own, guarded, note),
      ...(missing !== undefined && { missing }),
      ...(route.tls !== "dane" && guarded.some(({ kind }) => kind !== "none") &&
        { unguarded: () => targetsOf(route, hosts, requireTls, own) }),
    };
  }
}

/** What guards hosts that were found, in their order. */
export async function guardHosts(
  guards: TlsGuards | undefined,
  route: MxRoute | SmarthostRoute,
  { hosts, named = false }: Extract<HostSearch, { status: "found" }>,
  signal?: AbortSignal,
): Promise<readonly HostGuard[]> {
  if (guards === undefined) return [];
  const domain = domainOf(route);
  return await guards.guard({ route, domain, named, hosts, ...(signal && { signal }) }, []);
}

/**
 * What guards hosts for mail with REQUIRETLS: where DNSSEC does not vouch for who they are, only those do that MTA-STS
 * vouches for (RFC 8689 §4.2.1). A host that DNS only claims may prove to be itself, and still be the wrong one.
 */
export function demandNamed(
  { named = false, hosts }: Extract<HostSearch, { status: "found" }>,
  guards: readonly HostGuard[],
): readonly HostGuard[] {
  if (named) return guards;
  return hosts.map((_, index) => {
    const guard = guards[index];
    const stays = guard?.kind === "shut" || (guard?.kind === "sts" && guard.mode === "enforce") ||
      (guard?.kind === "dane" && guard.listed === true);
    return stays ? guard : UNNAMED;
  });
}

const WHY_UNNAMED = "neither DNSSEC nor MTA-STS vouches for who the mail hosts of the domain are";
const UNNAMED: ShutGuard = {
  kind: "shut",
  by: "requiretls",
  reply: reply(
    550,
    "5.7.30",
    `the sender requires TLS all the way (REQUIRETLS), and ${WHY_UNNAMED}`,
  ),
  fault: { type: "validation-failure", text: WHY_UNNAMED },
};

function domainOf(route: MxRoute | SmarthostRoute): string {
  return route.kind === "mx" ? route.domain : route.host;
}

/** Why a host is not asked; what will never be otherwise is no reason to wait. */
function shutReply(guards: readonly HostGuard[]): Reply | undefined {
  const shut = guards.find((guard) => guard.kind === "shut" && guard.by !== "requiretls");
  return shut?.kind === "shut" ? shut.reply : undefined;
}

function isSameStation(one: OwnStation, other: OwnStation): boolean {
  return isSameList(one.hostnames, other.hostnames) && isSameList(one.addresses, other.addresses);
}

function isSameList(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((text, index) => text === other[index]);
}

/**
 * The addresses of hosts in the order in which an attempt tries them, and how each is talked to. Hosts that are shut
 * are left out.
 *
 * @param guards what guards each host, in their order; absent: nothing. @param note is told how TLS went.
 */
export function* targetsOf(
  route: MxRoute | SmarthostRoute,
  hosts: readonly MailHost[],
  requireTls: boolean,
  own: OwnStation,
  guards: readonly HostGuard[] = [],
  note?: (result: TlsResult) => void,
): Iterable<ExchangeTarget> {
  const { port, source: sources, authorities } = route;
  // Never to a host that DNS named.
  const credentials = route.kind === "smarthost" ? route.credentials : undefined;
  const domain = domainOf(route);
  let left = MAX_ADDRESSES;
  for (const [index, { name, addresses }] of hosts.entries()) {
    const guard = guards[index] ?? UNGUARDED;
    if (guard.kind === "shut") {
      // That its sender demands more than the domain promises is not the domain's fault.
      if (guard.by !== "requiretls") note?.({ domain, host: name, guard, fault: guard.fault });
      continue;
    }
    const tls = tlsPlan(route, requireTls, guard);
    const bare = name.replace(/^\[(?:IPv6:)?|\]$/g, "");
    // What guards it may know it by another name (RFC 7672 §8.1).
    const serverName = tls.guard?.kind === "dane" ? tls.guard.base : bare;
    for (const ip of addresses) {
      if (left-- <= 0) return;
      const loop = loopSigns(route, own, ip);
      const source = ip.includes(":") ? sources?.ipv6 : sources?.ipv4;
      yield {
        address: { transport: "tcp", hostname: ip, port },
        serverName,
        label: bare === ip ? `[${ip}]:${port}` : `${name} [${ip}]:${port}`,
        protocol: "smtp",
        tls,
        ...(source !== undefined && { source }),
        ...(authorities !== undefined && { authorities }),
        ...(credentials !== undefined && { credentials }),
        ...(loop !== undefined && { loop }),
        ...(note !== undefined && {
          noteTls: (fault, source) =>
            note({
              ...{ domain, host: name, address: ip, guard, fault },
              ...(source !== undefined && { source }),
            }),
        }),
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
