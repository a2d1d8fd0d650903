/**
 * The reports that a station which serves sends to others. Made of what all its threads have counted, by the first.
 *
 * @module
 */

import { tlsReportsFolder } from "../config/paths.ts";
import { tlsReportSettings } from "../config/reports.ts";
import type { LoadedConfig } from "../config/load.ts";
import { TlsReporter } from "../delivery/tls_reports/reporter.ts";
import type { EventSink } from "../events.ts";
import type { Mta } from "../mta.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { warn } from "./terminal.ts";

/** Whose reports they are. */
export interface ReportingStation {
  readonly mta: Mta;
  /** In force at this moment. */
  readonly config: LoadedConfig;
}

/** Starts what sends reports of TLS; `null` where no mail goes out. */
export function startTlsReporter(
  station: ReportingStation,
  { network, resolver, clock, files }: Runtime,
  onEvent: EventSink,
): TlsReporter | null {
  const { config, paths } = station.config;
  if (!config.relay.enabled) return null;
  return TlsReporter.start({
    ...{ network, resolver, clock, files },
    folder: tlsReportsFolder(paths),
    settings: () => tlsReportSettings(station.config.config),
    submit: async ({ id, sender, recipient, message }) => {
      // Nobody here is to hear of a report that does not arrive.
      const recipients = [{ address: recipient, notify: ["NEVER"] as const }];
      await station.mta.submit({ sender, recipients }, message, { id, unattended: true });
    },
    onReport: ({ id: report, ...facts }) =>
      onEvent({ time: clock.now(), type: "report.sent", kind: "tls", report, ...facts }),
    onTrouble: warn,
  });
}
