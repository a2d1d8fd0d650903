/**
 * Mail out, wired: the runner over the queue, the ways out, the notices. `mta.ts` starts and stops it.
 *
 * @module
 */

import type { Address } from "../address.ts";
import type { MtaFact } from "../events.ts";
import type { QueuedRecipient, QueueEntry } from "../queue/entry.ts";
import type { LocalDelivery } from "../queue/local_delivery.ts";
import { type RetryOptions, retrySchedules, type ScheduleFor } from "../queue/retry.ts";
import { expiryOf } from "../queue/settle.ts";
import type { QueueStore } from "../queue/store.ts";
import { toQueued } from "../routing/expand.ts";
import type { RouteTable } from "../routing/route_table.ts";
import type { Router } from "../routing/router.ts";
import { forwardedSender } from "../routing/srs.ts";
import type { Deadlines } from "../runtime/deadlines.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { noticeMaker } from "./bounce.ts";
import { lmtpTransport } from "./lmtp.ts";
import { localTransport } from "./local.ts";
import type { OwnStation } from "./mx.ts";
import { pipeTransport } from "./pipe.ts";
import { remoteTransport } from "./remote.ts";
import { Runner, type RunnerLimits } from "./runner.ts";

/** What mail out is made of. */
export interface OutboundOptions {
  readonly runtime: Runtime;
  readonly hostname: string;
  readonly store: QueueStore;
  readonly router: Router;
  readonly routes: RouteTable;
  readonly delivery: LocalDelivery;
  readonly deadlines: Deadlines;
  /** What makes another station's host ourselves. */
  readonly own: () => OwnStation;
  /** Who is told where no sender can be. */
  readonly postmaster?: Address;
  /** What rewritten senders are signed with. */
  readonly srsSecret: string;
  readonly subaddressDelimiter?: string | null;
  readonly retry?: RetryOptions;
  readonly limits?: Partial<RunnerLimits>;
  /** Nothing is delivered but what `attemptNow` names. */
  readonly paused?: boolean;
  readonly emit: (fact: MtaFact) => void;
}

/** Mail out, under way. */
export class Outbound {
  readonly runner: Runner;
  readonly #options: OutboundOptions;
  readonly #keeping: readonly { stop(): Promise<void> }[];
  readonly #running: Promise<void>;

  /** Starts at once. @throws {RangeError} for a retry schedule that cannot be. */
  constructor(options: OutboundOptions) {
    const { runtime, store, routes, delivery, emit, limits } = options;
    const { clock, random, programs } = runtime;
    const exchange = {
      ...{ hostname: options.hostname, network: runtime.network, clock, emit },
      deadlines: options.deadlines,
      nonce: () => random.bytes(18).toBase64(),
    };
    const { resolver } = runtime;
    const remote = remoteTransport({ ...exchange, resolver, random, own: options.own });
    const lmtp = lmtpTransport(exchange);
    const { subaddressDelimiter } = options;
    const delimiter = subaddressDelimiter === undefined ? {} : { subaddressDelimiter };
    const scheduleFor = retrySchedules(options.retry);
    this.#options = options;
    this.#keeping = [remote, lmtp];
    this.runner = new Runner({
      ...{ store, clock, random, scheduleFor, emit },
      ...(limits && { limits }),
      route: ({ recipients }, index) => {
        const { mailbox, address } = recipients[index]!;
        return mailbox === undefined ? routes.find(address.domain) : { kind: "local" };
      },
      senderFor: (entry, recipient) => this.#senderFor(entry, recipient),
      transports: {
        local: localTransport({ delivery, emit }),
        mx: remote,
        smarthost: remote,
        lmtp,
        pipe: pipeTransport({ programs, clock, emit, ...delimiter }),
      },
      notices: this.#notices(scheduleFor),
    });
    this.#running = options.paused ? Promise.resolve() : this.runner.run();
  }

  /** Starts nothing new, and lets what is under way go on for `grace` milliseconds. */
  async stop(grace: number): Promise<void> {
    await this.runner.stop({ grace });
    await this.#running;
    await Promise.all(this.#keeping.map((transport) => transport.stop()));
  }

  /** Mail that an alias sends on leaves with a sender of ours, where one can be made (SPF). */
  #senderFor(
    { sender, received }: QueueEntry,
    { forwardedBy, mailbox }: QueuedRecipient,
  ): Address | null {
    return mailbox === undefined
      ? forwardedSender(sender, forwardedBy, this.#options, received)
      : sender;
  }

  #notices(scheduleFor: ScheduleFor) {
    const { hostname, runtime: { clock }, store, postmaster, emit } = this.#options;
    return noticeMaker({
      ...{ hostname, clock, emit },
      ...(postmaster && { postmaster }),
      expand: (address) => this.#expand(address),
      open: (id) => store.open(id),
      expiryOf: (entry, recipient) => expiryOf(entry, recipient, scheduleFor),
    });
  }

  /** The recipients of the queue that an address stands for: whoever it is, a notice may go there. */
  async #expand(address: Address): Promise<QueuedRecipient[] | null> {
    const found = await this.#options.router.resolve(address);
    const now = this.#options.runtime.clock.now();
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
}

function remoteOnly(address: Address) {
  return { mailboxes: [], remote: [address], forwarded: false };
}
