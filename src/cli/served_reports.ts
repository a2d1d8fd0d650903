/**
 * The reports that a station which serves sends to others. Made of what all its threads have counted, by the first.
 *
 * @module
 */

import { dmarcReportsFolder, tlsReportsFolder } from "../config/paths.ts";
import { dmarcReportSettings, tlsReportSettings } from "../config/reports.ts";
import type { LoadedConfig } from "../config/load.ts";
import { DmarcReporter } from "../delivery/dmarc_reports/reporter.ts";
import type { SentReport, SubmitReport } from "../delivery/reports/submit_report.ts";
import { TlsReporter } from "../delivery/tls_reports/reporter.ts";
import type { EventSink } from "../events.ts";
import type { Mta } from "../mta.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { warn } from "./terminal.ts";
import { VERSION } from "./version.ts";

/** Whose reports they are. */
export interface ReportingStation {
  readonly mta: Mta;
  /** In force at this moment. */
  readonly config: LoadedConfig;
}

/** What sends reports for as long as it runs. */
export interface Reporters {
  /** Breaks off what they do. Never rejects. */
  stop(): Promise<void>;
}

/** Starts what sends reports of TLS and of DMARC; `null` where no mail goes out. */
export function startReporters(
  station: ReportingStation,
  runtime: Runtime,
  onEvent: EventSink,
): Reporters | null {
  const { config, paths } = station.config;
  if (!config.relay.enabled) return null;
  const { network, resolver, clock, files } = runtime;
  const shared = (kind: string) => ({
    ...{ resolver, clock, files, submit: submitTo(station) },
    onReport: ({ id: report, ...facts }: SentReport) =>
      onEvent({ time: clock.now(), type: "report.sent", kind, report, ...facts }),
    onTrouble: warn,
  });
  const tls = TlsReporter.start({
    ...shared("tls"),
    network,
    folder: tlsReportsFolder(paths),
    settings: () => tlsReportSettings(station.config.config),
  });
  const dmarc = DmarcReporter.start({
    ...shared("dmarc"),
    folder: dmarcReportsFolder(paths),
    generator: `Yizhan ${VERSION}`,
    settings: () => dmarcReportSettings(station.config.config),
  });
  return {
    stop: async () => {
      await Promise.all([tls.stop(), dmarc.stop()]);
    },
  };
}

function submitTo(station: ReportingStation): SubmitReport {
  return async ({ id, sender, recipient, message }) => {
    // Nobody here is to hear of a report that does not arrive.
    const recipients = [{ address: recipient, notify: ["NEVER"] as const }];
    await station.mta.submit({ sender, recipients }, message, { id, unattended: true });
  };
}
