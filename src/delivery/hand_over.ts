/**
 * Hands one message to one station over an open connection: in as many transactions as its recipients
 * need, and says of each recipient whether that decided it or whether another host may be asked.
 *
 * Which answers decide. 2xx to the end of the message, and nothing else, is a delivery. 5xx to MAIL, RCPT,
 * DATA or the message is for ever; 4xx to RCPT, DATA or the message (421 too) is for now, for every host of
 * a domain would say the same. 4xx to MAIL, a connection that ends, and what this host cannot take (SIZE,
 * 8-bit, SMTPUTF8, REQUIRETLS) are troubles of the host: the next one may be better. So is 530 to MAIL, which
 * is about TLS we could not have (RFC 3207 §4) or a login that is not set (RFC 4954 §6), and will pass. Too many recipients (RFC 5321
 * §4.5.3.1.10) is no refusal: the rest goes in another transaction. And once the whole message was sent, no
 * other host is asked, whatever happens: it may have been taken (RFC 1047).
 *
 * @module
 */

import type { MtaFact } from "../events.ts";
import type { QueueEntry } from "../queue/entry.ts";
import type { Outcome } from "../queue/outcome.ts";
import type { RecipientOutcome, Transaction } from "../smtp/client_event.ts";
import type { DsnNotify } from "../smtp/parameters.ts";
import type { PeerExtensions } from "../smtp/peer_extensions.ts";
import { type Reply, reply } from "../smtp/reply.ts";
import { failureOf, putOff, STOPPED, UNREADABLE } from "./outcomes.ts";
import {
  type FittedMessage,
  type OutgoingMessage,
  UTF8_ADDRESS,
  wireAddress,
} from "./outgoing_message.ts";
import type { Sent, SmtpExchange } from "./smtp_exchange.ts";
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
  readonly emit: (fact: MtaFact) => void;
}

/** Why a host did not do. */
export interface HostTrouble {
  readonly reply: Reply;
  /** Who answered; absent: nobody, the words are ours. */
  readonly host?: string;
  readonly tls?: string;
  /** Would be the same at any other time. */
  readonly permanent: boolean;
  /** As in `Outcome.unreachable`. */
  readonly unreachable: boolean;
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
export async function handOver(
  exchange: SmtpExchange,
  job: HandOverJob,
  recipients: readonly number[],
  signal: AbortSignal,
): Promise<HandedOver> {
  return await new HandOver(exchange, job).run(recipients, signal);
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
    const fitted = await this.#fit(recipients);
    if ("code" in fitted) {
      for (const recipient of recipients) this.#troubles.set(recipient, this.#unfit(fitted));
    } else {
      this.#pending = this.#sayable(recipients, fitted);
    }
    while (!("code" in fitted) && this.#pending.length > 0 && this.#exchange.usable) {
      const group = this.#nextGroup();
      const { peer } = this.#exchange;
      const transaction = this.#transaction(group, fitted, peer);
      const sent = await this.#exchange.send(transaction, fitted.source, signal);
      if (this.#isStale(sent)) {
        this.#pending.unshift(...group);
        break;
      }
      this.#settle(group, sent, signal);
      if (sent.unread !== null) this.#unreadable(sent.unread);
    }
    return { outcomes: this.#outcomes, troubles: this.#troubles, unasked: this.#pending };
  }

  async #fit(recipients: readonly number[]): Promise<FittedMessage | Reply> {
    const { peer } = this.#exchange;
    // At the end of the road there is no way left to protect.
    const onwards = this.#job.taken === "relayed";
    if (onwards && this.#job.entry.requireTls && !peer.requireTls) return NO_REQUIRETLS;
    const fitted = await this.#job.message.fit(peer);
    if ("code" in fitted) return fitted;
    const size = sizeOf(fitted);
    if (peer.size !== false && peer.size > 0 && size > peer.size) {
      return reply(552, "5.3.4", `the message has ${size} octets, the station takes ${peer.size}`);
    }
    const { sender } = this.#job;
    // An alias may lead from an ASCII address to one that is not: then we ask for SMTPUTF8 ourselves.
    const addresses = [
      ...sender === null ? [] : [sender],
      ...recipients.map(this.#addressOf, this),
    ];
    const asked = addresses.some((address) => wireAddress(address, false) === null);
    const smtputf8 = fitted.smtputf8 || (peer.smtputf8 && asked);
    if (sender !== null && wireAddress(sender, smtputf8) === null) return UTF8_ADDRESS;
    return { ...fitted, smtputf8 };
  }

  /** Those whose address the station can be told. */
  #sayable(recipients: readonly number[], { smtputf8 }: FittedMessage): number[] {
    return recipients.filter((index) => {
      if (wireAddress(this.#addressOf(index), smtputf8) !== null) return true;
      this.#troubles.set(index, this.#unfit(UTF8_ADDRESS));
      return false;
    });
  }

  #unfit(given: Reply): HostTrouble {
    const { label } = this.#exchange;
    const words = { ...given, lines: [`${label}: ${given.lines.join(" ")}`] };
    return { reply: words, permanent: true, unreachable: false, ...this.#tls() };
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
    const { entry, sender } = this.#job;
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
      requireTls: entry.requireTls && peer.requireTls,
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

  /**
   * Whether a connection that had been used before ended as soon as it was used again: it had ended while
   * it was kept, or cannot be used again, and says nothing about the host.
   */
  #isStale({ outcomes, failure }: Sent): boolean {
    if (failure?.kind === "refused" && failure.where === "RSET") return true;
    if (this.#before === 0 || this.#exchange.messages !== this.#before + 1) return false;
    if (failure === null || failure.kind === "timeout" || failure.kind === "garbage") return false;
    return outcomes.every(({ stage, accepted, remote, reply }) =>
      stage === "mail" && !accepted && (!remote || reply.code === 421)
    );
  }

  /** Nobody else will be handed what cannot be read. */
  #unreadable(error: string): void {
    const { entry: { id: message }, emit } = this.#job;
    emit({ type: "queue.trouble", where: "relay", error, message });
    this.#outcomes.push(...putOff([...this.#pending, ...this.#troubles.keys()], UNREADABLE));
    this.#pending = [];
    this.#troubles.clear();
  }

  #settle(group: readonly number[], { outcomes, failure }: Sent, signal: AbortSignal): void {
    const many = outcomes.filter(isTooMany);
    const progress = failure === null && many.length < outcomes.length;
    for (const outcome of outcomes) {
      const recipient = group[outcome.recipient]!;
      if (progress && isTooMany(outcome)) this.#pending.push(recipient);
      else if (outcome.maybeDelivered) this.#maybeDelivered(recipient, outcome, signal);
      else this.#decide(recipient, outcome, signal);
    }
    if (outcomes.some(({ maybeDelivered }) => maybeDelivered)) this.#tellTrouble(failure);
  }

  #decide(recipient: number, outcome: RecipientOutcome, signal: AbortSignal): void {
    const { accepted, remote, reply: given, stage, dsnHandedOn } = outcome;
    const where = { host: this.#exchange.label, ...this.#tls() };
    if (accepted) {
      const status = this.#job.taken;
      const handedOn = status === "relayed" && dsnHandedOn;
      this.#outcomes.push({
        recipient,
        status,
        reply: given,
        ...where,
        ...(handedOn && { dsnHandedOn: true }),
      });
    } else if (signal.aborted && !remote) {
      this.#outcomes.push({ recipient, status: "deferred", reply: STOPPED });
    } else if (!remote) {
      const words = { ...given, lines: [`${where.host}: ${given.lines.join(" ")}`] };
      const permanent = given.code >= 500;
      this.#troubles.set(recipient, { reply: words, permanent, unreachable: false });
    } else if (stage === "mail" && (given.code < 500 || this.#wantsMore(given))) {
      const unreachable = given.code === 421;
      this.#troubles.set(recipient, { reply: given, ...where, permanent: false, unreachable });
    } else {
      const unreachable = given.code === 421;
      this.#outcomes.push({
        recipient,
        ...failureOf(given),
        ...where,
        ...(unreachable && { unreachable }),
      });
    }
  }

  /** 530 asks for TLS or a login: of who has TLS, and was named by DNS, for something we shall never have. */
  #wantsMore({ code }: Reply): boolean {
    return code === 530 && (this.#job.chosen || this.#exchange.tls === undefined);
  }

  /** RFC 1047: where there is a queue it is sent again, since a second copy is the lesser evil. */
  #maybeDelivered(
    recipient: number,
    { reply: given }: RecipientOutcome,
    signal: AbortSignal,
  ): void {
    const why = signal.aborted ? "delivery was interrupted" : given.lines.join(" ");
    const text =
      `${this.#exchange.label}: the whole message was sent, but its reply was not seen ` +
      `(${why}): it may have arrived`;
    const words = reply(451, "4.4.2", text);
    this.#outcomes.push({ recipient, status: "deferred", reply: words, maybeDelivered: true });
  }

  #tellTrouble(failure: Sent["failure"]): void {
    const { entry, emit } = this.#job;
    const why = failure?.reply.lines.join(" ") ?? "no reply";
    emit({
      type: "relay.trouble",
      host: this.#exchange.label,
      error: `no reply to the end of the message (${why}): it may arrive twice`,
      message: entry.id,
    });
  }

  #addressOf(index: number) {
    return this.#job.entry.recipients[index]!.address;
  }

  #tls(): { readonly tls?: string } {
    const { tls } = this.#exchange;
    return tls === undefined ? {} : { tls };
  }
}

/**
 * RFC 5321 §4.5.3.1.10: 452, or 552 of stations that follow RFC 821; with another enhanced code they speak of
 * the mailbox. Without one they may: then it is said again, and believed, in a transaction that has nobody else.
 */
function isTooMany({ stage, remote, reply: { code, enhanced } }: RecipientOutcome): boolean {
  if (stage !== "rcpt" || !remote) return false;
  if (enhanced === undefined) return code === 452 || code === 552;
  return [450, 451, 452, 552].includes(code) && (enhanced === "4.5.3" || enhanced === "5.5.3");
}

function sizeOf({ source }: FittedMessage): number {
  return source.head.length + 2 + source.bodySize;
}

/** RFC 8689 §5. */
const NO_REQUIRETLS: Reply = reply(
  550,
  "5.7.30",
  "the sender requires TLS all the way (REQUIRETLS), which this station does not offer",
);
