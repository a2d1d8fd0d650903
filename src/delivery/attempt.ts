/**
 * One attempt to hand a message to one of several stations: they are tried in order until every recipient
 * is decided or none is left. Shared by SMTP and LMTP.
 *
 * Who decides when no station took the message: a recipient fails only when every one said so for good;
 * while one might do another time, or was not asked, it is put off. A greeting of 5xx is taken for a passing
 * one (as Postfix does: hosts that are blocked or ill greet so), but for 521 and 556, which mean that no mail
 * is ever taken (RFC 7504). So is a login refused: a password can be put right, mail that was sent back
 * cannot. And so is whatever a station of the operator's choice says before the first message: a slip in a
 * setting (LMTP to a port of SMTP) must not bounce all mail. A host that turns out to be this station itself is
 * the end of the list: who comes after it would only pass the mail back to us (RFC 5321 §5.1).
 *
 * What fails: nothing is thrown; a message that cannot be read is put off and told as an event.
 *
 * @module
 */

import { describeError } from "../events.ts";
import type { Outcome } from "../queue/outcome.ts";
import type { RelaySettings } from "../routing/route.ts";
import { describeReply, type Reply, reply } from "../smtp/reply.ts";
import { boundReply } from "../smtp/reply_decoder.ts";
import type { HostTrouble } from "./answers.ts";
import { type ConnectionPool, targetKey } from "./connection_pool.ts";
import { type HandedOver, handOver, type HandOverJob } from "./hand_over.ts";
import { openExchange } from "./open_exchange.ts";
import type { OpeningFailure } from "./opening_failure.ts";
import { putOff, STOPPED, UNREADABLE } from "./outcomes.ts";
import { OutgoingMessage } from "./outgoing_message.ts";
import { type ExchangeServices, type ExchangeTarget, SmtpExchange } from "./smtp_exchange.ts";
import type { DeliveryJob } from "./transport.ts";

/** What attempts are made with. */
export interface AttemptServices extends ExchangeServices {
  readonly pool: ConnectionPool;
}

/** What is attempted. */
export interface AttemptPlan {
  readonly job: DeliveryJob;
  /** Whom to try, in this order. */
  readonly targets: Iterable<ExchangeTarget>;
  /** The targets are the operator's choice, not that of DNS. */
  readonly chosen: boolean;
  /** Why there may be others another time. */
  readonly missing?: Reply;
  /** What a recipient is when a station has taken the message. */
  readonly taken: "relayed" | "delivered";
  /** What becomes of 8-bit mail where a station takes none. Default `convert`. */
  readonly eightBit?: RelaySettings["eightBit"];
}

/** No other station is begun with after so long (milliseconds): one alone may cost ten minutes and more. */
const ENOUGH = 10 * 60_000;

/** Makes an attempt; gives an outcome for each recipient of the job. Never throws. */
export function attempt(
  services: AttemptServices,
  plan: AttemptPlan,
  signal: AbortSignal,
): Promise<readonly Outcome[]> {
  return new Attempt(services, plan, signal).run();
}

class Attempt {
  readonly #services: AttemptServices;
  readonly #plan: AttemptPlan;
  readonly #signal: AbortSignal;
  /** Whether it may go behind another's message. */
  #follows: boolean;
  #outcomes: readonly Outcome[] = [];
  #undecided: readonly number[];
  /** What stations said of each recipient that they did not decide. */
  readonly #troubles = new Map<number, HostTrouble[]>();
  /** A host was this station: those behind it are not asked. */
  #loop = false;
  /** Why not all hosts were asked. */
  #missing: Reply | undefined;

  constructor(services: AttemptServices, plan: AttemptPlan, signal: AbortSignal) {
    this.#services = services;
    this.#plan = plan;
    this.#signal = signal;
    this.#follows = plan.job.follows === true;
    this.#missing = plan.missing;
    this.#undecided = plan.job.recipients;
  }

  async run(): Promise<readonly Outcome[]> {
    const { emit, clock } = this.#services;
    const { job, targets, eightBit } = this.#plan;
    const { entry } = job;
    try {
      const opened = job.open();
      const source = opened instanceof Promise ? await opened : opened;
      const message = new OutgoingMessage(entry, source, eightBit);
      let enough = 0;
      for (const target of targets) {
        if (this.#signal.aborted || this.#loop || this.#undecided.length === 0) break;
        if (enough === 0) {
          enough = clock.now() + ENOUGH;
        } else if (clock.now() >= enough) {
          this.#missing = NO_TIME;
          break;
        }
        await this.#try(target, message);
      }
    } catch (error) {
      const { id: message } = entry;
      emit({ type: "queue.trouble", where: "relay", error: describeError(error), message });
      return [...this.#outcomes, ...putOff(this.#undecided, UNREADABLE)];
    }
    if (this.#undecided.length === 0) return this.#outcomes;
    return [...this.#outcomes, ...this.#undecided.map((recipient) => this.#putOff(recipient))];
  }

  /** One address, over as many connections as its limits ask for. */
  async #try(target: ExchangeTarget, message: OutgoingMessage): Promise<void> {
    const { hostname, pool, emit } = this.#services;
    const { job, job: { entry, sender }, taken, chosen } = this.#plan;
    const key = targetKey(hostname, target);
    let pending = this.#undecided;
    while (pending.length > 0 && !this.#signal.aborted) {
      const kept = pool.take(key, this.#follows);
      this.#follows = false; // once: behind another message it may be the same again
      const exchange = kept ?? await this.#open(target);
      if (!(exchange instanceof SmtpExchange)) return this.#failed(exchange, target, pending);
      const onRoom = () => {
        pool.offer(key, exchange);
        job.onRoom?.();
      };
      const order: HandOverJob = { entry, sender, message, taken, chosen, onRoom, emit };
      let handed: HandedOver;
      try {
        handed = await handOver(exchange, order, pending, this.#signal);
      } finally {
        pool.give(key, exchange);
      }
      this.#note(handed);
      // A fresh connection that brought nobody forward would not do so again.
      if (kept === null && handed.unasked.length === pending.length) return;
      pending = handed.unasked;
    }
  }

  #note({ outcomes, troubles }: HandedOver): void {
    for (const [recipient, trouble] of troubles) this.#noteTrouble(recipient, trouble);
    if (outcomes.length === 0) return;
    if (outcomes.length === this.#undecided.length) {
      this.#undecided = [];
    } else {
      const decided = new Set(outcomes.map(({ recipient }) => recipient));
      this.#undecided = this.#undecided.filter((recipient) => !decided.has(recipient));
    }
    this.#outcomes = this.#outcomes.length === 0 ? outcomes : [...this.#outcomes, ...outcomes];
  }

  #noteTrouble(recipient: number, trouble: HostTrouble): void {
    const troubles = this.#troubles.get(recipient);
    if (troubles === undefined) this.#troubles.set(recipient, [trouble]);
    else troubles.push(trouble);
  }

  /** Opens a connection; after TLS that failed and need not be, a fresh one in clear. */
  async #open(target: ExchangeTarget): Promise<SmtpExchange | OpeningFailure> {
    const { id } = this.#plan.job.entry;
    const opened = await openExchange(this.#services, target, this.#signal, id);
    if (opened instanceof SmtpExchange || opened.clear !== true) return opened;
    this.#services.emit({
      type: "relay.trouble",
      host: target.label,
      kind: "tls",
      error: `${opened.reply.lines.join(" ")}: goes on in clear`,
      message: id,
    });
    const inClear = { ...target, tls: { ...target.tls, start: "never" } } as const;
    return await openExchange(this.#services, inClear, this.#signal, id);
  }

  #failed(
    { stage, reply: given, remote, unreachable, tls }: OpeningFailure,
    { label }: ExchangeTarget,
    pending: readonly number[],
  ): void {
    this.#loop ||= stage === "loop";
    const trouble: HostTrouble = {
      reply: given,
      permanent: !this.#plan.chosen && isForEver(stage, given, remote),
      unreachable,
      ...(remote && { host: label }),
      ...(tls !== undefined && { tls }),
    };
    for (const recipient of pending) this.#noteTrouble(recipient, trouble);
  }

  /** What becomes of a recipient that no host decided. */
  #putOff(recipient: number): Outcome {
    if (this.#signal.aborted) return { recipient, status: "deferred", reply: STOPPED };
    const troubles = this.#troubles.get(recipient) ?? [];
    const hopeful = troubles.filter(({ permanent }) => !permanent);
    // The words of a station say more than ours about one that was not there.
    const told = hopeful.findLast(({ host }) => host !== undefined) ?? hopeful.at(-1) ??
      troubles.at(-1);
    const missing = this.#missing;
    if (told === undefined) return { recipient, status: "deferred", reply: missing ?? NO_HOST };
    const { reply: given, host, tls } = told;
    const unreachable = troubles.every((trouble) => trouble.unreachable);
    const failed = hopeful.length === 0;
    if (failed && missing !== undefined) {
      return { recipient, status: "deferred", reply: both(missing, told) };
    }
    return {
      recipient,
      status: failed ? "failed" : "deferred",
      reply: given,
      ...(host !== undefined && { host }),
      ...(tls !== undefined && { tls }),
      ...(unreachable && { unreachable }),
    };
  }
}

/** Whether a trouble before the first message means that no message will ever be taken. */
function isForEver(stage: OpeningFailure["stage"], { code }: Reply, remote: boolean): boolean {
  switch (stage) {
    case "loop":
      return true;
    case "greeting":
      return remote && (code === 521 || code === 556);
    case "hello":
      return remote && code >= 500;
    default:
      return false;
  }
}

/** Why others may be asked another time, and what one has said that was asked; the words are ours. */
function both(missing: Reply, { reply: given, host }: HostTrouble): Reply {
  const said = host === undefined
    ? given.lines.join(" ")
    : `${host} has said: ${describeReply(given)}`;
  return boundReply({ ...missing, lines: [`${missing.lines.join(" ")}; ${said}`] });
}

const NO_TIME: Reply = reply(451, "4.4.1", "there was no time to ask all hosts");
const NO_HOST: Reply = reply(451, "4.4.1", "no host could be asked");
