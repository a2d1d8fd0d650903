/**
 * Sends the reports of days that are over to the domains that want them (RFC 8460 §4.1, §5): by mail, or by HTTPS. When,
 * and what is remembered of it, is `reports/daily_reports.ts`.
 *
 * What fails: nothing is thrown. A target that cannot be reached is tried again.
 *
 * @module
 */

import type { Network as IpNetwork } from "../../net_address.ts";
import type { Files } from "../../runtime/files.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { type HttpsServices, requestHttps } from "../https/request.ts";
import { DailyReports, type DueReport } from "../reports/daily_reports.ts";
import {
  type ReportSettings,
  type SentReport,
  type SubmitReport,
  submitterOf,
  trySubmit,
} from "../reports/submit_report.ts";
import { parseReportRecord, type ReportTarget } from "./record.ts";
import { packReport, type ReportFacts, reportId } from "./report.ts";
import { formatTlsReportMail, reportMailId } from "./report_mail.ts";
import type { PolicyCount } from "./totals.ts";
import { TLS_TOTALS } from "./totals_text.ts";

/** What a reporter works with. */
export interface ReporterOptions extends HttpsServices {
  readonly files: Files;
  readonly clock: Clock;
  /** Where results are, of all threads. */
  readonly folder: string;
  /** In force at this moment; `null`: no reports. */
  readonly settings: () => ReportSettings | null;
  readonly submit: SubmitReport;
  /** A report was sent, or could not be. */
  readonly onReport?: (report: SentReport) => void;
  /** Something for the operator, in words. */
  readonly onTrouble?: (what: string) => void;
  /** More roots to trust where reports are posted, PEM. */
  readonly authorities?: readonly string[];
  /** Addresses that reports may be posted to though they are loopback or the like. */
  readonly allowAddresses?: readonly IpNetwork[];
}

/** Milliseconds that a web server has, and octets it may say. */
const PATIENCE = 60_000;
const ANSWER_LIMIT = 64 * 1024;

/** Sends reports for as long as it runs. */
export class TlsReporter {
  readonly #options: ReporterOptions;
  readonly #reports: DailyReports<PolicyCount[]>;

  private constructor(options: ReporterOptions) {
    this.#options = options;
    this.#reports = DailyReports.start({
      ...{ ...options, form: TLS_TOTALS, name: "reports of TLS" },
      send: (report, signal) => this.#send(report, signal),
    });
  }

  /** Starts one. */
  static start(options: ReporterOptions): TlsReporter {
    return new TlsReporter(options);
  }

  /** Breaks off what it does. Never rejects. */
  stop(): Promise<void> {
    return this.#reports.stop();
  }

  /** Sends one report to all who want it; `false`: nobody has it, and somebody may another time. */
  async #send(
    { domain, day, counts, settings }: DueReport<PolicyCount[]>,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { resolver, onReport } = this.#options;
    const answer = await resolver.txt(`_smtp._tls.${domain}`, signal);
    if (answer.status === "failed") return false;
    const targets = answer.status === "found" ? parseReportRecord(answer.records) : null;
    if (targets === null) return true;
    const facts = { domain, day, policies: counts, ...settings, submitter: submitterOf(settings) };
    const reached: string[] = [];
    const troubles: string[] = [];
    for (const target of targets) {
      const name = target.kind === "mail" ? target.address : target.url;
      const trouble = target.kind === "mail"
        ? await this.#mail(facts, target.address)
        : await this.#post(facts, target, signal);
      if (trouble === null) reached.push(name);
      else troubles.push(`${name}: ${trouble}`);
    }
    if (signal.aborted && reached.length === 0) return false;
    onReport?.({ domain, day, id: reportId(facts), targets: reached, troubles });
    // RFC 8460 §3: it is delivered when one of them has it.
    return reached.length > 0;
  }

  #mail(facts: ReportFacts, recipient: string): Promise<string | null> {
    const { clock, submit } = this.#options;
    return trySubmit(submit, {
      id: reportMailId(facts, recipient),
      sender: facts.contact,
      recipient,
      message: formatTlsReportMail(facts, recipient, clock.now()),
    });
  }

  async #post(
    facts: ReportFacts,
    { host, port, target }: ReportTarget & { readonly kind: "https" },
    signal: AbortSignal,
  ): Promise<string | null> {
    const { authorities, allowAddresses } = this.#options;
    const got = await requestHttps(this.#options, {
      ...{ method: "POST", host, port, target },
      headers: { "Content-Type": "application/tlsrpt+gzip", "User-Agent": "yizhan" },
      body: packReport(facts),
      ...{ limit: ANSWER_LIMIT, patience: PATIENCE },
      // A stranger names host, port and path. RFC 8460 §3 lets us not look at the certificate, but it is what keeps such
      // requests from hosts of our own network: none of them has one for the stranger's name.
      ...(authorities && { authorities }),
      ...(allowAddresses && { allowAddresses }),
      signal,
    });
    if ("stage" in got) return got.reason;
    return got.status >= 200 && got.status < 300 ? null : `it answers ${got.status}`;
  }
}
