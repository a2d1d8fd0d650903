/**
 * Counts of a day on the disk, for reports: what is counted by domain, as text, in files of each day and thread.
 *
 * ```text
 * FOLDER/2026-11-23.json       of the first thread
 * FOLDER/2026-11-23.w1.json    of another: each writes its own
 * FOLDER/2026-11-23.sent       the domains that have their report, a line for each (`daily_reports.ts`)
 * ```
 *
 * A file is JSON in lines: a head that says what it is, and a line for each domain.
 *
 * What fails: what the disk throws. A line that cannot be read counts as none.
 *
 * @module
 */

import { decodeStrict } from "../../bytes.ts";
import type { Files } from "../../runtime/files.ts";
import { errorCode } from "../../runtime/system_error.ts";
import { readOwnFile } from "../../runtime/whole_file.ts";

/** What is counted on a day, by domain. */
export type DayTotals<V> = Map<string, V>;

/** A kind of counts. */
export interface DayForm<V> {
  /** What they are, for the operator: `results of TLS`. */
  readonly name: string;
  /** As text. */
  readonly format: (totals: DayTotals<V>) => string;
  /** Reads it again; what cannot be read is left out. */
  readonly parse: (text: string) => DayTotals<V>;
  /** Adds what another thread has counted. */
  readonly add: (to: DayTotals<V>, more: DayTotals<V>) => void;
}

/** Octets of a file that is read. */
export const MAX_DAY_FILE = 256 * 1024 * 1024;

/** The UTC day of a time in epoch milliseconds, such as `2026-11-23`. */
export function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}

/** When a UTC day begins, in epoch milliseconds. */
export function startOfDay(day: string): number {
  return Date.parse(`${day}T00:00:00Z`);
}

/** Counts as text. @param lineOf the line of a domain, an object for JSON. */
export function formatDay<V>(
  name: string,
  totals: DayTotals<V>,
  lineOf: (domain: string, value: V) => object,
): string {
  const lines = [headOf(name)];
  for (const [domain, value] of totals) lines.push(JSON.stringify(lineOf(domain, value)));
  return `${lines.join("\n")}\n`;
}

/**
 * Reads what {@link formatDay} wrote.
 *
 * @param read what a line's object says of its `domain`; `undefined` where it is none.
 */
export function parseDay<V>(
  name: string,
  text: string,
  read: (line: Readonly<Record<string, unknown>>) => V | undefined,
): DayTotals<V> {
  const totals: DayTotals<V> = new Map();
  const [head, ...lines] = text.split("\n");
  if (head !== headOf(name)) return totals;
  for (const line of lines) {
    const object = parseLine(line);
    const value = object && read(object);
    if (value === undefined || value === null) continue;
    if (typeof object?.domain === "string") totals.set(object.domain, value);
  }
  return totals;
}

function headOf(name: string): string {
  return JSON.stringify({ yizhan: name, version: 1 });
}

function parseLine(line: string): Record<string, unknown> | null {
  try {
    const value = JSON.parse(line);
    return typeof value === "object" ? value : null;
  } catch {
    return null; // cut by a crash
  }
}

/** The files of a folder of counts, by their day. @throws what the disk says, but not where there is no folder. */
export async function listDays(files: Files, folder: string): Promise<Map<string, string[]>> {
  const days = new Map<string, string[]>();
  try {
    for await (const { name } of files.list(folder)) {
      const day = /^(\d{4}-\d\d-\d\d)\./.exec(name)?.[1];
      if (day === undefined) continue;
      const names = days.get(day);
      if (names === undefined) days.set(day, [name]);
      else names.push(name);
    }
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
  }
  return days;
}

/** What all threads have counted on a day. @param names its files. @throws what the disk says. */
export async function readDay<V>(
  files: Files,
  folder: string,
  names: readonly string[],
  form: DayForm<V>,
): Promise<DayTotals<V>> {
  const totals: DayTotals<V> = new Map();
  for (const name of names) {
    if (!name.endsWith(".json")) continue;
    const octets = await readOwnFile(files, `${folder}/${name}`, MAX_DAY_FILE);
    form.add(totals, form.parse(decodeStrict(octets) ?? ""));
  }
  return totals;
}
