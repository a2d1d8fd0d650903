/**
 * Several limits that hold at once, such as of a client and of its network: asked one after the other, the first that
 * is reached decides. Also the words in which a client is told when to come again.
 *
 * @module
 */

import type { Soon } from "../../soon.ts";
import type { Ledger, Rate } from "../ledger/ledger.ts";

/** A limit of somebody. */
export interface Limit {
  /** In the ledger. */
  readonly key: string;
  /** How often; `null`: without limit. */
  readonly rate: Rate | null;
  /** What is limited, in words: `connections from 192.0.2.0/24`. */
  readonly what: string;
}

/** A limit that is reached. */
export interface Reached {
  readonly limit: Limit;
  readonly rate: Rate;
  /** Milliseconds until the next may come. */
  readonly wait: number;
}

/**
 * Takes one of each, in this order, until one has none left; `null`: all had. So put first what a single offender
 * reaches first: then it does not use up what it has in common with others. No promise where the ledger makes none.
 */
export function takeAll(ledger: Ledger, limits: readonly Limit[], from = 0): Soon<Reached | null> {
  for (let index = from; index < limits.length; index++) {
    const limit = limits[index]!;
    const { key, rate } = limit;
    if (rate === null) continue;
    const wait = ledger.take(key, rate);
    if (wait instanceof Promise) {
      return wait.then((wait) =>
        wait > 0 ? { limit, rate, wait } : takeAll(ledger, limits, index + 1)
      );
    }
    if (wait > 0) return { limit, rate, wait };
  }
  return null;
}

/** `30 s`, `5 min`, `2 h` or `3 d`: rounded up, so that whoever comes again then comes late enough. */
export function formatWait(milliseconds: number): string {
  const seconds = Math.max(1, Math.ceil(milliseconds / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.ceil(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.ceil(seconds / 3600)} h`;
  return `${Math.ceil(seconds / 86_400)} d`;
}
