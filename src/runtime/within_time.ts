/**
 * Work that somebody waits for, and not for ever.
 *
 * @module
 */

import type { Clock } from "./runtime.ts";

/** Why a signal of {@link withinTime} was aborted though there was time left: nobody waits any more. */
export const NOBODY_WAITS = "nobody waits";

/**
 * Does some work whose signal is aborted when it is late, or when `outer` is. A resolver then answers `failed`: so
 * nothing is thrown here, and what is known by then counts.
 *
 * @param timeout milliseconds.
 */
export async function withinTime<T>(
  clock: Clock,
  timeout: number,
  work: (signal: AbortSignal) => Promise<T>,
  outer?: AbortSignal,
): Promise<T> {
  const late = new AbortController();
  const done = new AbortController();
  clock.sleep(timeout, done.signal).then(() => late.abort("late"), () => {});
  const giveUp = () => late.abort(NOBODY_WAITS);
  if (outer?.aborted) giveUp();
  outer?.addEventListener("abort", giveUp, { once: true });
  try {
    return await work(late.signal);
  } finally {
    outer?.removeEventListener("abort", giveUp);
    done.abort(null);
  }
}
