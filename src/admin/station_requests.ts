/**
 * The station itself over the control socket.
 *
 * | `do` | lines |
 * | --- | --- |
 * | `status` | `status`: a {@link StationStatus} |
 * | `reload` | `problem` for each that keeps the old configuration in force, `warning`, and `change` for what is different now |
 *
 * @module
 */

import { ControlError, type ControlLine, type JsonObject } from "./control_protocol.ts";
import type { ControlCommand } from "./control_server.ts";

/** How a station is. Times are epoch milliseconds. */
export interface StationStatus {
  readonly version: string;
  /** What it runs on, such as `deno 2.9.6`. */
  readonly runtime: string;
  readonly pid: number;
  readonly hostname: string;
  /** The configuration's file. */
  readonly config: string;
  readonly started: number;
  /** When the configuration in force was read. */
  readonly configured: number;
  /** Why a newer one is not in force. */
  readonly reloadFailed?: string;
  readonly stopping: boolean;
  readonly listeners: readonly ListenerStatus[];
  /** Messages that wait; `null` without a queue. */
  readonly queued: number | null;
  readonly certificates: readonly CertificateStatus[];
}

/** One listener. */
export interface ListenerStatus {
  readonly name: string;
  readonly role: string;
  readonly address: string;
  /** Open now. */
  readonly connections: number;
}

/** One certificate. */
export interface CertificateStatus {
  readonly file: string;
  readonly expires: number;
}

/** What came of a reload. */
export type ReloadReport =
  | {
    readonly status: "reloaded";
    readonly warnings: readonly string[];
    /** What is different now, in words. */
    readonly changes: readonly string[];
  }
  /** The old configuration is in force. */
  | { readonly status: "refused"; readonly problems: readonly string[] };

/** What a station lets itself be asked. */
export interface StationControl {
  status(): Promise<StationStatus>;
  reload(): Promise<ReloadReport>;
}

/** The commands of a station, for a control server. */
export function stationCommands(control: StationControl): Readonly<Record<string, ControlCommand>> {
  return {
    async *status(): AsyncGenerator<ControlLine, JsonObject> {
      yield { type: "status", ...await control.status() };
      return {};
    },
    async *reload(): AsyncGenerator<ControlLine, JsonObject> {
      const report = await control.reload();
      if (report.status === "refused") {
        for (const text of report.problems) yield { type: "problem", text };
        throw new ControlError("refused", "the configuration in force stays as it was");
      }
      for (const text of report.warnings) yield { type: "warning", text };
      for (const text of report.changes) yield { type: "change", text };
      return {};
    },
  };
}
