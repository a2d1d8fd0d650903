/**
 * Collects how TLS went with other stations, for the reports of the day (RFC 8460): see `reports/day_counts.ts`.
 *
 * @module
 */

import { DayCounts, type DayCountsOptions } from "../reports/day_counts.ts";
import type { TlsFault, TlsResult } from "../tls_guard.ts";
import { countFault, countResult, type PolicyCount } from "./totals.ts";
import { TLS_TOTALS } from "./totals_text.ts";

/** Counts. */
export class TlsResults {
  readonly #counts: DayCounts<PolicyCount[]>;

  private constructor(counts: DayCounts<PolicyCount[]>) {
    this.#counts = counts;
  }

  /** Goes on with what was counted today. Never rejects. */
  static async open(options: DayCountsOptions): Promise<TlsResults> {
    return new TlsResults(await DayCounts.open(TLS_TOTALS, options));
  }

  /** Counts how TLS went with a host. */
  readonly note = (result: TlsResult): void => countResult(this.#counts.change(), result);

  /** Counts a policy that could not be had. */
  readonly noteFault = (domain: string, fault: TlsFault): void =>
    countFault(this.#counts.change(), domain, fault);

  /** Writes what is not written yet. Never rejects. */
  close(): Promise<void> {
    return this.#counts.close();
  }
}
