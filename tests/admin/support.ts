/**
 * Entries for the tests of the queue's control, a queue that holds them, and a worker
 * who only tells what it was asked.
 *
 * @module
 */

import { parseAddress } from "../../src/address.ts";
import type { QueueWorker } from "../../src/queue/operator/queue_control.ts";
import { encode } from "../../src/bytes.ts";
import type { QueuedRecipient, QueueEntry } from "../../src/queue/entry.ts";
import type { MessageSource } from "../../src/queue/local_delivery.ts";
import type { Claim, NewMessage, QueueStore } from "../../src/queue/store.ts";
import { reply } from "../../src/smtp/reply.ts";

/** 2026-01-01T00:00:00Z, when the clock of a machine in memory begins. */
export const NOW = Date.UTC(2026, 0, 1);

/** A recipient that was greylisted a minute ago and waits another ten. */
export function recipient(
  address: string,
  differing: Partial<QueuedRecipient> = {},
): QueuedRecipient {
  return {
    address: parseAddress(address, { smtputf8: true })!,
    status: "waiting",
    next: NOW + 600_000,
    attempts: 1,
    history: [{
      time: NOW - 60_000,
      host: "mx.b.test [192.0.2.1]:25",
      reply: reply(451, "4.7.1", "Greylisted"),
    }],
    ...differing,
  };
}

/** A message of alice's to some recipients. */
export function entry(
  id: string,
  recipients: readonly (string | QueuedRecipient)[] = ["bob@b.test"],
  differing: Partial<QueueEntry> = {},
): QueueEntry {
  return {
    id,
    sender: parseAddress("alice@a.test"),
    recipients: recipients.map((one) => typeof one === "string" ? recipient(one) : one),
    body: "7BIT",
    smtputf8: false,
    requireTls: false,
    received: NOW - 120_000,
    headSize: HEAD.length,
    bodySize: BODY.length,
    origin: { kind: "session", session: "s1", client: "192.0.2.9", identity: "alice" },
    ...differing,
  };
}

const HEAD = encode("Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nFrom: alice@a.test\r\n");
const BODY = encode("Hello \x1b[31mworld\r\nwith octets: \u00fc\r\n");

const SOURCE: MessageSource = {
  head: HEAD,
  bodySize: BODY.length,
  async *openBody() {
    yield BODY.subarray(0, 5);
    yield await Promise.resolve(BODY.subarray(5));
  },
};

/** The message of every entry here, whole. */
export const MESSAGE = `${new TextDecoder().decode(HEAD)}\r\n${new TextDecoder().decode(BODY)}`;

/** An entry with its message, to be put in a queue. */
export function message(value: QueueEntry): NewMessage {
  return { entry: value, source: SOURCE };
}

/** A worker who does nothing but tell what it was asked. */
export class IdleWorker implements QueueWorker {
  /** The entries it says it has. */
  readonly active = new Set<string>();
  /** What it answers to an order for one entry. */
  answer: "started" | "busy" | "held" | "gone" = "started";
  /** What it was asked, in order. */
  readonly orders: string[] = [];

  isActive(id: string): boolean {
    return this.active.has(id);
  }

  attemptNow(id: string) {
    this.orders.push(`attempt ${id}`);
    return Promise.resolve(this.answer);
  }

  makeWay({ recipients }: QueueEntry, index: number): Promise<void> {
    this.orders.push(`make way ${recipients[index]!.address.domain}`);
    return Promise.resolve();
  }

  giveBack(id: string): void {
    this.orders.push(`give back ${id}`);
  }
}

/** A queue in memory with the least that the control needs; `claims` says who is worked on. */
export class PlainStore implements QueueStore {
  readonly entries = new Map<string, QueueEntry>();
  readonly claims = new Set<string>();
  /** What the next settlement throws. */
  fault: Error | null = null;
  /** How many entries `list` has given. */
  listed = 0;

  constructor(...entries: readonly QueueEntry[]) {
    for (const one of entries) this.entries.set(one.id, one);
  }

  claimById(id: string, now: number): Promise<Claim | null> {
    const found = this.entries.get(id);
    if (found === undefined || this.claims.has(id)) return Promise.resolve(null);
    this.claims.add(id);
    return Promise.resolve({ entry: found, expires: now + 60_000 });
  }

  settle(claim: Claim, next: QueueEntry | null): Promise<void> {
    const { fault } = this;
    this.fault = null;
    if (fault !== null) return Promise.reject(fault);
    if (next === null) this.entries.delete(claim.entry.id);
    else this.entries.set(next.id, next);
    this.claims.delete(claim.entry.id);
    return Promise.resolve();
  }

  release(claim: Claim): void {
    this.claims.delete(claim.entry.id);
  }

  get(id: string): Promise<QueueEntry | null> {
    return Promise.resolve(this.entries.get(id) ?? null);
  }

  async *list(): AsyncGenerator<QueueEntry> {
    for (const one of this.entries.values()) {
      this.listed++;
      yield await Promise.resolve(one);
    }
  }

  open(id: string): Promise<MessageSource> {
    if (!this.entries.has(id)) return Promise.reject(new Error("it is gone"));
    return Promise.resolve(SOURCE);
  }

  add = unused;
  claim = unused;
  update = unused;
  wait = unused;
  close = unused;
  renew = unused;
  nextDue = unused;
}

function unused(): never {
  throw new Error("the control has no need of this");
}
