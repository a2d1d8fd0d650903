/**
 * The client's side of SMTP and LMTP as a machine without I/O (RFC 5321, RFC 2033): replies in, events and
 * commands out.
 *
 * How to drive it: write what `take()` gives, call `next()` until it gives `null`, then do what `waiting` says:
 * - `reply`: read, and hand what came to `receive()`, the end of the connection to `receiveEnd()`, a wait
 *   longer than `timeout` to `receiveTimeout()`;
 * - `intent`: say what is wanted: `startTls()`, `authenticate()`, `send()`, `reset()`, `noop()`, `quit()`;
 * - `body`: `writeBody()`, in the end `endBody()` or `abandonBody()`; look at `waiting` again after each;
 * - `derive`: compute what the event says, then `derived()`;
 * - `tls`: secure the socket, then `tlsStarted()`;
 * - `closed`: write what `take()` gives and close.
 *
 * Read also while writing the message, or at least before a failed write is taken for the end: a server that
 * stops a message says why first.
 *
 * It leaves to the driver: time, sockets, TLS, the derivation of keys, when to use TLS and whom to trust. Nothing
 * a peer sends makes it throw; calling it out of turn is a bug and does.
 *
 * @module
 */

import {
  CLIENT_MECHANISMS,
  ClientAuth,
  type ClientCredentials,
  type ClientMechanism,
} from "./client_auth.ts";
import { ClientCore } from "./client_core.ts";
import type { ClientEvent, Transaction } from "./client_event.ts";
import type { ClientSettings, ClientTimeouts } from "./client_settings.ts";
import { ClientTransaction } from "./client_transaction.ts";
import { cursorOver } from "./cursor.ts";
import {
  parsePeerExtensions,
  type PeerExtensions,
  peerWithoutExtensions,
} from "./peer_extensions.ts";
import { type Reply, reply } from "./reply.ts";
import { boundReply, ReplyDecoder } from "./reply_decoder.ts";
import type { SessionTap } from "./session_tap.ts";

export type { ClientCredentials, ClientMechanism } from "./client_auth.ts";

/** What a session needs beside its settings. */
export interface ClientContext {
  /** The socket is secured already (port 465). */
  readonly secure?: boolean;
  /** A fresh, unguessable, printable string without commas for SCRAM; called once for each exchange. */
  readonly nonce: () => string;
  /** Who may listen in. */
  readonly tap?: SessionTap;
}

/** What the session waits for. */
export type ClientWaiting = "reply" | "intent" | "body" | "derive" | "tls" | "closed";

/**
 * One session; its peer has just been connected to.
 *
 * @example
 * ```ts
 * import { ClientSession } from "./client_session.ts";
 * import { clientSettings } from "./client_settings.ts";
 * import { decode, encode } from "../bytes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const session = new ClientSession(clientSettings("mta.example"), { nonce: () => "n" });
 * session.receive(encode("220 mx.example ESMTP\r\n"));
 * assertEquals(decode(session.take()), "EHLO mta.example\r\n");
 * session.receive(encode("250-mx.example\r\n250 PIPELINING\r\n"));
 * assertEquals(session.next()?.type, "ready");
 * assertEquals([session.waiting, session.peer?.pipelining], ["intent", true]);
 * ```
 */
export class ClientSession {
  readonly #core: ClientCore;
  readonly #auth: ClientAuth;
  readonly #decoder: ReplyDecoder;
  readonly #nonce: () => string;
  #transaction: ClientTransaction | null = null;
  #tls = false;
  #injected = false;
  #messages = 0;
  #greeting: Reply | null = null;

  /** A session that waits for the greeting. */
  constructor(settings: ClientSettings, context: ClientContext) {
    this.#core = new ClientCore(settings, context.secure ?? false, context.tap ?? null);
    this.#auth = new ClientAuth(this.#core);
    this.#decoder = new ReplyDecoder(settings.limits);
    this.#nonce = context.nonce;
    const { greeting } = settings.timeouts;
    this.#core.expect("greeting", greeting, (given) => this.#onGreeting(given));
  }

  /** What must happen now that `next()` gave `null`. */
  get waiting(): ClientWaiting {
    const core = this.#core;
    if (core.closed) return "closed";
    if (this.#tls) return "tls";
    if (this.#auth.deriving) return "derive";
    if (core.transaction?.inBody) return "body";
    return core.outstanding > 0 ? "reply" : "intent";
  }

  /** How long this wait may last, in milliseconds; `Infinity` where nothing of the peer's is awaited. */
  get timeout(): number {
    const { timeouts } = this.#core.settings;
    switch (this.waiting) {
      case "reply":
        return this.#core.awaited!.timeout;
      case "tls":
        return timeouts.handshake;
      case "body":
        return timeouts.block;
      default:
        return Infinity;
    }
  }

  /** How long a peer may take for what. */
  get timeouts(): ClientTimeouts {
    return this.#core.settings.timeouts;
  }

  /** How many replies have come: {@link timeout} is for a whole reply, however slowly its octets come. */
  get replies(): number {
    return this.#core.replies;
  }

  /** What the peer offers; `null` before it has said. */
  get peer(): PeerExtensions | null {
    return this.#core.peer;
  }

  /** Whether the socket is secured. */
  get secure(): boolean {
    return this.#core.secure;
  }

  /** Recipients that `send()` takes: what the peer says (RFC 9422), else what we are set to. */
  get recipientLimit(): number {
    return this.peer?.limits.rcptMax ?? this.#core.settings.limits.recipients;
  }

  /** How many more messages the session can carry (RFC 9422, and our own limit). */
  get messagesLeft(): number {
    const { messages } = this.#core.settings.limits;
    return Math.max(0, Math.min(this.peer?.limits.mailMax ?? messages, messages) - this.#messages);
  }

  /** Octets from the peer; used up when it returns. May be called whatever is awaited. */
  receive(bytes: Uint8Array): void {
    const cursor = cursorOver(bytes);
    while (cursor.at < cursor.end && !this.#core.closed) {
      if (this.#tls) return this.#dropInjected();
      const result = this.#decoder.next(cursor);
      if (result === null) return;
      if (result.type === "garbage") this.#core.garbage(result.why);
      else this.#core.receive(result.reply);
    }
  }

  /** The peer closed, or the connection broke. */
  receiveEnd(): void {
    const { where } = this.#core;
    if (where === "QUIT") return this.#quitted();
    this.#core.fail("closed", reply(451, "4.4.2", `the connection ended, ${at(where)}`), false);
  }

  /** The wait took longer than `timeout`. */
  receiveTimeout(): void {
    const { where } = this.#core;
    if (where === "QUIT") return this.#quitted();
    this.#core.fail("timeout", reply(451, "4.4.2", `the server is silent, ${at(where)}`), false);
  }

  /** What happened next, or `null`: see {@link waiting}. */
  next(): ClientEvent | null {
    return this.#core.events.shift() ?? null;
  }

  /** The octets to write now; valid until the session is told more. */
  take(): Uint8Array {
    return this.#core.take();
  }

  /** Asks for TLS: `start-tls` or `tls-refused`. */
  startTls(): void {
    this.#intend("startTls");
    if (!this.#core.peer!.startTls) {
      return this.#core.tell({ type: "tls-refused", reply: NO_STARTTLS, remote: false });
    }
    this.#say("STARTTLS", (given) => this.#onStartTls(given));
  }

  /** TLS is on: what was learnt is forgotten, and EHLO said again (RFC 3207 §4.2). */
  tlsStarted(): void {
    if (!this.#tls) throw new Error("tlsStarted() without STARTTLS");
    this.#tls = false;
    this.#core.secure = true;
    this.#core.peer = null;
    this.#sayHello();
  }

  /**
   * Logs in with the strongest of `mechanisms` (default all) that is offered: `authenticated` or
   * `auth-failed`. Over a socket that is not secured only where the settings say so.
   */
  authenticate(
    credentials: ClientCredentials,
    options: { readonly mechanisms?: readonly ClientMechanism[] } = {},
  ): void {
    this.#intend("authenticate");
    this.#auth.begin(credentials, options.mechanisms ?? CLIENT_MECHANISMS, this.#nonce);
  }

  /** The answer to `derive`: 32 octets. Of no use, and harmless, when the session has failed meanwhile. */
  derived(key: Uint8Array): void {
    if (!this.#core.closed) this.#auth.derived(key);
  }

  /**
   * Whether {@link send} may be called though the message before was not answered yet: it was ended, and the peer
   * takes commands that go ahead. RFC 2920 §3.1 lets the end of a message be the first in a group of commands.
   */
  get mayFollow(): boolean {
    const { transaction, following, settings, closed } = this.#core;
    return following === null && transaction !== null && transaction.ended && !closed &&
      settings.protocol === "smtp" && this.peer!.pipelining && this.messagesLeft > 0;
  }

  /**
   * Sends a message: `body` where somebody is to get it, and `outcomes` in any case, after those of the message
   * before.
   *
   * @throws {RangeError} when there are no recipients, or more than {@link recipientLimit}, or no
   * {@link messagesLeft}.
   */
  send(transaction: Transaction): void {
    const follows = this.mayFollow;
    if (!follows) this.#intend("send");
    const { length } = transaction.recipients;
    if (length === 0 || length > this.recipientLimit) {
      throw new RangeError(
        `${length} recipients: between 1 and ${this.recipientLimit} can be sent`,
      );
    }
    if (this.messagesLeft === 0) throw new RangeError("the session can carry no more messages");
    const core = this.#core;
    // A chunk before it may be refused, and leave the transaction open.
    const reset = follows ? core.peer!.chunking : core.needsReset;
    const next = new ClientTransaction(core, transaction, core.peer!, reset);
    core[follows ? "following" : "transaction"] = this.#transaction = next;
    if (next.start()) this.#messages++;
  }

  /**
   * A piece of the message, its head and body in order. Copied or used up when it returns. Where the outcome is
   * decided meanwhile this does nothing, and so do the two below: look at {@link waiting} to stop early.
   */
  writeBody(bytes: Uint8Array): void {
    this.#body().write(bytes);
  }

  /** The message is whole. */
  endBody(): void {
    this.#body().end();
  }

  /**
   * The message cannot be gone on with; `why` becomes the outcome. Within DATA that ends the session without a
   * word, since anything said would be part of the message.
   */
  abandonBody(why: Reply): void {
    this.#body().abandon(why);
  }

  /** RSET: `done`. */
  reset(): void {
    this.#simple("RSET");
  }

  /** NOOP: `done`. */
  noop(): void {
    this.#simple("NOOP");
  }

  /** QUIT: `quit`. */
  quit(): void {
    this.#intend("quit");
    const { quit } = this.#core.settings.timeouts;
    this.#core.say("QUIT", "QUIT", quit, () => this.#quitted());
  }

  #intend(what: string): void {
    const { waiting } = this;
    if (waiting !== "intent") throw new Error(`${what}() while waiting for "${waiting}"`);
  }

  #body(): ClientTransaction {
    if (this.#transaction === null) throw new Error("no message is awaited");
    return this.#transaction;
  }

  #say(line: string, onReply: (given: Reply) => void): void {
    const command = line.split(" ", 1)[0]!;
    this.#core.say(line, command, this.#core.settings.timeouts.command, onReply);
  }

  #simple(command: "RSET" | "NOOP"): void {
    this.#intend(command);
    this.#say(command, (given) => {
      if (given.code >= 300 && given.code < 400) return this.#core.outOfPlace(given, command);
      if (command === "RSET" && given.code < 300) this.#core.needsReset = false;
      this.#core.tell({ type: "done", command, reply: boundReply(given) });
    });
  }

  /** RFC 5321 §3.1: a client that is turned away says QUIT. */
  #turnedAway(kind: "greeting" | "refused", given: Reply): void {
    this.#core.fail(kind, boundReply(given), true);
    this.#core.sayLast("QUIT");
  }

  #onGreeting(given: Reply): void {
    if (given.code >= 400) return this.#turnedAway("greeting", given);
    if (given.code !== 220) return this.#core.outOfPlace(given, "the connection");
    this.#greeting = boundReply(given);
    this.#sayHello();
  }

  #sayHello(): void {
    const { hostname, protocol } = this.#core.settings;
    const verb = protocol === "lmtp" ? "LHLO" : "EHLO";
    this.#say(`${verb} ${hostname}`, (given) => this.#onHello(verb, given));
  }

  #onHello(verb: "EHLO" | "HELO" | "LHLO", given: Reply): void {
    const { settings, secure } = this.#core;
    if (given.code >= 500 && verb === "EHLO") { // RFC 5321 §3.2
      return this.#say(`HELO ${settings.hostname}`, (next) => this.#onHello("HELO", next));
    }
    if (given.code >= 400) return this.#turnedAway("refused", given);
    if (given.code !== 250) return this.#core.outOfPlace(given, verb);
    const peer = verb === "HELO"
      ? peerWithoutExtensions(given)
      : parsePeerExtensions(given, { secure, ignored: settings.ignoredKeywords });
    this.#core.peer = peer;
    this.#core.tell({ type: "ready", hello: verb, greeting: this.#greeting!, peer });
  }

  #onStartTls(given: Reply): void {
    if (given.code >= 400) {
      return this.#core.tell({ type: "tls-refused", reply: boundReply(given), remote: true });
    }
    if (given.code !== 220) return this.#core.outOfPlace(given, "STARTTLS");
    this.#tls = true;
    this.#core.tell({ type: "start-tls", reply: boundReply(given) });
  }

  /** What comes in clear behind 220 would be read as if it had come over TLS (response injection). */
  #dropInjected(): void {
    if (this.#injected) return;
    this.#injected = true;
    this.#core.tell({ type: "fault", kind: "plaintext-after-starttls" });
  }

  #quitted(): void {
    this.#core.close();
    this.#core.tell({ type: "quit" });
  }
}

/** Where something happened, for people. */
function at(where: string): string {
  switch (where) {
    case "greeting":
      return "before the greeting";
    case "message":
      return "while the message was sent";
    case "end":
      return "after the message was sent and before it was answered";
    case "idle":
      return "between messages";
    default:
      return `before the reply to ${where}`;
  }
}

const NO_STARTTLS = reply(502, "5.7.4", "the server does not offer TLS");
