/**
 * Sends the aggregate reports of days that are over to the domains that want them (RFC 9990 §3.5). When, and what is
 * remembered of it, is `reports/daily_reports.ts`. Who wants them is asked when they are sent, not when mail comes.
 *
 * What fails: nothing is thrown. What DNS does not say now, and what the station cannot take now, is tried again.
 *
 * @module
 */

import { encode } from "../../bytes.ts";
import { isDmarcRecord } from "../../mailauth/dmarc/record.ts";
import type { Files } from "../../runtime/files.ts";
import type { Resolver } from "../../runtime/resolver.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { DailyReports, type DueReport } from "../reports/daily_reports.ts";
import {
  type ReportSettings,
  type SentReport,
  type SubmitReport,
  submitterOf,
  trySubmit,
} from "../reports/submit_report.ts";
import {
  dmarcMailId,
  type DmarcReportFacts,
  dmarcReportId,
  formatDmarcReportMail,
} from "./report.ts";
import { parseReportPlaces, permitPlace, type ReportPlace } from "./targets.ts";
import type { DomainCounts } from "./totals.ts";
import { DMARC_TOTALS } from "./totals_text.ts";

/** What a reporter works with. */
export interface DmarcReporterOptions {
  /** Where counts are read, and what is done with them is noted. */
  readonly files: Files;
  /** For when reports are due. */
  readonly clock: Clock;
  /** Who wants them. */
  readonly resolver: Pick<Resolver, "txt">;
  /** Where counts are, of all threads. */
  readonly folder: string;
  /** The program, with its version. */
  readonly generator: string;
  /** In force at this moment; `null`: no reports. */
  readonly settings: () => ReportSettings | null;
  /** Sends the mail of a report; its contact's domain is to sign it. */
  readonly submit: SubmitReport;
  /** A report was sent, or could not be. */
  readonly onReport?: (report: SentReport) => void;
  /** Something for the operator, in words. */
  readonly onTrouble?: (what: string) => void;
}

/** What is known of who gets a report. */
interface Places {
  readonly wanted: readonly ReportPlace[];
  /** Why others get none. */
  readonly troubles: readonly string[];
  /** Whether some of that may change. */
  readonly unsure: boolean;
}

/** Reports of which it is remembered who has them. */
const MAX_REACHED = 1000;

/**
 * Sends reports for as long as it runs.
 *
 * @example
 * ```ts
 * import { DmarcCounts } from "./counts.ts";
 * import { DmarcReporter } from "./reporter.ts";
 * import { memoryRuntime } from "../../runtime/memory.ts";
 *
 * const { clock, files, resolver } = memoryRuntime();
 * const folder = "/data/dmarc-reports";
 * // Its observe() is for authentication(), the policy that checks mail.
 * const counts = await DmarcCounts.open({ clock, files, folder });
 * const reporter = DmarcReporter.start({
 *   ...{ clock, files, resolver, folder, generator: "my server 1.0" },
 *   settings: () => ({ contact: "postmaster@example.org", organization: "Examples" }),
 *   // Such as by mta.submit().
 *   submit: ({ recipient }) => Promise.resolve(console.log(`a report for ${recipient}`)),
 * });
 * await clock.runUntil(Promise.all([reporter.stop(), counts.close()]));
 * ```
 */
export class DmarcReporter {
  readonly #options: DmarcReporterOptions;
  readonly #reports: DailyReports<DomainCounts>;
  /** By report, who has it already: of those that are tried again. */
  readonly #reached = new Map<string, Set<string>>();

  private constructor(options: DmarcReporterOptions) {
    this.#options = options;
    this.#reports = DailyReports.start({
      ...{ ...options, form: DMARC_TOTALS, name: "reports of DMARC" },
      send: (report, signal) => this.#send(report, signal),
    });
  }

  /** Starts one. */
  static start(options: DmarcReporterOptions): DmarcReporter {
    return new DmarcReporter(options);
  }

  /** Breaks off what it does. Never rejects. */
  stop(): Promise<void> {
    return this.#reports.stop();
  }

  /** Sends one report to all who want it; `false`: somebody may get it another time. */
  async #send(
    { domain, day, counts, settings }: DueReport<DomainCounts>,
    signal: AbortSignal,
  ): Promise<boolean> {
    // The schema has no report without a row.
    if (!counts.worthwhile || counts.rows.size === 0) return true;
    const { clock, generator, onReport, submit } = this.#options;
    const found = await this.#placesOf(domain, signal);
    if (signal.aborted || found === null) return false;
    const { wanted, troubles, unsure } = found;
    const submitter = submitterOf(settings);
    const facts: DmarcReportFacts = { domain, day, counts, ...settings, submitter, generator };
    const id = dmarcReportId(facts);
    const reached = this.#reached.get(id) ?? new Set();
    const targets: string[] = [];
    const failures: string[] = [];
    let again = unsure;
    for (const { address, limit } of wanted) {
      if (reached.has(address)) continue;
      const message = formatDmarcReportMail(facts, address, clock.now());
      if (limit !== null && encode(message).length > limit) {
        failures.push(`${address}: the report is larger than it takes (${limit} octets)`);
        continue;
      }
      const trouble = await trySubmit(submit, {
        id: dmarcMailId(facts, address),
        ...{ sender: settings.contact, recipient: address, message },
      });
      if (trouble === null) {
        reached.add(address);
        targets.push(address);
      } else {
        again = true;
        failures.push(`${address}: ${trouble}`);
      }
    }
    // That a domain names somebody who wants no reports is nothing that anybody here could mend.
    if (targets.length > 0 || failures.length > 0) {
      onReport?.({ domain, day, id, targets, troubles: [...troubles, ...failures] });
    }
    this.#remember(id, again ? reached : null);
    return !again;
  }

  /** One that is sent twice is the same report twice: what is forgotten does no harm. */
  #remember(id: string, reached: Set<string> | null): void {
    if (this.#reached.size >= MAX_REACHED) this.#reached.clear();
    if (reached === null) this.#reached.delete(id);
    else this.#reached.set(id, reached);
  }

  /** Who wants reports of a domain by its record of this moment; `null` where DNS does not say. */
  async #placesOf(domain: string, signal: AbortSignal): Promise<Places | null> {
    const { resolver } = this.#options;
    const answer = await resolver.txt(`_dmarc.${domain}`, signal);
    if (answer.status === "failed") return null;
    const texts = answer.status === "found" ? answer.records.filter(isDmarcRecord) : [];
    const wanted = new Map<string, ReportPlace>();
    const troubles: string[] = [];
    let unsure = false;
    // Several records count as none (RFC 9989 §4.10).
    for (const place of texts.length === 1 ? parseReportPlaces(texts[0]!) : []) {
      const permit = await permitPlace(place, domain, resolver, signal);
      if (permit.status === "granted") {
        for (const one of permit.places) wanted.set(one.address, one);
      } else {
        unsure ||= permit.status === "unknown";
        troubles.push(`${place.address}: ${permit.reason}`);
      }
    }
    return { wanted: [...wanted.values()], troubles, unsure };
  }
}
