/**
 * Counts by UTC day and domain, for the reports of the day. Counting is all that happens on the way of a mail; what has
 * changed is written a few seconds later, to a file of its own for each day and thread (`day_files.ts`).
 *
 * What fails: nothing is thrown. A disk that fails is told of once, and is tried again; what was counted in the last
 * seconds before a crash is lost, which costs a report some of its numbers.
 *
 * @module
 */

import { decodeStrict, encode } from "../../bytes.ts";
import type { Files } from "../../runtime/files.ts";
import { openFresh } from "../../runtime/fresh_file.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { errorCode } from "../../runtime/system_error.ts";
import { readOwnFile } from "../../runtime/whole_file.ts";
import { makeFolders } from "../sts/policy_store.ts";
import { type DayForm, dayOf, type DayTotals, MAX_DAY_FILE } from "./day_files.ts";

/** Where counts are kept. */
export interface DayCountsOptions {
  /** The disk. */
  readonly files: Files;
  /** For the day, and for when it is written. */
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

/** Counts. */
export class DayCounts<V> {
  readonly #form: DayForm<V>;
  readonly #options: DayCountsOptions;
  #day: string;
  #totals: DayTotals<V> = new Map();
  /** Days that are over and not written yet. */
  readonly #past = new Map<string, DayTotals<V>>();
  #changed = false;
  #writing: Promise<void> | null = null;
  readonly #stopping = new AbortController();
  #size = 0;
  #failing = false;

  private constructor(form: DayForm<V>, options: DayCountsOptions) {
    this.#form = form;
    this.#options = options;
    this.#day = dayOf(options.clock.now());
  }

  /** Goes on with what was counted today. Never rejects. */
  static async open<V>(form: DayForm<V>, options: DayCountsOptions): Promise<DayCounts<V>> {
    const counts = new DayCounts(form, options);
    try {
      const octets = await readOwnFile(options.files, counts.#path(counts.#day), MAX_DAY_FILE);
      counts.#totals = form.parse(decodeStrict(octets) ?? "");
      counts.#size = octets.length;
    } catch (error) {
      if (errorCode(error) !== "ENOENT") counts.#trouble("read", error);
    }
    return counts;
  }

  /** The counts of today, which the caller is about to change. */
  change(): DayTotals<V> {
    const today = this.#today();
    this.#changed = true;
    if (!this.#stopping.signal.aborted) this.#writing ??= this.#write();
    return today;
  }

  /** Writes what is not written yet. Never rejects. */
  async close(): Promise<void> {
    this.#stopping.abort(null);
    await this.#writing;
    if (this.#changed) await this.#flush();
  }

  #today(): DayTotals<V> {
    const day = dayOf(this.#options.clock.now());
    if (day !== this.#day) {
      if (this.#changed) this.#past.set(this.#day, this.#totals);
      this.#day = day;
      this.#totals = new Map();
      this.#size = 0;
    }
    return this.#totals;
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
      if (this.#failing) this.#options.onTrouble?.(`${this.#form.name} can be written again`);
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

  async #save(day: string, totals: DayTotals<V>): Promise<number> {
    if (totals.size === 0) return 0;
    const { files, folder } = this.#options;
    const path = this.#path(day);
    const octets = encode(this.#form.format(totals));
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
    this.#options.onTrouble?.(`${this.#form.name}, for reports, cannot be ${what}: ${words}`);
  }
}
