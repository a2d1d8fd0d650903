/**
 * Reports as mail that is given to the station like any other: it signs and queues them.
 *
 * @module
 */

import { createHash } from "node:crypto";

/** A report to be submitted as a mail. */
export interface SubmittedReport {
  /** Names it for all time, as `submit()` takes it. */
  readonly id: string;
  /** The reverse-path. */
  readonly sender: string;
  /** A mail address. */
  readonly recipient: string;
  /** With CRLF line ends. */
  readonly message: string;
}

/** Takes a mail; rejects where it cannot be taken now. */
export type SubmitReport = (report: SubmittedReport) => Promise<void>;

/** In whose name reports are sent. */
export interface ReportSettings {
  /** A mail address of ours; its domain signs. */
  readonly contact: string;
  /** Our name in the reports. */
  readonly organization: string;
}

/** What became of a report. */
export interface SentReport {
  /** Whose mail it is about. */
  readonly domain: string;
  /** The UTC day, such as `2026-11-23`. */
  readonly day: string;
  /** Names the report, however often it is sent. */
  readonly id: string;
  /** Mail addresses and URLs that have it. */
  readonly targets: readonly string[];
  /** Why the others do not. */
  readonly troubles: readonly string[];
}

/** The domain that sends reports, and signs them. */
export function submitterOf({ contact }: ReportSettings): string {
  return contact.slice(contact.lastIndexOf("@") + 1);
}

/** Submits a mail; `null`, or in words why it was not taken. Never rejects. */
export async function trySubmit(
  submit: SubmitReport,
  report: SubmittedReport,
): Promise<string | null> {
  try {
    await submit(report);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Letters and digits that follow from texts: 32 of them. */
export function hashOf(...texts: readonly string[]): string {
  return createHash("sha256").update(texts.join("\n")).digest("hex").slice(0, 32);
}
