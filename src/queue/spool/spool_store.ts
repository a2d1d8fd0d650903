/**
 * The queue on the disk. Below its folder:
 *
 *     version                          the version of all that lies here (spool_version.ts)
 *     owner.sock                       who owns it: one process at a time (owner.ts)
 *     segments/00000012.log, .done     small fresh messages, and what became of them (segments.ts)
 *     deferred/, held/, bodies/, …     all others, in files of their own (message_files.ts)
 *     damaged/                         what was not as it was written, with an event
 *
 * A small message goes to a segment, by group commit. Large ones, and those that are held, get files of their
 * own; so do those that are deferred, and those that are ten minutes old, as soon as nobody works on them. A
 * message is put into its files before the journal says so: where a crash left both, the files win.
 *
 * Several messages of one `add` that are all small are one record: all or none of them are there, whatever
 * happens. If one is not small all get files, which are taken back when one of them fails; a crash in the midst
 * may leave some of them, of which nobody was told that they are safe, and to add them again adds the rest.
 *
 * What fails: what the disk says, to whoever asked. What goes wrong where nobody waits is told as
 * `queue.trouble` and tried again; what is damaged as `queue.damaged`.
 *
 * All is plain text, files are 0600 and folders 0700.
 *
 * @module
 */

import { describeError, type EventSink } from "../../events.ts";
import type { Files } from "../../runtime/files.ts";
import type { Network } from "../../runtime/network.ts";
import type { Clock, Random } from "../../runtime/runtime.ts";
import { errorCode } from "../../runtime/system_error.ts";
import { nextAttempt, type QueueEntry } from "../entry.ts";
import type { MessageSource } from "../local_delivery.ts";
import { type Claim, LeaseLostError, type NewMessage, type QueueStore } from "../store.ts";
import { Waiters } from "../waiters.ts";
import { Breath } from "./breath.ts";
import { dueTime } from "./entry_files.ts";
import { faultOf } from "./entry_check.ts";
import type { Folders } from "./folders.ts";
import { FreshMail } from "./fresh_mail.ts";
import { FreshMover } from "./fresh_mover.ts";
import { Leases } from "./leases.ts";
import { MessageFiles } from "./message_files.ts";
import type { Owner } from "./owner.ts";
import { Segments } from "./segments.ts";
import { Turns } from "./turns.ts";

/** What a spool is made of. */
export interface SpoolOptions {
  /** The disk. */
  readonly files: Files;
  /** Where the owner's socket listens. */
  readonly network: Network;
  /** Gives leases, ages and events their time. */
  readonly clock: Clock;
  /** Makes the nonces of segments. */
  readonly random: Random;
  /** The folder; made with mode 0700 when missing. */
  readonly directory: string;
  /** Is told `queue.opened`, `queue.damaged` and `queue.trouble`. */
  readonly emit: EventSink;
  /** The number of this process, told to another one that wants the same folder. */
  readonly pid?: number;
  /** How long a claim lasts unless it is renewed, in milliseconds. Default five minutes. */
  readonly lease?: number;
  /** Octets at which a segment is full. Default 32 MiB: to remove a larger file holds everything up. */
  readonly segmentSize?: number;
  /** Milliseconds after which a segment is full, and a message in one gets files of its own. Default ten minutes. */
  readonly segmentAge?: number;
  /** Octets of fresh messages held in memory. Default 32 MiB. */
  readonly memory?: number;
}

const MINUTE = 60_000;
const MIB = 1024 * 1024;

/** Of the entries given out at once, one in so many is a deferred one, while there are any: none shall starve. */
const SHARE = 4;

/** The store over segments and files; {@link ./open_spool.ts} makes it. */
export class SpoolStore implements QueueStore {
  readonly #clock: Clock;
  readonly #emit: EventSink;
  readonly #owner: Owner;
  readonly #messages: MessageFiles;
  readonly #segments: Segments;
  readonly #fresh: FreshMail;
  readonly #mover: FreshMover;
  readonly #leases: Leases;
  readonly #turns = new Turns();
  readonly #waiters: Waiters;
  readonly #breathe: () => Breath;
  /** By claim, what was born of it though its settlement failed. */
  readonly #born = new WeakMap<Claim, Set<string>>();
  /** What deferred mail has coming of the next claims: a share of one call need not be a whole entry. */
  #owing = 0;
  #closed = false;

  constructor(options: SpoolOptions, folders: Folders, owner: Owner) {
    const { files, clock, random, directory, emit, lease = 5 * MINUTE } = options;
    const { segmentSize = 32 * MIB, segmentAge = 10 * MINUTE, memory = 32 * MIB } = options;
    const trouble = (error: unknown, message?: string) => this.#trouble("segments", error, message);
    this.#clock = clock;
    this.#emit = emit;
    this.#owner = owner;
    this.#breathe = () => new Breath(files, directory);
    this.#leases = new Leases(lease);
    this.#waiters = new Waiters(clock);
    const messages = this.#messages = new MessageFiles({ files, clock, directory, events: emit });
    const segments = this.#segments = new Segments({
      files,
      folders,
      clock,
      random,
      directory,
      emit,
      trouble,
      segmentSize,
      segmentAge,
      memory,
      added: (message) => this.#fresh.added(message),
    });
    const fresh = this.#fresh = new FreshMail({
      segments,
      messages,
      leases: this.#leases,
      trouble,
    });
    this.#mover = new FreshMover({
      segments,
      fresh,
      clock,
      age: segmentAge,
      moved: (due) => this.#waiters.wake(due),
      trouble,
    });
  }

  /** Finds what is there; gives how many messages. Where it throws nothing of it is left open. */
  async recover(): Promise<number> {
    try {
      await this.#messages.prepare();
      const filed = await this.#messages.count();
      const fresh = await this.#fresh.recover(filed > 0);
      this.#mover.start();
      return filed + fresh;
    } catch (error) {
      await this.#segments.abandon();
      throw error;
    }
  }

  add(...messages: readonly NewMessage[]): Promise<void> {
    return this.#turns.runAll(messages.map(({ entry }) => entry.id), () => this.#add(messages));
  }

  async claim(now: number, limit: number): Promise<Claim[]> {
    this.#checkOpen();
    this.#free(now);
    const claims: Claim[] = [];
    const overdue = this.#messages.nextDue(this.#skip) <= now;
    this.#owing = overdue ? this.#owing % 1 + limit / SHARE : 0;
    await this.#fresh.claimDue(claims, now, limit - Math.floor(this.#owing));
    if (overdue && claims.length < limit) await this.#claimFiled(claims, now, limit);
    await this.#fresh.claimDue(claims, now, limit);
    return claims;
  }

  async claimById(id: string, now: number): Promise<Claim | null> {
    this.#checkOpen();
    this.#free(now);
    const isTaken = () => this.#leases.isHeld(id) || this.#fresh.isBusy(id);
    if (isTaken()) return null;
    if (this.#fresh.has(id)) return await this.#fresh.claimById(id, now);
    const entry = await this.#messages.get(id);
    return entry === null || isTaken() || this.#fresh.has(id)
      ? null
      : this.#leases.grant(entry, now);
  }

  renew(claim: Claim, now: number): boolean {
    return this.#leases.renew(claim, now);
  }

  open(id: string): MessageSource | Promise<MessageSource> {
    return this.#fresh.inMemory(id) ?? this.#openOnDisk(id);
  }

  async #openOnDisk(id: string): Promise<MessageSource> {
    return await this.#fresh.open(id) ?? await this.#messages.open(id);
  }

  async update(claim: Claim, entry: QueueEntry): Promise<Claim> {
    this.#checkOpen();
    this.#leases.begin(claim, this.#clock.now());
    try {
      const stays = await this.#record(entry, true);
      if (!stays) throw new LeaseLostError(entry.id);
    } finally {
      this.#leases.finish(claim);
    }
    return this.#leases.grant(entry, this.#clock.now());
  }

  async settle(
    claim: Claim,
    next: QueueEntry | null,
    born: readonly NewMessage[] = [],
  ): Promise<void> {
    const { id } = claim.entry;
    this.#checkOpen();
    this.#leases.begin(claim, this.#clock.now());
    try {
      if (born.length > 0) await this.#bear(claim, born);
      if (next !== null) await this.#record(next, false);
      else if (this.#fresh.has(id)) await this.#fresh.remove(id);
      else await this.#messages.remove(id);
      this.#leases.end(claim, this.#clock.now());
    } finally {
      this.#leases.finish(claim);
    }
    if (next === null) return;
    this.#giveBack(id);
    this.#waiters.wake(nextAttempt(next));
  }

  release(claim: Claim, notBefore: number): void {
    const { entry, entry: { id } } = claim;
    const now = this.#clock.now();
    if (!this.#leases.end(claim, now)) return;
    const due = Math.max(dueTime(entry), notBefore);
    if (this.#fresh.has(id)) this.#fresh.putBack(id, due);
    else if (notBefore > now) this.#leases.postpone(id, notBefore);
    else this.#messages.free(id);
    this.#waiters.wake(due);
  }

  wait(until: number, signal: AbortSignal): Promise<void> {
    return this.#waiters.wait(until, signal);
  }

  nextDue(): number {
    return Math.min(
      this.#fresh.nextDue(),
      this.#leases.nextFree(),
      this.#messages.nextDue(this.#skip),
    );
  }

  async get(id: string): Promise<QueueEntry | null> {
    return await this.#fresh.entry(id) ?? await this.#messages.get(id);
  }

  async *list(): AsyncGenerator<QueueEntry> {
    const listed = new Set<string>();
    const breath = this.#breathe();
    for (const id of this.#fresh.ids()) {
      if (this.#fresh.isOnDisk(id)) await breath.take();
      try {
        const entry = await this.#fresh.entry(id);
        if (entry === null) continue; // done, or listed with the files
        listed.add(id);
        yield entry;
      } catch (error) {
        this.#trouble("segments", error, id);
      }
    }
    for await (const entry of this.#messages.list()) {
      if (!listed.has(entry.id)) yield entry;
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#mover.close();
    await this.#turns.idle();
    await this.#segments.close();
    await this.#messages.close();
    await this.#owner.close();
    this.#waiters.wake(-Infinity);
  }

  /** Claims deferred mail that is due until there are `limit` claims. */
  async #claimFiled(claims: Claim[], now: number, limit: number): Promise<void> {
    try {
      await this.#messages.due(now, {
        skip: this.#skip,
        take: (entry) => {
          claims.push(this.#leases.grant(entry, now));
          return claims.length < limit;
        },
      });
    } catch (error) {
      // What is claimed already would lie there until its lease is over if nobody were told of it.
      if (claims.length === 0) throw error;
      this.#trouble("files", error);
    }
  }

  /**
   * Adds what is born of a claim, once: who has to settle again must not make anew what was delivered in the
   * meantime.
   */
  async #bear(claim: Claim, born: readonly NewMessage[]): Promise<void> {
    const before = this.#born.get(claim) ?? new Set();
    await this.add(...born.filter(({ entry }) => !before.has(entry.id)));
    this.#born.set(claim, new Set([...before, ...born.map(({ entry }) => entry.id)]));
  }

  async #add(messages: readonly NewMessage[]): Promise<void> {
    this.#checkOpen();
    for (const { entry } of messages) checkEntry(entry);
    const wanted = this.#areNew(messages) ? messages : await this.#missing(messages);
    if (wanted.length === 0) return;
    const added = this.#fresh.add(wanted);
    if (added === null) {
      await this.#messages.put(...wanted);
    } else {
      await added;
      this.#mover.start();
    }
    for (const { entry } of wanted) this.#waiters.wake(nextAttempt(entry));
  }

  /** Whether there is one message alone, and nobody need look for it on the disk: it is as good as always so. */
  #areNew(messages: readonly NewMessage[]): boolean {
    const [first] = messages;
    return messages.length === 1 && first!.isNew === true && !this.#fresh.has(first!.entry.id);
  }

  /** What is not there yet, each once. */
  async #missing(messages: readonly NewMessage[]): Promise<NewMessage[]> {
    const missing = new Map<string, NewMessage>();
    for (const message of messages) {
      const { id } = message.entry;
      if (missing.has(id) || this.#fresh.has(id)) continue;
      if (message.isNew !== true && await this.#messages.has(id)) continue;
      missing.set(id, message);
    }
    return [...missing.values()];
  }

  /** Whether an entry in files is not to be given out. */
  readonly #skip = (id: string): boolean => this.#leases.isTaken(id) || this.#fresh.has(id);

  /** Leases that are over, and what was given back until now. */
  #free(now: number): void {
    for (const id of this.#leases.expire(now)) this.#giveBack(id);
  }

  /** Nobody has the entry any more. */
  #giveBack(id: string): void {
    if (this.#fresh.has(id)) this.#fresh.putBack(id);
    else this.#messages.free(id);
  }

  /**
   * Another entry for a claimed message, durably; `false` when there is no such message any more: it was set
   * aside.
   */
  async #record(entry: QueueEntry, works: boolean): Promise<boolean> {
    const { id, held } = entry;
    if (this.#fresh.has(id)) {
      const stays = works || nextAttempt(entry) <= this.#clock.now();
      await this.#fresh.replace(entry, held === undefined && stays);
      return true;
    }
    try {
      await this.#messages.replace(entry);
      return true;
    } catch (error) {
      if (errorCode(error) !== "ENOENT" || await this.#messages.has(id)) throw error;
      return false;
    }
  }

  #checkOpen(): void {
    if (this.#closed) throw new Error("the queue is closed");
  }

  #trouble(where: string, error: unknown, message?: string): void {
    this.#emit({
      type: "queue.trouble",
      time: this.#clock.now(),
      where,
      error: describeError(error),
      ...(message !== undefined && { message }),
    });
  }
}

/** @throws {RangeError} when an entry could not be read again, or its id would be no file name. */
function checkEntry(entry: QueueEntry): void {
  const fault = faultOf(entry);
  if (fault !== null) throw new RangeError(`an entry that cannot be kept: ${fault}`);
}
