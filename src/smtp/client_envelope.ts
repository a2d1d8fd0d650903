/**
 * The envelope of one message, said to one peer: RSET where it must be, MAIL, RCPT, DATA (RFC 5321 §3.3).
 *
 * With PIPELINING the commands go ahead of their replies up to a bound, DATA among them; without it one waits
 * for the other (RFC 2920 §3.1). So DATA may be granted though no recipient was: then a lone dot ends it, and
 * whatever that is answered, nobody has got anything. BDAT never goes ahead of RCPT's replies: its octets would
 * travel for nothing where no recipient is taken, and waiting costs no more round trips than DATA does.
 *
 * It leaves the message to `client_body.ts`.
 *
 * @module
 */

import { mailCommand, rcptCommand, refuseRecipient, refuseTransaction } from "./client_commands.ts";
import type { ClientCore, ReplyTaker } from "./client_core.ts";
import type { Transaction } from "./client_event.ts";
import type { RecipientFates } from "./client_fates.ts";
import type { PeerExtensions } from "./peer_extensions.ts";
import { isCompletion, type Reply, reply } from "./reply.ts";
import { boundReply } from "./reply_decoder.ts";

/** Who is told what came of an envelope: one of the two, once. */
export interface EnvelopeEnd {
  /** Some recipients are taken, and the peer awaits the message. */
  onGranted(): void;
  /** Nobody is to get the message. @param open whether the peer may still hold a transaction. */
  onOver(open: boolean): void;
}

const END_OF_NOTHING = new Uint8Array([0x2e, 0x0d, 0x0a]);

/** An envelope on its way. */
export class ClientEnvelope {
  readonly #core: ClientCore;
  readonly #peer: PeerExtensions;
  readonly #transaction: Transaction;
  readonly #fates: RecipientFates;
  readonly #end: EnvelopeEnd;
  /** The recipients that can be said, and the next of them to say. */
  readonly #sayable: number[] = [];
  #next = 0;
  #reset: boolean;
  /** Replies that are awaited. */
  #outstanding = 0;
  /** How many recipients were answered: that is in the order in which they were said. */
  #answered = 0;
  #said = { mail: false, data: false };
  #open = false;
  #mailRefused = false;

  /** Nothing is said yet. @param reset whether RSET must come first. */
  constructor(
    core: ClientCore,
    transaction: Transaction,
    peer: PeerExtensions,
    fates: RecipientFates,
    end: EnvelopeEnd,
    reset: boolean,
  ) {
    this.#reset = reset;
    this.#core = core;
    this.#transaction = transaction;
    this.#peer = peer;
    this.#fates = fates;
    this.#end = end;
  }

  /** Whether MAIL was granted. */
  get open(): boolean {
    return this.#open;
  }

  /** Says what can be said; `false` when that is nothing. */
  start(): boolean {
    const refusal = refuseTransaction(this.#transaction, this.#peer);
    this.#transaction.recipients.forEach(({ address }, index) => {
      const why = refusal ?? refuseRecipient(address, this.#transaction.smtputf8);
      if (why === null) this.#sayable.push(index);
      else this.#fates.decide(index, why, refusal === null ? "rcpt" : "mail", false);
    });
    const any = this.#sayable.length > 0;
    if (any) this.#go();
    else this.#end.onOver(this.#reset);
    return any;
  }

  /** Says the next commands, as many as may go ahead. */
  #go(): void {
    const core = this.#core;
    const ahead = this.#peer.pipelining ? Math.max(1, core.settings.limits.commandsAhead) : 1;
    while (!core.closed && this.#outstanding < ahead) if (!this.#sayNext()) break;
    if (core.closed || this.#outstanding > 0) return;
    // All was said and answered.
    if (this.#fates.taken.length === 0 || this.#said.data) this.#end.onOver(this.#open);
    else this.#end.onGranted();
  }

  /** Says the next command; `false` when there is none for now. */
  #sayNext(): boolean {
    const { timeouts } = this.#core.settings;
    if (this.#mailRefused) return false;
    if (this.#reset) {
      this.#reset = false;
      this.#say("RSET", "RSET", timeouts.command);
    } else if (!this.#said.mail) {
      this.#said.mail = true;
      const line = mailCommand(this.#transaction, this.#peer);
      this.#say(line, "MAIL", timeouts.mail);
    } else if (this.#next < this.#sayable.length) {
      const index = this.#sayable[this.#next++]!;
      const line = rcptCommand(this.#transaction.recipients[index]!, this.#peer);
      this.#say(line, "RCPT", timeouts.rcpt);
    } else if (!this.#said.data && !this.#peer.chunking && this.#mayData) {
      this.#said.data = true;
      this.#say("DATA", "DATA", timeouts.data);
    } else {
      return false;
    }
    return true;
  }

  #say(line: string, command: string, timeout: number): void {
    this.#outstanding++;
    this.#core.say(line, command, timeout, this.#onReply);
  }

  readonly #onReply: ReplyTaker = (given, command) => {
    this.#outstanding--;
    switch (command) {
      case "RSET":
        return this.#onReset(given);
      case "MAIL":
        return this.#onMail(given);
      case "RCPT":
        return this.#onRcpt(given, this.#sayable[this.#answered++]!);
      default:
        return this.#onData(given);
    }
  };

  /** DATA is for somebody, or perhaps for somebody. */
  get #mayData(): boolean {
    return this.#fates.taken.length > 0 || this.#outstanding > 0;
  }

  #onReset(given: Reply): void {
    if (isCompletion(given)) return this.#go();
    if (given.code < 400) return this.#core.outOfPlace(given, "RSET");
    // It is about what was before: this message must not come back for it.
    const [text = ""] = boundReply(given).lines;
    const why = reply(451, "4.5.0", `the server does not reset: ${given.code} ${text}`);
    this.#core.fail("refused", why, false);
  }

  #onMail(given: Reply): void {
    if (isCompletion(given)) {
      this.#open = true;
    } else if (given.code < 400) {
      return this.#core.outOfPlace(given, "MAIL");
    } else {
      this.#mailRefused = true;
      const why = boundReply(given);
      for (const index of this.#sayable) this.#fates.decide(index, why, "mail", true);
    }
    this.#go();
  }

  #onRcpt(given: Reply, index: number): void {
    if (given.code >= 300 && given.code < 400) return this.#core.outOfPlace(given, "RCPT");
    if (!this.#mailRefused) {
      if (isCompletion(given)) this.#fates.taken.push(index);
      else this.#fates.decide(index, boundReply(given), "rcpt", true);
    }
    this.#go();
  }

  #onData(given: Reply): void {
    if (given.code >= 400) {
      this.#fates.decideTaken(boundReply(given), "data", true);
      return this.#end.onOver(this.#open);
    }
    if (given.code !== 354) return this.#core.outOfPlace(given, "DATA");
    if (this.#fates.taken.length > 0) this.#end.onGranted();
    else this.#endNothing();
  }

  /** DATA was granted, and there is nobody to get a message. */
  #endNothing(): void {
    const { settings: { protocol, timeouts }, tap } = this.#core;
    if (tap?.heard) tap.message(0);
    this.#core.write(END_OF_NOTHING);
    if (protocol !== "lmtp") {
      return this.#core.expect("end", timeouts.end, () => this.#end.onOver(false));
    }
    // Nobody was taken, so nobody's reply may come (RFC 2033 §4.2); but one may. Not to be built on.
    this.#core.fail("abandoned", NOBODY, false);
    this.#core.sayLast("QUIT");
  }
}

const NOBODY = reply(451, "4.5.0", "the server takes a message for nobody");
