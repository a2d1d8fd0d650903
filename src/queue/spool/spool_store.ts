/**
 * The queue on the disk. Below its folder:
 *
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
import {
  type Clock,
  errorCode,
  type Files,
  type Network,
  type Random,
} from "../../runtime/runtime.ts";
import { nextAttempt, type QueueEntry } from "../entry.ts";
import type { MessageSource } from "../local_delivery.ts";
import { type Claim, LeaseLostError, type NewMessage, type QueueStore } from "../store.ts";
import { DueHeap } from "./due_heap.ts";
import { Folders } from "./folders.ts";
import { Leases } from "./leases.ts";
import { MessageFiles } from "./message_files.ts";
import { OctetGate } from "./octet_gate.ts";
import { type Owner, ownSpool } from "./owner.ts";
import type { SegmentMessage } from "./segment.ts";
import { buildRecord, LONGEST_RECORD, SMALL_MESSAGE } from "./segment_record.ts";
import { Segments } from "./segments.ts";
import { Turns } from "./turns.ts";
import { Waiters } from "./waiters.ts";

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

/** Octets of messages on their way to a segment. */
const ON_THE_WAY = 64 * MIB;

/** Messages moved to files of their own at a time. */
const MOVERS = 8;

/** Milliseconds between two looks at what is too old but could not be moved. */
const PAUSE = 30_000;

/** Of the entries given out at once, one in so many is a deferred one, while there are any: none shall starve. */
const SHARE = 4;

/** Messages read from the disk before others get a turn. */
const STRIDE = 64;

/**
 * Opens a spool: takes its ownership and recovers what is in it.
 *
 * @throws {SpoolBusyError} when another process owns it; and what the disk says.
 *
 * @example
 * ```ts
 * import { openSpool } from "./spool_store.ts";
 * import { memoryRuntime } from "../../runtime/memory.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { files, network, clock, random } = memoryRuntime();
 * const opened: string[] = [];
 * const spool = await openSpool({
 *   files,
 *   network,
 *   clock,
 *   random,
 *   directory: "/var/spool/yizhan",
 *   emit: ({ type }) => opened.push(type),
 * });
 * assertEquals(opened, ["queue.opened"]);
 * assertEquals(await spool.claim(clock.now(), 10), []);
 * await spool.close();
 * ```
 */
export async function openSpool(options: SpoolOptions): Promise<QueueStore> {
  const { files, clock, directory, emit } = options;
  const start = clock.now();
  const folders = new Folders(files);
  await makeDurably(files, directory);
  const owner = await ownSpool(options);
  try {
    const store = new SpoolStore(options, folders, owner);
    const messages = await store.recover();
    const time = clock.now();
    emit({ type: "queue.opened", time, path: directory, messages, duration: time - start });
    return store;
  } catch (error) {
    await owner.close();
    throw error;
  }
}

/**
 * Makes a folder and those above it; their names are durable when this resolves. Also of the first that is
 * there: whoever made it (this program, before it was killed) may not have come to sync it.
 */
async function makeDurably(files: Files, path: string): Promise<void> {
  const slash = path.lastIndexOf("/");
  const parent = slash === -1 ? "." : path.slice(0, slash) || "/";
  if (await files.stat(path) === null) {
    await makeDurably(files, parent);
    try {
      await files.makeDirectory(path, 0o700);
    } catch (error) {
      if (errorCode(error) !== "EEXIST") throw error;
    }
  }
  try {
    await files.syncDirectory(parent);
  } catch (error) {
    // The program may only look at what is its own; then it has to trust that the folder stays.
    if (!NOT_OURS.has(errorCode(error) ?? "")) throw error;
  }
}

/** Why a folder cannot be synced when that is no fault: closed to us, or not to be synced at all. */
const NOT_OURS: ReadonlySet<string> = new Set(["EACCES", "EPERM", "EROFS", "EINVAL", "ENOTSUP"]);

/** The store over segments and files. */
class SpoolStore implements QueueStore {
  readonly #files: Files;
  readonly #clock: Clock;
  readonly #directory: string;
  readonly #emit: EventSink;
  readonly #age: number;
  readonly #owner: Owner;
  readonly #messages: MessageFiles;
  readonly #segments: Segments;
  readonly #leases: Leases;
  readonly #turns = new Turns();
  readonly #gate: OctetGate;
  readonly #waiters: Waiters;
  /** What lies in segments, by id. */
  #fresh = new Map<string, SegmentMessage>();
  /** Of these, what nobody has. */
  readonly #due: DueHeap<SegmentMessage>;
  /** Of these, what is being read or moved. */
  readonly #busy = new Set<string>();
  readonly #closing = new AbortController();
  #chores: Promise<void> | null = null;

  constructor(options: SpoolOptions, folders: Folders, owner: Owner) {
    const { files, clock, random, directory, emit, lease = 5 * MINUTE } = options;
    const { segmentSize = 32 * MIB, segmentAge = 10 * MINUTE, memory = 32 * MIB } = options;
    this.#files = files;
    this.#clock = clock;
    this.#directory = directory;
    this.#emit = emit;
    this.#age = segmentAge;
    this.#owner = owner;
    this.#messages = new MessageFiles({ files, clock, directory, events: emit });
    this.#segments = new Segments({
      files,
      folders,
      clock,
      random,
      directory,
      emit,
      trouble: (error) => this.#trouble("segments", error),
      segmentSize,
      segmentAge,
      memory,
    });
    this.#gate = new OctetGate(ON_THE_WAY);
    this.#leases = new Leases(lease);
    this.#waiters = new Waiters(clock);
    this.#due = new DueHeap((message, due) => this.#isFree(message) && message.due === due);
  }

  /** Finds what is there; gives how many messages. */
  async recover(): Promise<number> {
    await this.#messages.prepare();
    this.#fresh = await this.#segments.recover();
    let count = await this.#messages.count();
    if (count > 0) {
      for (const message of [...this.#fresh.values()]) {
        if (await this.#messages.has(message.id)) await this.#endFresh(message, "moved");
      }
    }
    for (const message of this.#fresh.values()) {
      this.#due.add(message, message.due);
      count++;
    }
    this.#doChores();
    return count;
  }

  add(...messages: readonly NewMessage[]): Promise<void> {
    return this.#turns.runAll(messages.map(({ entry }) => entry.id), async () => {
      this.#checkOpen();
      const wanted = await this.#missing(messages);
      if (wanted.length === 0) return;
      if (!await this.#addFresh(wanted)) await this.#messages.put(...wanted);
      for (const { entry } of wanted) this.#waiters.wake(nextAttempt(entry));
    });
  }

  async claim(now: number, limit: number): Promise<Claim[]> {
    this.#checkOpen();
    this.#free(now);
    const claims: Claim[] = [];
    const overdue = this.#messages.nextDue(this.#skip) <= now;
    await this.#claimFresh(claims, now, overdue ? limit - Math.floor(limit / SHARE) : limit);
    if (overdue && claims.length < limit) {
      await this.#messages.due(now, {
        skip: this.#skip,
        take: (entry) => {
          claims.push(this.#leases.grant(entry, now));
          return claims.length < limit;
        },
      });
    }
    await this.#claimFresh(claims, now, limit);
    return claims;
  }

  async claimById(id: string, now: number): Promise<Claim | null> {
    this.#checkOpen();
    this.#free(now);
    const isHeld = () => this.#leases.isHeld(id) || this.#busy.has(id);
    if (isHeld()) return null;
    const fresh = this.#fresh.get(id);
    if (fresh !== undefined) return await this.#claimOne(fresh, now);
    const entry = await this.#messages.get(id);
    return entry === null || isHeld() || this.#fresh.has(id)
      ? null
      : this.#leases.grant(entry, now);
  }

  renew(claim: Claim, now: number): boolean {
    return this.#leases.renew(claim, now);
  }

  async open(id: string): Promise<MessageSource> {
    const open = (message: SegmentMessage) => this.#segments.open(message);
    return await this.#fromSegment(id, open) ?? await this.#messages.open(id);
  }

  async update(claim: Claim, entry: QueueEntry): Promise<Claim> {
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
    this.#leases.begin(claim, this.#clock.now());
    try {
      if (born.length > 0) await this.add(...born);
      if (next === null) await this.#remove(id);
      else await this.#record(next, false);
      this.#leases.end(claim, this.#clock.now());
    } finally {
      this.#leases.finish(claim);
    }
    if (next === null) return;
    const fresh = this.#fresh.get(id);
    if (fresh !== undefined) this.#due.add(fresh, fresh.due);
    this.#waiters.wake(nextAttempt(next));
  }

  release(claim: Claim, notBefore: number): void {
    const { entry, entry: { id } } = claim;
    const now = this.#clock.now();
    if (!this.#leases.end(claim, now)) return;
    const fresh = this.#fresh.get(id);
    const due = Math.max(nextAttempt(entry), notBefore);
    if (fresh !== undefined) this.#putBack(fresh, entry, due);
    else if (notBefore > now) this.#leases.postpone(id, notBefore);
    this.#waiters.wake(due);
  }

  wait(until: number, signal: AbortSignal): Promise<void> {
    return this.#waiters.wait(until, signal);
  }

  nextDue(): number {
    let busy = Infinity;
    for (const id of this.#busy) busy = Math.min(busy, this.#fresh.get(id)?.due ?? Infinity);
    return Math.min(
      busy,
      this.#due.next(),
      this.#leases.nextFree(),
      this.#messages.nextDue(this.#skip),
    );
  }

  async get(id: string): Promise<QueueEntry | null> {
    const read = (message: SegmentMessage) => this.#segments.entry(message);
    return await this.#fromSegment(id, read) ?? await this.#messages.get(id);
  }

  async *list(): AsyncGenerator<QueueEntry> {
    const listed = new Set<string>();
    let read = 0;
    for (const { id, entry } of [...this.#fresh.values()]) {
      if (entry === null && ++read % STRIDE === 0) await this.#breathe();
      try {
        const entry = await this.#fromSegment(id, (message) => this.#segments.entry(message));
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
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    await this.#chores;
    await this.#turns.idle();
    await this.#segments.close();
    await this.#messages.close();
    await this.#owner.close();
    this.#waiters.wake(-Infinity);
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

  /** What is read of a message in a segment; `null` when it is in none, any more. */
  async #fromSegment<T>(
    id: string,
    read: (message: SegmentMessage) => Promise<T>,
  ): Promise<T | null> {
    const fresh = this.#fresh.get(id);
    if (fresh === undefined) return null;
    try {
      return await read(fresh);
    } catch (error) {
      if (this.#fresh.get(id) === fresh) throw error;
      return null; // moved, and its segment removed, while it was read
    }
  }

  /** Adds messages to a segment; `false` when they do not belong there. */
  async #addFresh(messages: readonly NewMessage[]): Promise<boolean> {
    let octets = 0;
    for (const { entry, source } of messages) {
      const { head, bodySize } = source;
      if (entry.held !== undefined || head.length + bodySize > SMALL_MESSAGE) return false;
      octets += head.length + bodySize;
    }
    if (octets > LONGEST_RECORD) return false;
    const full = this.#gate.enter(octets);
    if (full !== undefined) await full;
    try {
      const record = await buildRecord(messages);
      if (record === null) return false;
      for (const message of await this.#segments.add(messages, record)) {
        this.#fresh.set(message.id, message);
        this.#due.add(message, message.due);
      }
    } finally {
      this.#gate.leave(octets);
    }
    this.#doChores();
    return true;
  }

  /** Whether an entry in files is not to be given out. */
  readonly #skip = (id: string): boolean => this.#leases.isTaken(id) || this.#fresh.has(id);

  #isFree(message: SegmentMessage): boolean {
    const { id } = message;
    return this.#fresh.get(id) === message && !this.#leases.isHeld(id) && !this.#busy.has(id);
  }

  /** Leases that are over, and what was given back until now. */
  #free(now: number): void {
    for (const id of this.#leases.expire(now)) {
      const fresh = this.#fresh.get(id);
      if (fresh !== undefined) this.#putBack(fresh, fresh.entry, fresh.due);
    }
  }

  /** A message in a segment may be given out again. */
  #putBack(message: SegmentMessage, entry: QueueEntry | null, due: number): void {
    message.due = entry?.held === undefined ? due : Infinity;
    this.#due.add(message, message.due);
  }

  async #claimFresh(claims: Claim[], now: number, limit: number): Promise<void> {
    while (claims.length < limit) {
      const message = this.#due.take(now);
      if (message === null) return;
      const claim = message.entry === null
        ? await this.#claimOne(message, now)
        : this.#leases.grant(message.entry, now);
      if (claim !== null) claims.push(claim);
    }
  }

  /** Claims a free message in a segment; `null` when it cannot be read. */
  async #claimOne(message: SegmentMessage, now: number): Promise<Claim | null> {
    const { id } = message;
    this.#busy.add(id);
    try {
      return this.#leases.grant(await this.#segments.entry(message), now);
    } catch (error) {
      this.#trouble("segments", error, id);
      message.due = now + PAUSE;
      return null;
    } finally {
      this.#busy.delete(id);
      if (this.#isFree(message)) this.#due.add(message, message.due);
    }
  }

  /**
   * Another entry for a claimed message, durably; `false` when there is no such message any more: it was set
   * aside.
   */
  async #record(entry: QueueEntry, works: boolean): Promise<boolean> {
    const fresh = this.#fresh.get(entry.id);
    if (fresh === undefined) {
      try {
        await this.#messages.replace(entry);
        return true;
      } catch (error) {
        if (errorCode(error) !== "ENOENT" || await this.#messages.has(entry.id)) throw error;
        return false;
      }
    }
    const stays = entry.held === undefined && (works || nextAttempt(entry) <= this.#clock.now());
    if (!stays || !this.#segments.mayChange(fresh, entry)) {
      await this.#move(fresh, entry);
    } else {
      await this.#segments.change(fresh, entry);
      fresh.due = nextAttempt(entry);
    }
    return true;
  }

  /** Removes a claimed message, durably. */
  async #remove(id: string): Promise<void> {
    const fresh = this.#fresh.get(id);
    if (fresh === undefined) return await this.#messages.remove(id);
    if (fresh.filed) await this.#messages.remove(id);
    await this.#endFresh(fresh, "done");
  }

  /** Puts a message that lies in a segment into files of its own, with that entry. */
  async #move(message: SegmentMessage, entry: QueueEntry): Promise<void> {
    if (await this.#messages.has(message.id)) {
      await this.#messages.replace(entry);
    } else {
      const source = await this.#segments.open(message);
      message.filed = true;
      await this.#messages.put({ entry, source });
    }
    await this.#endFresh(message, "moved");
  }

  async #endFresh(message: SegmentMessage, verb: "done" | "moved"): Promise<void> {
    await this.#segments.end(message, verb);
    if (this.#fresh.get(message.id) === message) this.#fresh.delete(message.id);
  }

  /** Moves what is too old, for as long as there are segments. */
  #doChores(): void {
    if (this.#chores !== null || this.#segments.idle) return;
    this.#chores = this.#workOff().finally(() => this.#chores = null);
  }

  async #workOff(): Promise<void> {
    const { signal } = this.#closing;
    let pause = 0;
    while (!this.#segments.idle) {
      const now = this.#clock.now();
      const next = this.#segments.nextAged(this.#age);
      try {
        await this.#clock.sleep(Math.max(next === Infinity ? PAUSE : next - now, pause), signal);
      } catch {
        return; // closed
      }
      pause = PAUSE;
      await this.#segments.tidy();
      await this.#moveOld();
    }
  }

  async #moveOld(): Promise<void> {
    const old = this.#segments.olderThan(this.#clock.now() - this.#age);
    const mover = async () => {
      for (const message of old) {
        if (this.#closing.signal.aborted) return;
        if (!this.#isFree(message)) continue;
        this.#busy.add(message.id);
        try {
          await this.#move(message, await this.#segments.entry(message));
        } catch (error) {
          this.#trouble("segments", error, message.id);
          return;
        } finally {
          this.#busy.delete(message.id);
          if (this.#isFree(message)) this.#due.add(message, message.due);
        }
        this.#waiters.wake(message.due);
      }
    };
    await Promise.all(Array.from({ length: MOVERS }, mover));
  }

  #checkOpen(): void {
    if (this.#closing.signal.aborted) throw new Error("the queue is closed");
  }

  /** Small reads are done at once and wait for nothing; this call is a real one, so that others get a turn. */
  async #breathe(): Promise<void> {
    await this.#files.space(this.#directory).catch(() => {});
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
