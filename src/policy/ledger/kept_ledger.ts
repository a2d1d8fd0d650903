/**
 * A {@link Ledger} that is kept on disk, so that bans, greylisting and daily limits outlive a restart. It answers from
 * memory, at once, as {@link MemoryLedger} does; what has changed goes to the end of its file every few seconds, and
 * when most of the file is out of date it is written anew (`ledger_file.ts`).
 *
 * Why a journal, and not a copy of all every now and then: a large ledger has tens of megabytes, of which a minute
 * changes little. A key that changed often in these seconds is one line; what is forgotten within a minute, such as
 * most buckets of connection rates, is no line at all.
 *
 * Nothing waits for the disk. What was noted in the last seconds before a crash may be lost: then a client has a few
 * more attempts, and no mail is lost by it. A disk that fails is told of once, the ledger goes on in memory, and
 * it is tried again; a damaged line is left out, and told of.
 *
 * @module
 */

import type { Files } from "../../runtime/files.ts";
import type { Clock } from "../../runtime/runtime.ts";
import type { Ledger, Note, Rate } from "./ledger.ts";
import { LedgerFile } from "./ledger_file.ts";
import { formatLedgerLine } from "./ledger_text.ts";
import { type LedgerBounds, MemoryLedger } from "./memory_ledger.ts";

/** What a kept ledger is made of. */
export interface KeptLedgerOptions {
  /** Tells the time. */
  readonly clock: Clock;
  /** The disk. */
  readonly files: Files;
  /** Its folder, of this ledger alone; made when there is something to keep. */
  readonly directory: string;
  /** How much it holds at most. */
  readonly bounds?: Partial<LedgerBounds>;
  /** Something for the operator, in words. Must not throw. */
  readonly onTrouble: (what: string) => void;
}

/** Milliseconds between a change and its line. */
const FLUSH_AFTER = 5000;

/** Milliseconds after which a disk that failed is tried again. */
const RETRY_AFTER = 60_000;

/** What is forgotten sooner, in milliseconds, is not written. */
const SHORT = 60_000;

/** Octets of lines out of date that are always let lie. */
const SLACK = 1024 * 1024;

/** Remembers, also over a restart. */
export class KeptLedger implements Ledger {
  readonly #clock: Clock;
  readonly #memory: MemoryLedger;
  readonly #file: LedgerFile;
  readonly #onTrouble: (what: string) => void;
  /** Keys whose lines are out of date. */
  #changed = new Set<string>();
  readonly #stopping = new AbortController();
  /** What writes, where something is to be written. */
  #writing: Promise<void> | null = null;
  /** Octets of the file when it was last written anew. */
  #base = 0;
  #mustReplace = true;
  #failing = false;

  private constructor({ clock, files, directory, bounds, onTrouble }: KeptLedgerOptions) {
    this.#clock = clock;
    this.#memory = new MemoryLedger(clock, bounds);
    this.#file = new LedgerFile(files, directory);
    this.#onTrouble = onTrouble;
  }

  /** Reads what was kept. A disk that does not give it is told of, and nothing is remembered then. Never rejects. */
  static async open(options: KeptLedgerOptions): Promise<KeptLedger> {
    const ledger = new KeptLedger(options);
    await ledger.#load();
    return ledger;
  }

  take(key: string, rate: Rate, amount?: number): number {
    const wait = this.#memory.take(key, rate, amount);
    if (wait === 0) this.#change(key);
    return wait;
  }

  recall(key: string): Note | null {
    return this.#memory.recall(key);
  }

  note(key: string, value: string, lifetime: number): void {
    // Something that was to be kept for long may be noted for a moment only.
    const before = this.#memory.untilOf(key);
    this.#memory.note(key, value, lifetime);
    this.#change(key, before);
  }

  forget(key: string): boolean {
    const before = this.#memory.untilOf(key);
    const forgotten = this.#memory.forget(key);
    this.#change(key, before);
    return forgotten;
  }

  list(prefix: string): AsyncIterable<Note> {
    return this.#memory.list(prefix);
  }

  /** Entries there are, some of which may be over. */
  get size(): number {
    return this.#memory.size;
  }

  /** How much is remembered now under keys of a policy that begin so. */
  count(prefix: string): number {
    return this.#memory.count(prefix);
  }

  /** Writes what is not written yet, and lets go of the file. Never rejects. */
  async close(): Promise<void> {
    this.#stopping.abort(null);
    await this.#writing;
    if (this.#changed.size > 0) await this.#flush();
    this.#file.close();
  }

  async #load(): Promise<void> {
    const { path } = this.#file;
    try {
      const { damaged, whole } = await this.#file.read(
        ({ key, value, until }) => {
          if (until === null) this.#memory.forget(key);
          else this.#memory.restore({ key, value, until });
        },
        (aside) =>
          this.#onTrouble(`${path} is no ledger of this version: it is now ${aside}, and not read`),
      );
      this.#base = Math.min(this.#file.octets, this.#memory.octets);
      this.#mustReplace = !whole;
      if (damaged > 0) {
        const lines = damaged === 1 ? "1 line" : `${damaged} lines`;
        this.#onTrouble(`${path}: ${lines} could not be read and will be left out`);
      }
    } catch (error) {
      this.#onTrouble(`${path} cannot be read, what was remembered is lost: ${wordsOf(error)}`);
    }
  }

  #change(key: string, before = 0): void {
    if (Math.max(before, this.#memory.untilOf(key)) - this.#clock.now() <= SHORT) return;
    this.#changed.add(key);
    if (this.#changed.size > this.#memory.bounds.entries) {
      // A flood, or a disk that fails for long: all of it is shorter than what has changed.
      this.#changed = new Set([key]);
      this.#mustReplace = true;
    }
    if (!this.#stopping.signal.aborted) this.#writing ??= this.#write();
  }

  /** Writes until nothing is left to write. Never rejects. */
  async #write(): Promise<void> {
    const { signal } = this.#stopping;
    while (this.#changed.size > 0 && !signal.aborted) {
      const pause = this.#failing ? RETRY_AFTER : FLUSH_AFTER;
      await this.#clock.sleep(pause, signal).then(() => this.#flush(), () => {});
    }
    this.#writing = null;
  }

  /** Never rejects. */
  async #flush(): Promise<void> {
    const changed = this.#changed;
    this.#changed = new Set();
    // By then more than half of it is out of date.
    const outdated = this.#file.octets > 2 * this.#base + SLACK;
    try {
      if (this.#mustReplace || outdated) {
        await this.#file.replace(linesOf(this.#memory.each()));
        this.#base = this.#file.octets;
        this.#mustReplace = false;
      } else {
        await this.#file.append(this.#linesFor(changed));
      }
      if (this.#failing) this.#onTrouble(`${this.#file.path} can be written again`);
      this.#failing = false;
    } catch (error) {
      // There may be half a line: the next time all of it is written, these among them.
      this.#mustReplace = true;
      this.#file.close();
      if (this.#changed.size === 0) this.#changed = new Set([...changed].slice(0, 1));
      if (!this.#failing) {
        const { path } = this.#file;
        const what = `what policies remember stays in memory only: ${wordsOf(error)}`;
        this.#onTrouble(`${path} cannot be written, and ${what}`);
      }
      this.#failing = true;
    }
  }

  *#linesFor(keys: Iterable<string>): Generator<string> {
    for (const key of keys) yield formatLedgerLine(key, this.#memory.recall(key));
  }
}

function* linesOf(notes: Iterable<Note>): Generator<string> {
  for (const note of notes) yield formatLedgerLine(note.key, note);
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
