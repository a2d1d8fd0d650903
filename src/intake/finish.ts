/**
 * What becomes of a message that is whole: its head is completed, the policies judge it, its copies
 * are made or it is queued, and only when every copy is safe is there a 2xx reply.
 *
 * Mail that ends here does not queue when it need not: one write less, and a mailbox that refuses is
 * answered, not bounced. What goes elsewhere, what its sender wants to hear of, and what some mailboxes
 * could not take just now goes to the queue as a whole.
 *
 * @module
 */

import { type Address, mailboxKey } from "../address.ts";
import type { Mailbox } from "../directory/directory.ts";
import type { LocalRecipient, MessageSource } from "../queue/local_delivery.ts";
import { type Reply, reply } from "../smtp/reply.ts";
import type { IntakeClient } from "./client.ts";
import type { MessageContent } from "./content.ts";
import { enqueue, needsQueue } from "./enqueue.ts";
import { judge } from "./judge.ts";
import { type CopiesFailure, deliverTogether } from "./local_copies.ts";
import { MessageReport } from "./report.ts";
import type { IntakeServices, QueueServices } from "./services.ts";
import type { AcceptedRecipient, Transaction } from "./transaction.ts";

/** What a message is answered. */
export interface Finished {
  /** One, or in LMTP one for each recipient. */
  readonly replies: Reply[];
  /** The policy that refused it, where it was one. */
  readonly policy?: string;
}

/** Finishes one message. */
export async function finishMessage(
  services: IntakeServices,
  client: IntakeClient,
  transaction: Transaction,
  content: MessageContent,
): Promise<Finished> {
  const report = new MessageReport(services, client, transaction);
  const forAll = (given: Reply) =>
    new Array<Reply>(client.origin.lmtp ? transaction.recipients.length : 1).fill(given);
  const ended = content.end();
  const failure = ended instanceof Promise ? await ended : ended;
  const judging = failure === null
    ? judge(services, client, transaction, content)
    : { reply: failure };
  const judged = judging instanceof Promise ? await judging : judging;
  if ("reply" in judged) {
    const { reply, policy } = judged;
    report.refused(reply, content.size, policy);
    return { replies: forAll(reply), ...(policy !== undefined && { policy }) };
  }
  if ("discard" in judged) {
    report.discarded(judged.discard);
    return { replies: forAll(takenAs(transaction)) };
  }
  const { head, body, held, junk } = judged.taken;
  const source: MessageSource = {
    head: head.octets,
    bodySize: body.size,
    ...(client.origin.handedIn !== undefined && { received: client.origin.handedIn }),
    openBody: () => body.open(),
    bodyParts: () => body.parts(),
    moveBody: (path) => body.move(path),
  };
  const { transaction: taken } = judged.taken;
  const message = { services, client, transaction: taken, source, report, held, junk };
  const replies = client.origin.lmtp && taken.recipients.length > 1
    ? await acceptEach(message, taken.recipients)
    : [await accept({ ...message, made: null, id: transaction.id }, taken.recipients)];
  report.finished(judged.taken, source, replies);
  const { length } = transaction.recipients;
  return { replies: client.origin.lmtp ? replies.slice(0, length) : replies };
}

/** Takes a message for each recipient by itself (RFC 2033 §4.2). */
async function acceptEach(
  message: Omit<Message, "made" | "id">,
  recipients: readonly AcceptedRecipient[],
): Promise<Reply[]> {
  const replies: Reply[] = [];
  const made = new Set<string>();
  for (const [index, recipient] of recipients.entries()) {
    const id = `${message.transaction.id}.${index}`;
    replies.push(await accept({ ...message, made, id }, [recipient]));
  }
  return replies;
}

/** A message on its last steps. */
interface Message {
  readonly services: IntakeServices;
  readonly client: IntakeClient;
  readonly transaction: Transaction;
  readonly source: MessageSource;
  readonly report: MessageReport;
  /** Why it is to be held in the queue; `null`: it is not. */
  readonly held: string | null;
  /** Why its copies here lie in Junk; `null`: they do not. */
  readonly junk: string | null;
  /**
   * Where recipients are taken one by one: mailboxes that have their copy already, and all places that the queue
   * will see to.
   */
  readonly made: Set<string> | null;
  /** What the queue would call it. */
  readonly id: string;
}

/** Takes a message for some recipients, all or none: into their mailboxes at once, or into the queue. */
async function accept(message: Message, recipients: readonly AcceptedRecipient[]): Promise<Reply> {
  const { services: { queue }, client, transaction, report, held } = message;
  const wanted = recipients.filter(({ discard }) => discard === null);
  let failure: Reply | null = null;
  if (held !== null && queue === null) failure = CANNOT_HOLD;
  else if (queue !== null && (held !== null || wanted.some(needsQueue) || isBinary(transaction))) {
    failure = await putInQueue(message, queue, wanted);
  } else {
    const undelivered = await deliver(message, wanted);
    // RFC 2033 §5: an LMTP client has a queue of its own, and tries again by itself.
    const mayQueue = queue !== null && !client.origin.lmtp;
    if (undelivered !== null && undelivered.reply.code < 500 && mayQueue) {
      failure = await putInQueue(message, queue, wanted);
    } else if (undelivered !== null) {
      report.notDelivered(wanted, undelivered);
      failure = undelivered.reply;
    }
  }
  if (failure !== null) return failure;
  for (const { address, discard } of recipients) {
    if (discard !== null) report.discarded(discard, [address]);
  }
  return takenAs(transaction);
}

/** What is made already, or queued for another recipient (RFC 2033: each has its own reply), is not queued again. */
async function putInQueue(
  { services, client, transaction, source, report, held, junk, made, id }: Message,
  queue: QueueServices,
  recipients: readonly AcceptedRecipient[],
): Promise<Reply | null> {
  const left = made === null ? recipients : notYetMade(recipients, made);
  if (left.length === 0) return null;
  const failure = await enqueue(services, queue, client, {
    ...{ transaction, source, held, junk, id },
    recipients: left,
  });
  if (failure !== null) return failure;
  report.queued();
  if (made === null) return null;
  for (const { mailboxes, remote } of left) {
    for (const { mailbox } of mailboxes) made.add(placeOf(mailbox));
    for (const address of remote) made.add(placeBeyond(address));
  }
  return null;
}

function notYetMade(
  recipients: readonly AcceptedRecipient[],
  made: ReadonlySet<string>,
): AcceptedRecipient[] {
  return recipients.map((recipient) => ({
    ...recipient,
    mailboxes: recipient.mailboxes.filter(({ mailbox }) => !made.has(placeOf(mailbox))),
    remote: recipient.remote.filter((address) => !made.has(placeBeyond(address))),
  })).filter(({ mailboxes, remote }) => mailboxes.length + remote.length > 0);
}

function placeOf({ domain, user }: Mailbox): string {
  return `in ${domain}/${user}`;
}

function placeBeyond(address: Address): string {
  return `to ${mailboxKey(address)}`;
}

/** Makes the copies of some recipients, all or none; what is made already is not made again. */
async function deliver(
  { services: { delivery }, transaction, source, junk, made, report }: Message,
  recipients: readonly AcceptedRecipient[],
): Promise<CopiesFailure | null> {
  const copies = copiesFor(transaction, recipients, made, junk !== null);
  const outcome = await deliverTogether(delivery, source, [...copies.values()]);
  if (!Array.isArray(outcome)) return outcome;
  for (const place of copies.keys()) made?.add(place);
  report.delivered([...copies.values()], outcome);
  return null;
}

/** A Maildir holds lines, so a message that is none (RFC 3030) is made so by the queue before delivery. */
function isBinary({ parameters }: Transaction): boolean {
  return parameters.body === "BINARYMIME";
}

/** One copy for each mailbox, however many of the recipients lead to it. */
function copiesFor(
  { sender, id: messageId }: Transaction,
  recipients: readonly AcceptedRecipient[],
  made: ReadonlySet<string> | null,
  junk: boolean,
): Map<string, LocalRecipient> {
  const copies = new Map<string, LocalRecipient>();
  for (const { mailboxes } of recipients) {
    for (const { mailbox, address } of mailboxes) {
      const key = placeOf(mailbox);
      if (made?.has(key) || copies.has(key)) continue;
      copies.set(key, { mailbox, address, sender, messageId, ...(junk && { junk }) });
    }
  }
  return copies;
}

function takenAs({ id }: Transaction): Reply {
  return reply(250, "2.0.0", `taken as ${id}`);
}

/** What a policy wants looked at by an operator needs a place to wait. */
const CANNOT_HOLD = reply(451, "4.7.1", "this message needs a closer look: try again later");
