/**
 * Counts who sent mail here in the name of others, for reports of DMARC, in one of the stations of a process.
 *
 * @module
 */

import { dmarcReportsFolder } from "../config/paths.ts";
import { dmarcReportSettings } from "../config/reports.ts";
import type { LoadedConfig } from "../config/load.ts";
import { DmarcCounts } from "../delivery/dmarc_reports/counts.ts";
import type { DmarcObserver } from "../mailauth/dmarc/observation.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** Where it counts: data, which a thread can be sent. */
export interface ObserverPlan {
  /** The folder of counts, of all threads. */
  readonly folder: string;
  /** Which thread it is; absent: the first. */
  readonly instance?: string;
  /** Whether reports are made. */
  readonly reports: boolean;
}

/** What a configuration says of it; `null`: no report could be sent. */
export function observerPlan(
  { config, paths }: LoadedConfig,
  instance?: string,
): ObserverPlan | null {
  if (!config.relay.enabled) return null;
  return {
    folder: dmarcReportsFolder(paths),
    ...(instance !== undefined && { instance }),
    reports: dmarcReportSettings(config) !== null,
  };
}

/** Counts for as long as a station lasts. */
export class CountingObserver {
  /** Whether it counts, from here on. */
  counts: boolean;
  /** For the policy that checks mail. */
  readonly observe: DmarcObserver;
  readonly #counts: DmarcCounts;

  private constructor(counts: DmarcCounts, reports: boolean) {
    this.#counts = counts;
    this.counts = reports;
    this.observe = (observation) => {
      if (this.counts) counts.observe(observation);
    };
  }

  /** Opens it. Never rejects. @param onTrouble is told, in words, of a disk that fails: once in a row. */
  static async open(
    { clock, files }: Pick<Runtime, "clock" | "files">,
    { folder, instance, reports }: ObserverPlan,
    onTrouble: (what: string) => void,
  ): Promise<CountingObserver> {
    const counts = await DmarcCounts.open({
      ...{ files, clock, folder, onTrouble },
      ...(instance !== undefined && { instance }),
    });
    return new CountingObserver(counts, reports);
  }

  /** After the station has stopped: writes what is counted. Never rejects. */
  close(): Promise<void> {
    return this.#counts.close();
  }
}
