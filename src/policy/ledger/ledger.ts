/**
 * What policies remember of clients, senders and accounts: how often something happened, and small facts that are
 * forgotten after a while. One ledger serves all policies of a station, and all its threads, so that a limit is one
 * limit; its keys begin with the name of the policy they belong to (`greylisting:192.0.2.0/24 …`).
 *
 * Whatever a stranger does costs an entry at most, and entries are bounded. Where a ledger is full, the policy that
 * has the most gives way, and of its entries the one that would have been forgotten next: so a flood of random keys
 * in one policy pushes out its own, and neither the bans nor the greylisting of others. A ledger helps to decide and
 * is never the only place of what must not be lost.
 *
 * @module
 */

import type { Soon } from "../../soon.ts";

/** How often something may happen: a token bucket of `count` tokens, that is full again after `per` milliseconds. */
export interface Rate {
  /** Tokens, at least 1: so much may happen at once. */
  readonly count: number;
  /** Milliseconds until an empty bucket is full. */
  readonly per: number;
}

/** Something remembered. */
export interface Note {
  /** Begins with the name of the policy. */
  readonly key: string;
  /** A policy's own; empty for a bucket. */
  readonly value: string;
  /** When it is forgotten: epoch milliseconds. */
  readonly until: number;
}

/** The longest key and value together, in characters; what is longer is not remembered. */
export const MAX_NOTE = 4096;

/** Where policies remember. Answers at once where it can, and never throws for what it cannot remember. */
export interface Ledger {
  /**
   * Takes tokens out of the bucket of a key, or none when there are too few.
   *
   * @param amount how many; default 1. More than `rate.count` are never there.
   * @returns milliseconds until there will be enough: 0 when they were taken.
   */
  take(key: string, rate: Rate, amount?: number): Soon<number>;
  /** What is remembered under a key; `null`: nothing, or no more. */
  recall(key: string): Soon<Note | null>;
  /** Remembers something for `lifetime` milliseconds, in place of what was there. */
  note(key: string, value: string, lifetime: number): Soon<void>;
  /** Forgets what is under a key; whether there was something. */
  forget(key: string): Soon<boolean>;
  /** All that is remembered under keys that begin so, the newest last. For operators: it may be long. */
  list(prefix: string): AsyncIterable<Note>;
}
