/**
 * Entries for the tests of the queue's control, and a worker who does nothing but tell what it was asked.
 *
 * @module
 */

import { parseAddress } from "../../src/address.ts";
import type { QueueWorker } from "../../src/admin/queue_control.ts";
import { encode } from "../../src/bytes.ts";
import type { QueuedRecipient, QueueEntry } from "../../src/queue/entry.ts";
import type { NewMessage } from "../../src/queue/store.ts";
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

/** The message of every entry here, whole. */
export const MESSAGE = `${new TextDecoder().decode(HEAD)}\r\n${new TextDecoder().decode(BODY)}`;

/** An entry with its message, for a store. */
export function message(value: QueueEntry): NewMessage {
  return {
    entry: value,
    source: {
      head: HEAD,
      bodySize: BODY.length,
      async *openBody() {
        yield BODY.subarray(0, 5);
        yield BODY.subarray(5);
      },
    },
  };
}

/** A worker who does nothing. */
export class IdleWorker implements QueueWorker {
  /** The entries it says it has. */
  readonly active = new Set<string>();
  /** The domains it was asked to retry, each request in order. */
  readonly retried: string[][] = [];
  /** The entries it was asked to give back. */
  readonly givenBack: string[] = [];

  isActive(id: string): boolean {
    return this.active.has(id);
  }

  retry(domains: ReadonlySet<string>): void {
    this.retried.push([...domains].sort());
  }

  giveBack(id: string): void {
    this.givenBack.push(id);
  }
}
