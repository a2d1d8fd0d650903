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
import { countReceived, formatReceived, withProtocol } from "../message/received.ts";
import { formatFields, type RawField } from "../message/header.ts";
import type { Decision } from "../policy/chain.ts";
import type { LocalRecipient, MessageSource } from "../queue/local_delivery.ts";
import { type Reply, reply } from "../smtp/reply.ts";
import type { IntakeClient } from "./client.ts";
import type { MessageContent } from "./content.ts";
import { applyChanges, fixSubmission, MAX_HOPS } from "./head_edits.ts";
import { enqueue, needsQueue } from "./enqueue.ts";
import { type CopiesFailure, deliverTogether } from "./local_copies.ts";
import { MessageReport } from "./report.ts";
import type { IntakeServices, QueueServices } from "./services.ts";
import { type AcceptedRecipient, envelopeOf, type Transaction } from "./transaction.ts";

/** What the checks and policies came to. */
type Judgement =
  | { readonly fields: readonly RawField[] }
  | { readonly reply: Reply; readonly policy?: string }
  | { readonly discard: { readonly policy: string; readonly reason: string } };

/** Finishes one message: one reply, or in LMTP one for each recipient. */
export async function finishMessage(
  services: IntakeServices,
  client: IntakeClient,
  transaction: Transaction,
  content: MessageContent,
): Promise<Reply[]> {
  const report = new MessageReport(services, client, transaction);
  const forAll = (given: Reply) =>
    new Array<Reply>(client.origin.lmtp ? transaction.recipients.length : 1).fill(given);
  const failure = await content.end();
  const judged = failure === null
    ? await judge(services, client, transaction, content)
    : { reply: failure };
  if ("reply" in judged) {
    report.refused(judged.reply, content.size, judged.policy);
    return forAll(judged.reply);
  }
  if ("discard" in judged) {
    report.discarded(judged.discard);
    return forAll(taken(transaction));
  }
  const source: MessageSource = {
    head: formatFields(judged.fields),
    bodySize: content.body.size,
    ...(client.origin.handedIn !== undefined && { received: client.origin.handedIn }),
    openBody: () => content.body.open(),
    moveBody: (path) => content.body.move(path),
  };
  const groups = client.origin.lmtp
    ? transaction.recipients.map((recipient) => [recipient])
    : [transaction.recipients];
  const replies: Reply[] = [];
  const made = new Set<string>();
  for (const [index, group] of groups.entries()) {
    const id = groups.length === 1 ? transaction.id : `${transaction.id}.${index}`;
    const message: Message = { services, client, transaction, source, report, made, id };
    replies.push(await accept(message, group));
  }
  report.finished(judged.fields, source, replies);
  return replies;
}

/** Completes the head and asks the policies: first those that watched the body, then all of the whole. */
async function judge(
  { policies, clock, hostname }: IntakeServices,
  client: IntakeClient,
  transaction: Transaction,
  content: MessageContent,
): Promise<Judgement> {
  if (countReceived(content.fields) > MAX_HOPS) return { reply: TOO_MANY_HOPS };
  if (transaction.parameters.body === "BINARYMIME" && !content.headIsClean) {
    return { reply: BARE_NEWLINE };
  }
  const now = clock.now();
  const completed = client.origin.submission
    ? fixSubmission(content.fields, { now, id: transaction.id, hostname })
    : content.fields;
  const fields = [trace(client, transaction, hostname, now), ...completed];

  const watched = await policies.decide(
    "body",
    (policy) => content.verdictOf(policy),
    client,
  );
  if (watched.action !== "accept") return ending(watched);
  const message = {
    session: client.view,
    envelope: envelopeOf(transaction),
    fields: [...fields],
    bodySize: content.body.size,
    openBody: () => content.body.open(),
  };
  const whole = await policies.decide(
    "message",
    (policy) => policy.message?.(message),
    client,
  );
  if (whole.action !== "accept") return ending(whole);
  if (transaction.discard !== null) return { discard: transaction.discard };
  const changes = [...transaction.changes, ...watched.changes, ...whole.changes];
  return { fields: applyChanges(fields, changes) };
}

function ending(decision: Exclude<Decision, { action: "accept" }>): Judgement {
  return decision.action === "discard" ? { discard: decision } : decision;
}

/** The Received field of this station (RFC 5321 §4.4). */
function trace(
  client: IntakeClient,
  { recipients, parameters, id }: Transaction,
  hostname: string,
  time: number,
): RawField {
  return formatReceived({
    hello: client.hello,
    client: client.client,
    by: hostname,
    protocol: withProtocol({
      extended: client.verb !== "HELO",
      lmtp: client.origin.lmtp,
      smtputf8: parameters.smtputf8 === true,
      tls: client.tls !== null,
      auth: client.identity !== null,
      dropped: client.origin.user !== undefined,
    }),
    ...(client.origin.user && { user: client.origin.user }),
    tls: client.tls,
    id,
    // RFC 5321 §7.6: to name one of several would tell them of each other.
    ...(recipients.length === 1 && { recipient: recipients[0]!.address }),
    time,
  });
}

/** A message on its last steps. */
interface Message {
  readonly services: IntakeServices;
  readonly client: IntakeClient;
  readonly transaction: Transaction;
  readonly source: MessageSource;
  readonly report: MessageReport;
  /** Mailboxes that have their copy already, and all places that the queue will see to. */
  readonly made: Set<string>;
  /** What the queue would call it. */
  readonly id: string;
}

/** Takes a message for some recipients, all or none: into their mailboxes at once, or into the queue. */
async function accept(message: Message, recipients: readonly AcceptedRecipient[]): Promise<Reply> {
  const { services: { queue }, client, transaction, report } = message;
  const wanted = recipients.filter(({ discard }) => discard === null);
  let failure: Reply | null = null;
  if (queue !== null && (wanted.some(needsQueue) || isBinary(transaction))) {
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
  return taken(transaction);
}

/** What is made already, or queued for another recipient (RFC 2033: each has its own reply), is not queued again. */
async function putInQueue(
  { services, client, transaction, source, report, made, id }: Message,
  queue: QueueServices,
  recipients: readonly AcceptedRecipient[],
): Promise<Reply | null> {
  const left = recipients.map((recipient) => ({
    ...recipient,
    mailboxes: recipient.mailboxes.filter(({ mailbox }) => !made.has(placeOf(mailbox))),
    remote: recipient.remote.filter((address) => !made.has(placeBeyond(address))),
  })).filter(({ mailboxes, remote }) => mailboxes.length + remote.length > 0);
  if (left.length === 0) return null;
  const failure = await enqueue(services, queue, client, {
    ...{ transaction, source, id },
    recipients: left,
  });
  if (failure !== null) return failure;
  report.queued();
  for (const { mailboxes, remote } of left) {
    for (const { mailbox } of mailboxes) made.add(placeOf(mailbox));
    for (const address of remote) made.add(placeBeyond(address));
  }
  return null;
}

function placeOf({ domain, user }: Mailbox): string {
  return `in ${domain}/${user}`;
}

function placeBeyond(address: Address): string {
  return `to ${mailboxKey(address)}`;
}

/** Makes the copies of some recipients, all or none; what is made already is not made again. */
async function deliver(
  { services: { delivery }, transaction, source, made, report }: Message,
  recipients: readonly AcceptedRecipient[],
): Promise<CopiesFailure | null> {
  const copies = copiesFor(transaction, recipients, made);
  const outcome = await deliverTogether(delivery, source, [...copies.values()]);
  if (!Array.isArray(outcome)) return outcome;
  for (const place of copies.keys()) made.add(place);
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
  made: ReadonlySet<string>,
): Map<string, LocalRecipient> {
  const copies = new Map<string, LocalRecipient>();
  for (const { mailboxes } of recipients) {
    for (const { mailbox, address } of mailboxes) {
      const key = placeOf(mailbox);
      if (made.has(key) || copies.has(key)) continue;
      copies.set(key, { mailbox, address, sender, messageId });
    }
  }
  return copies;
}

function taken({ id }: Transaction): Reply {
  return reply(250, "2.0.0", `taken as ${id}`);
}

const BARE_NEWLINE = reply(550, "5.6.0", "bare CR or LF in the header section");
const TOO_MANY_HOPS = reply(554, "5.4.6", "too many hops: this mail is going round in circles");
