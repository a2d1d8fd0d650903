/**
 * What all parts of a client session share: octets and events on their way out, the replies that are awaited,
 * in order, and the one way in which a session fails. A part talks to the peer and to the driver only through
 * here; it does not know the session, and no part knows another.
 *
 * @module
 */

import type { ClientEvent, ClientFailure } from "./client_event.ts";
import type { ClientSettings } from "./client_settings.ts";
import { Outbox } from "./outbox.ts";
import type { PeerExtensions } from "./peer_extensions.ts";
import { type Reply, reply } from "./reply.ts";
import { boundReply } from "./reply_decoder.ts";
import { HIDDEN, type SessionTap, showReply } from "./session_tap.ts";
import { UNASKED } from "./unsendable.ts";

/** Takes a reply to a command. */
export type ReplyTaker = (given: Reply, command: string) => void;

/** A reply that is awaited. */
export interface Awaited {
  /** What it answers: `greeting`, a verb, or `end` for the end of a message. */
  readonly command: string;
  /** How long it may take, in milliseconds. */
  readonly timeout: number;
  /** Takes it, and is told what it answers; never 1xx, never 421. */
  readonly onReply: ReplyTaker;
}

/** What the session needs of a transaction that goes on. */
export interface Ongoing {
  /** Whether the transaction awaits octets of the message and no reply. */
  readonly inBody: boolean;
  /** Whether the end of the message is among what was said. */
  readonly ended: boolean;
  /** A reply that answers nothing: `true` when the transaction can make sense of it. */
  early(given: Reply): boolean;
  /** Tells the outcomes; gives whether the message may have been delivered. */
  lost(why: Reply, remote: boolean): boolean;
  /** The transaction before it is over: it is the one that goes on. */
  promote(): void;
}

/** The common ground of one session's parts. */
export class ClientCore {
  /** Who we are, and how much the peer may do. */
  readonly settings: ClientSettings;
  /** What the driver has not yet been told. */
  readonly events: ClientEvent[] = [];
  /** Whether the socket is secured. */
  secure: boolean;
  /** What the peer offers; `null` until it has said. */
  peer: PeerExtensions | null = null;
  /** The transaction that goes on. */
  transaction: Ongoing | null = null;
  /** The one behind it, whose commands went out with the end of its message (RFC 2920 §3.1). */
  following: Ongoing | null = null;
  /** A transaction was left half-way: RSET must come before the next one. */
  needsReset = false;
  /** How often octets were taken. */
  #takes = 0;
  /** Replies so far. */
  replies = 0;
  /** Who may listen in. */
  readonly tap: SessionTap | null;
  /** What nobody is told, even where the peer says it back to us; {@link bare}. */
  readonly #secrets: string[] = [];
  #closed = false;
  #awaited: Awaited[] = [];
  /** What the reply at hand answers. */
  #answering: string | null = null;
  readonly #out = new Outbox();

  /** The peer has just been connected to. */
  constructor(settings: ClientSettings, secure: boolean, tap: SessionTap | null) {
    this.settings = settings;
    this.secure = secure;
    this.tap = tap;
  }

  /** Whether the session is over. */
  get closed(): boolean {
    return this.#closed;
  }

  /** The first reply that is awaited. */
  get awaited(): Awaited | null {
    return this.#awaited[0] ?? null;
  }

  /** How many replies are awaited. */
  get outstanding(): number {
    return this.#awaited.length;
  }

  /** Octets that wait to be taken. */
  get pending(): number {
    return this.#out.length;
  }

  /** How often octets were taken: tells whether what was said was handed to the driver since. */
  get takes(): number {
    return this.#takes;
  }

  /** What the driver is to hear. */
  tell(event: ClientEvent): void {
    this.events.push(event);
  }

  /** A command, without its CRLF, and who takes the reply. */
  say(line: string, command: string, timeout: number, onReply: ReplyTaker): void {
    if (this.tap?.heard) this.tap.command(line);
    this.#say(line, command, timeout, onReply);
  }

  /** As {@link say}, for a line that holds a secret; listeners are told `shown` in its place. */
  saySecret(
    line: string,
    shown: string,
    command: string,
    timeout: number,
    onReply: ReplyTaker,
  ): void {
    if (this.tap?.heard) this.tap.command(shown);
    this.#say(line, command, timeout, onReply);
  }

  #say(line: string, command: string, timeout: number, onReply: ReplyTaker): void {
    this.#out.line(line);
    this.expect(command, timeout, onReply);
  }

  /** Nobody must ever be told this: refusals get into the log, the queue and notices. */
  keepSecret(text: string): void {
    const secret = bare(text);
    if (secret !== "") this.#secrets.push(secret);
  }

  /** One more reply is awaited. */
  expect(command: string, timeout: number, onReply: ReplyTaker): void {
    this.#awaited.push({ command, timeout, onReply });
  }

  /** Octets that are no command. */
  write(octets: Uint8Array): void {
    this.#out.octets(octets);
  }

  /** Takes back what was added after so many octets were {@link pending}. */
  unwrite(pending: number): void {
    this.#out.cut(pending);
  }

  /** A line that nobody awaits an answer to. */
  sayLast(line: string): void {
    if (this.tap?.heard) this.tap.command(line);
    this.#out.line(line);
  }

  /** All octets to write, which then wait no more; valid until more is said. */
  take(): Uint8Array {
    this.#takes++;
    return this.#out.take();
  }

  /** A reply came. */
  receive(said: Reply): void {
    this.replies++;
    const harmless = this.#withoutSecrets(said);
    if (this.tap?.heard) this.tap.reply(showReply(harmless), true);
    // What is no refusal is for us alone: a challenge must be taken as it is.
    const given = said.code < 400 ? said : harmless;
    if (given.code < 200) return this.garbage(`a ${given.code} reply, which SMTP does not have`);
    const quitting = this.awaited?.command === "QUIT";
    // RFC 5321 §3.8: to any command, and to none.
    if (given.code === 421 && !quitting) return this.fail("shutting-down", boundReply(given), true);
    const awaited = this.#awaited.shift();
    if (awaited !== undefined) {
      this.#answering = awaited.command;
      awaited.onReply(given, awaited.command);
      this.#answering = null;
      return;
    }
    if (this.transaction?.early(given)) return;
    this.garbage(`a ${given.code} reply to nothing`);
  }

  /** A reply as it may be told. */
  #withoutSecrets(given: Reply): Reply {
    if (this.#secrets.length === 0) return given;
    const said = bare(given.lines.join(""));
    return this.#secrets.some((secret) => said.includes(secret))
      ? { ...given, lines: [HIDDEN] }
      : given;
  }

  /** What came makes no sense. */
  garbage(why: string): void {
    this.fail("garbage", reply(451, "4.5.0", `the server sent ${why}`), false);
  }

  /** A reply has a code that its command cannot have. */
  outOfPlace(given: Reply, command: string): void {
    this.garbage(`${given.code} to ${command}, which is no answer to it`);
  }

  /** Ends the session on account of something. To be followed by nothing but `take()`. */
  fail(kind: ClientFailure, why: Reply, remote: boolean): void {
    if (this.#closed) return;
    const where = this.where;
    if (this.tap?.heard && !remote) this.tap.note(why.lines.join(" "));
    const { transaction, following } = this;
    const maybeDelivered = transaction?.lost(why, remote) ?? false;
    // Whatever was said, it was not about that one.
    following?.lost(UNASKED, false);
    this.close();
    this.tell({ type: "failed", kind, reply: why, remote, where, maybeDelivered });
  }

  /** Ends the session. */
  close(): void {
    this.#closed = true;
    this.#awaited = [];
    this.transaction = null;
    this.following = null;
  }

  /**
   * The transaction that goes on is over; the one behind it, where there is one, takes its place.
   *
   * @param open whether the peer may still hold a transaction.
   */
  pass(open: boolean): void {
    const { following } = this;
    // Who follows where that may be has said RSET.
    this.needsReset = open && following === null;
    this.transaction = following;
    this.following = null;
    following?.promote();
  }

  /** What is awaited, for people. */
  get where(): string {
    const command = this.#answering ?? this.awaited?.command;
    if (command !== undefined) return command;
    return this.transaction?.inBody ? "message" : "idle";
  }
}

/** A text without what changes when it is said back: white space and line ends, the padding of base64. */
function bare(text: string): string {
  return text.replace(/[\s=]+/g, "");
}
