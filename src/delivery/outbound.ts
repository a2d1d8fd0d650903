/**
 * Mail out, wired: the runner over the queue, the ways out, the notices. `mta_queue.ts` starts and stops it.
 *
 * What stays as long as the station (the runner with all it knows, connections at rest) is in {@link Outbound};
 * what follows from options is {@link RunnerRules}, made by {@link outboundRules} and replaced as a whole.
 *
 * @module
 */

import type { Address } from "../address.ts";
import type { MtaFact } from "../events.ts";
import type { QueuedRecipient, QueueEntry } from "../queue/entry.ts";
import type { Tracer } from "../observe/trace.ts";
import type { LocalDelivery } from "../queue/local_delivery.ts";
import { type RetryOptions, retrySchedules } from "../queue/retry.ts";
import { expiryOf } from "../queue/settle.ts";
import type { QueueStore } from "../queue/store.ts";
import { toQueued } from "../routing/expand.ts";
import type { Route } from "../routing/route.ts";
import type { RouteTable } from "../routing/route_table.ts";
import type { Router } from "../routing/router.ts";
import { forwardedSender } from "../routing/srs.ts";
import type { Deadlines } from "../runtime/deadlines.ts";
import type { Resolver } from "../runtime/resolver.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { reply } from "../smtp/reply.ts";
import { whenKnown } from "../soon.ts";
import { noticeMaker, type NoticeServices } from "./bounce.ts";
import type { ConnectionPool } from "./connection_pool.ts";
import { daneGuards } from "./dane.ts";
import { lmtpTransport } from "./lmtp.ts";
import { localTransport } from "./local.ts";
import type { OwnStation } from "./mx.ts";
import { pipeTransport } from "./pipe.ts";
import { remoteTransport } from "./remote.ts";
import { Runner } from "./runner.ts";
import { checkRunnerLimits, type RunnerLimits, type RunnerRules } from "./runner_rules.ts";
import { guardsInOrder, type TlsGuards } from "./tls_guard.ts";
import type { SenderFor } from "./ways.ts";

/** What mail out has of the station, whatever its options. */
export interface OutboundServices {
  readonly runtime: Runtime;
  readonly store: QueueStore;
  readonly deadlines: Deadlines;
  /** Connections that rest. */
  readonly pool: ConnectionPool;
  /** Where conversations can be listened to. */
  readonly tracer: Tracer;
  readonly emit: (fact: MtaFact) => void;
}

/** What options say of mail out. */
export interface OutboundSettings {
  readonly hostname: string;
  readonly router: Router;
  readonly routes: RouteTable;
  readonly delivery: LocalDelivery;
  /** What makes another station's host ourselves; asked anew for each job. */
  readonly own: () => OwnStation;
  /** Who is told where no sender can be. */
  readonly postmaster?: Address;
  /** What rewritten senders are signed with. */
  readonly srsSecret: string;
  readonly subaddressDelimiter?: string | null;
  readonly retry?: RetryOptions;
  readonly limits?: Partial<RunnerLimits>;
  /** What guards hosts beside DANE, asked after it. */
  readonly guards?: TlsGuards;
  /** Nothing is delivered but what `attemptNow` names. */
  readonly paused?: boolean;
  /** See {@link NoticeServices}. */
  readonly fieldsFor?: NoticeServices["fieldsFor"];
}

/** Mail out. */
export class Outbound {
  readonly runner: Runner;
  readonly #pool: ConnectionPool;
  #running: Promise<void> | null = null;

  /** Nothing is delivered before {@link adopt}. */
  constructor({ runtime: { clock, random }, store, pool, emit }: OutboundServices) {
    this.runner = new Runner({ ...{ store, clock, random, emit }, ...AT_REST });
    this.#pool = pool;
  }

  /** Goes by these rules from here on; with the first, it begins. See {@link Runner.adopt}. */
  adopt(rules: RunnerRules): void {
    this.runner.adopt(rules);
    this.#running ??= this.runner.run();
  }

  /**
   * Starts nothing new, and lets what is under way go on for `grace` milliseconds. Asked again, the earlier end
   * counts.
   */
  async stop(grace: number): Promise<void> {
    await this.runner.stop({ grace });
    await this.#running;
    await this.#pool.stop();
  }
}

/** What is gone by before there are rules: nothing is taken up. */
const AT_REST: RunnerRules = {
  paused: true,
  route: () => ({ reply: reply(451, "4.3.2", "not started yet") }),
  senderFor: ({ sender }) => sender,
  transports: {},
  notices: () => Promise.reject(new Error("not started yet")),
  scheduleFor: retrySchedules(),
};

/**
 * What a runner is to go by, from settings.
 *
 * @throws {RangeError} for a retry schedule, or limits, that cannot be.
 */
export function outboundRules(services: OutboundServices, settings: OutboundSettings): RunnerRules {
  const { runtime, deadlines, pool, tracer, emit } = services;
  const { network, clock, random, resolver, programs } = runtime;
  const { hostname, own, routes, router, delivery, subaddressDelimiter, limits } = settings;
  checkRunnerLimits(limits);
  const scheduleFor = retrySchedules(settings.retry);
  const nonce = () => random.bytes(18).toBase64();
  const exchange = { hostname, network, clock, deadlines, pool, nonce, tracer, emit };
  const guards = tlsGuards(resolver, settings.guards);
  const remote = remoteTransport({ ...exchange, resolver, random, own, guards });
  const delimiter = subaddressDelimiter === undefined ? {} : { subaddressDelimiter };
  return {
    ...{ scheduleFor, paused: settings.paused ?? false },
    ...(limits && { limits }),
    route: ({ recipients }, index) => {
      const { mailbox, address } = recipients[index]!;
      if (mailbox !== undefined) return LOCAL;
      // It may have become ours while the mail waited; the way that DNS names would lead back here then.
      return whenKnown(
        router.isOurs(address.domain),
        (ours) => ours ? LOCAL : routes.find(address.domain),
      );
    },
    senderFor: senderFor(settings),
    transports: {
      local: localTransport({ delivery, emit, resolve: (address) => router.resolve(address) }),
      mx: remote,
      smarthost: remote,
      lmtp: lmtpTransport(exchange),
      pipe: pipeTransport({ programs, clock, emit, ...delimiter }),
    },
    notices: noticeMaker({
      ...{ hostname, clock, emit },
      ...(settings.postmaster && { postmaster: settings.postmaster }),
      ...(settings.fieldsFor && { fieldsFor: settings.fieldsFor }),
      expand: (address) => expand(router, address, clock.now()),
      open: async (id) => await services.store.open(id),
      expiryOf: (entry, recipient) => expiryOf(entry, recipient, scheduleFor),
    }),
  };
}

/** What guards hosts: DANE, then whatever else (RFC 8461 §2). */
export function tlsGuards(resolver: Resolver, others: TlsGuards | undefined): TlsGuards {
  const dane = daneGuards(resolver);
  return others === undefined ? dane : guardsInOrder([dane, others]);
}

/** Into a mailbox. */
const LOCAL: Route = { kind: "local" };

/** Mail that an alias sends on leaves with a sender of ours, where one can be made (SPF). */
function senderFor({ srsSecret, hostname }: OutboundSettings): SenderFor {
  return ({ sender, received }: QueueEntry, { forwardedBy, mailbox }: QueuedRecipient) =>
    mailbox === undefined
      ? forwardedSender(sender, forwardedBy, { srsSecret, hostname }, received)
      : sender;
}

/** The recipients of the queue that an address stands for: whoever it is, a notice may go there. */
async function expand(
  router: Router,
  address: Address,
  now: number,
): Promise<QueuedRecipient[] | null> {
  const found = await router.resolve(address);
  switch (found.kind) {
    case "unknown":
      return null;
    case "local":
      return toQueued({ address }, { ...found, forwarded: true }, now);
    case "returned":
      return toQueued({ address }, remoteOnly(found.address), now);
    case "relay":
      return toQueued({ address }, remoteOnly(address), now);
  }
}

function remoteOnly(address: Address) {
  return { mailboxes: [], remote: [address], forwarded: false };
}
