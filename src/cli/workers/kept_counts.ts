/**
 * What one worker has counted, thread after thread. Who reads metrics takes a counter that goes back for one that
 * began anew, and adds all of it once more: so what threads had counted before they ended stays in the sum, and
 * one that does not answer in time is told as it was.
 *
 * @module
 */

import { mergeFamilies } from "../../observe/merged_families.ts";
import type { MemberMetrics } from "./messages.ts";

/** The counts of one worker. What was counted between the last answer of a thread and its end is not in them. */
export class KeptCounts {
  #thread = 0;
  #last: MemberMetrics | null = null;
  /** Of threads that have ended. */
  #before: MemberMetrics | null = null;

  /**
   * Takes an answer, and gives what the worker has counted in all; `null` where none ever answered.
   *
   * @param thread who was asked: the first, the second, … @param counted `null`: no answer came.
   */
  take(thread: number, counted: MemberMetrics | null): MemberMetrics | null {
    if (counted !== null) {
      if (thread !== this.#thread && this.#last !== null) this.#before = this.#sum(this.#last);
      this.#thread = thread;
      this.#last = counted;
    }
    return this.#last && this.#sum(this.#last);
  }

  #sum(last: MemberMetrics): MemberMetrics {
    const before = this.#before;
    if (before === null) return last;
    return {
      families: mergeFamilies([before.families, last.families]),
      heap: last.heap,
      droppedLogLines: before.droppedLogLines + last.droppedLogLines,
    };
  }
}
