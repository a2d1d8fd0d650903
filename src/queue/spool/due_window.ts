/**
 * What is held in memory of the bucket folders: their beginnings, and of those that are being worked on some
 * names with the times known so far. A folder of a million names is looked at again and again, a window
 * full each time. Names that are not to be given out now are put aside when they are met, so that a hundred
 * thousand of them are not looked through each time; whoever lets one go says so. No disk, no clock in here.
 *
 * @module
 */

/** Names of one folder that may be due. */
export class DueWindow {
  /** When names of the folder may be due that are not in here: `Infinity` when all are. */
  rest: number;
  /** By id, when it is due; `null` where that is not known, but not before the bucket begins. */
  readonly #times = new Map<string, number | null>();
  /** The same of those that are skipped. */
  readonly #aside = new Map<string, number | null>();
  readonly #start: number;
  readonly #limit: number;

  /** @param start of the bucket. @param limit names held in memory that nobody works on. */
  constructor(start: number, limit: number) {
    this.rest = this.#start = start;
    this.#limit = limit;
  }

  /** Whether the folder is known to be empty. */
  get empty(): boolean {
    return this.rest === Infinity && this.#times.size + this.#aside.size === 0;
  }

  /** Names and times, but for those put aside; ones that are added meanwhile come too. */
  entries(): Iterable<readonly [id: string, time: number | null]> {
    return this.#times;
  }

  /**
   * Adds names found in the folder, as many as there is room for beside those that are skipped. What was in
   * here and is not in the folder is not taken out: nobody can tell since when.
   *
   * @returns whether there were new ones.
   */
  async load(names: AsyncIterable<string>, skip: (id: string) => boolean): Promise<boolean> {
    for (const id of this.#times.keys()) if (skip(id)) this.putAside(id);
    let room = this.#limit - this.#times.size;
    let added = false;
    this.rest = Infinity;
    for await (const id of names) {
      if (this.#times.has(id) || this.#aside.has(id)) continue;
      if (room <= 0) {
        this.rest = this.#start;
        break;
      }
      if (skip(id)) {
        this.#aside.set(id, null);
        continue;
      }
      this.#times.set(id, null);
      added = true;
      room--;
    }
    return added;
  }

  /** An entry that is skipped: it is not looked at until {@link free}. */
  putAside(id: string): void {
    const time = this.#times.get(id);
    if (time === undefined) return;
    this.#times.delete(id);
    this.#aside.set(id, time);
  }

  /** An entry that is not skipped any more. */
  free(id: string): void {
    const time = this.#aside.get(id);
    if (time === undefined) return;
    this.#aside.delete(id);
    this.#times.set(id, time);
  }

  /** An entry put into the folder, or whose time is known now. */
  set(id: string, time: number): void {
    const known = this.#aside.delete(id) || this.#times.has(id);
    if (known || this.#times.size < 2 * this.#limit) this.#times.set(id, time);
    else this.rest = this.#start;
  }

  /** An entry that is not in the folder any more. */
  delete(id: string): void {
    this.#aside.delete(id);
    this.#times.delete(id);
    if (this.rest !== Infinity && this.#times.size <= this.#limit / 2) this.rest = this.#start;
  }

  /** When one that is not skipped may be due: maybe too early, never too late. */
  earliest(skip: (id: string) => boolean): number {
    let earliest = this.rest;
    for (const [id, known] of this.#times) {
      if (earliest <= this.#start) break;
      const time = known ?? this.#start;
      if (time >= earliest) continue;
      if (skip(id)) this.putAside(id);
      else earliest = time;
    }
    return earliest;
  }
}

/** One bucket folder. */
export interface Bucket {
  /** When it begins, in milliseconds since the epoch. */
  readonly start: number;
  readonly folder: string;
  /** `null` until it is worked on. */
  window: DueWindow | null;
}

/** All bucket folders there are, earliest first. */
export class Buckets {
  #sorted: Bucket[] = [];

  /** The folder that begins at `start`; added where it is not known. */
  add(start: number, folder: string): Bucket {
    const at = this.#sorted.findLastIndex((bucket) => bucket.start <= start);
    const known = this.#sorted[at];
    if (known?.start === start) return known;
    const bucket = { start, folder, window: null };
    this.#sorted.splice(at + 1, 0, bucket);
    return bucket;
  }

  /** Forgets a folder that is removed. */
  delete(bucket: Bucket): void {
    this.#sorted = this.#sorted.filter((other) => other !== bucket);
  }

  /** The bucket of that folder, if it is one. */
  find(folder: string): Bucket | undefined {
    return this.#sorted.find((bucket) => bucket.folder === folder);
  }

  /** An entry, wherever it is, that is not skipped any more. */
  free(id: string): void {
    for (const { window } of this.#sorted) window?.free(id);
  }

  /** As they are now, earliest first. */
  all(): readonly Bucket[] {
    return [...this.#sorted];
  }

  /** When something that is not skipped may be due: maybe too early, never too late. */
  nextDue(skip: (id: string) => boolean): number {
    let next = Infinity;
    for (const { start, window } of this.#sorted) {
      if (start >= next) break;
      next = Math.min(next, window === null ? start : window.earliest(skip));
    }
    return next;
  }
}
