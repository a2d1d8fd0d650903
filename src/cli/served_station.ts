/**
 * The station that `yizhan serve` runs: users in their file, certificates in theirs, and what stands around
 * it. It is made from a configuration, and made over from another one while it runs:
 * the new one is read, checked and built beside the old, and whatever is wrong with it leaves the old in
 * force.
 *
 * @module
 */

import process from "node:process";
import { mergeStatus } from "../admin/merged_status.ts";
import type { PolicyStatus, ReloadReport, StationStatus } from "../admin/station_requests.ts";
import { changedKeys } from "../config/changes.ts";
import type { LoadedConfig } from "../config/load.ts";
import { ledgerFolder } from "../config/paths.ts";
import { formatProblem } from "../config/problems.ts";
import type { FileDirectory } from "../directory/file_directory.ts";
import type { EventSink } from "../events.ts";
import { Gate } from "../gate.ts";
import { type Mta, startMta } from "../mta.ts";
import type { Ledger } from "../policy/ledger/ledger.ts";
import { KeptLedger } from "../policy/ledger/kept_ledger.ts";
import type { SocketAddress } from "../runtime/network.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { TlsCertificate } from "../runtime/tls.ts";
import { CertificateRounds } from "./acme/certificate_rounds.ts";
import { Proofs } from "./acme/proofs.ts";
import { filterTroubles } from "./filter_probe.ts";
import {
  buildGeneration,
  demandSame,
  explain,
  type Generation,
  type GenerationOptions,
} from "./generation.ts";
import { thisRuntime } from "./machine.ts";
import { RoadGuards, roadPlan } from "./road_guards.ts";
import { CountingObserver, observerPlan } from "./dmarc_observer.ts";
import { type Reporters, startReporters } from "./served_reports.ts";
import { policyStatus } from "./policy_status.ts";
import { newMonitor, type SurroundedStation, Surroundings } from "./surroundings.ts";
import { say, warn } from "./terminal.ts";
import { explainFailure } from "./trouble.ts";
import type { Output } from "./line_output.ts";
import type { ThreadStarter } from "./workers/thread.ts";
import { findLeftovers, planMaker } from "./workers/worker_plans.ts";
import { type PlanMaker, type Prepared, WorkerPool } from "./workers/worker_pool.ts";
import { describeRuntime, VERSION } from "./version.ts";

/** What it is made of. */
export interface ServedStationOptions {
  /** The machine, for what stands around the station. */
  readonly runtime: Runtime;
  /** The same for the station: it may share its addresses with others. */
  readonly stationRuntime: Runtime;
  readonly config: LoadedConfig;
  /** How many serve: this thread, and the others. */
  readonly workers: number;
  readonly starter: ThreadStarter;
  /** The log, for lines of others. */
  readonly output: Output;
  /** How events are written, by a configuration. */
  readonly logFormat: (loaded: LoadedConfig) => "json" | "text";
  /** Reads and checks the configuration again. @throws {CommandError} a line for each problem. */
  readonly reread: () => Promise<LoadedConfig>;
  /** Another configuration is in force. */
  readonly onReload: (loaded: LoadedConfig) => void;
  readonly onEvent: EventSink;
  /** Lines of the log that were dropped so far. */
  readonly droppedLogLines: () => number;
}

type BuildOptions = ServedStationOptions & GenerationOptions;

/** Milliseconds that a disk has to take the last of what policies remember. */
const LEDGER_PATIENCE = 5000;

/** A station that runs. */
export class ServedStation implements SurroundedStation {
  /** The station itself. */
  readonly mta: Mta;
  readonly #options: BuildOptions;
  #generation: Generation;
  #workers: WorkerPool | null = null;
  #surroundings: Surroundings | null = null;
  #reporters: Reporters | null = null;
  #reloadFailed: string | null = null;
  #stopping = false;
  readonly #ledger: KeptLedger;
  /** What is done one after the other. */
  readonly #turns = new Gate(1);
  /** Gets certificates for the generation in force. */
  readonly #rounds = new CertificateRounds();

  private constructor(options: BuildOptions, mta: Mta, generation: Generation, ledger: KeptLedger) {
    this.#options = options;
    this.mta = mta;
    this.#generation = generation;
    this.#ledger = ledger;
  }

  /** Starts all of it. @throws {CommandError} for what an operator can mend. */
  static async start(options: ServedStationOptions): Promise<ServedStation> {
    try {
      return await ServedStation.#start(options);
    } catch (error) {
      throw explainFailure("cannot start", error) ?? error;
    }
  }

  static async #start(given: ServedStationOptions): Promise<ServedStation> {
    const { runtime, droppedLogLines } = given;
    const monitor = newMonitor(runtime, () => station, droppedLogLines);
    const onEvent: EventSink = (event) => {
      given.onEvent(event);
      monitor.record(event);
    };
    const onTurn = (domain: string) => station.#turn(domain);
    // It writes nothing before something is to be remembered: a second server is turned away by the queue first.
    const ledger = await KeptLedger.open({
      ...runtime,
      directory: ledgerFolder(given.config.paths),
      onTrouble: warn,
    });
    const onRenewed = (): Promise<void> => station.renewCertificates();
    const plan = roadPlan(given.config);
    const road = plan && await RoadGuards.open(given.stationRuntime, plan, warn);
    const counted = observerPlan(given.config);
    const observer = counted && await CountingObserver.open(runtime, counted, warn);
    const options = {
      ...{ ...given, onEvent, onTurn, ledger, road, observer, onRenewed },
      proofs: new Proofs(),
    };
    const generation = await buildGeneration(options, options.config);
    const mta = await startMta(generation.options);
    const station: ServedStation = new ServedStation(options, mta, generation, ledger);
    try {
      station.#workers = await station.#startWorkers();
      // Whoever asks for a reload meanwhile waits.
      station.#surroundings = await station.#turns.run(() =>
        Surroundings.start(station, { runtime, onEvent, monitor })
      );
    } catch (error) {
      await Promise.all([mta.stop({ grace: 0 }), station.#workers?.stop(0)]);
      await station.#closeLedger();
      await Promise.all([road?.close(), observer?.close()]);
      throw error;
    }
    station.#rounds.use(generation.managed);
    road?.keepFresh(() => station.#generation.options.routes);
    station.#reporters = startReporters(station, given.stationRuntime, onEvent);
    return station;
  }

  /** The configuration in force. */
  get config(): LoadedConfig {
    return this.#generation.loaded;
  }

  /** Who lives here. */
  get directory(): FileDirectory {
    return this.#generation.directory;
  }

  /** The certificates in force. */
  get certificates(): readonly TlsCertificate[] {
    return this.#generation.inForce;
  }

  /** What is being proved to authorities. */
  get proofs(): Proofs {
    return this.#options.proofs;
  }

  /** Where the policies of all threads remember. */
  get ledger(): Ledger {
    return this.#ledger;
  }

  /** See {@link SurroundedStation}. */
  get workers(): WorkerPool | null {
    return this.#workers;
  }

  /** See {@link StationControl}: of all that serve. */
  async status(): Promise<StationStatus> {
    const own = this.#status();
    if (this.#workers === null) return own;
    const { known, workers } = await this.#workers.status();
    return { ...mergeStatus(own, known), workers };
  }

  /** See {@link StationControl}. */
  policies(): Promise<PolicyStatus> {
    return policyStatus(this.config.config, this.#ledger, this.#asFiltersAreAsked);
  }

  /** A line for each filter that is of no use now. Takes some seconds where one hangs; never rejects. */
  filterTroubles(): Promise<string[]> {
    return filterTroubles(this.config.config.filters, this.#asFiltersAreAsked);
  }

  /** The station's own network may have no way out. */
  get #asFiltersAreAsked() {
    return { clock: this.#options.runtime.clock, network: thisRuntime().network };
  }

  #status(): StationStatus {
    const { loaded, certificates, managed } = this.#generation;
    const { monitor, web = [] } = this.#surroundings ?? {};
    return {
      ...this.mta.status(),
      version: VERSION,
      runtime: describeRuntime(),
      pid: process.pid,
      config: loaded.file,
      ...(this.#reloadFailed !== null && { reloadFailed: this.#reloadFailed }),
      certificates: certificates.expiries.map((one) => {
        const acme = managed?.stateOf(one.file);
        return { ...one, ...(acme && { acme }) };
      }),
      ...(monitor && { monitor }),
      ...(web.length > 0 && { web }),
    };
  }

  /** Reads everything again: the configuration, the users, the certificates. Never rejects. */
  reload(): Promise<ReloadReport> {
    return this.#turns.run(() => this.#reload());
  }

  /** Reads the certificates again where a file has changed; wrong ones leave those in force alone. */
  renewCertificates(): Promise<void> {
    return this.#turns.run(async () => {
      const { certificates } = this.#generation;
      if (this.#stopping || !await certificates.changed()) return;
      try {
        const renewed = await certificates.load();
        this.mta.replaceCertificates(renewed);
        this.#generation.inForce = renewed;
        this.#surroundings?.replaceCertificates(renewed);
        await this.#workers?.replaceCertificates(renewed);
        say("certificates reloaded");
      } catch (error) {
        warn(`the certificates stay as they were: ${explain(error)}`);
      }
    });
  }

  /** Reads the DKIM keys again where a file has changed; wrong ones leave those in force alone. */
  renewKeys(): Promise<void> {
    return this.#turns.run(async () => {
      const { keys } = this.#generation;
      try {
        if (this.#stopping || !await keys.renew()) return;
        await this.#workers?.replaceKeys(keys.texts);
        say("DKIM keys reloaded");
      } catch (error) {
        warn(`the DKIM keys stay as they were: ${explain(error)}`);
      }
    });
  }

  /** Stops; sessions and deliveries have the time that the configuration says. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#rounds.stop();
    const { grace } = this.#generation.loaded.config.stop;
    // A reload that hangs, such as on a disk that does not answer, must not keep it from stopping.
    const idle = this.#turns.run(() => Promise.resolve());
    await Promise.race([idle, this.#options.runtime.clock.sleep(grace)]);
    await this.#reporters?.stop();
    await this.#surroundings?.stop();
    await Promise.all([this.mta.stop({ grace }), this.#workers?.stop(grace)]);
    await this.#closeLedger();
    await Promise.all([this.#options.road?.close(), this.#options.observer?.close()]);
    await this.#surroundings?.end();
  }

  /** Never rejects. */
  async #closeLedger(): Promise<void> {
    const { clock } = this.#options.runtime;
    await Promise.race([this.#ledger.close(), clock.sleep(LEDGER_PATIENCE)]);
  }

  async #reload(): Promise<ReloadReport> {
    if (this.#stopping) return { status: "refused", problems: ["the station is stopping"] };
    try {
      const { loaded, warnings, changes } = await this.#replace();
      this.#reloadFailed = null;
      this.#options.onReload(loaded);
      const troubles = await this.filterTroubles();
      return { status: "reloaded", warnings: [...warnings, ...troubles], changes };
    } catch (error) {
      const problems = explain(error).split("\n");
      const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : "";
      this.#reloadFailed = `${problems[0]}${more}`;
      return { status: "refused", problems };
    }
  }

  /** Swaps what is in force for what the file says now. @throws then nothing has changed. */
  async #replace() {
    const old = this.#generation.loaded;
    const { next, surroundings } = await this.#prepare(old).catch((error) => this.#fail(error));
    const { loaded } = next;
    try {
      await this.#reloadAll(next);
    } catch (error) {
      await surroundings?.discard();
      throw error;
    }
    await surroundings?.adopt();
    return {
      loaded,
      warnings: loaded.warnings.map(formatProblem),
      changes: changedKeys(old.config, loaded.config).map((key) => `${key} has changed`),
    };
  }

  /** Tells why a reload fails; what fails in the first station that one tells by itself. */
  #fail(error: unknown): never {
    const time = this.#options.runtime.clock.now();
    this.#options.onEvent({ time, type: "station.reload-failed", error: explain(error) });
    throw error;
  }

  /** All that serve go by it, or none does. */
  async #reloadAll(next: Generation): Promise<void> {
    const first = await this.mta.prepareReload(next.options);
    let others: Prepared | undefined;
    try {
      others = await this.#workers?.prepare(this.#planMaker(next, first.addresses));
    } catch (error) {
      await first.discard();
      this.#fail(error);
    }
    try {
      first.adopt();
    } catch (error) {
      await others?.discard();
      throw error;
    }
    this.#generation = next;
    const { road, observer } = this.#options;
    if (road !== null) road.counts = roadPlan(next.loaded)?.reports ?? false;
    if (observer !== null) observer.counts = observerPlan(next.loaded)?.reports ?? false;
    this.#rounds.use(next.managed);
    await others?.adopt();
  }

  /** Those that serve beside the first, and what is left over of others; `null` where there are none. */
  async #startWorkers(): Promise<WorkerPool | null> {
    const { runtime, stationRuntime, workers, starter, output, onEvent, ledger } = this.#options;
    const { loaded: { config: { relay }, paths } } = this.#generation;
    const leftovers = relay.enabled ? await findLeftovers(runtime.files, paths.queue, workers) : [];
    if (workers === 1 && leftovers.length === 0) return null;
    return await WorkerPool.start({
      ...{ threads: workers - 1, leftovers, starter, output, onEvent, ledger },
      runtime: stationRuntime,
      network: {
        outward: relay.enabled,
        nameServers: relay.nameServers,
        dnssec: relay.dnssec,
      },
      plan: this.#planMaker(this.#generation, this.mta.addresses),
      onTurn: (domain) => {
        this.mta.startDomain(domain);
        this.#turn(domain);
      },
      onSaid: (text, warning) => warning ? warn(text) : say(text),
    });
  }

  /** A client has asked by ETRN for what is held: some of it may be anywhere. */
  #turn(domain: string): void {
    this.#workers?.turn(domain);
  }

  #planMaker(generation: Generation, addresses: readonly SocketAddress[]): PlanMaker {
    const { runtime, workers, logFormat } = this.#options;
    const { loaded } = generation;
    return planMaker({
      ...{ runtime, loaded, addresses, workers },
      certificates: () => generation.inForce,
      keys: () => generation.keys.texts,
      log: { format: logFormat(loaded), maildirRoot: loaded.paths.mail },
    });
  }

  /** Builds everything beside what is in force. */
  async #prepare(old: LoadedConfig) {
    const loaded = await this.#options.reread();
    demandSame(old, loaded);
    const next = await buildGeneration(this.#options, loaded);
    return { next, surroundings: await this.#surroundings?.prepare(loaded, next.inForce) };
  }
}
