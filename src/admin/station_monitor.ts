/**
 * All that monitoring needs of a station, put together: what counts its events, what looks at its queue, and
 * the server that tells. It counts from the start on, listens where it is told to, and moves when a reload
 * says so. The queue is looked at only while there is somebody to tell.
 *
 * What fails: {@link StationMonitor.prepare} throws what the machine says when the address cannot be had, and
 * it goes on where it was.
 *
 * @module
 */

import type { EventSink } from "../events.ts";
import { Metrics } from "../observe/metrics.ts";
import { mergeFamilies } from "../observe/merged_families.ts";
import type { MetricFamily } from "../observe/open_metrics.ts";
import { QueueSampler } from "../observe/queue_sample.ts";
import type { QueueControl } from "../queue/operator/queue_control.ts";
import { formatSocketAddress, type SocketAddress } from "../runtime/network.ts";
import type { Runtime } from "../runtime/runtime.ts";
import {
  diskFamilies,
  type DiskWatch,
  obstaclesOf,
  type ProcessFacts,
  processFamilies,
  stationFamilies,
} from "./gauges.ts";
import { HttpServer } from "./http_server.ts";
import { type HttpHandler, monitorHandler } from "./monitor.ts";
import type { StationStatus } from "./station_requests.ts";

/** What a monitor watches. What is a function is asked when somebody wants to know. */
export interface StationMonitorOptions {
  readonly runtime: Pick<Runtime, "network" | "clock" | "files">;
  /** How the station is. */
  readonly status: () => StationStatus | Promise<StationStatus>;
  /** Its queue; `null` where it has none. */
  readonly queue: () => Pick<QueueControl, "list"> | null;
  /** What is watched on the disk. */
  readonly disk: () => Pick<DiskWatch, "folders" | "reserve">;
  /** How the process is. */
  readonly process: () => ProcessFacts;
  /** What others of the same process have counted; default: there are none. */
  readonly others?: () => Promise<readonly OtherCounts[]>;
  /** Is told of faults that nobody else sees. */
  readonly onFault: (error: unknown) => void;
}

/** What another station of the same process has counted. */
export interface OtherCounts {
  readonly families: readonly MetricFamily[];
  /** Octets of its objects. */
  readonly heap: number;
  /** Lines of its log that were dropped. */
  readonly droppedLogLines: number;
}

/** A place to listen that is had and not yet used. One of the two is to be called. */
export interface PreparedMonitor {
  /** Listens there from now on, and no more where it did before. Never rejects. */
  adopt(): Promise<void>;
  /** Gives it up. */
  discard(): Promise<void>;
}

/** Watches a station, and tells those who ask over HTTP. */
export class StationMonitor {
  readonly #options: StationMonitorOptions;
  readonly #metrics = new Metrics();
  readonly #handler: HttpHandler;
  #sampler: QueueSampler | null = null;
  #server: HttpServer | null = null;
  /** Where it was told to listen: port 0 stays 0. */
  #wanted: string | null = null;
  #sampling: AbortController | null = null;

  /** Counts from here on. @param options what to watch. */
  constructor(options: StationMonitorOptions) {
    this.#options = options;
    const { status, onFault } = options;
    this.#handler = monitorHandler({
      sources: [
        () => this.#counts(),
        async () => stationFamilies(await status()),
        () => this.#sampler?.families() ?? [],
        () => diskFamilies(this.#disk()),
      ],
      obstacles: async () => obstaclesOf(await status(), this.#disk()),
      onFault,
    });
  }

  /** Takes an event of the station. Never throws, never waits. */
  get record(): EventSink {
    return this.#metrics.record;
  }

  /** Where it listens, with the real port; `null`: nowhere. */
  get address(): SocketAddress | null {
    return this.#server?.address ?? null;
  }

  /** As {@link prepare}, in force at once. */
  async listen(address: SocketAddress | undefined): Promise<void> {
    await (await this.prepare(address)).adopt();
  }

  /**
   * Has the socket to listen there, or nowhere, while it goes on where it was; at the same address there is
   * nothing to do.
   *
   * @throws what the machine says when the address cannot be had; nothing has changed then.
   */
  async prepare(address: SocketAddress | undefined): Promise<PreparedMonitor> {
    const wanted = address === undefined ? null : formatSocketAddress(address);
    const nothing = () => Promise.resolve();
    if (wanted === this.#wanted) return { adopt: nothing, discard: nothing };
    const { runtime: { network, clock }, onFault } = this.#options;
    const options = { network, clock, handler: this.#handler, onFault };
    const server = address === undefined ? null : await HttpServer.listen(options, address);
    return {
      adopt: () => this.#adopt(server, wanted),
      discard: async () => await server?.close(),
    };
  }

  async #adopt(server: HttpServer | null, wanted: string | null): Promise<void> {
    const old = this.#server;
    this.#server = server;
    this.#wanted = wanted;
    if (server === null) this.#stopSampling();
    else this.#sample();
    await old?.close();
  }

  /** Ends all. To be called last of all: until then it can tell that the station is stopping. */
  async stop(): Promise<void> {
    this.#stopSampling();
    this.#wanted = null;
    const server = this.#server;
    this.#server = null;
    await server?.close();
  }

  /** What was counted, by all. */
  async #counts(): Promise<MetricFamily[]> {
    const { process, others } = this.#options;
    const all = await others?.() ?? [];
    const facts = process();
    const sum = (own: number, read: (one: OtherCounts) => number) =>
      all.reduce((total, one) => total + read(one), own);
    return [
      ...mergeFamilies([this.#metrics.families(), ...all.map(({ families }) => families)]),
      ...processFamilies({
        ...facts,
        heap: sum(facts.heap, ({ heap }) => heap),
        droppedLogLines: sum(facts.droppedLogLines, ({ droppedLogLines }) => droppedLogLines),
      }),
    ];
  }

  #disk(): DiskWatch {
    return { files: this.#options.runtime.files, ...this.#options.disk() };
  }

  #sample(): void {
    const queue = this.#options.queue();
    if (this.#sampling !== null || queue === null) return;
    const { runtime: { clock }, onFault } = this.#options;
    this.#sampling = new AbortController();
    this.#sampler ??= new QueueSampler({ queue, clock, onFault });
    this.#sampler.run(this.#sampling.signal); // never rejects
  }

  #stopSampling(): void {
    this.#sampling?.abort();
    this.#sampling = null;
  }
}
