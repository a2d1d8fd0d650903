/**
 * The durable queue as the rest of the program sees it. Implemented by files (`spool/`) and by memory;
 * one contract suite runs against all. Leases make room for a store that several stations share.
 *
 * @module
 */

import type { QueueEntry } from "./entry.ts";
import type { MessageSource } from "./local_delivery.ts";

/** A message to be queued. */
export interface NewMessage {
  /** Envelope and state. */
  readonly entry: QueueEntry;
  /** Its head and body; read before the promise of `add` settles, not after. */
  readonly source: MessageSource;
  /**
   * Its id was made just now, and nobody can have added it before: the store need not look for it on the
   * disk. Default `false`.
   */
  readonly isNew?: boolean;
}

/** The right to work on one entry: nobody else gets it until it is settled or released, or the lease ends. */
export interface Claim {
  /** The entry as it is in the store; `update` and `settle` give another one. */
  readonly entry: QueueEntry;
  /** When the right ends unless renewed, in milliseconds since the epoch. */
  readonly expires: number;
}

/** A lease is over and somebody else may have the entry: what was done counts, but is not recorded. */
export class LeaseLostError extends Error {
  /**
   * A lease that is over.
   *
   * @param id of the entry.
   */
  constructor(id: string) {
    super(`the lease of ${id} is over`);
    this.name = "LeaseLostError";
  }
}

/** Messages that survive a crash. */
export interface QueueStore {
  /**
   * Queues messages, all or none of them visible; resolves when they are durable, and only then may they be
   * answered for. One whose id is there already is passed over: to add twice is to add once.
   *
   * @throws what the disk says (`ENOSPC`, `EIO`, …), or a `RangeError` for an entry that could not be kept as it is;
   * nothing is queued then.
   */
  add(...messages: readonly NewMessage[]): Promise<void>;
  /**
   * Entries that are due at `now`, the most overdue and the fresh ones first, at most `limit`; each is
   * claimed. Not those that are held.
   */
  claim(now: number, limit: number): Promise<Claim[]>;
  /** Claims one entry, due or not, held or not; `null` when there is none or somebody has it. */
  claimById(id: string, now: number): Promise<Claim | null>;
  /** Makes the lease longer; `false` when it is lost: stop working on the entry. */
  renew(claim: Claim, now: number): boolean;
  /** The message of an entry, as often as asked. @throws when it is gone or cannot be read. */
  open(id: string): MessageSource | Promise<MessageSource>;
  /**
   * Records what has become of some recipients, durably, and keeps the claim; gives the claim that counts
   * from now on.
   *
   * @throws {LeaseLostError} and what the disk says; the entry is as before then, and claimed.
   */
  update(claim: Claim, entry: QueueEntry): Promise<Claim>;
  /**
   * Ends the work on an entry: `born` (notices, forwards) is made durable, then the entry is replaced by
   * `next`, or removed with `null`, durably; then the claim ends.
   *
   * @throws {LeaseLostError} and what the disk says; the entry is as before then, and claimed, and to
   * settle again is right.
   */
  settle(
    claim: Claim,
    next: QueueEntry | null,
    born?: readonly NewMessage[],
  ): Promise<void>;
  /** Gives a claim back unchanged; it is not given out again before `notBefore` (while the process lives). */
  release(claim: Claim, notBefore: number): void;
  /**
   * Resolves when entries may be due: at `until` at the latest, early when some were added, released or
   * settled with an earlier time; rejects when the signal is aborted.
   */
  wait(until: number, signal: AbortSignal): Promise<void>;
  /** The time of the next entry that is due, `Infinity` for none; may be too early, never too late. */
  nextDue(): number;
  /** One entry, claimed or not; `null` when there is none. */
  get(id: string): Promise<QueueEntry | null>;
  /** All entries, in no order, as they are while it goes on; streams, however many there are. */
  list(): AsyncIterable<QueueEntry>;
  /** Stops, with all that was promised on the disk; gives up the ownership. */
  close(): Promise<void>;
}
