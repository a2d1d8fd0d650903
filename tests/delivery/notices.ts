/**
 * Makes notices for tests: what is told, and the messages that come of it.
 *
 * @module
 */

import type { Address } from "../../src/address.ts";
import { concat, encode } from "../../src/bytes.ts";
import { noticeMaker, type NoticeServices } from "../../src/delivery/bounce.ts";
import type { MtaFact } from "../../src/events.ts";
import type { NoticeKind, QueuedRecipient, QueueEntry } from "../../src/queue/entry.ts";
import type { NewMessage } from "../../src/queue/store.ts";
import { type Reply, reply } from "../../src/smtp/reply.ts";

/** Tue, 05 Mar 2024 10:11:12 +0000. */
export const NOW = 1_709_633_472_000;
const HOUR = 3_600_000;

/** `local@example.net`. */
export function at(local: string, domain = "example.net"): Address {
  return { local, domain };
}

/** What each kind is told with. */
const ANSWERS: Readonly<Record<NoticeKind, Reply>> = {
  failed: reply(550, "5.1.1", "no such user"),
  delayed: reply(450, "4.2.0", "greylisted, come again"),
  delivered: reply(250, "2.1.5", "in the mailbox"),
  relayed: reply(250, "2.0.0", "OK"),
};

/** A recipient with the fate of a kind. */
export function fated(
  address: Address,
  kind: NoticeKind,
  more: Partial<QueuedRecipient> & { readonly answer?: Reply; readonly host?: string | null } = {},
): QueuedRecipient {
  const { answer = ANSWERS[kind], host = "mx.example.net [192.0.2.7]:25", ...rest } = more;
  return {
    address,
    status: kind === "delayed" ? "waiting" : kind,
    next: NOW + HOUR,
    attempts: 1,
    history: [{ time: NOW - HOUR, ...(host !== null && { host }), reply: answer }],
    ...rest,
  };
}

/** An entry of alice@example.org. */
export function entryOf(
  recipients: readonly QueuedRecipient[],
  more: Partial<QueueEntry> = {},
): QueueEntry {
  return {
    id: "entry-1",
    received: NOW - 24 * HOUR,
    headSize: 100,
    bodySize: 100,
    sender: at("alice", "example.org"),
    recipients,
    body: "7BIT",
    smtputf8: false,
    requireTls: false,
    origin: { kind: "session", session: "s1" },
    ...more,
  };
}

/** The message that all entries have unless another is given. */
export const MESSAGE = {
  head: "From: Alice <alice@example.org>\r\nTo: bob@example.net\r\n" +
    "Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <original@example.org>\r\n",
  body: "Hello Bob.\r\n",
};

/** What came of some notices. */
export interface Made {
  readonly messages: readonly NewMessage[];
  /** Each whole message. */
  readonly texts: readonly Uint8Array[];
  readonly events: readonly MtaFact[];
}

/** Asks for one notice of a kind about all recipients of an entry. */
export async function makeNotices(
  entry: QueueEntry,
  kind: NoticeKind,
  options: Partial<NoticeServices> & { readonly message?: typeof MESSAGE } = {},
): Promise<Made> {
  const events: MtaFact[] = [];
  const { message = MESSAGE, ...services } = options;
  const body = encode(message.body);
  const make = noticeMaker({
    hostname: "mail.example.org",
    clock: { now: () => NOW },
    postmaster: at("postmaster", "example.org"),
    expand: (address) =>
      Promise.resolve([{ address, status: "waiting", next: NOW, attempts: 0, history: [] }]),
    open: () =>
      Promise.resolve({
        head: encode(message.head),
        bodySize: body.length,
        openBody: async function* () {
          yield body;
        },
      }),
    expiryOf: () => NOW + 96 * HOUR,
    emit: (event) => void events.push(event),
    ...services,
  });
  const recipients = entry.recipients.map((_, index) => index);
  const messages = await make(entry, [{ kind, recipients }]);
  const texts = await Promise.all(messages.map(async ({ source }) => {
    const chunks: Uint8Array[] = [source.head, encode("\r\n")];
    for await (const chunk of source.openBody()) chunks.push(chunk.slice());
    return concat(chunks);
  }));
  return { messages, texts, events };
}
