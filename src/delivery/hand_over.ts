/**
 * Hands one message to one station over an open connection: in as many transactions as its recipients
 * need, and says of each recipient whether that decided it or whether another host may be asked.
 *
 * What an answer decides is for `answers.ts` to say, how the message is re-encoded for `outgoing_message.ts`; what
 * this host cannot take (SIZE, SMTPUTF8, REQUIRETLS) is refused by the session, which says nothing then.
 *
 * @module
 */

import type { MtaFact } from "../events.ts";
import type { QueueEntry } from "../queue/entry.ts";
import type { Outcome } from "../queue/outcome.ts";
import type { Transaction, TransactionRecipient } from "../smtp/client_event.ts";
import type { DsnNotify } from "../smtp/parameters.ts";
import type { Reply } from "../smtp/reply.ts";
import { NO_UTF8_ADDRESS } from "../smtp/unsendable.ts";
import {
  type AnswerContext,
  type HostTrouble,
  isStale,
  NO_TROUBLES,
  NOBODY,
  ownTrouble,
  settleAnswers,
} from "./answers.ts";
import { putOff, UNREADABLE } from "./outcomes.ts";
import { type FittedMessage, type OutgoingMessage, wireAddress } from "./outgoing_message.ts";
import type { Sent } from "./message_carrier.ts";
import type { SmtpExchange } from "./smtp_exchange.ts";
import type { DeliveryJob } from "./transport.ts";

/** What is handed over. */
export interface HandOverJob {
  readonly entry: QueueEntry;
  readonly sender: DeliveryJob["sender"];
  readonly message: OutgoingMessage;
  /** What a recipient is when the station has taken the message. */
  readonly taken: "relayed" | "delivered";
  /** The station is the operator's choice, not that of DNS. */
  readonly chosen: boolean;
  /** As in `DeliveryJob`. */
  readonly onRoom?: () => void;
  readonly emit: (fact: MtaFact) => void;
}

/** What came of it. Each recipient is in exactly one of the three. */
export interface HandedOver {
  readonly outcomes: readonly Outcome[];
  /** Another host may be asked. */
  readonly troubles: ReadonlyMap<number, HostTrouble>;
  /** Not asked yet: this host is to be asked over another connection. */
  readonly unasked: readonly number[];
}

/** Hands a message over for some recipients. @throws what re-encoding it for the station throws. */
export function handOver(
  exchange: SmtpExchange,
  job: HandOverJob,
  recipients: readonly number[],
  signal: AbortSignal,
): Promise<HandedOver> {
  return new HandOver(exchange, job, signal).run(recipients);
}

class HandOver {
  readonly #exchange: SmtpExchange;
  readonly #job: HandOverJob;
  readonly #signal: AbortSignal;
  /** Messages that went over the connection before. */
  readonly #before: number;
  #outcomes: readonly Outcome[] = [];
  #troubles: ReadonlyMap<number, HostTrouble> = NO_TROUBLES;
  #pending: readonly number[] = NOBODY;

  constructor(exchange: SmtpExchange, job: HandOverJob, signal: AbortSignal) {
    this.#exchange = exchange;
    this.#job = job;
    this.#signal = signal;
    this.#before = exchange.messages;
  }

  async run(recipients: readonly number[]): Promise<HandedOver> {
    const given = this.#job.message.fit(this.#exchange.peer);
    const fitted = this.#withUtf8(given instanceof Promise ? await given : given, recipients);
    if ("code" in fitted) {
      this.#refuse(recipients, fitted);
    } else {
      this.#pending = this.#sayable(recipients, fitted);
      while (this.#pending.length > 0 && this.#exchange.usable) {
        const group = this.#nextGroup();
        const sent = await this.#send(group, fitted);
        if (isStale(sent, this.#before > 0 && this.#exchange.messages === this.#before + 1)) {
          this.#pending = [...group, ...this.#pending];
          break;
        }
        this.#settle(group, sent);
        if (sent.unread !== null) this.#unreadable(sent.unread);
      }
    }
    return { outcomes: this.#outcomes, troubles: this.#troubles, unasked: this.#pending };
  }

  #send(group: readonly number[], fitted: FittedMessage): Promise<Sent> {
    const { entry: { id: message }, onRoom } = this.#job;
    const transaction = this.#transaction(group, fitted);
    const sending = { transaction, source: fitted.source, signal: this.#signal, message };
    const last = this.#pending.length === 0 && onRoom !== undefined;
    return this.#exchange.send(last ? { ...sending, onRoom } : sending);
  }

  /** An alias may lead from an ASCII address to one that is not: then we ask for SMTPUTF8 ourselves. */
  #withUtf8(fitted: FittedMessage | Reply, recipients: readonly number[]): FittedMessage | Reply {
    if ("code" in fitted || fitted.smtputf8) return fitted;
    const { sender } = this.#job;
    const goes = sender === null || wireAddress(sender, false) !== null;
    if (goes && recipients.every((index) => wireAddress(this.#addressOf(index), false) !== null)) {
      return fitted;
    }
    if (this.#exchange.peer.smtputf8) return { ...fitted, smtputf8: true };
    return goes ? fitted : NO_UTF8_ADDRESS;
  }

  /** Those whose address the station can be told. */
  #sayable(recipients: readonly number[], { smtputf8 }: FittedMessage): readonly number[] {
    const isSayable = (index: number) => wireAddress(this.#addressOf(index), smtputf8) !== null;
    if (recipients.every(isSayable)) return recipients;
    this.#refuse(recipients.filter((index) => !isSayable(index)), NO_UTF8_ADDRESS);
    return recipients.filter(isSayable);
  }

  #refuse(recipients: readonly number[], given: Reply): void {
    const trouble = ownTrouble(given, this.#station);
    this.#troubles = new Map(recipients.map((recipient) => [recipient, trouble]));
  }

  /** As many as one transaction takes, and of as many domains (RFC 9422 §4). */
  #nextGroup(): readonly number[] {
    const pending = this.#pending;
    const { peer, recipientLimit } = this.#exchange;
    const { rcptDomainMax } = peer.limits;
    if (rcptDomainMax === undefined) {
      this.#pending = pending.length <= recipientLimit ? NOBODY : pending.slice(recipientLimit);
      return pending.length <= recipientLimit ? pending : pending.slice(0, recipientLimit);
    }
    const domains = new Set<string>();
    const group: number[] = [];
    const rest: number[] = [];
    for (const index of pending) {
      const { domain } = this.#addressOf(index);
      const fits = group.length < recipientLimit &&
        (domains.has(domain) || domains.size < rcptDomainMax);
      if (fits) domains.add(domain);
      (fits ? group : rest).push(index);
    }
    this.#pending = rest;
    return group;
  }

  #transaction(group: readonly number[], fitted: FittedMessage): Transaction {
    const { entry, sender, taken } = this.#job;
    const { source, body, smtputf8 } = fitted;
    const transaction: Transaction = {
      sender: sender && wireAddress(sender, smtputf8),
      recipients: group.map((index) => this.#recipient(index, smtputf8)),
      size: source.head.length + 2 + source.bodySize,
      body,
      smtputf8,
      // At the end of the road there is no way left to protect.
      requireTls: entry.requireTls && (taken === "relayed" || this.#exchange.peer.requireTls),
    };
    const { dsnReturn, dsnEnvelopeId } = entry;
    if (dsnReturn === undefined && dsnEnvelopeId === undefined) return transaction;
    return {
      ...transaction,
      ...(dsnReturn !== undefined && { dsnReturn }),
      ...(dsnEnvelopeId !== undefined && { dsnEnvelopeId }),
    };
  }

  #recipient(index: number, smtputf8: boolean): TransactionRecipient {
    const recipient = this.#job.entry.recipients[index]!;
    const address = wireAddress(recipient.address, smtputf8)!;
    const { notify } = recipient;
    if (address === recipient.address && notify === undefined) return recipient;
    return {
      ...recipient,
      address,
      ...(notify !== undefined && { notify: this.#notifyOf(notify) }),
    };
  }

  /** At the end of the road success is ours to tell: LMTP servers that do DSN would tell it too. */
  #notifyOf(notify: readonly DsnNotify[]): readonly DsnNotify[] {
    if (this.#job.taken === "relayed") return notify;
    const others = notify.filter((kind) => kind !== "SUCCESS");
    return others.length > 0 ? others : ["NEVER"];
  }

  /** Nobody else will be handed what cannot be read. */
  #unreadable(error: string): void {
    const { entry: { id: message }, emit } = this.#job;
    emit({ type: "queue.trouble", where: "relay", error, message });
    const undecided = [...this.#pending, ...this.#troubles.keys()];
    this.#outcomes = [...this.#outcomes, ...putOff(undecided, UNREADABLE)];
    this.#pending = NOBODY;
    this.#troubles = NO_TROUBLES;
  }

  #settle(group: readonly number[], sent: Sent): void {
    const { chosen, taken } = this.#job;
    const { label, tls } = this.#exchange;
    const context = { label, tls, chosen, taken, aborted: this.#signal.aborted };
    const { outcomes, troubles, again } = settleAnswers(group, sent, context);
    this.#outcomes = this.#outcomes.length === 0 ? outcomes : [...this.#outcomes, ...outcomes];
    if (troubles.size > 0) this.#troubles = new Map([...this.#troubles, ...troubles]);
    if (again.length > 0) this.#pending = [...this.#pending, ...again];
    if (outcomes.some(({ maybeDelivered }) => maybeDelivered)) this.#tellTrouble(sent.failure);
  }

  #tellTrouble(failure: Sent["failure"]): void {
    const { entry, emit } = this.#job;
    const why = failure?.reply.lines.join(" ") ?? "no reply";
    emit({
      type: "relay.trouble",
      host: this.#exchange.label,
      kind: "unanswered",
      error: `no reply to the end of the message (${why}): it may arrive twice`,
      message: entry.id,
    });
  }

  #addressOf(index: number) {
    return this.#job.entry.recipients[index]!.address;
  }

  /** Whose answers they are. */
  get #station(): Pick<AnswerContext, "label" | "tls"> {
    const { label, tls } = this.#exchange;
    return { label, tls };
  }
}
