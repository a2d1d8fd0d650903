/**
 * What guards the road of mail out beside DANE, for one of the stations of a process: MTA-STS with its policies on the
 * disk, and the counts of how TLS went, for reports.
 *
 * @module
 */

import type { LoadedConfig } from "../config/load.ts";
import { stsFolder, tlsReportsFolder } from "../config/paths.ts";
import { tlsReportSettings } from "../config/reports.ts";
import { StsPolicies } from "../delivery/sts/policies.ts";
import { StsPolicyStore } from "../delivery/sts/policy_store.ts";
import { type RefresherOptions, refreshPolicies } from "../delivery/sts/refresher.ts";
import { stsGuards, usesSts } from "../delivery/sts/sts_guards.ts";
import type { TlsGuards } from "../delivery/tls_guard.ts";
import { TlsResults } from "../delivery/tls_reports/results.ts";
import type { MtaOptions } from "../mta_options.ts";
import { RouteTable } from "../routing/route_table.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { describeError } from "./trouble.ts";

/** Where its files are, and what it does: data, which a thread can be sent. */
export interface RoadPlan {
  /** The folder of policies, of all threads. */
  readonly policies: string;
  /** The folder of counts, of all threads. */
  readonly results: string;
  /** Which thread it is; absent: the first. */
  readonly instance?: string;
  /** Whether reports are made. */
  readonly reports: boolean;
}

/** What a configuration says of it; `null`: no mail goes out. */
export function roadPlan({ config, paths }: LoadedConfig, instance?: string): RoadPlan | null {
  if (!config.relay.enabled) return null;
  return {
    policies: stsFolder(paths),
    results: tlsReportsFolder(paths),
    ...(instance !== undefined && { instance }),
    reports: tlsReportSettings(config) !== null,
  };
}

/** Guards that last as long as a station. */
export class RoadGuards {
  readonly guards: TlsGuards;
  /** Whether it is counted, from here on. */
  counts: boolean;
  readonly #refreshing: Omit<RefresherOptions, "optionsOf">;
  readonly #results: TlsResults;
  readonly #stopping: AbortController;

  private constructor(
    refreshing: Omit<RefresherOptions, "optionsOf">,
    results: TlsResults,
    counts: boolean,
    stopping: AbortController,
  ) {
    this.#refreshing = refreshing;
    this.#results = results;
    this.#stopping = stopping;
    this.counts = counts;
    const guards = stsGuards(refreshing.policies);
    this.guards = {
      guard: (question, before) => guards.guard(question, before),
      note: (result) => {
        if (this.counts) results.note(result);
      },
    };
  }

  /** Opens them. Never rejects. @param onTrouble is told, in words, of a disk that fails: once in a row. */
  static async open(
    { network, resolver, clock, files, random }: Runtime,
    { policies: folder, results: folderOfResults, instance, reports }: RoadPlan,
    onTrouble: (what: string) => void,
  ): Promise<RoadGuards> {
    const stopping = new AbortController();
    const results = await TlsResults.open({
      ...{ files, clock, folder: folderOfResults, onTrouble },
      ...(instance !== undefined && { instance }),
    });
    let told = "";
    const trouble = (error: unknown) => {
      const what = `MTA-STS policies stay in memory only: ${describeError(error)}`;
      if (what !== told) onTrouble(what);
      told = what;
    };
    const store = new StsPolicyStore(files, random, folder);
    const policies = new StsPolicies({
      ...{ network, resolver, clock, store, stopping: stopping.signal, onTrouble: trouble },
      onFault: (domain, fault) => {
        if (road.counts) results.noteFault(domain, fault);
      },
    });
    const refreshing = { clock, store, policies, signal: stopping.signal, onTrouble: trouble };
    const road: RoadGuards = new RoadGuards(refreshing, results, reports, stopping);
    return road;
  }

  /**
   * Keeps policies fresh, of all threads; until {@link close}.
   *
   * @param routes the ways out in force.
   */
  keepFresh(routes: () => MtaOptions["routes"]): void {
    let given = routes();
    let table = new RouteTable(given);
    const optionsOf = (domain: string) => {
      if (routes() !== given) table = new RouteTable(given = routes());
      const route = table.find(domain);
      const open = route.kind === "hold" ? route.then : route;
      if (open.kind !== "mx" || !usesSts(open)) return null;
      const { authorities, allowAddresses } = open;
      return { allowAddresses, ...(authorities && { authorities }) };
    };
    refreshPolicies({ ...this.#refreshing, optionsOf });
  }

  /** After the station has stopped: writes what is counted. Never rejects. */
  async close(): Promise<void> {
    this.#stopping.abort(new Error("the station is stopping"));
    await this.#results.close();
  }
}
