/**
 * One message coming in: its head is kept, its body streams into the store and past the policies that
 * watch it; at its end it is completed, judged and handed to local delivery. Only when every copy is
 * safe does {@link MessageIntake.finish} give a 2xx reply.
 *
 * @module
 */

import { formatAddress } from "../address.ts";
import { decodeEncodedWords } from "../message/encoded_word.ts";
import { HeadCollector } from "../message/head_collector.ts";
import {
  fieldValue,
  findField,
  formatFields,
  parseFields,
  type RawField,
} from "../message/header.ts";
import { countReceived, formatReceived, withProtocol } from "../message/received.ts";
import type { Decision, FailureSink } from "../policy/chain.ts";
import type { BodyObserver, Policy } from "../policy/policy.ts";
import type { Envelope } from "../queue/entry.ts";
import type { LocalRecipient, MessageSource } from "../queue/local_delivery.ts";
import { errorCode } from "../runtime/runtime.ts";
import { describeReply, type Reply, reply } from "../smtp/reply.ts";
import { applyChanges, fixSubmission, MAX_HOPS } from "./head_edits.ts";
import { describeError, type IntakeSession } from "./intake.ts";
import { deliverTogether } from "./local_copies.ts";
import type { IntakeServices } from "./services.ts";
import {
  type AcceptedRecipient,
  type Content,
  type DiscardOrder,
  envelopeOf,
  type Transaction,
} from "./transaction.ts";

/** One message. */
export class MessageIntake {
  readonly #services: IntakeServices;
  readonly #session: IntakeSession;
  readonly #transaction: Transaction;

  constructor(services: IntakeServices, session: IntakeSession, transaction: Transaction) {
    this.#services = services;
    this.#session = session;
    this.#transaction = transaction;
  }

  /** The envelope so far, with recipients that are about to join it. */
  envelope(more: readonly AcceptedRecipient[] = []): Envelope {
    const { recipients } = this.#transaction;
    return envelopeOf({ ...this.#transaction, recipients: [...recipients, ...more] });
  }

  /** 354, or why no message can be taken now. */
  begin(): Reply {
    const body = this.#services.bodies.create();
    if (body === null) {
      return reply(451, "4.3.2", "too many large messages at once: try again later");
    }
    this.#transaction.content = {
      collector: new HeadCollector(),
      body,
      fields: null,
      observers: new Map(),
      broken: new Map(),
    };
    return reply(354, undefined, "go ahead; end with a dot on a line of its own");
  }

  /** Octets of the message: the reply to refuse the rest with, or `null`. */
  write(bytes: Uint8Array): Reply | null | Promise<Reply | null> {
    const content = this.#content();
    let rest = bytes;
    if (content.fields === null) {
      const body = content.collector.write(bytes);
      if (body === null) return content.collector.state === "too-large" ? HEAD_TOO_LARGE : null;
      this.#headComplete(content);
      rest = body;
    }
    return rest.length === 0 ? null : this.#writeBody(content, rest);
  }

  /** The message is whole. */
  async finish(): Promise<Reply[]> {
    const content = this.#content();
    if (content.fields === null) {
      const rest = content.collector.end();
      this.#headComplete(content);
      const failed = rest.length === 0 ? null : await this.#writeBody(content, rest);
      if (failed !== null) return this.#forAll(this.#refused(failed));
    }
    await content.body.finish();
    const judged = await this.#judge(content);
    if ("code" in judged) return this.#forAll(this.#refused(judged));
    if ("reason" in judged) return this.#forAll(this.#discarded(judged));
    const source: MessageSource = {
      head: formatFields(judged.fields),
      bodySize: content.body.size,
      openBody: () => content.body.open(),
    };
    const replies = this.#session.origin.lmtp
      ? await this.#deliverEach(source)
      : [await this.#deliverAll(source)];
    this.#report(judged.fields, source, replies);
    return replies;
  }

  /** Frees what the message holds. */
  dispose(): void {
    this.#transaction.content?.body.dispose().catch((error) => this.#troubled("body store", error));
    this.#transaction.content = null;
  }

  #content(): Content {
    if (this.#transaction.content === null) throw new Error("no message has begun");
    return this.#transaction.content;
  }

  #headComplete(content: Content): void {
    content.fields = parseFields(content.collector.head);
    const envelope = this.envelope();
    for (const policy of this.#services.policies.policies) {
      if (policy.body === undefined) continue;
      this.#guarded(content, policy, () => {
        const observer = policy.body!(this.#session, content.fields!, envelope);
        if (observer !== undefined) content.observers.set(policy, observer);
      });
    }
  }

  /** Without observers and in memory this costs one copy and no promise. */
  #writeBody(content: Content, chunk: Uint8Array): null | Promise<Reply | null> {
    try {
      const stored = content.body.write(chunk);
      if (stored === undefined && content.observers.size === 0) return null;
      return this.#spread(content, chunk, stored);
    } catch (error) {
      return Promise.resolve(this.#cannotStore(error));
    }
  }

  async #spread(
    content: Content,
    chunk: Uint8Array,
    stored: void | Promise<void>,
  ): Promise<Reply | null> {
    for (const [policy, observer] of content.observers) {
      await this.#observe(content, policy, observer, chunk);
    }
    try {
      await stored;
      return null;
    } catch (error) {
      return this.#cannotStore(error);
    }
  }

  async #observe(content: Content, policy: Policy, observer: BodyObserver, chunk: Uint8Array) {
    if (content.broken.has(policy)) return;
    try {
      const seen = observer.write(chunk);
      if (seen instanceof Promise) await this.#services.policies.inTime(policy, seen);
    } catch (error) {
      content.broken.set(policy, error);
    }
  }

  #guarded(content: Content, policy: Policy, task: () => void): void {
    try {
      task();
    } catch (error) {
      content.broken.set(policy, error);
    }
  }

  /** The head as it shall be kept, or what a check or policy decided instead. */
  async #judge(content: Content): Promise<{ fields: RawField[] } | Reply | DiscardOrder> {
    const { policies, clock, hostname } = this.#services;
    const { id, changes } = this.#transaction;
    let fields = content.fields!;
    if (countReceived(fields) > MAX_HOPS) return TOO_MANY_HOPS;
    if (this.#session.origin.submission) {
      fields = fixSubmission(fields, { now: clock.now(), id, hostname });
    }
    fields = [this.#trace(), ...fields];
    const onFailure = this.#session.onFailure as FailureSink;
    const observed = await policies.decide(
      "body",
      (policy) => this.#observed(content, policy),
      onFailure,
    );
    const stopped = this.#take(observed);
    if (stopped !== null) return stopped;
    const message = {
      session: this.#session,
      envelope: this.envelope(),
      fields,
      bodySize: content.body.size,
      openBody: () => content.body.open(),
    };
    const whole = await policies.decide(
      "message",
      (policy) => policy.message?.(message),
      onFailure,
    );
    const ended = this.#take(whole);
    if (ended !== null) return ended;
    if (this.#transaction.discard !== null) return this.#transaction.discard;
    return { fields: applyChanges(fields, changes) };
  }

  #observed(content: Content, policy: Policy) {
    if (content.broken.has(policy)) throw content.broken.get(policy);
    return content.observers.get(policy)?.end();
  }

  /** Keeps what a stage wants changed; gives what ends the message. */
  #take(decision: Decision): Reply | DiscardOrder | null {
    if (decision.action === "accept") {
      this.#transaction.changes.push(...decision.changes);
      return null;
    }
    if (decision.action === "discard") return decision;
    this.#refusedBy = decision.policy;
    return decision.reply;
  }
  #refusedBy: string | undefined;

  #trace(): RawField {
    const { hostname, clock } = this.#services;
    const session = this.#session;
    const { recipients, parameters, id } = this.#transaction;
    return formatReceived({
      hello: session.hello,
      client: session.client,
      by: hostname,
      protocol: withProtocol({
        extended: session.verb !== "HELO",
        lmtp: session.origin.lmtp,
        smtputf8: parameters.smtputf8 === true,
        tls: session.tls !== null,
        auth: session.identity !== null,
      }),
      tls: session.tls,
      id,
      // RFC 5321 §7.6: more than one would tell each recipient of the others.
      ...(recipients.length === 1 && { recipient: recipients[0]!.address }),
      time: clock.now(),
    });
  }

  /** SMTP: all or none. */
  async #deliverAll(source: MessageSource): Promise<Reply> {
    const copies = uniqueCopies(this.#transaction, this.#transaction.recipients);
    const { failure } = await deliverTogether(this.#services.delivery, source, copies);
    if (failure !== null) {
      this.#notDelivered(failure.reply, failure.error, this.#transaction.recipients);
      return failure.reply;
    }
    this.#delivered(copies);
    return reply(250, "2.0.0", `taken as ${this.#transaction.id}`);
  }

  /** LMTP: each recipient for itself (RFC 2033 §4.2). */
  async #deliverEach(source: MessageSource): Promise<Reply[]> {
    const replies: Reply[] = [];
    for (const recipient of this.#transaction.recipients) {
      const copies = uniqueCopies(this.#transaction, [recipient]);
      const { failure } = await deliverTogether(this.#services.delivery, source, copies);
      if (failure === null) this.#delivered(copies);
      else this.#notDelivered(failure.reply, failure.error, [recipient]);
      replies.push(failure?.reply ?? reply(250, "2.1.5", `delivered as ${this.#transaction.id}`));
    }
    return replies;
  }

  #delivered(copies: readonly LocalRecipient[]): void {
    for (const { address, mailbox } of copies) {
      this.#services.emit({
        type: "delivery.done",
        ...this.#ids(),
        recipient: formatAddress(address),
        destination: `maildir:${mailbox.domain}/${mailbox.user}`,
      });
    }
  }

  #notDelivered(failure: Reply, error: unknown, recipients: readonly AcceptedRecipient[]): void {
    for (const { address } of recipients) {
      this.#services.emit({
        type: "delivery.failed",
        ...this.#ids(),
        recipient: formatAddress(address),
        reply: describeReply(failure),
        error: describeError(error),
      });
    }
  }

  #report(fields: RawField[], source: MessageSource, replies: readonly Reply[]): void {
    const refusal = replies.every((each) => each.code >= 400) ? replies[0] : undefined;
    if (refusal !== undefined) return void this.#refused(refusal, source);
    const subject = findField(fields, "Subject");
    const { clock, emit } = this.#services;
    emit({
      type: "message.accepted",
      ...this.#ids(),
      ...this.#parties(),
      client: this.#session.client,
      identity: this.#session.identity,
      size: source.head.length + 2 + source.bodySize,
      subject: subject === null ? "" : decodeEncodedWords(fieldValue(subject)).slice(0, 200),
      tls: this.#session.tls?.protocol ?? null,
      duration: clock.now() - this.#transaction.started,
    });
  }

  #refused(refusal: Reply, source?: MessageSource): Reply {
    const content = this.#content();
    this.#services.emit({
      type: "message.refused",
      ...this.#ids(),
      ...this.#parties(),
      client: this.#session.client,
      size: source === undefined
        ? content.collector.head.length + content.body.size
        : source.head.length + 2 + source.bodySize,
      reply: describeReply(refusal),
      ...(this.#refusedBy !== undefined && { policy: this.#refusedBy }),
    });
    return refusal;
  }

  #discarded({ policy, reason }: DiscardOrder): Reply {
    const facts = { ...this.#ids(), ...this.#parties(), policy, reason };
    this.#services.emit({ type: "message.discarded", ...facts });
    return reply(250, "2.0.0", `taken as ${this.#transaction.id}`);
  }

  #forAll(given: Reply): Reply[] {
    const count = this.#session.origin.lmtp ? this.#transaction.recipients.length : 1;
    return new Array<Reply>(count).fill(given);
  }

  #ids() {
    return { session: this.#session.id, message: this.#transaction.id };
  }

  #parties() {
    const { sender, recipients } = this.#transaction;
    return {
      sender: sender === null ? "<>" : formatAddress(sender),
      recipients: recipients.map(({ address }) => formatAddress(address)),
    };
  }

  #cannotStore(error: unknown): Reply {
    this.#troubled("body store", error);
    const full = FULL_DISK.has(errorCode(error) ?? "");
    return full
      ? reply(452, "4.3.1", "no room on the disk now: try again later")
      : reply(451, "4.3.0", "cannot store the message now: try again later");
  }

  #troubled(where: string, error: unknown): void {
    const { id: session } = this.#session;
    this.#services.emit({ type: "internal.error", where, error: describeError(error), session });
  }
}

const FULL_DISK: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT"]);
const HEAD_TOO_LARGE = reply(552, "5.3.4", "header section too big: the limit is 256 KiB");
const TOO_MANY_HOPS = reply(554, "5.4.6", "too many hops: this mail is going round in circles");

/** One copy for each mailbox, however many of the recipients lead to it. */
function uniqueCopies(
  transaction: Transaction,
  recipients: readonly AcceptedRecipient[],
): LocalRecipient[] {
  const copies = new Map<string, LocalRecipient>();
  for (const { mailboxes, discard } of recipients) {
    if (discard) continue;
    for (const { mailbox, address } of mailboxes) {
      const key = `${mailbox.domain}/${mailbox.user}`;
      if (copies.has(key)) continue;
      copies.set(key, { mailbox, address, sender: transaction.sender, messageId: transaction.id });
    }
  }
  return [...copies.values()];
}
