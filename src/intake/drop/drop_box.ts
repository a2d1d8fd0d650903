/**
 * Takes the mail that programs of this machine leave in the drop folder, while the server runs and while it does
 * not: looks at the start, on a nudge, and every few seconds. Each mail is submitted like any other, and its file
 * removed when it is durable: after a crash between the two it is submitted again under the same id, which follows
 * from the file, and while the first is in the queue or unread there is no second.
 *
 * Everything in the folder is hostile until it is known: opened without following links, and only a file with
 * one name is a mail. Its owner's number is the one thing believed; as whom that user may send is
 * `drop_senders.ts`. What is no mail, or must not be sent, is set aside with an event, and who left it is told
 * where that can be; what cannot be taken just now stays, and is tried again later and later. One bad file does not
 * stop the others, and of users that leave very many each has a turn.
 *
 * What fails: `start` throws `DropFolderError` and what the disk says; afterwards there are only events.
 *
 * @module
 */

import { describeError } from "../../events.ts";
import { BULLETIN_NAME } from "./drop_bulletin.ts";
import { MAIL_NAME } from "./drop_file.ts";
import {
  cleanDropFolder,
  type DropFolderOptions,
  type DropOrigin,
  openDropFolder,
  postBulletin,
} from "./drop_folder.ts";
import type { DropBoxOptions, DropSettings } from "./drop_options.ts";
import { cleanRefused } from "./drop_refused.ts";
import { DropTaker } from "./drop_taker.ts";
import { type FoundFile, takeTurns } from "./drop_turns.ts";
import { listenForNudges } from "./nudge.ts";

/** Files that are taken in one go. */
const BATCH = { files: 1000, octets: 256 * 1024 * 1024 };

/** Files that are found in one go. */
const MAX_FOUND = 50_000;

/** Files found before others of the station have their turn. */
const FOUND_AT_ONCE = 500;

/** Mails submitted at the same time. */
const AT_ONCE = 4;

/** Milliseconds between two cleanings. */
const CLEANING = 3_600_000;

/** The first and the longest wait for a file that cannot be taken now, in milliseconds. */
const FIRST_WAIT = 15_000;
const LONGEST_WAIT = 600_000;

/** Files whose waits are remembered. */
const MAX_WAITING = 50_000;

/** When a file is looked at next. */
interface Wait {
  readonly next: number;
  readonly length: number;
}

/** The way in from the drop folder. */
export class DropBox {
  readonly #options: DropBoxOptions;
  readonly #folder: DropFolderOptions;
  #settings: DropSettings;
  #origin: DropOrigin = { device: 0, group: null };
  readonly #waiting = new Map<string, Wait>();
  readonly #stopped = new AbortController();
  #wake: AbortController = new AbortController();
  #nudged = false;
  #cleaned = -Infinity;
  #running: Promise<void> = Promise.resolve();
  #silence: (() => Promise<void>) | null = null;

  private constructor(options: DropBoxOptions) {
    this.#options = options;
    this.#settings = options;
    const { directory, refused, ownUid: uid, runtime: { files } } = options;
    this.#folder = { directory, refused, uid, files };
  }

  /** Makes the folder where it is missing, and looks at it from now on. @throws {DropFolderError} */
  static async start(options: DropBoxOptions): Promise<DropBox> {
    const box = new DropBox(options);
    const { origin, notes } = await openDropFolder(box.#folder);
    box.#origin = origin;
    for (const note of notes) box.#troubled(options.directory, note);
    await box.#post();
    box.#silence = await listenForNudges({
      ...options.runtime,
      path: options.nudge,
      onNudge: () => box.look(),
      onTrouble: (error) => box.#troubled(options.nudge, error),
    });
    box.#running = box.#run();
    return box;
  }

  /** Looks now, or again at once where it is looking. */
  look(): void {
    this.#nudged = true;
    this.#wake.abort();
  }

  /** New settings, for mail that is looked at from now on. */
  configure(settings: Partial<DropSettings>): void {
    this.#settings = { ...this.#settings, ...settings };
    this.#post();
    this.look();
  }

  /** Takes no further mail; resolves when what is being taken is. Stop it before the station. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#wake.abort();
    await this.#silence?.();
    await this.#running;
  }

  /** Tells programs what they must know, and learns how their files will look. */
  async #post(): Promise<void> {
    const { directory, runtime: { random } } = this.#options;
    const onTrouble = (error: unknown) => this.#troubled(`${directory}/${BULLETIN_NAME}`, error);
    try {
      const device = await postBulletin(this.#folder, random, this.#settings, onTrouble);
      this.#origin = { ...this.#origin, device };
    } catch (error) {
      onTrouble(error);
    }
  }

  async #run(): Promise<void> {
    const { clock } = this.#options.runtime;
    while (!this.#stopped.signal.aborted) {
      this.#nudged = false;
      const began = clock.now();
      const more = await this.#look().catch((error) => {
        this.#troubled(this.#options.directory, error);
        return false;
      });
      // Nobody may keep us looking all the time, by nudges or by what lies about.
      const rest = Math.min(this.#settings.interval, clock.now() - began);
      await clock.sleep(rest, this.#stopped.signal).catch(() => {});
      this.#wake = new AbortController();
      if (more || this.#nudged) continue;
      const signal = AbortSignal.any([this.#wake.signal, this.#stopped.signal]);
      await clock.sleep(this.#settings.interval, signal).catch(() => {});
    }
  }

  /** Looks once; gives whether there is more to look at now. */
  async #look(): Promise<boolean> {
    const { runtime: { clock, files }, directory } = this.#options;
    const now = clock.now();
    if (now - this.#cleaned >= CLEANING) {
      this.#cleaned = now;
      await cleanDropFolder(this.#folder, now);
      await cleanRefused(files, this.#options.refused, now);
    }
    const { names, whole } = await this.#list(now);
    const taker = new DropTaker({ ...this.#options, ...this.#settings }, this.#origin);
    const queue = names.values();
    let took = false;
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
      for (const name of queue) {
        if (this.#stopped.signal.aborted) return;
        if (await this.#take(taker, name)) took = true;
      }
    }));
    if (took) await files.syncDirectory(directory);
    return !whole && took;
  }

  /** The files that are to be looked at, one of each user in turn; not all where there are very many. */
  async #list(now: number): Promise<{ readonly names: string[]; readonly whole: boolean }> {
    const { runtime: { clock, files }, directory } = this.#options;
    const found: FoundFile[] = [];
    const seen = new Set<string>();
    let whole = true;
    for await (const { name } of files.list(directory)) {
      if (!MAIL_NAME.test(name)) continue;
      const wait = this.#waiting.get(name);
      if (wait !== undefined) seen.add(name);
      if (wait !== undefined && wait.next > now) continue;
      if (found.length === MAX_FOUND) {
        whole = false;
        break;
      }
      const stat = await files.stat(`${directory}/${name}`).catch(() => null);
      if (stat === null) continue;
      const { owner, size, modified } = stat;
      found.push({ name, owner, size, modified });
      if (found.length % FOUND_AT_ONCE === 0) await clock.sleep(0);
    }
    if (whole) {
      for (const name of this.#waiting.keys()) if (!seen.has(name)) this.#waiting.delete(name);
    }
    const chosen = takeTurns(found, BATCH);
    whole &&= chosen.length === found.length;
    return { names: chosen.map(({ name }) => name), whole };
  }

  /** Takes a file, or sets it aside, or puts it off; gives whether it is gone. */
  async #take(taker: DropTaker, name: string): Promise<boolean> {
    try {
      const putOff = await taker.take(name);
      if (putOff === null) return this.#waiting.delete(name) || true;
      const next = this.#putOff(name);
      this.#options.emit({ type: "drop.deferred", file: name, ...putOff, next });
    } catch (error) {
      this.#putOff(name);
      this.#troubled(name, error);
    }
    return false;
  }

  #putOff(name: string): number {
    const length = Math.min(LONGEST_WAIT, 2 * (this.#waiting.get(name)?.length ?? FIRST_WAIT / 2));
    const next = this.#options.runtime.clock.now() + length;
    this.#waiting.delete(name);
    const [oldest] = this.#waiting.keys();
    if (this.#waiting.size >= MAX_WAITING) this.#waiting.delete(oldest!);
    this.#waiting.set(name, { next, length });
    return next;
  }

  #troubled(where: string, error: unknown): void {
    const text = typeof error === "string" ? error : describeError(error);
    this.#options.emit({ type: "drop.trouble", where, error: text });
  }
}
