/**
 * A day in the life of a spool, with a book of what was promised: run it on a machine that crashes or fails at any
 * step, and check afterwards that the spool holds what the book says.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { concat, encode } from "../../../src/bytes.ts";
import type { MtaEvent } from "../../../src/events.ts";
import type { QueueEntry } from "../../../src/queue/entry.ts";
import { formatEntry } from "../../../src/queue/spool/entry_text.ts";
import { openSpool } from "../../../src/queue/spool/open_spool.ts";
import type { SpoolOptions } from "../../../src/queue/spool/spool_store.ts";
import type { Claim, NewMessage, QueueStore } from "../../../src/queue/store.ts";
import type { MemoryRuntime } from "../../../src/runtime/memory.ts";
import { entry, recipient } from "./entries.ts";

export const DIRECTORY = "/spool";
const MINUTE = 60_000;
const HEAD = encode("Received: from a by b\r\nSubject: hi\r\n");

/** A message with a body of its own. */
export function message(id: string, size: number, changes: Partial<QueueEntry> = {}): NewMessage {
  const body = encode(`${id} in person. `.repeat(size / 10 + 1)).subarray(0, size);
  return {
    entry: entry(id, { headSize: HEAD.length, bodySize: size, ...changes }),
    source: {
      head: HEAD,
      bodySize: size,
      async *openBody() {
        if (size > 0) yield body.slice();
      },
    },
  };
}

/** Opens the spool of a machine; what it tells goes to `events`. */
export function open(
  { files, network, clock, random }: MemoryRuntime,
  events: MtaEvent[] = [],
  options: Partial<SpoolOptions> = {},
): Promise<QueueStore> {
  return openSpool({
    files,
    network,
    clock,
    random,
    directory: DIRECTORY,
    emit: (event) => void events.push(event),
    segmentSize: 3000,
    ...options,
  });
}

/** What may be there of a message: lines of entries, or `null` for nothing. */
type States = ReadonlySet<string | null>;

/** What was promised. */
export class Book {
  readonly messages = new Map<string, NewMessage>();
  readonly #states = new Map<string, States>();
  /** Ids of one `add` that is under way: all or none of them. */
  group: readonly string[] = [];

  /** What may be there now. */
  states(id: string): States {
    return this.#states.get(id) ?? new Set([null]);
  }

  /** Something changes; until that is acknowledged the old state and the new one are both right. */
  async change(
    to: readonly (readonly [id: string, state: string | null])[],
    work: () => Promise<unknown>,
    failed: "as before" | "either" = "as before",
  ): Promise<boolean> {
    const before = to.map(([id]) => [id, this.states(id)] as const);
    for (const [id, state] of to) this.#states.set(id, new Set([...this.states(id), state]));
    try {
      await work();
    } catch {
      if (failed === "as before") {
        for (const [id, states] of before) this.#states.set(id, states);
      }
      return false;
    }
    for (const [id, state] of to) this.#states.set(id, new Set([state]));
    return true;
  }
}

/** How a journey takes failures. */
export interface JourneyOptions {
  readonly book: Book;
  /** Whether what fails is tried once more, and whether a failed call promises that nothing changed. */
  readonly onFailure: "give up" | "try again";
}

/** Adds, claims, updates, settles, defers, holds, rotates and grows old. */
export async function journey(
  runtime: MemoryRuntime,
  { book, onFailure }: JourneyOptions,
): Promise<void> {
  const { clock } = runtime;
  const again = onFailure === "try again";
  const store = await retry(again, () => open(runtime));

  const add = async (...messages: NewMessage[]) => {
    for (const message of messages) book.messages.set(message.entry.id, message);
    book.group = messages.map(({ entry: { id } }) => id);
    const to = messages.map((m) => [m.entry.id, formatEntry(m.entry)] as const);
    // With a crash either is right; with a mere failure the sender was told no, so it must not be there.
    const done = await book.change(
      to,
      () => store.add(...messages),
      again ? "as before" : "either",
    );
    if (!done && again) assert(await book.change(to, () => store.add(...messages)), "add twice");
    book.group = [];
  };
  const settle = async (claim: Claim, next: QueueEntry | null, ...born: NewMessage[]) => {
    for (const message of born) book.messages.set(message.entry.id, message);
    const to = [
      [claim.entry.id, next && formatEntry(next)] as const,
      ...born.map((m) => [m.entry.id, formatEntry(m.entry)] as const),
    ];
    const work = () => store.settle(claim, next, born);
    if (!await book.change(to, work, "either") && again) {
      assert(await book.change(to, work), "settle twice");
    }
  };
  const update = async (claim: Claim, next: QueueEntry): Promise<Claim> => {
    let good = claim;
    const to = [[claim.entry.id, formatEntry(next)]] as const;
    const work = async () => good = await store.update(claim, next);
    if (!await book.change(to, work, "either") && again) {
      assert(await book.change(to, work), "update twice");
    }
    return good;
  };
  const take = async (id: string) => (await retry(again, () => store.claimById(id, clock.now())))!;
  const later = (of: QueueEntry, minutes: number): QueueEntry => ({
    ...of,
    recipients: [recipient({ attempts: 1, next: clock.now() + minutes * MINUTE })],
  });

  await add(message("a", 100));
  await Promise.all([add(message("b", 1500)), add(message("c", 0)), add(message("d", 2000))]);
  await add(message("e", 10), message("f", 20), message("g", 30));
  await add(message("large", 300_000));
  await add(message("held", 50, { held: { since: 1, reason: "why" } }));

  const a = await take("a");
  await settle(await update(a, later(a.entry, 0)), null);
  const b = await take("b");
  await settle(b, later(b.entry, 65), message("notice-b", 400));
  const c = await take("c");
  await settle(c, { ...later(c.entry, 0), dsnEnvelopeId: "still fresh" });
  const large = await take("large");
  await settle(large, later(large.entry, 5));
  const e = await take("e");
  await settle(await update(e, { ...e.entry, dsnEnvelopeId: "updated" }), null);
  const held = await take("held");
  await settle(held, { ...held.entry, held: undefined });
  store.release(await take("g"), clock.now() + MINUTE);

  // What is left in segments grows old, and is moved while a new message comes.
  await clock.advance(11 * MINUTE);
  await add(message("young", 200));
  await clock.advance(MINUTE);
  const d = await take("d");
  await settle(d, null);
  const f = await take("f");
  await settle(f, later(f.entry, 30));
  await retry(again, () => store.close());
}

async function retry<T>(again: boolean, work: () => Promise<T>): Promise<T> {
  if (!again) return await work();
  return await work().catch(work);
}

/** Whether the spool holds what the book says, no less and no more, as it was given. */
export async function checkBook(store: QueueStore, book: Book, where: string): Promise<void> {
  const found = new Map<string, string>();
  for await (const entry of store.list()) {
    const { id } = entry;
    assert(!found.has(id), `${where}: ${id} is there twice`);
    found.set(id, formatEntry(entry));
  }
  for (const id of new Set([...found.keys(), ...book.messages.keys()])) {
    const state = found.get(id) ?? null;
    const states = book.states(id);
    assert(states.has(state), `${where}: ${id} is ${state}, not ${[...states].join(" or ")}`);
  }
  const together = book.group.filter((id) => found.has(id)).length;
  assert(together === 0 || together === book.group.length, `${where}: half of ${book.group}`);
  for (const id of found.keys()) {
    const { head, openBody } = await store.open(id);
    const given = book.messages.get(id)!.source;
    assertEquals(await octets(openBody()), await octets(given.openBody()), `${where}: ${id}`);
    assertEquals(head, given.head, `${where}: ${id}`);
  }
}

/** Whether all that is there can be worked off, and is gone then for good. */
export async function workOff(runtime: MemoryRuntime, store: QueueStore): Promise<void> {
  const { clock } = runtime;
  const ids: string[] = [];
  for await (const { id } of store.list()) ids.push(id);
  const taken: string[] = [];
  for (let round = 0; store.nextDue() < Infinity && round < 100; round++) {
    await clock.advance(Math.max(0, store.nextDue() - clock.now()));
    for (const claim of await store.claim(clock.now(), 3)) {
      taken.push(claim.entry.id);
      await store.settle(claim, null);
    }
  }
  for (const id of ids) {
    const claim = await store.claimById(id, clock.now());
    if (claim !== null) {
      assert(claim.entry.held !== undefined, `${id} was never due`);
      await store.settle(claim, null);
    }
  }
  assertEquals(new Set(taken).size, taken.length);
  await store.close();
  const after = await open(runtime);
  for await (const { id } of after.list()) throw new Error(`${id} came again`);
  await after.close();
}

async function octets(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk.slice());
  return concat(parts);
}
