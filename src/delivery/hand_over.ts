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
import type { Transaction } from "../smtp/client_event.ts";
import type { DsnNotify } from "../smtp/parameters.ts";
import type { PeerExtensions } from "../smtp/peer_extensions.ts";
import type { Reply } from "../smtp/reply.ts";
import { NO_UTF8_ADDRESS } from "../smtp/unsendable.ts";
import {
  type AnswerContext,
  type HostTrouble,
  isStale,
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
  return new HandOver(exchange, job).run(recipients, signal);
}

class HandOver {
  readonly #exchange: SmtpExchange;
  readonly #job: HandOverJob;
  /** Messages that went over the connection before. */
  readonly #before: number;
  readonly #outcomes: Outcome[] = [];
  readonly #troubles = new Map<number, HostTrouble>();
  #pending: number[] = [];

  constructor(exchange: SmtpExchange, job: HandOverJob) {
    this.#exchange = exchange;
    this.#job = job;
    this.#before = exchange.messages;
  }

  async run(recipients: readonly number[], signal: AbortSignal): Promise<HandedOver> {
    const given = this.#job.message.fit(this.#exchange.peer);
    const fitted = this.#withUtf8(given instanceof Promise ? await given : given, recipients);
    if ("code" in fitted) {
      for (const recipient of recipients) this.#troubles.set(recipient, this.#unfit(fitted));
    } else {
      this.#pending = this.#sayable(recipients, fitted);
    }
    while (!("code" in fitted) && this.#pending.length > 0 && this.#exchange.usable) {
      const group = this.#nextGroup();
      const { peer } = this.#exchange;
      const transaction = this.#transaction(group, fitted, peer);
      const { entry: { id: message }, onRoom } = this.#job;
      const sending = { transaction, source: fitted.source, signal, message };
      const last = this.#pending.length === 0 && onRoom !== undefined;
      const sent = await this.#exchange.send(last ? { ...sending, onRoom } : sending);
      if (isStale(sent, this.#before > 0 && this.#exchange.messages === this.#before + 1)) {
        this.#pending.unshift(...group);
        break;
      }
      this.#settle(group, sent, signal.aborted);
      if (sent.unread !== null) this.#unreadable(sent.unread);
    }
    return { outcomes: this.#outcomes, troubles: this.#troubles, unasked: this.#pending };
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
  #sayable(recipients: readonly number[], { smtputf8 }: FittedMessage): number[] {
    return recipients.filter((index) => {
      if (wireAddress(this.#addressOf(index), smtputf8) !== null) return true;
      this.#troubles.set(index, this.#unfit(NO_UTF8_ADDRESS));
      return false;
    });
  }

  #unfit(given: Reply): HostTrouble {
    return ownTrouble(given, this.#station);
  }

  /** As many as one transaction takes, and of as many domains (RFC 9422 §4). */
  #nextGroup(): number[] {
    const { peer, recipientLimit } = this.#exchange;
    const { rcptDomainMax = Infinity } = peer.limits;
    const domains = new Set<string>();
    const group: number[] = [];
    const rest: number[] = [];
    for (const index of this.#pending) {
      const { domain } = this.#addressOf(index);
      const fits = group.length < recipientLimit &&
        (domains.has(domain) || domains.size < rcptDomainMax);
      if (fits) domains.add(domain);
      (fits ? group : rest).push(index);
    }
    this.#pending = rest;
    return group;
  }

  #transaction(
    group: readonly number[],
    { source, body, smtputf8 }: FittedMessage,
    peer: PeerExtensions,
  ): Transaction {
    const { entry, sender, taken } = this.#job;
    return {
      sender: sender && wireAddress(sender, smtputf8),
      recipients: group.map((index) => {
        const { notify, originalRecipient } = entry.recipients[index]!;
        return {
          address: wireAddress(this.#addressOf(index), smtputf8)!,
          ...(notify !== undefined && { notify: this.#notifyOf(notify) }),
          ...(originalRecipient !== undefined && { originalRecipient }),
        };
      }),
      size: source.head.length + 2 + source.bodySize,
      body,
      smtputf8,
      // At the end of the road there is no way left to protect.
      requireTls: entry.requireTls && (taken === "relayed" || peer.requireTls),
      ...(entry.dsnReturn !== undefined && { dsnReturn: entry.dsnReturn }),
      ...(entry.dsnEnvelopeId !== undefined && { dsnEnvelopeId: entry.dsnEnvelopeId }),
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
    this.#outcomes.push(...putOff([...this.#pending, ...this.#troubles.keys()], UNREADABLE));
    this.#pending = [];
    this.#troubles.clear();
  }

  #settle(group: readonly number[], sent: Sent, aborted: boolean): void {
    const { chosen, taken } = this.#job;
    const context = { ...this.#station, chosen, taken, aborted };
    const settled = settleAnswers(group, sent, context);
    this.#outcomes.push(...settled.outcomes);
    for (const [recipient, trouble] of settled.troubles) this.#troubles.set(recipient, trouble);
    this.#pending.push(...settled.again);
    if (settled.outcomes.some(({ maybeDelivered }) => maybeDelivered)) {
      this.#tellTrouble(sent.failure);
    }
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
    return { label, ...(tls !== undefined && { tls }) };
  }
}
