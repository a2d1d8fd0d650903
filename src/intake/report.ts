/**
 * Tells those who watch what became of one message.
 *
 * @module
 */

import { type Address, formatAddress } from "../address.ts";
import { describeError } from "../events.ts";
import { decodeEncodedWords } from "../message/encoded_word.ts";
import { fieldValue } from "../message/header.ts";
import type { LocalRecipient, MessageSource, PreparedDelivery } from "../queue/local_delivery.ts";
import { describeReply, type Reply } from "../smtp/reply.ts";
import type { IntakeClient } from "./client.ts";
import type { CopiesFailure } from "./local_copies.ts";
import type { IntakeServices } from "./services.ts";
import type { Rewritten } from "./rewrite.ts";
import type { AcceptedRecipient, DiscardOrder, Transaction } from "./transaction.ts";

/** Characters of the subject that go into the log. */
const SUBJECT = 200;

/** The events of one message. */
export class MessageReport {
  readonly #services: IntakeServices;
  readonly #client: IntakeClient;
  #transaction: Transaction;
  #queued = 0;

  constructor(services: IntakeServices, client: IntakeClient, transaction: Transaction) {
    this.#services = services;
    this.#client = client;
    this.#transaction = transaction;
  }

  /** Copies lie in their mailboxes. */
  delivered(copies: readonly LocalRecipient[], made: readonly PreparedDelivery[]): void {
    copies.forEach(({ address, mailbox }, index) =>
      this.#services.emit({
        type: "delivery.done",
        session: this.#client.id,
        message: this.#transaction.id,
        destination: made[index]?.destination ?? `${mailbox.domain}/${mailbox.user}`,
        recipient: formatAddress(address),
      })
    );
  }

  /** The queue has it, or a part of it. */
  queued(): void {
    this.#queued++;
  }

  /** The copies of these recipients could not be made. */
  notDelivered(recipients: readonly AcceptedRecipient[], failure: CopiesFailure): void {
    for (const { address } of recipients) {
      this.#services.emit({
        type: "delivery.failed",
        ...this.#ids(),
        recipient: formatAddress(address),
        reply: describeReply(failure.reply),
        error: describeError(failure.error),
      });
    }
  }

  /** The message is answered for. */
  finished(
    { head: { subject }, transaction }: Rewritten,
    source: MessageSource,
    replies: readonly Reply[],
  ): void {
    this.#transaction = transaction;
    const size = source.head.length + 2 + source.bodySize;
    const refusal = replies.every(({ code }) => code >= 400) ? replies[0] : undefined;
    if (refusal !== undefined) return this.refused(refusal, size);
    this.#services.emit({
      type: "message.accepted",
      session: this.#client.id,
      message: this.#transaction.id,
      client: this.#client.client,
      identity: this.#client.identity,
      sender: this.#sender(),
      duration: this.#services.clock.now() - this.#transaction.started,
      queued: this.#queued,
      recipients: this.#recipients(),
      size,
      subject: subject === null ? "" : decodeEncodedWords(fieldValue(subject)).slice(0, SUBJECT),
      tls: this.#client.tls?.protocol ?? null,
    });
  }

  /** Nothing of the message is kept, and the client knows. */
  refused(refusal: Reply, size: number, policy?: string): void {
    this.#services.emit({
      type: "message.refused",
      ...this.#ids(),
      ...this.#parties(),
      client: this.#client.client,
      size,
      reply: describeReply(refusal),
      ...(policy !== undefined && { policy }),
    });
  }

  /** Nothing of the message is kept, for all or some recipients, and the client does not know. */
  discarded({ policy, reason }: DiscardOrder, some?: readonly Address[]): void {
    const facts = { ...this.#ids(), ...this.#parties(), policy, reason };
    const recipients = some?.map(formatAddress) ?? facts.recipients;
    this.#services.emit({ type: "message.discarded", ...facts, recipients });
  }

  #ids() {
    return { session: this.#client.id, message: this.#transaction.id };
  }

  #parties() {
    return { sender: this.#sender(), recipients: this.#recipients() };
  }

  #sender(): string {
    const { sender } = this.#transaction;
    return sender === null ? "<>" : formatAddress(sender);
  }

  #recipients(): string[] {
    return this.#transaction.recipients.map(({ address }) => formatAddress(address));
  }
}
