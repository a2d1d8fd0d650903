/**
 * What tests of reports share: a station in memory that counts from 2026-01-01T00:00Z on, and what it submits and says.
 *
 * @module
 */

import { gunzipSync } from "node:zlib";
import type { SentReport, SubmittedReport } from "../../../src/delivery/reports/submit_report.ts";
import { type MemoryRuntime, memoryRuntime } from "../../../src/runtime/memory.ts";

/** An hour in milliseconds. */
export const HOUR = 3_600_000;

/** A station that reports. */
export class ReportWorld {
  readonly own: MemoryRuntime = memoryRuntime();
  readonly submitted: SubmittedReport[] = [];
  readonly reports: SentReport[] = [];
  readonly troubles: string[] = [];
  settings: { contact: string; organization: string } | null = {
    contact: "postmaster@example.net",
    organization: "Example Net",
  };
  /** Whose reports cannot be taken now. */
  refuses: (recipient: string) => boolean = () => false;

  /** @param folder of the counts. */
  constructor(readonly folder: string) {}

  /** Where counts lie, for those who make them. */
  get counting() {
    const { files, clock } = this.own;
    const onTrouble = (what: string) => void this.troubles.push(what);
    return { files, clock, folder: this.folder, onTrouble };
  }

  /** What every reporter works with. */
  get reporting() {
    return {
      ...this.counting,
      resolver: this.own.resolver,
      settings: () => this.settings,
      submit: (report: SubmittedReport) => {
        if (this.refuses(report.recipient)) return Promise.reject(new Error("451 4.3.1 no room"));
        this.submitted.push(report);
        return Promise.resolve();
      },
      onReport: (report: SentReport) => void this.reports.push(report),
    };
  }

  /** Lets time pass. */
  async pass(milliseconds: number): Promise<void> {
    await this.own.clock.runUntil(this.own.clock.sleep(milliseconds));
  }

  /** Stops a reporter. */
  stop(reporter: { stop(): Promise<void> }): Promise<void> {
    return this.own.clock.runUntil(reporter.stop());
  }

  /** The files that counts are in. */
  async files(): Promise<string[]> {
    const names: string[] = [];
    for await (const { name } of this.own.files.list(this.folder)) names.push(name);
    return names.sort();
  }
}

/** What a submitted mail has attached, unpacked. */
export function attachedTo({ message }: SubmittedReport): string {
  const base64 = /\r\n\r\n([A-Za-z0-9+/=\r\n]+)\r\n--report/.exec(message)![1]!;
  return gunzipSync(Uint8Array.fromBase64(base64.replaceAll("\r\n", ""))).toString();
}
