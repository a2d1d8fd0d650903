/**
 * Who works on which entry, and until when; and which entries were given back for later. In memory only: a
 * process that dies loses its claims, as it should. Pure; the time is told.
 *
 * @module
 */

import { DueHeap } from "../due_heap.ts";
import type { QueueEntry } from "../entry.ts";
import { type Claim, LeaseLostError } from "../store.ts";

/** A claim, and when it ends. */
class Lease implements Claim {
  readonly entry: QueueEntry;
  expires: number;
  /** Its outcome is being recorded: nobody else gets the entry, however long that takes. */
  recording = false;

  constructor(entry: QueueEntry, expires: number) {
    this.entry = entry;
    this.expires = expires;
  }
}

/** The leases of one store. */
export class Leases {
  readonly #duration: number;
  readonly #held = new Map<string, Lease>();
  /** What was given back for later, until when: there may be a hundred thousand, for a station that is down. */
  readonly #postponed = new Map<string, number>();
  readonly #ends = new DueHeap<string>((id, until) => this.#postponed.get(id) === until);
  /** No lease ends before this. */
  #earliest = Infinity;

  /** @param duration of a lease in milliseconds. */
  constructor(duration: number) {
    this.#duration = duration;
  }

  /** Whether somebody has the entry. What is over counts until {@link expire} has been called. */
  isHeld(id: string): boolean {
    return this.#held.has(id);
  }

  /** Whether the entry is not to be given out now: somebody has it, or it was given back for later. */
  isTaken(id: string): boolean {
    return this.#held.has(id) || this.#postponed.has(id);
  }

  /** Claims an entry that nobody has. */
  grant(entry: QueueEntry, now: number): Claim {
    const lease = new Lease(entry, now + this.#duration);
    this.#held.set(entry.id, lease);
    this.#postponed.delete(entry.id);
    this.#earliest = Math.min(this.#earliest, lease.expires);
    return lease;
  }

  /** Makes a lease longer; `false` when it is lost. */
  renew(claim: Claim, now: number): boolean {
    const lease = this.#find(claim, now);
    if (lease === null) return false;
    lease.expires = now + this.#duration;
    return true;
  }

  /**
   * Before what was done is recorded: nothing ends the lease until {@link finish}, {@link grant} or {@link end}.
   *
   * @throws {LeaseLostError}
   */
  begin(claim: Claim, now: number): void {
    const lease = this.#find(claim, now);
    if (lease === null || lease.recording) throw new LeaseLostError(claim.entry.id);
    lease.recording = true;
  }

  /** The record could not be made. */
  finish(claim: Claim): void {
    const lease = this.#held.get(claim.entry.id);
    if (lease === claim) lease.recording = false;
  }

  /** Ends a lease; `false` when it is lost. */
  end(claim: Claim, now: number): boolean {
    return this.#find(claim, now) !== null && this.#held.delete(claim.entry.id);
  }

  /** An entry is not given out before `until`. */
  postpone(id: string, until: number): void {
    this.#postponed.set(id, until);
    this.#ends.add(id, until);
  }

  /** When the next entry may be free again; maybe too early, never too late. */
  nextFree(): number {
    if (this.#held.size === 0) this.#earliest = Infinity;
    return Math.min(this.#earliest, this.#ends.next());
  }

  /** Frees what is free at `now`; gives the ids. */
  expire(now: number): string[] {
    const free: string[] = [];
    for (let id; (id = this.#ends.take(now)) !== null;) {
      this.#postponed.delete(id);
      free.push(id);
    }
    if (this.#earliest <= now) free.push(...this.#expireLeases(now));
    return free;
  }

  #expireLeases(now: number): string[] {
    const free: string[] = [];
    this.#earliest = Infinity;
    for (const [id, { expires, recording }] of this.#held) {
      if (!recording && expires <= now) free.push(id);
      else this.#earliest = Math.min(this.#earliest, Math.max(expires, now + 1));
    }
    for (const id of free) this.#held.delete(id);
    return free;
  }

  #find(claim: Claim, now: number): Lease | null {
    const lease = this.#held.get(claim.entry.id);
    return lease === claim && (lease.recording || lease.expires > now) ? lease : null;
  }
}
