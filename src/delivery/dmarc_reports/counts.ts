/**
 * Collects what messages showed of the use of domains, for the reports of the day (RFC 9990): see `reports/day_counts.ts`.
 *
 * @module
 */

import type { DmarcObservation } from "../../mailauth/dmarc/observation.ts";
import { DayCounts, type DayCountsOptions } from "../reports/day_counts.ts";
import { countObservation, type DomainCounts } from "./totals.ts";
import { DMARC_TOTALS } from "./totals_text.ts";

/** Counts. */
export class DmarcCounts {
  readonly #counts: DayCounts<DomainCounts>;

  private constructor(counts: DayCounts<DomainCounts>) {
    this.#counts = counts;
  }

  /** Goes on with what was counted today. Never rejects. */
  static async open(options: DayCountsOptions): Promise<DmarcCounts> {
    return new DmarcCounts(await DayCounts.open(DMARC_TOTALS, options));
  }

  /** Counts a message, where anybody wants to hear of it. */
  readonly observe = (seen: DmarcObservation): void => {
    if (seen.published.record.rua.length > 0) countObservation(this.#counts.change(), seen);
  };

  /** Writes what is not written yet. Never rejects. */
  close(): Promise<void> {
    return this.#counts.close();
  }
}
