/**
 * The part of the wiring that has to do with the queue: the store, mail out, and the operator's hand in it.
 *
 * @module
 */

import { ConnectionPool } from "./delivery/connection_pool.ts";
import {
  Outbound,
  outboundRules,
  type OutboundServices,
  type OutboundSettings,
} from "./delivery/outbound.ts";
import { checkRunnerLimits, type RunnerLimits, type RunnerRules } from "./delivery/runner_rules.ts";
import { describeError } from "./events.ts";
import type { QueueStatus } from "./mta_status.ts";
import { QueueControl } from "./queue/operator/queue_control.ts";
import { type RetryOptions, retrySchedules } from "./queue/retry.ts";
import { openSpool } from "./queue/spool/open_spool.ts";
import type { QueueStore } from "./queue/store.ts";
import { SRS_MIN_SECRET } from "./routing/srs.ts";
import { keepSrsSecret } from "./routing/srs_secret.ts";

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

/** The folder of the queue, where it has one. */
export function queueFolder(options: QueueOptions | undefined): string | null {
  return options !== undefined && "directory" in options ? options.directory : null;
}

/** @throws {TypeError} saying which option it is; {@link RangeError} for a schedule, or limits, that cannot be. */
export function checkQueueOptions({ srsSecret, retry, limits }: QueueOptions): void {
  if (srsSecret !== undefined && srsSecret.length < SRS_MIN_SECRET) {
    throw new TypeError(`queue: srsSecret must have ${SRS_MIN_SECRET} characters at least`);
  }
  retrySchedules(retry);
  checkRunnerLimits(limits);
}

/** What the queue has of the rest of the station. */
export type QueueSurroundings = Omit<OutboundServices, "store" | "pool">;

/** The queue of a station: lives as long as it does, and goes by what it was made to adopt last. */
export class StationQueue {
  /** The operator's hand in it. */
  readonly control: QueueControl;
  readonly store: QueueStore;
  readonly #services: OutboundServices;
  readonly #outbound: Outbound;
  readonly #keptSecret: () => Promise<string>;

  private constructor(
    store: QueueStore,
    surroundings: QueueSurroundings,
    keptSecret: () => Promise<string>,
  ) {
    const { runtime: { clock }, emit } = surroundings;
    const services = { ...surroundings, store, pool: new ConnectionPool(clock) };
    const { runner } = this.#outbound = new Outbound(services);
    this.store = store;
    this.#services = services;
    this.#keptSecret = keptSecret;
    this.control = new QueueControl({
      ...{ store, clock, emit },
      worker: {
        isActive: (id) => runner.isActive(id),
        attemptNow: (id) => runner.orders.attemptNow(id),
        makeWay: (entry, index) => runner.orders.makeWay(entry, index),
        giveBack: (id) => runner.giveBack(id),
      },
    });
  }

  /**
   * Opens the store: takes the folder and recovers what is in it. Nothing is delivered before {@link adopt}.
   *
   * @throws {SpoolBusyError} when another process has it; {@link SpoolVersionError} when a later program made it; and
   * what the disk says.
   */
  static async open(options: QueueOptions, surroundings: QueueSurroundings): Promise<StationQueue> {
    const { runtime: { files, network, clock, random }, emit } = surroundings;
    if ("store" in options) {
      const secret = random.bytes(24).toHex();
      return new StationQueue(options.store, surroundings, () => Promise.resolve(secret));
    }
    const { directory, pid } = options;
    const services = { files, network, clock, random, emit };
    const store = await openSpool({ ...services, directory, ...(pid !== undefined && { pid }) });
    const keptSecret = () => keepSrsSecret(files, random, `${directory}/srs.key`);
    return new StationQueue(store, surroundings, keptSecret);
  }

  /**
   * What senders of forwarded mail are signed with: first the secret in force, then those that were before it, since
   * bounces to mail that was sent with them are on their way.
   */
  async srsSecrets({ srsSecret }: QueueSettings, before: readonly string[]): Promise<string[]> {
    const current = srsSecret ?? await this.#keptSecret();
    return [current, ...before.filter((secret) => secret !== current)].slice(0, SECRETS);
  }

  /** What it is to go by, from settings. @throws {RangeError} as {@link checkQueueOptions}. */
  rules(settings: OutboundSettings): RunnerRules {
    return outboundRules(this.#services, settings);
  }

  /** Goes by these from here on; with the first, mail out begins. */
  adopt(rules: RunnerRules): void {
    this.#outbound.adopt(rules);
  }

  /** Lets go what is held for ETRN (RFC 1985). */
  startDomain(domain: string): void {
    this.#outbound.runner.orders.attemptDomain(domain).catch((error) =>
      this.#services.emit({ type: "queue.trouble", where: "ETRN", error: describeError(error) })
    );
  }

  /** What goes on. */
  status(): QueueStatus {
    const { runner } = this.#outbound;
    return { ...runner.state, down: [...runner.down()] };
  }

  /**
   * Begins no delivery any more, and lets those under way go on for `grace` milliseconds; asked again, the earlier
   * end counts. Mail may still come in until {@link close}.
   */
  drain(grace: number): Promise<void> {
    return this.#outbound.stop(grace);
  }

  /** Closes the store. */
  async close(): Promise<void> {
    await this.store.close();
  }
}

/** Secrets that are believed at once. */
const SECRETS = 4;
