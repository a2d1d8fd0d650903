/**
 * The station itself over the control socket.
 *
 * | `do` | lines |
 * | --- | --- |
 * | `status` | `status`: a {@link StationStatus}, with its {@link PolicyStatus} |
 * | `reload` | `problem` for each that keeps the old configuration in force, `warning`, and `change` for what is different now |
 *
 * @module
 */

import type { MtaStatus } from "../mta_status.ts";
import type { SocketAddress } from "../runtime/network.ts";
import { ControlError, type ControlLine, type JsonObject } from "./control_protocol.ts";
import type { ControlCommand } from "./control_server.ts";

/** How a station is. Times are epoch milliseconds. */
export interface StationStatus extends MtaStatus, Partial<PolicyStatus> {
  readonly version: string;
  /** What it runs on, such as `deno 2.9.6`. */
  readonly runtime: string;
  readonly pid: number;
  /** The configuration's file. */
  readonly config: string;
  /** Why the last reload was refused, so that a newer configuration is not in force. */
  readonly reloadFailed?: string;
  readonly certificates: readonly CertificateStatus[];
  /** Where the monitor listens. */
  readonly monitor?: SocketAddress;
  /** Where the site of its domains listens. */
  readonly web?: readonly SocketAddress[];
  /** The others that serve beside it, whose numbers are in all of the above; absent: there are none. */
  readonly workers?: readonly WorkerStatus[];
}

/** One that serves beside the station that tells of it: a thread, or what a former thread left. */
export interface WorkerStatus {
  /** Such as `worker 1`. */
  readonly name: string;
  /** `restarting`: it has ended and is being started again. `leftover`: it only delivers what it has. */
  readonly state: "running" | "restarting" | "leftover";
  /** Sessions that are open. */
  readonly connections: number;
  /** Messages taken up from its queue. */
  readonly messages: number;
}

/** How the policies of a station are. Filters are asked for it. */
export interface PolicyStatus {
  readonly abuse: AbuseStatus;
  readonly filters: readonly FilterStatus[];
}

/** What strangers may do. */
export interface AbuseStatus {
  /** Clients and networks that are banned now; `null`: bans are switched off. */
  readonly banned: number | null;
  /** Entries in the ledger in which policies remember: bans, rates, what was greylisted. */
  readonly remembered: number;
  /** Whether mail that comes for the first time is put off. */
  readonly greylisting: boolean;
}

/** One filter, in the order they are asked. */
export interface FilterStatus {
  /** In the log. */
  readonly name: string;
  /** Such as `milter`. */
  readonly kind: string;
  /** Where it is asked. */
  readonly place: string;
  /** Why it was of no use when it was asked just now, and what that means for mail; `null`: it answers. */
  readonly trouble: string | null;
  /** With a trouble: it may be busy only, and mail waits for it longer than who asked just now. */
  readonly slow?: boolean;
  /** With a trouble: what to do, where that is known. */
  readonly remedy?: string;
}

/** One certificate. */
export interface CertificateStatus {
  readonly file: string;
  readonly expires: number;
  /** Of one that the server gets by itself. */
  readonly acme?: AcmeStatus;
}

/** How it stands with a certificate that the server gets by itself. */
export interface AcmeStatus {
  /** Whether an authority gave it; else it is signed by the server itself, until one does. */
  readonly issued: boolean;
  /** Why the last order failed; absent where none did. */
  readonly trouble?: string;
  /** When it is ordered again or renewed, epoch milliseconds. */
  readonly next: number;
}

/**
 * Whether a configuration was changed after the server read it, by its file's time.
 *
 * @param changed epoch milliseconds; `null`: nobody knows.
 */
export function isOutdated({ loaded }: Pick<StationStatus, "loaded">, changed: number | null) {
  // Some file systems have times of seconds only.
  return changed !== null && changed > loaded + 1000;
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
  status(): StationStatus | Promise<StationStatus>;
  /** May take some seconds. */
  policies(): Promise<PolicyStatus>;
  reload(): Promise<ReloadReport>;
}

/** The commands of a station, for a control server. */
export function stationCommands(control: StationControl): Readonly<Record<string, ControlCommand>> {
  return {
    async *status(): AsyncGenerator<ControlLine, JsonObject> {
      const [status, policies] = await Promise.all([control.status(), control.policies()]);
      yield { type: "status", ...status, ...policies };
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
