/**
 * The time of the system, by what Deno and Bun have of Node's timers.
 *
 * @module
 */

import { clearTimeout, setTimeout } from "node:timers";
import type { Clock } from "./runtime.ts";

/** The longest a timer can be set to (2^31 - 1 ms); a longer one would fire at once. */
const LONGEST_TIMER = 0x7fffffff;

/** The clock of this machine. */
export const systemClock: Clock = {
  now: () => Date.now(),

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    let left = ms;
    do {
      await sleepOnce(Math.min(left, LONGEST_TIMER), signal);
      left -= LONGEST_TIMER;
    } while (left > 0);
  },
};

function sleepOnce(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    timer.unref();
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
