/**
 * What stands around a station that serves: the control socket, the monitor, the site of its domains, and the drop
 * folder. It follows the configuration where that changes.
 *
 * @module
 */

import process from "node:process";
import { banCommands } from "../admin/ban_commands.ts";
import { ControlError } from "../admin/control_protocol.ts";
import { type ControlCommand, ControlServer } from "../admin/control_server.ts";
import { dropCommands } from "../admin/drop_commands.ts";
import { mailCommands } from "../admin/mail_commands.ts";
import { mergedCommands } from "../admin/merged_commands.ts";
import { StationMonitor } from "../admin/station_monitor.ts";
import { stationCommands, type StationControl } from "../admin/station_requests.ts";
import { whyNoBan } from "../config/policies/ban_effect.ts";
import type { LoadedConfig } from "../config/load.ts";
import { nudgePath } from "../config/paths.ts";
import type { EventSink } from "../events.ts";
import { DropBox } from "../intake/drop/drop_box.ts";
import type { DropSettings } from "../intake/drop/drop_options.ts";
import type { Mta } from "../mta.ts";
import type { Ledger } from "../policy/ledger/ledger.ts";
import type { QueueMatcher } from "../queue/operator/queue_filter.ts";
import type { QueueSummary } from "../queue/operator/queue_view.ts";
import type { Directory } from "../directory/directory.ts";
import type { SocketAddress } from "../runtime/network.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { TlsCertificate } from "../runtime/tls.ts";
import type { WebServer } from "../web/web_server.ts";
import type { Proofs } from "./acme/proofs.ts";
import { localUserNames } from "./local_users.ts";
import { processFacts } from "./process_facts.ts";
import { siteServer } from "./station_site.ts";
import { warn } from "./terminal.ts";
import { describeError } from "./trouble.ts";
import type { WorkerPool } from "./workers/worker_pool.ts";

/** What it stands around. */
export interface SurroundedStation extends StationControl {
  readonly mta: Mta;
  /** The others that serve beside it; `null`: there are none. */
  readonly workers: WorkerPool | null;
  /** Where its policies remember, such as who is banned. */
  readonly ledger: Ledger;
  /** In force at this moment. */
  readonly config: LoadedConfig;
  readonly directory: Directory;
  readonly certificates: readonly TlsCertificate[];
  /** What is being proved to authorities. */
  readonly proofs: Proofs;
}

/** What else it takes. */
export interface SurroundingsOptions {
  readonly runtime: Runtime;
  readonly onEvent: EventSink;
  readonly monitor: StationMonitor;
}

/** What another configuration needs. One of the two is to be called. */
export interface PreparedSurroundings {
  /** Goes by it from here on. Never rejects. */
  adopt(): Promise<void>;
  /** Gives it up. */
  discard(): Promise<void>;
}

/** The surroundings of a station. */
export class Surroundings {
  readonly #monitor: StationMonitor;
  readonly #control: ControlServer;
  /** `null` where programs may not leave mail. */
  readonly #drop: DropBox | null;
  readonly #web: WebServer;
  readonly #stopping: AbortController;

  private constructor(
    monitor: StationMonitor,
    control: ControlServer,
    drop: DropBox | null,
    web: WebServer,
    stopping: AbortController,
  ) {
    this.#monitor = monitor;
    this.#control = control;
    this.#drop = drop;
    this.#web = web;
    this.#stopping = stopping;
  }

  /** Starts all of it. @throws what cannot be had; nothing of it runs then. */
  static async start(
    station: SurroundedStation,
    options: SurroundingsOptions,
  ): Promise<Surroundings> {
    const { monitor } = options;
    const { config } = station.config;
    await using started = new AsyncDisposableStack();
    started.defer(() => monitor.stop());
    await monitor.listen(config.monitor.address);
    const stopping = new AbortController();
    const control = await startControl(station, options, stopping.signal);
    started.defer(() => control.stop());
    const web = await startSite(station, options);
    started.defer(() => web.stop());
    const drop = config.drop.enabled ? await startDrop(station, options) : null;
    started.move();
    return new Surroundings(monitor, control, drop, web, stopping);
  }

  /** Where the monitor listens, with the real port; `null`: nowhere. */
  get monitor(): SocketAddress | null {
    return this.#monitor.address;
  }

  /** Where the site listens, with the real ports. */
  get web(): readonly SocketAddress[] {
    return this.#web.addresses;
  }

  /** Shows these from now on. */
  replaceCertificates(certificates: readonly TlsCertificate[]): void {
    this.#web.replaceCertificates(certificates);
  }

  /**
   * Has what another configuration needs, and uses nothing of it yet.
   *
   * @throws what cannot be had.
   */
  async prepare(
    loaded: LoadedConfig,
    certificates: readonly TlsCertificate[],
  ): Promise<PreparedSurroundings> {
    const monitor = await this.#monitor.prepare(loaded.config.monitor.address);
    const web = await this.#web.prepare(loaded.config.web.listeners).catch(async (error) => {
      await monitor.discard();
      throw error;
    });
    return {
      adopt: async () => {
        this.#drop?.configure(dropSettings(loaded));
        this.#web.replaceCertificates(certificates);
        await Promise.all([monitor.adopt(), web.adopt()]);
      },
      discard: async () => {
        await Promise.all([monitor.discard(), web.discard()]);
      },
    };
  }

  /** Before the station stops: nothing more is taken, and how it is may still be asked. */
  async stop(): Promise<void> {
    this.#stopping.abort(new ControlError("stopping", "the server is going down"));
    await this.#drop?.stop();
  }

  /** After the station has stopped. */
  async end(): Promise<void> {
    await Promise.all([this.#control.stop(), this.#monitor.stop(), this.#web.stop()]);
  }
}

async function startSite(
  station: SurroundedStation,
  { runtime }: SurroundingsOptions,
): Promise<WebServer> {
  const source = () => ({ config: station.config.config, directory: station.directory });
  const onFault = (error: unknown) => warn(`site: ${describeError(error)}`);
  const web = siteServer(runtime, source, station.proofs, onFault);
  web.replaceCertificates(station.certificates);
  await (await web.prepare(station.config.config.web.listeners)).adopt();
  return web;
}

function startControl(
  station: SurroundedStation,
  { runtime, onEvent }: SurroundingsOptions,
  stopping: AbortSignal,
): Promise<ControlServer> {
  const { mta, workers, ledger } = station;
  const { network, files, clock } = runtime;
  const own = {
    ...stationCommands(station),
    ...mailCommands(mta, runtime),
    ...(station.config.config.drop.enabled && dropCommands(files, station.config.paths.drop)),
    ...banCommands({
      ...{ ledger, clock },
      emit: (fact) => onEvent({ time: clock.now(), ...fact }),
      whyNoBan: (named) => whyNoBan(station.config.config, named),
      inForce: () => station.config.config.abuse.bans.enabled,
    }),
  };
  return ControlServer.start({
    ...{ network, files, clock },
    path: station.config.paths.control,
    commands: untilStopped(
      stopping,
      workers === null ? own : mergedCommands(own, () => workers.asks()),
    ),
    onFault: (error) => warn(`control socket: ${describeError(error)}`),
  });
}

/** What only looks, as `yizhan status` does: it may be asked until the very end. */
const LOOKS: readonly string[] = ["status", "list", "drop"];

/** The same commands, and those that do something until the station stops. */
function untilStopped(
  stopping: AbortSignal,
  commands: Readonly<Record<string, ControlCommand>>,
): Record<string, ControlCommand> {
  const bounded = (command: ControlCommand): ControlCommand =>
    async function* (request, gone) {
      stopping.throwIfAborted();
      return yield* command(request, AbortSignal.any([gone, stopping]));
    };
  return Object.fromEntries(
    Object.entries(commands).map((
      [name, command],
    ) => [name, LOOKS.includes(name) ? command : bounded(command)]),
  );
}

function startDrop(
  { mta, config }: SurroundedStation,
  { runtime, onEvent }: SurroundingsOptions,
): Promise<DropBox> {
  const { paths } = config;
  return DropBox.start({
    runtime,
    directory: paths.drop,
    refused: `${paths.data}/refused`,
    nudge: nudgePath(paths),
    submit: (envelope, message, options) => mta.submit(envelope, message, options),
    nameOf: localUserNames(runtime.files),
    emit: (fact) => onEvent({ time: runtime.clock.now(), ...fact }),
    ...dropSettings(config),
  });
}

function dropSettings({ config }: LoadedConfig): DropSettings {
  const { hostname, drop, limits, mail } = config;
  return {
    hostname,
    senders: drop.senders,
    ownUid: process.getuid?.() ?? 0,
    subaddressDelimiter: mail.subaddressDelimiter,
    interval: drop.interval,
    sizeLimit: limits.messageSize,
  };
}

/** The queues of all, to be looked through. */
function wholeQueue({ mta: { queue }, workers }: SurroundedStation) {
  if (queue === null || workers === null) return queue;
  return {
    /** Of the others there is no entry to match: all are asked for. */
    async *list(matcher: QueueMatcher, signal: AbortSignal): AsyncGenerator<QueueSummary> {
      yield* queue.list(matcher, signal);
      for (const ask of workers.asks()) {
        for await (const line of ask({ do: "list" }, signal)) yield line as unknown as QueueSummary;
      }
    },
  };
}

/** The monitor of a station that is to come: it counts from the start on. */
export function newMonitor(
  runtime: Runtime,
  station: () => SurroundedStation,
  droppedLogLines: () => number,
): StationMonitor {
  return new StationMonitor({
    runtime,
    status: () => station().status(),
    queue: () => wholeQueue(station()),
    others: async () => await station().workers?.metrics() ?? [],
    disk: () => {
      const { paths: { data, mail, queue }, config } = station().config;
      // What the station itself keeps free.
      const reserve = Math.max(2 * config.limits.messageSize, 256 * 1024 * 1024);
      return { folders: { data, mail, queue }, reserve };
    },
    process: () => processFacts(droppedLogLines()),
    onFault: (error) => warn(`monitor: ${describeError(error)}`),
  });
}
