/**
 * Entries of the queue for tests: what a test does not say is as usual.
 *
 * @module
 */

import { parseAddress } from "../../src/address.ts";
import type { QueuedRecipient, QueueEntry } from "../../src/queue/entry.ts";
import type { MessageSource } from "../../src/queue/local_delivery.ts";
import type { NewMessage } from "../../src/queue/store.ts";
import { encode } from "../../src/bytes.ts";

/** One that waits to be tried at once. */
export function queuedRecipient(
  address: string,
  fields: Partial<QueuedRecipient> = {},
): QueuedRecipient {
  const base = { status: "waiting", next: 0, attempts: 0, history: [] } as const;
  return { address: parseAddress(address)!, ...base, ...fields };
}

/** A message of alice@example.com, accepted at time 0, for these recipients. */
export function queueEntry(
  recipients: readonly (string | QueuedRecipient)[],
  fields: Partial<QueueEntry> = {},
): QueueEntry {
  return {
    id: "m1",
    received: 0,
    headSize: 14,
    bodySize: 7,
    body: "7BIT",
    smtputf8: false,
    requireTls: false,
    sender: { local: "alice", domain: "example.com" },
    origin: { kind: "submit" },
    ...fields,
    recipients: recipients.map((r) => typeof r === "string" ? queuedRecipient(r) : r),
  };
}

/** The message of such an entry. */
export const queuedSource: MessageSource = {
  head: encode("Subject: Hi\r\n"),
  bodySize: 7,
  async *openBody() {
    yield encode("Hello\r\n");
  },
};

/** An entry to be added to a store. */
export function newMessage(
  recipients: readonly (string | QueuedRecipient)[],
  fields: Partial<QueueEntry> = {},
): NewMessage {
  return { entry: queueEntry(recipients, fields), source: queuedSource };
}
