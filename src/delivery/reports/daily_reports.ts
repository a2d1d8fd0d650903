/**
 * Reports of days that are over, to the domains that want them. One for each domain, at a time of its own in the first
 * hours of the next day, so that not all stations write at once; tried again every hour for as long as somebody may want
 * it, three days.
 *
 * What was done with a domain is a line of `DAY.sent`, so that a restart sends nothing twice; a crash between a report
 * and its line sends it again, under the same id. The first thread alone sends.
 *
 * What fails: nothing is thrown. A report that cannot be sent is tried again; a disk that fails is told of.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { decodeStrict, encode } from "../../bytes.ts";
import type { Files } from "../../runtime/files.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { errorCode } from "../../runtime/system_error.ts";
import { readOwnFile } from "../../runtime/whole_file.ts";
import { type DayForm, dayOf, listDays, readDay, startOfDay } from "./day_files.ts";
import type { ReportSettings } from "./submit_report.ts";

/** A report that is due. */
export interface DueReport<V> {
  readonly domain: string;
  /** The UTC day. */
  readonly day: string;
  /** What all threads have counted. */
  readonly counts: V;
  readonly settings: ReportSettings;
}

/** What reports are sent with. */
export interface DailyReportsOptions<V> {
  readonly files: Files;
  readonly clock: Clock;
  /** Where counts are, of all threads. */
  readonly folder: string;
  readonly form: DayForm<V>;
  /** What they are, for the operator: `reports of TLS`. */
  readonly name: string;
  /** In force at this moment; `null`: no reports. */
  readonly settings: () => ReportSettings | null;
  /** Sends one to all who want it; `false`: another time. Must not reject. */
  readonly send: (report: DueReport<V>, signal: AbortSignal) => Promise<boolean>;
  /** Something for the operator, in words. */
  readonly onTrouble?: (what: string) => void;
}

/** Milliseconds between two looks. */
const LOOK = 300_000;
/** Milliseconds after the end of a day in which its reports begin and have begun: all threads have written by then. */
const EARLIEST = 600_000;
const LATEST = 4 * 3_600_000;
/** Milliseconds until a report is tried again, and until nobody wants it any more. */
const AGAIN = 3_600_000;
const USELESS = 3 * 86_400_000;

/** Sends reports for as long as it runs. */
export class DailyReports<V> {
  readonly #options: DailyReportsOptions<V>;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  /** By day and domain: when it is tried again. */
  readonly #again = new Map<string, number>();
  #failing = false;

  private constructor(options: DailyReportsOptions<V>) {
    this.#options = options;
    this.#running = this.#run();
  }

  /** Starts it. */
  static start<V>(options: DailyReportsOptions<V>): DailyReports<V> {
    return new DailyReports(options);
  }

  /** Breaks off what it does. Never rejects. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error("the station is stopping"));
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const { clock } = this.#options;
    while (!signal.aborted) {
      await this.#look();
      await clock.sleep(LOOK, signal).catch(() => {});
    }
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    const { files, folder, clock, settings, name, onTrouble } = this.#options;
    try {
      const today = dayOf(clock.now());
      for (const [day, names] of await listDays(files, folder)) {
        if (day >= today) continue;
        const said = settings();
        // Without reports there is nobody to keep counts for.
        if (said === null || await this.#report(day, names, said)) await this.#forget(day, names);
      }
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) onTrouble?.(`${name} cannot be made: ${wordsOf(error)}`);
      this.#failing = true;
    }
  }

  /** Sends what is due of a day; whether nothing of it is left to do. */
  async #report(
    day: string,
    names: readonly string[],
    settings: ReportSettings,
  ): Promise<boolean> {
    const { files, folder, form, clock, send } = this.#options;
    const { signal } = this.#stopping;
    const end = startOfDay(day) + 86_400_000;
    if (clock.now() > end + USELESS) return true;
    if (clock.now() < end + EARLIEST) return false;
    const totals = await readDay(files, folder, names, form);
    const sent = await this.#readSent(day);
    let left = 0;
    for (const [domain, counts] of totals) {
      if (signal.aborted) return false;
      if (sent.has(domain)) continue;
      const key = `${day} ${domain}`;
      const due = this.#again.get(key) ?? end + delayOf(day, domain, settings);
      if (clock.now() < due) {
        left++;
      } else if (await send({ domain, day, counts, settings }, signal)) {
        await this.#noteSent(day, domain);
        this.#again.delete(key);
      } else {
        left++;
        this.#again.set(key, clock.now() + AGAIN);
      }
    }
    return left === 0;
  }

  async #readSent(day: string): Promise<Set<string>> {
    const { files, folder } = this.#options;
    try {
      const octets = await readOwnFile(files, `${folder}/${day}.sent`, 16 * 1024 * 1024);
      // A line that a crash has cut has no end: it counts as none.
      return new Set((decodeStrict(octets) ?? "").split("\n").slice(0, -1));
    } catch (error) {
      if (errorCode(error) === "ENOENT") return new Set();
      throw error;
    }
  }

  async #noteSent(day: string, domain: string): Promise<void> {
    const { files, folder } = this.#options;
    const handle = await files.open(`${folder}/${day}.sent`, {
      append: true,
      create: true,
      noFollow: true,
    });
    try {
      await handle.write(encode(`${domain}\n`));
      await handle.sync();
    } finally {
      handle.close();
    }
  }

  async #forget(day: string, names: readonly string[]): Promise<void> {
    const { files, folder } = this.#options;
    // The list of what was sent goes last: counts without it would be sent again.
    const all = [...names].filter((name) => !name.endsWith(".sent"));
    for (const name of [...all, `${day}.sent`]) {
      await files.remove(`${folder}/${name}`).catch((error) => {
        if (errorCode(error) !== "ENOENT") throw error;
      });
    }
    for (const key of this.#again.keys()) if (key.startsWith(`${day} `)) this.#again.delete(key);
  }
}

/** When after a day its report for a domain is sent, in milliseconds: always the same for the same station. */
function delayOf(day: string, domain: string, { contact }: ReportSettings): number {
  const hash = createHash("sha256").update(`${contact}\n${day}\n${domain}`).digest();
  return EARLIEST + (hash.readUInt32BE() / 2 ** 32) * (LATEST - EARLIEST);
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
