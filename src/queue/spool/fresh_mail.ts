/**
 * Fresh mail: what lies in segments, which of it is due, and how it gets from there into files of its own. A
 * message is put into its files before the journal says so: where a crash left both, the files win.
 *
 * Who works on what is asked of the leases; what is old is moved by `fresh_mover.ts`.
 *
 * What fails: what the disk says, to whoever asked. A message that cannot be read when it is due is told as
 * trouble, and due again a little later.
 *
 * @module
 */

import { DueHeap } from "../due_heap.ts";
import { nextAttempt, type QueueEntry } from "../entry.ts";
import type { MessageSource } from "../local_delivery.ts";
import type { Claim, NewMessage } from "../store.ts";
import type { Leases } from "./leases.ts";
import type { MessageFiles } from "./message_files.ts";
import { OctetGate } from "./octet_gate.ts";
import type { SegmentMessage } from "./segment.ts";
import { draftRecord, readBodies, type RecordDraft } from "./segment_record.ts";
import type { Segments } from "./segments.ts";

/** What fresh mail is made of. */
export interface FreshMailOptions {
  /** Where it lies. */
  readonly segments: Segments;
  /** Where it goes. */
  readonly messages: MessageFiles;
  /** Who works on what. */
  readonly leases: Leases;
  /** A message cannot be read or moved now. */
  readonly trouble: (error: unknown, message: string) => void;
}

/** Octets of messages on their way to a segment. */
const ON_THE_WAY = 64 * 1024 * 1024;

/** Milliseconds until what could not be read is read again. */
const PAUSE = 30_000;

/** Messages in segments. */
export class FreshMail {
  readonly #segments: Segments;
  readonly #messages: MessageFiles;
  readonly #leases: Leases;
  readonly #trouble: FreshMailOptions["trouble"];
  readonly #gate = new OctetGate(ON_THE_WAY);
  /** What lies in segments, by id. */
  #all = new Map<string, SegmentMessage>();
  /** Of these, what nobody has. */
  readonly #due: DueHeap<SegmentMessage>;
  /** Of these, what is being read or moved. */
  readonly #busy = new Set<string>();

  /** Of segments that are not recovered yet. */
  constructor({ segments, messages, leases, trouble }: FreshMailOptions) {
    this.#segments = segments;
    this.#messages = messages;
    this.#leases = leases;
    this.#trouble = trouble;
    this.#due = new DueHeap((message, due) => this.isFree(message) && message.due === due);
  }

  /** Finds what is there; `mayBeMoved`: some of it may lie in files too. Gives how many messages. */
  async recover(mayBeMoved: boolean): Promise<number> {
    this.#all = await this.#segments.recover();
    for (const message of [...this.#all.values()]) {
      if (mayBeMoved && await this.#messages.has(message.id)) {
        await this.#segments.endOrOwe(message, "moved");
        this.#all.delete(message.id);
      } else {
        this.#due.add(message, message.due);
      }
    }
    return this.#all.size;
  }

  /** Whether a message lies in a segment. */
  has(id: string): boolean {
    return this.#all.has(id);
  }

  /** Whether a message is being read or moved. */
  isBusy(id: string): boolean {
    return this.#busy.has(id);
  }

  /** Whether a message lies in a segment and nobody does anything with it. */
  isFree(message: SegmentMessage): boolean {
    const { id } = message;
    return this.#all.get(id) === message && !this.#leases.isHeld(id) && !this.#busy.has(id);
  }

  /** Adds messages to a segment, durable when this resolves; `null` when they do not belong there. */
  add(messages: readonly NewMessage[]): Promise<void> | null {
    for (const { entry } of messages) if (entry.held !== undefined) return null;
    const draft = draftRecord(messages);
    return draft && this.#add(draft);
  }

  async #add(draft: RecordDraft): Promise<void> {
    const octets = draft.payload;
    const full = this.#gate.enter(octets);
    if (full !== undefined) await full;
    try {
      const read = readBodies(draft);
      if (read !== undefined) await read;
      await this.#segments.add(draft);
    } finally {
      this.#gate.leave(octets);
    }
  }

  /** A message is in a segment now. */
  added(message: SegmentMessage): void {
    this.#all.set(message.id, message);
    this.#due.add(message, message.due);
  }

  /** Claims what is due until there are `limit` claims. */
  async claimDue(claims: Claim[], now: number, limit: number): Promise<void> {
    while (claims.length < limit) {
      const message = this.#due.take(now);
      if (message === null) return;
      const claim = message.entry === null
        ? await this.#readAndClaim(message, now)
        : this.#leases.grant(message.entry, now);
      if (claim !== null) claims.push(claim);
    }
  }

  /** Claims one that nobody has; `null` when it cannot be read. */
  claimById(id: string, now: number): Promise<Claim | null> {
    return this.#readAndClaim(this.#all.get(id)!, now);
  }

  /** A claim has ended: the message, if it is here, may be given out again, at `due` where that is told. */
  putBack(id: string, due?: number): void {
    const message = this.#all.get(id);
    if (message === undefined) return;
    message.due = due ?? message.due;
    this.#due.add(message, message.due);
  }

  /** When something may be due: maybe too early, never too late. */
  nextDue(): number {
    let next = this.#due.next();
    for (const id of this.#busy) next = Math.min(next, this.#all.get(id)?.due ?? Infinity);
    return next;
  }

  /** The ids, as they are now. */
  ids(): string[] {
    return [...this.#all.keys()];
  }

  /** Whether the entry of a message is to be read from the disk. */
  isOnDisk(id: string): boolean {
    return this.#all.get(id)?.entry === null;
  }

  /** The entry of a message; `null` when it is not here (any more). */
  entry(id: string): Promise<QueueEntry | null> {
    return this.#read(id, (message) => this.#segments.entry(message));
  }

  /** A message that is in memory; `null` for others. */
  inMemory(id: string): MessageSource | null {
    const message = this.#all.get(id);
    return message === undefined ? null : this.#segments.inMemory(message);
  }

  /** A message; `null` when it is not here (any more). */
  open(id: string): Promise<MessageSource | null> {
    return this.#read(id, (message) => this.#segments.open(message));
  }

  /**
   * Another entry for a claimed message, durably. It goes into files of its own unless it is still to be tried at
   * once, or has to be noted only: `stays`.
   */
  async replace(entry: QueueEntry, stays: boolean): Promise<void> {
    const message = this.#all.get(entry.id)!;
    // What lies in files too must be changed there: after a crash the files win.
    if (!stays || message.filed || !this.#segments.mayChange(message, entry)) {
      await this.#move(message, entry);
    } else {
      await this.#segments.change(message, entry);
      message.due = nextAttempt(entry);
    }
  }

  /** Removes a claimed message, durably. */
  async remove(id: string): Promise<void> {
    const message = this.#all.get(id)!;
    if (message.filed) await this.#messages.remove(id);
    await this.#end(message, "done");
  }

  /** Puts a free message into files of its own, durably. */
  async moveFree(message: SegmentMessage): Promise<void> {
    this.#busy.add(message.id);
    try {
      await this.#move(message, await this.#segments.entry(message));
    } finally {
      this.#busy.delete(message.id);
      if (this.isFree(message)) this.#due.add(message, message.due);
    }
  }

  /** What is read of a message. */
  async #read<T>(id: string, read: (message: SegmentMessage) => Promise<T>): Promise<T | null> {
    const message = this.#all.get(id);
    if (message === undefined) return null;
    try {
      return await read(message);
    } catch (error) {
      if (this.#all.get(id) === message) throw error;
      return null; // moved, and its segment removed, while it was read
    }
  }

  async #readAndClaim(message: SegmentMessage, now: number): Promise<Claim | null> {
    const { id } = message;
    this.#busy.add(id);
    try {
      return this.#leases.grant(await this.#segments.entry(message), now);
    } catch (error) {
      this.#trouble(error, id);
      message.due = now + PAUSE;
      return null;
    } finally {
      this.#busy.delete(id);
      if (this.isFree(message)) this.#due.add(message, message.due);
    }
  }

  /** Puts a message into files of its own, with that entry. */
  async #move(message: SegmentMessage, entry: QueueEntry): Promise<void> {
    if (await this.#messages.has(message.id)) {
      await this.#messages.replace(entry);
    } else {
      const source = await this.#segments.open(message);
      message.filed = true;
      await this.#messages.put({ entry, source });
    }
    await this.#end(message, "moved");
  }

  async #end(message: SegmentMessage, verb: "done" | "moved"): Promise<void> {
    await this.#segments.note(message, verb);
    this.#segments.drop(message);
    if (this.#all.get(message.id) === message) this.#all.delete(message.id);
    this.#messages.free(message.id);
  }
}
