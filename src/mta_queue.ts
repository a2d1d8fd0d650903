/**
 * The part of the wiring that has to do with the queue: the store, mail out, and the operator's hand in it.
 *
 * @module
 */

import type { Address } from "./address.ts";
import { ControlServer } from "./admin/control_server.ts";
import { QueueControl } from "./admin/queue_control.ts";
import { queueCommands } from "./admin/queue_requests.ts";
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

/** Where mail waits that goes on. */
export interface QueueOptions {
  /** A folder of this station alone (made when missing, mode 0700), or a store of your own. */
  readonly store: string | QueueStore;
  /** The number of this process, told to another one that wants the same folder. */
  readonly pid?: number;
  /**
   * Where the control socket listens, over which `yizhan queue` asks; `null` for none. Default `control.sock`
   * in the folder, none for a store of your own.
   */
  readonly controlSocket?: string | null;
  /** When mail is tried again, and for how long. */
  readonly retry?: RetryOptions;
  /** How much at once. */
  readonly limits?: Partial<RunnerLimits>;
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
  return typeof options?.store === "string" ? options.store : null;
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
  const { store, srsSecret, pid } = options;
  if (srsSecret !== undefined && srsSecret.length < 16) {
    throw new TypeError("queue: srsSecret must have 16 characters at least");
  }
  if (typeof store !== "string") {
    return { store, srsSecret: srsSecret ?? random.bytes(24).toHex() };
  }
  const spool = await openSpool({
    ...{ files, network, clock, random, emit },
    directory: store,
    ...(pid !== undefined && { pid }),
  });
  try {
    const secret = srsSecret ?? await keepSrsSecret(files, random, `${store}/srs.key`);
    return { store: spool, srsSecret: secret };
  } catch (error) {
    await spool.close();
    throw error;
  }
}

/** The queue of a running station. */
export class StationQueue {
  readonly #outbound: Outbound;
  readonly #server: ControlServer | null;
  readonly #store: QueueStore;
  /** The operator's hand in it. */
  readonly control: QueueControl;

  private constructor(
    outbound: Outbound,
    server: ControlServer | null,
    store: QueueStore,
    control: QueueControl,
  ) {
    this.#outbound = outbound;
    this.#server = server;
    this.#store = store;
    this.control = control;
  }

  /** Starts mail out, and the control socket. Fails with nothing started. */
  static async start(
    options: QueueOptions,
    { store, srsSecret }: OpenQueue,
    surroundings: QueueSurroundings,
  ): Promise<StationQueue> {
    const { runtime, emit, own } = surroundings;
    const { files, network, clock } = runtime;
    const { retry, limits } = options;
    const outbound = new Outbound({
      ...surroundings,
      own: () => own,
      ...{ store, srsSecret },
      ...(retry && { retry }),
      ...(limits && { limits }),
    });
    const control = new QueueControl({
      ...{ store, clock, emit },
      worker: {
        isActive: (id) => outbound.runner.isActive(id),
        attemptNow: (id) => outbound.runner.attemptNow(id),
        makeWay: (domain) => outbound.makeWay(domain),
      },
    });
    try {
      const path = controlSocket(options);
      const onFault = (error: unknown) =>
        emit({ type: "internal.error", where: "control socket", error: describeError(error) });
      const commands = queueCommands(control);
      const server = path === null
        ? null
        : await ControlServer.start({ network, files, clock, path, commands, onFault });
      return new StationQueue(outbound, server, store, control);
    } catch (error) {
      await outbound.stop(0);
      throw error;
    }
  }

  /** Lets go what is held for ETRN (RFC 1985); gives how many messages that is. */
  startDomain(domain: string): Promise<number> {
    return this.#outbound.runner.attemptDomain(domain);
  }

  /** Lets what is under way go on for `grace` milliseconds; then the queue is closed. */
  async stop(grace: number): Promise<void> {
    await this.#server?.stop();
    await this.#outbound.stop(grace);
    await this.#store.close();
  }
}

function controlSocket(options: QueueOptions): string | null {
  if (options.controlSocket !== undefined) return options.controlSocket;
  const folder = queueFolder(options);
  return folder === null ? null : `${folder}/control.sock`;
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
    start: (domain) => started()?.startDomain(domain) ?? Promise.resolve(0),
  };
}
