/**
 * Queue entries, jobs and messages for the tests of transports.
 *
 * @module
 */

import { parseAddress } from "../../src/address.ts";
import { encode } from "../../src/bytes.ts";
import type { DeliveryJob } from "../../src/delivery/transport.ts";
import type { QueuedRecipient, QueueEntry } from "../../src/queue/entry.ts";
import type { MessageSource } from "../../src/queue/local_delivery.ts";
import type { Outcome } from "../../src/queue/outcome.ts";
import type { Route } from "../../src/routing/route.ts";
import { describeReply } from "../../src/smtp/reply.ts";

/** What a test may say of its job; the rest is usual. */
export interface JobSetup {
  readonly to?: readonly string[];
  readonly from?: string | null;
  readonly head?: string | Uint8Array;
  readonly body?: string | Uint8Array;
  readonly entry?: Partial<QueueEntry>;
  readonly recipient?: Partial<QueuedRecipient>;
  /** Pieces in which the body comes; default one. */
  readonly pieces?: number;
}

/** A message in memory, its body in pieces. */
export function sourceOf(
  head: string | Uint8Array,
  body: string | Uint8Array,
  pieces = 1,
): MessageSource {
  const octets = bytesOf(body);
  return {
    head: bytesOf(head),
    bodySize: octets.length,
    async *openBody() {
      const step = Math.max(1, Math.ceil(octets.length / pieces));
      for (let at = 0; at < octets.length; at += step) {
        await Promise.resolve();
        const piece = octets.slice(at, at + step);
        yield piece;
        piece.fill(0x21); // a view is valid until the next is asked for
      }
    },
  };
}

/** A job for a route. */
export function jobFor(route: Route, setup: JobSetup = {}): DeliveryJob {
  const {
    to = ["bob@example.org"],
    from = "alice@example.com",
    head = "Subject: hi\r\n",
    body = "Hello.\r\n",
    pieces,
  } = setup;
  const source = sourceOf(head, body, pieces);
  const sender = from === null ? null : addressOf(from);
  const entry: QueueEntry = {
    id: "m1",
    sender,
    body: "7BIT",
    smtputf8: false,
    requireTls: false,
    received: Date.UTC(2026, 0, 1),
    headSize: source.head.length,
    bodySize: source.bodySize,
    origin: { kind: "session" },
    recipients: to.map((text) => ({
      address: addressOf(text),
      status: "waiting",
      next: 0,
      attempts: 0,
      history: [],
      ...setup.recipient,
    })),
    ...setup.entry,
  };
  return {
    entry,
    sender,
    recipients: entry.recipients.map((_, index) => index),
    route,
    open: () => Promise.resolve(source),
  };
}

/** Outcomes in one line each: `0 relayed 250 2.0.0 OK`. */
export function told(outcomes: readonly Outcome[]): string[] {
  return outcomes.map(({ recipient, status, reply }) =>
    `${recipient} ${status} ${describeReply(reply)}`
  );
}

function addressOf(text: string) {
  return parseAddress(text, { smtputf8: true })!;
}

function bytesOf(text: string | Uint8Array): Uint8Array {
  return typeof text === "string" ? encode(text) : text;
}
