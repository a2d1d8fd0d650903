/**
 * The part of the wiring that has to do with the queue: the store, mail out, and the operator's hand in it.
 *
 * @module
 */

import type { Address } from "./address.ts";
import { QueueControl } from "./queue/operator/queue_control.ts";
import type { OwnStation } from "./delivery/mx.ts";
import { Outbound } from "./delivery/outbound.ts";
import type { RunnerLimits } from "./delivery/runner.ts";
import { describeError, type MtaFact } from "./events.ts";
import type { QueueServices } from "./intake/services.ts";
import type { LocalDelivery } from "./queue/local_delivery.ts";
import type { RetryOptions } from "./queue/retry.ts";
import { openSpool } from "./queue/spool/spool_store.ts";
import type { QueueStore } from "./queue/store.ts";
import type { RouteTable } from "./routing/route_table.ts";
import type { Router } from "./routing/router.ts";
import { keepSrsSecret } from "./routing/srs_secret.ts";
import type { Deadlines } from "./runtime/deadlines.ts";
import type { Runtime } from "./runtime/runtime.ts";

/** Where mail waits that goes on: in a folder, or in a store of your own. */
export type QueueOptions =
  & (
    /** A folder of this station alone; made when missing, with mode 0700. */
    | {
      readonly directory: string;
      /** The number of this process, told to another one that wants the same folder. */
      readonly pid?: number;
    }
    | {
      /** It belongs to the station from here on, which closes it when it stops, or cannot start. */
      readonly store: QueueStore;
    }
  )
  & QueueSettings;

/** How the queue works. */
export interface QueueSettings {
  /** When mail is tried again, and for how long. */
  readonly retry?: RetryOptions;
  /** How much at once. */
  readonly limits?: Partial<RunnerLimits>;
  /**
   * Mail is taken and none of it delivered, until a start without this; but a message that an operator names by
   * its id (`retry`) is tried all the same. Default `false`.
   */
  readonly paused?: boolean;
  /**
   * What the senders of forwarded mail are signed with (SRS), at least 16 characters. Default: kept in the
   * folder; for a store of your own, made anew at each start.
   */
  readonly srsSecret?: string;
}

/** A store that is open. */
export interface OpenQueue {
  readonly store: QueueStore;
  readonly srsSecret: string;
}

/** What mail out needs of the rest of the station. */
export interface QueueSurroundings {
  readonly runtime: Runtime;
  readonly hostname: string;
  readonly router: Router;
  readonly routes: RouteTable;
  readonly delivery: LocalDelivery;
  readonly deadlines: Deadlines;
  readonly own: OwnStation;
  readonly postmaster?: Address;
  readonly subaddressDelimiter?: string | null;
  readonly emit: (fact: MtaFact) => void;
}

/** The folder of the queue, where it has one. */
export function queueFolder(options: QueueOptions | undefined): string | null {
  return options !== undefined && "directory" in options ? options.directory : null;
}

/**
 * Opens the store: takes the folder and recovers what is in it.
 *
 * @throws {SpoolBusyError} when another process has it; and what the disk says.
 */
export async function openQueue(
  options: QueueOptions,
  { files, network, clock, random }: Runtime,
  emit: (fact: MtaFact) => void,
): Promise<OpenQueue> {
  const { srsSecret } = options;
  if (srsSecret !== undefined && srsSecret.length < 16) {
    throw new TypeError("queue: srsSecret must have 16 characters at least");
  }
  if ("store" in options) {
    return { store: options.store, srsSecret: srsSecret ?? random.bytes(24).toHex() };
  }
  const { directory, pid } = options;
  const services = { files, network, clock, random, emit };
  const store = await openSpool({ ...services, directory, ...(pid !== undefined && { pid }) });
  try {
    const secret = srsSecret ?? await keepSrsSecret(files, random, `${directory}/srs.key`);
    return { store, srsSecret: secret };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** The queue of a running station. */
export class StationQueue {
  readonly #outbound: Outbound;
  readonly #store: QueueStore;
  readonly #emit: (fact: MtaFact) => void;
  /** The operator's hand in it. */
  readonly control: QueueControl;

  /** Starts mail out. @throws {RangeError} for a retry schedule, or limits, that cannot be. */
  constructor(
    { retry, limits, paused }: QueueSettings,
    { store, srsSecret }: OpenQueue,
    surroundings: QueueSurroundings,
  ) {
    const { runtime: { clock }, emit, own } = surroundings;
    const outbound = new Outbound({
      ...surroundings,
      own: () => own,
      ...{ store, srsSecret },
      ...(retry && { retry }),
      ...(limits && { limits }),
      ...(paused && { paused }),
    });
    this.#outbound = outbound;
    this.#store = store;
    this.#emit = emit;
    this.control = new QueueControl({
      ...{ store, clock, emit },
      worker: {
        isActive: (id) => outbound.runner.isActive(id),
        attemptNow: (id) => outbound.runner.orders.attemptNow(id),
        makeWay: (entry, index) => outbound.runner.orders.makeWay(entry, index),
        giveBack: (id) => outbound.runner.giveBack(id),
      },
    });
  }

  /** Lets go what is held for ETRN (RFC 1985). */
  startDomain(domain: string): void {
    this.#outbound.runner.orders.attemptDomain(domain).catch((error) =>
      this.#emit({ type: "queue.trouble", where: "ETRN", error: describeError(error) })
    );
  }

  /**
   * Begins no delivery any more, and lets those under way go on for `grace` milliseconds. Mail may still
   * come in until {@link close}.
   */
  drain(grace: number): Promise<void> {
    return this.#outbound.stop(grace);
  }

  /** Closes the store. */
  async close(): Promise<void> {
    await this.#store.close();
  }
}

/** What intake is given of a queue that mail out is not started for yet. */
export function queueServices(
  { store }: OpenQueue,
  routes: RouteTable,
  started: () => StationQueue | null,
): QueueServices {
  return {
    store,
    routes,
    start: (domain) => started()?.startDomain(domain),
  };
}
