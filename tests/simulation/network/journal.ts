/**
 * What happens in a seed, line by line, with the virtual time: kept only where somebody wants to read it. And
 * counts of what was done to the network.
 *
 * @module
 */

import type { MemoryClock } from "../../../src/runtime/memory_clock.ts";

/** Lines and counts. */
export class Journal {
  /** What happened, in order; empty unless it is traced. */
  readonly lines: string[] = [];
  /** Troubles made, by kind. */
  readonly counts: Record<string, number> = {};
  readonly #clock: MemoryClock;
  readonly #start: number;

  constructor(clock: MemoryClock, readonly traced: boolean) {
    this.#clock = clock;
    this.#start = clock.now();
  }

  /** Notes that something happened. */
  note(who: string, what: string, facts?: object): void {
    if (!this.traced) return;
    const seconds = ((this.#clock.now() - this.#start) / 1000).toFixed(3).padStart(11);
    const more = facts === undefined ? "" : ` ${JSON.stringify(facts)}`;
    this.lines.push(`${seconds} ${who.padEnd(6)} ${what}${more}`);
  }

  /** Notes and counts a trouble that was made. */
  trouble(kind: string, who: string, facts?: object): void {
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
    this.note(who, `! ${kind}`, facts);
  }

  /** All troubles together. */
  get troubles(): number {
    return Object.values(this.counts).reduce((sum, count) => sum + count, 0);
  }
}
