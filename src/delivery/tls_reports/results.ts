/**
 * Collects how TLS went with other stations, for the reports of the day (RFC 8460). Counting is all that happens on the
 * way of a mail; what has changed is written a few seconds later, each UTC day to a file of its own:
 *
 * ```text
 * tls-reports/2026-11-23.json       of the first thread
 * tls-reports/2026-11-23.w1.json    of another: each writes its own
 * ```
 *
 * What fails: nothing is thrown. A disk that fails is told of once, and is tried again; what was counted in the last
 * seconds before a crash is lost, which costs a report some of its numbers.
 *
 * @module
 */

import { decodeStrict, encode } from "../../bytes.ts";
import { openFresh } from "../../runtime/fresh_file.ts";
import { type Clock, errorCode, type Files } from "../../runtime/runtime.ts";
import { makeFolders } from "../sts/policy_store.ts";
import type { TlsFault, TlsResult } from "../tls_guard.ts";
import { addTotals, countFault, countResult, type Totals } from "./totals.ts";
import { formatTotals, parseTotals } from "./totals_text.ts";

/** What results are collected with. */
export interface ResultsOptions {
  readonly files: Files;
  readonly clock: Clock;
  /** Of all threads; made when there is something to write. */
  readonly folder: string;
  /** Which of several threads it is; letters and digits. Absent: the only one, or the first. */
  readonly instance?: string;
  /** Something for the operator, in words. */
  readonly onTrouble?: (what: string) => void;
}

/** Milliseconds between a change and the file: longer where the file is large. */
const SOON = 5_000;
const LATER = 60_000;
/** Octets of a large file. */
const LARGE = 64 * 1024;
/** Octets of a file that is read. */
export const MAX_RESULTS = 256 * 1024 * 1024;

/** The UTC day of a time in epoch milliseconds, such as `2026-11-23`. */
export function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}

/** Counts. */
export class TlsResults {
  readonly #options: ResultsOptions;
  #day: string;
  #totals: Totals = new Map();
  /** Days that are over and not written yet. */
  readonly #past = new Map<string, Totals>();
  #changed = false;
  #writing: Promise<void> | null = null;
  readonly #stopping = new AbortController();
  #size = 0;
  #failing = false;

  private constructor(options: ResultsOptions) {
    this.#options = options;
    this.#day = dayOf(options.clock.now());
  }

  /** Goes on with what was counted today. Never rejects. */
  static async open(options: ResultsOptions): Promise<TlsResults> {
    const results = new TlsResults(options);
    try {
      const { files } = options;
      const octets = await files.readFile(results.#path(results.#day), MAX_RESULTS);
      results.#totals = parseTotals(decodeStrict(octets) ?? "");
      results.#size = octets.length;
    } catch (error) {
      if (errorCode(error) !== "ENOENT") results.#trouble("read", error);
    }
    return results;
  }

  /** Counts how TLS went with a host. */
  readonly note = (result: TlsResult): void => {
    countResult(this.#today(), result);
    this.#change();
  };

  /** Counts a policy that could not be had. */
  readonly noteFault = (domain: string, fault: TlsFault): void => {
    countFault(this.#today(), domain, fault);
    this.#change();
  };

  /** Writes what is not written yet. Never rejects. */
  async close(): Promise<void> {
    this.#stopping.abort(null);
    await this.#writing;
    if (this.#changed) await this.#flush();
  }

  #today(): Totals {
    const day = dayOf(this.#options.clock.now());
    if (day !== this.#day) {
      if (this.#changed) this.#past.set(this.#day, this.#totals);
      this.#day = day;
      this.#totals = new Map();
      this.#size = 0;
    }
    return this.#totals;
  }

  #change(): void {
    this.#changed = true;
    if (!this.#stopping.signal.aborted) this.#writing ??= this.#write();
  }

  async #write(): Promise<void> {
    const { signal } = this.#stopping;
    while (this.#changed && !signal.aborted) {
      const pause = this.#failing || this.#size > LARGE ? LATER : SOON;
      await this.#options.clock.sleep(pause, signal).then(() => this.#flush(), () => {});
    }
    this.#writing = null;
  }

  /** Never rejects. */
  async #flush(): Promise<void> {
    this.#changed = false;
    try {
      for (const [day, totals] of this.#past) {
        await this.#save(day, totals);
        this.#past.delete(day);
      }
      this.#size = await this.#save(this.#day, this.#totals);
      if (this.#failing) this.#options.onTrouble?.("results of TLS can be written again");
      this.#failing = false;
    } catch (error) {
      this.#changed = true;
      // Days that never find room are given up: one is as large as another.
      for (const day of [...this.#past.keys()].slice(0, -2)) this.#past.delete(day);
      if (!this.#failing) this.#trouble("written", error);
      this.#failing = true;
      if (this.#stopping.signal.aborted) this.#changed = false;
    }
  }

  async #save(day: string, totals: Totals): Promise<number> {
    if (totals.size === 0) return 0;
    const { files, folder } = this.#options;
    const path = this.#path(day);
    const octets = encode(formatTotals(totals));
    await makeFolders(files, folder);
    const handle = await openFresh(files, `${path}.new`);
    try {
      await handle.write(octets);
    } finally {
      handle.close();
    }
    await files.rename(`${path}.new`, path);
    return octets.length;
  }

  #path(day: string): string {
    const { folder, instance } = this.#options;
    return `${folder}/${day}${instance === undefined ? "" : `.${instance}`}.json`;
  }

  #trouble(what: string, error: unknown): void {
    const words = error instanceof Error ? error.message : String(error);
    this.#options.onTrouble?.(`results of TLS, for reports, cannot be ${what}: ${words}`);
  }
}

/** The files of a folder of results, by their day. @throws what the disk says, but not where there is no folder. */
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
export async function readDay(
  files: Files,
  folder: string,
  names: readonly string[],
): Promise<Totals> {
  const totals: Totals = new Map();
  for (const name of names) {
    if (!name.endsWith(".json")) continue;
    const octets = await files.readFile(`${folder}/${name}`, MAX_RESULTS);
    addTotals(totals, parseTotals(decodeStrict(octets) ?? ""));
  }
  return totals;
}
