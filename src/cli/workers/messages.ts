/**
 * What the process and its threads say to one another. Nearly all of it is asked and answered as over the control
 * socket (`admin/command_port.ts`); the rest are words that a thread says by itself.
 *
 * | `do` | fields | answer |
 * | --- | --- | --- |
 * | `start` | a {@link MemberStart} | nothing; from then on it serves |
 * | `status` | | `status`: an `MtaStatus` |
 * | `metrics` | | `metrics`: a {@link MemberMetrics} |
 * | `prepare` | `plan` | nothing; then one of `adopt` and `discard` |
 * | `certificates` | `certificates` | nothing |
 * | `keys` | `keys`: those of DKIM that sign | nothing |
 * | `turn` | `domain` | nothing: what is held for it is tried (ETRN) |
 * | `stop` | `grace` | nothing; nothing runs then |
 *
 * and those of the queue and of traces, as they are there.
 *
 * @module
 */

import type { CommandAnswer, CommandRequest } from "../../admin/command_port.ts";
import type { PolicyPlan } from "../../config/policies/build.ts";
import type { StationOptions } from "../../config/station.ts";
import type { MetricFamily } from "../../observe/open_metrics.ts";
import type { LedgerAnswer, LedgerQuestion } from "../../policy/ledger/remote_ledger.ts";
import type { DnssecTrust } from "../../runtime/dns_servers.ts";
import type { TlsCertificate } from "../../runtime/tls.ts";
import type { DkimKeyText } from "../../policy/mailauth/signing_keys.ts";
import type { ObserverPlan } from "../dmarc_observer.ts";
import type { RoadPlan } from "../road_guards.ts";

/** What a station of its own goes by, as data: made anew of each configuration. */
export interface MemberPlan {
  readonly options: StationOptions & { readonly certificates: readonly TlsCertificate[] };
  readonly policies: PolicyPlan;
  /** The DKIM keys that sign. */
  readonly keys: readonly DkimKeyText[];
  /** What guards the road of mail out; `null`: none goes out. */
  readonly road: RoadPlan | null;
  /** What counts mail in the name of others; `null`: no report could be sent. */
  readonly observer: ObserverPlan | null;
  /** The users file. */
  readonly users: string;
  /** Domains of ours beside those it names. */
  readonly domains: readonly string[];
  readonly log: LogPlan;
}

/** How events are written. */
export interface LogPlan {
  readonly format: "json" | "text";
  readonly maildirRoot: string;
}

/** What a thread begins with. */
export interface MemberStart {
  readonly plan: MemberPlan;
  /** Whether it may connect to others. */
  readonly outward: boolean;
  /** Who is asked for names; none: those of the system. */
  readonly nameServers: readonly string[];
  /** When what they say of DNSSEC is believed. */
  readonly dnssec?: DnssecTrust;
}

/** What a thread has counted, and how it is. */
export interface MemberMetrics {
  readonly families: readonly MetricFamily[];
  /** Octets of its objects. */
  readonly heap: number;
  /** Lines of its log that were dropped. */
  readonly droppedLogLines: number;
}

/** To a thread. */
export type ToThread =
  | CommandRequest
  /** Lines of its log are written; `gone`: nobody will read any more. */
  | { readonly type: "written"; readonly gone: boolean }
  /** What the ledger of the process says. */
  | { readonly type: "ledger"; readonly id: number; readonly answers: readonly LedgerAnswer[] };

/** From a thread. */
export type FromThread =
  | CommandAnswer
  /** It hears from here on: what was sent before is lost. */
  | { readonly type: "ready" }
  /** Whole lines for the log: the next come when these are written. */
  | { readonly type: "log"; readonly octets: Uint8Array }
  /** Its policies ask the ledger of the process. */
  | { readonly type: "ledger"; readonly id: number; readonly questions: readonly LedgerQuestion[] }
  /** A client has asked by ETRN. */
  | { readonly type: "turn"; readonly domain: string }
  /** Something for the operator. */
  | { readonly type: "said"; readonly text: string; readonly warning: boolean };
