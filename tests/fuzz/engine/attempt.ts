/**
 * One input given to a target, and what came of it; and a failing input made as small as it goes.
 *
 * @module
 */

import { concat } from "./octets.ts";
import type { FuzzTarget } from "./target.ts";

/** What went wrong with an input. */
export interface Fault {
  /** The same for the same fault: which error, and where it arose. */
  readonly mark: string;
  /** For people. */
  readonly message: string;
}

/** Longer than this, and no input of a few KiB should take it: milliseconds, the best of three. */
export const SLOW = 750;

/** Gives an input to a target. */
export async function attempt(target: FuzzTarget, input: Uint8Array): Promise<Fault | null> {
  try {
    const running = target.run(input.slice());
    if (running !== undefined) await running;
    return null;
  } catch (error) {
    return faultOf(error);
  }
}

/** As {@link attempt}, and a fault too if it takes long each of three times. @param slow milliseconds. */
export async function timedAttempt(
  target: FuzzTarget,
  input: Uint8Array,
  slow = SLOW,
): Promise<Fault | null> {
  let quickest = Infinity;
  for (let turn = 0; turn < 3; turn++) {
    const began = performance.now();
    const fault = await attempt(target, input);
    if (fault !== null) return fault;
    quickest = Math.min(quickest, performance.now() - began);
    if (quickest < slow) return null;
  }
  const message = `took ${Math.round(quickest)} ms for ${input.length} octets`;
  return { mark: "slow", message };
}

function faultOf(error: unknown): Fault {
  if (!(error instanceof Error)) return { mark: "no error", message: `threw ${String(error)}` };
  const places = [...(error.stack ?? "").matchAll(/((?:src|tests)\/[\w./]+:\d+):\d+/g)]
    .map((match) => match[1]!)
    .filter((place) => !place.includes("support/"));
  return {
    mark: `${error.name} ${places.slice(0, 2).join(" ")}`,
    message: error.stack ?? `${error}`,
  };
}

/** Inputs tried to make one smaller, at most. */
const TRIES = 1500;

/** A smaller input that fails in the same way: parts left out, then octets made plain. */
export async function shrink(
  input: Uint8Array,
  fails: (input: Uint8Array) => Promise<boolean>,
): Promise<Uint8Array> {
  let best = input;
  let tries = TRIES;
  const better = async (candidate: Uint8Array): Promise<boolean> => {
    if (tries-- <= 0 || !(await fails(candidate))) return false;
    best = candidate;
    return true;
  };
  for (let size = best.length; size >= 1 && tries > 0; size >>= 1) {
    for (let at = 0; at < best.length;) {
      const without = concat([best.subarray(0, at), best.subarray(at + size)]);
      if (!(await better(without))) at += size;
    }
  }
  for (let at = 0; at < best.length && tries > 0; at++) {
    for (const plain of [0x61, 0x20]) {
      if (best[at] === plain) break;
      const simpler = best.slice();
      simpler[at] = plain;
      if (await better(simpler)) break;
    }
  }
  return best;
}
