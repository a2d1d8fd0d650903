/**
 * Entries for tests of the spool: a plain one to vary.
 *
 * @module
 */

import type { QueuedRecipient, QueueEntry } from "../../../src/queue/entry.ts";

/** One recipient, due at once. */
export function recipient(changes: Partial<QueuedRecipient> = {}): QueuedRecipient {
  return {
    address: { local: "bob", domain: "example.net" },
    status: "waiting",
    next: 0,
    attempts: 0,
    history: [],
    ...changes,
  };
}

/** An entry of one recipient, due at once. */
export function entry(id: string, changes: Partial<QueueEntry> = {}): QueueEntry {
  return {
    id,
    received: Date.UTC(2026, 0, 1),
    sender: { local: "alice", domain: "example.org" },
    recipients: [recipient()],
    body: "8BITMIME",
    smtputf8: false,
    requireTls: false,
    headSize: 0,
    bodySize: 0,
    origin: { kind: "session", session: "s1", client: "198.51.100.7" },
    ...changes,
  };
}
