/**
 * The way into mailboxes of this machine, for mail that waited in the queue: one copy for each recipient,
 * written, synced and shown by a {@link LocalDelivery}. Recipients fare each on their own.
 *
 * The time a copy bears is that at which the message was accepted, so that a delivery repeated after a
 * crash has the name of its twin and replaces it. The message itself stays in the queue: other recipients
 * may still need it.
 *
 * What fails: a `DeliveryError` says by its reply whether to try again; whatever else is thrown is a
 * trouble of ours, deferred and told as an event. When the signal is aborted, copies not yet shown are
 * taken back.
 *
 * @module
 */

import type { Address } from "../address.ts";
import { describeError, type MtaFact } from "../events.ts";
import { transcode } from "../message/transcode.ts";
import type { QueuedRecipient, QueueEntry } from "../queue/entry.ts";
import { DeliveryError, type LocalDelivery, type MessageSource } from "../queue/local_delivery.ts";
import type { Outcome } from "../queue/outcome.ts";
import type { MailboxDestination } from "../routing/aliases.ts";
import type { Resolution } from "../routing/router.ts";
import { type Reply, reply } from "../smtp/reply.ts";
import type { Soon } from "../soon.ts";
import { failureOf, STOPPED, UNREADABLE, untilAborted } from "./outcomes.ts";
import type { DeliveryJob, Transport } from "./transport.ts";

/** How many copies of one message are made at the same time. */
const AT_ONCE = 16;

/** What local delivery is made of. */
export interface LocalTransportServices {
  readonly delivery: LocalDelivery;
  /** What an address means here by now that was elsewhere when its mail was accepted; absent: nothing is known of it. */
  readonly resolve?: (address: Address) => Soon<Resolution>;
  /** Told what went wrong here, beyond what a reply says. */
  readonly emit: (fact: MtaFact) => void;
}

/**
 * The transport of the route `local`.
 *
 * @example
 * ```ts
 * import { localTransport } from "./local.ts";
 * import { maildirDelivery } from "./maildir/maildir.ts";
 * import { memoryRuntime } from "../runtime/memory.ts";
 *
 * const { files, clock } = memoryRuntime();
 * const delivery = maildirDelivery({ files, clock, root: "/mail", hostname: "mx.example.org" });
 * const transport = localTransport({ delivery, emit: (fact) => console.log(fact) });
 * ```
 */
export function localTransport(services: LocalTransportServices): Transport {
  return {
    async deliver(job, signal) {
      const outcomes = new Map<number, Outcome>();
      const work = deliverEach(services, job, signal, (outcome) => {
        if (!signal.aborted) outcomes.set(outcome.recipient, outcome);
      });
      await untilAborted(work, signal);
      return job.recipients.map((recipient) =>
        outcomes.get(recipient) ?? { recipient, status: "deferred", reply: STOPPED }
      );
    },
  };
}

async function deliverEach(
  services: LocalTransportServices,
  job: DeliveryJob,
  signal: AbortSignal,
  tell: (outcome: Outcome) => void,
): Promise<void> {
  const { entry, sender, recipients } = job;
  let source: MessageSource;
  try {
    source = await ofEntry(await job.open(), entry);
  } catch (error) {
    services.emit(trouble(entry, error));
    for (const recipient of recipients) {
      tell({ recipient, status: "deferred", reply: UNREADABLE });
    }
    return;
  }
  const waiting = recipients[Symbol.iterator]();
  const worker = async () => {
    for (const recipient of waiting) {
      if (signal.aborted) return;
      tell({ recipient, ...await deliverOne(services, entry, sender, source, recipient, signal) });
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, recipients.length) }, worker));
}

async function deliverOne(
  services: LocalTransportServices,
  entry: QueueEntry,
  sender: DeliveryJob["sender"],
  source: MessageSource,
  index: number,
  signal: AbortSignal,
): Promise<Omit<Outcome, "recipient">> {
  const { delivery, emit } = services;
  try {
    const places = await placesOf(services, entry.recipients[index]);
    if ("code" in places) return failureOf(places);
    let destination: string | undefined;
    for (const place of places) {
      const copy = await delivery.prepare(source, {
        ...{ ...place, sender, messageId: entry.id },
        ...(entry.junk !== undefined && { junk: true }),
      });
      if (signal.aborted) {
        await copy.discard();
        return { status: "deferred", reply: STOPPED };
      }
      await copy.publish();
      ({ destination } = copy);
    }
    return {
      status: "delivered",
      reply: DELIVERED,
      ...(destination !== undefined && { host: destination }),
    };
  } catch (error) {
    emit(trouble(entry, error));
    return failureOf(error instanceof DeliveryError ? error.reply : FAILED);
  }
}

/**
 * The mailboxes of a recipient: the one that is known since it was accepted; or, where its domain has become ours only
 * since, all that its address means now. If one of several cannot be reached all are tried again, which makes no twins.
 */
async function placesOf(
  { resolve }: LocalTransportServices,
  recipient: QueuedRecipient | undefined,
): Promise<readonly MailboxDestination[] | Reply> {
  if (recipient === undefined) return NO_MAILBOX;
  const { mailbox, address } = recipient;
  if (mailbox !== undefined) return [{ mailbox, address }];
  const found = await resolve?.(address);
  if (found?.kind === "unknown") return UNKNOWN;
  if (found?.kind !== "local") return NO_MAILBOX;
  return found.remote.length > 0 ? GOES_ON : found.mailboxes;
}

/**
 * The message as copies are made of it: with the time it was accepted, and not to be moved away. A mailbox
 * holds lines, so what is none (RFC 3030) is made so, where that does not break a signature.
 */
async function ofEntry(
  source: MessageSource,
  { received, body }: QueueEntry,
): Promise<MessageSource> {
  const lines = body === "BINARYMIME" ? await transcode(source, "8bit") ?? source : source;
  const { head, bodySize } = lines;
  return { head, bodySize, received, openBody: () => lines.openBody() };
}

function trouble({ id: message }: QueueEntry, error: unknown): MtaFact {
  return { type: "queue.trouble", where: "local delivery", error: describeError(error), message };
}

const DELIVERED: Reply = reply(250, "2.1.5", "delivered");
const NO_MAILBOX: Reply = reply(451, "4.3.5", "no mailbox is known for this recipient");
const UNKNOWN: Reply = reply(550, "5.1.1", "no such user here");
const GOES_ON: Reply = reply(
  451,
  "4.3.5",
  "this domain has become ours, and the address leads elsewhere from here: it must be sent anew",
);
const FAILED: Reply = reply(451, "4.3.0", "local delivery failed for now");
