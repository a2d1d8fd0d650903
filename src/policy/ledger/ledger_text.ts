/**
 * Notes of a ledger as lines of a file that a person can read: JSON, one a line. A line says what is remembered under
 * a key from there on, whatever lines before it said. Pure; a line that is none gives `null`.
 *
 * ```
 * {"yizhan":"ledger","version":1}
 * {"key":"bans:192.0.2.7","value":"auth","until":"2026-01-02T00:00:00.000Z"}
 * {"key":"bans:192.0.2.7","until":null}
 * ```
 *
 * @module
 */

import { MAX_NOTE, type Note } from "./ledger.ts";

/** The first line of a file. */
export const LEDGER_HEAD = '{"yizhan":"ledger","version":1}\n';

/** The longest line in octets: a character may be written in six. */
export const MAX_LINE: number = 6 * MAX_NOTE + 200;

/** What a line says. */
export interface LedgerLine {
  readonly key: string;
  readonly value: string;
  /** Epoch milliseconds; `null`: forgotten. */
  readonly until: number | null;
}

/** A line, with its end. `null` for what is forgotten. */
export function formatLedgerLine(key: string, note: Note | null): string {
  if (note === null) return `${JSON.stringify({ key, until: null })}\n`;
  const until = new Date(Math.ceil(note.until)).toISOString();
  const value = note.value === "" ? undefined : note.value;
  return `${JSON.stringify({ key, value, until })}\n`;
}

/** Reads a line without its end. */
export function parseLedgerLine(line: string): LedgerLine | null {
  const { key, value = "", until } = readJson(line) as Partial<Record<string, unknown>>;
  if (typeof key !== "string" || typeof value !== "string") return null;
  if (key.length + value.length > MAX_NOTE) return null;
  if (until === null) return { key, value, until };
  if (typeof until !== "string" || !TIME.test(until)) return null;
  const time = Date.parse(until);
  return Number.isNaN(time) ? null : { key, value, until: time };
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

function readJson(line: string): object {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}
