/**
 * The server's side of SMTP and LMTP as a machine without I/O (RFC 5321, RFC 2033): octets in, events
 * and octets out. It checks syntax and order; what a command leads to is the driver's to say.
 *
 * How to drive it: call `next()` until it gives `null`, then do what `waiting` says:
 * - `bytes`: write what `take()` gives, read, and hand what came to `receive()`;
 * - `answer`: answer the last event;
 * - `tls`: write what `take()` gives, secure the socket, call `tlsStarted()`;
 * - `closed`: write what `take()` gives and close.
 *
 * It leaves to the driver: time-outs (`timeout` says how long a wait may last), passwords, policies and
 * where a message goes. No input makes it throw; calling it out of turn is a bug and does.
 *
 * @module
 */

import { BodyReceiver } from "./body_receiver.ts";
import { type Command, parseCommand } from "./command.ts";
import { cursorOver } from "./cursor.ts";
import type { Cursor } from "./cursor.ts";
import { LineDecoder } from "./line_decoder.ts";
import { Patience } from "./patience.ts";
import { type Reply, reply } from "./reply.ts";
import { ReplyQueue } from "./reply_queue.ts";
import { SaslExchange, type SaslOutcome } from "./sasl/exchange.ts";
import type { FaultKind, ServerAnswer, ServerEvent } from "./server_event.ts";
import {
  answer as answered,
  type MutableState,
  newState,
  newTransaction,
  type ServerState,
  sizeLimit,
  type VerbResult,
} from "./server_state.ts";
import type { SessionSettings } from "./session_settings.ts";
import { bdat, data } from "./verbs/body.ts";
import { hello, helloReply } from "./verbs/hello.ts";
import { mail } from "./verbs/mail.ts";
import { etrn, expand, help, verify } from "./verbs/queries.ts";
import { rcpt } from "./verbs/rcpt.ts";
import { authRefusal, starttls } from "./verbs/security.ts";

/** What a session needs beside its settings. */
export interface SessionContext {
  /** The socket is secured already (port 465). */
  readonly secure?: boolean;
  /** A fresh, unguessable, printable string for SASL; called once for each exchange that needs it. */
  readonly nonce: () => string;
}

/** What the session waits for. */
export type Waiting = "bytes" | "answer" | "tls" | "closed";

/** How octets are read now. */
type Mode = "line" | "sasl" | "body";

/**
 * One session.
 *
 * @example
 * ```ts
 * import { ServerSession } from "./server_session.ts";
 * import { settingsOf } from "../server/roles.ts";
 * import { decode, encode } from "../bytes.ts";
 * import { reply } from "./reply.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const session = new ServerSession(settingsOf("mx", "mx.example"), { nonce: () => "n" });
 * session.next(); // { type: "connect" }
 * session.answer({ reply: reply(220, undefined, "mx.example ESMTP") });
 * session.receive(encode("NOOP\r\n"));
 * session.next();
 * assertEquals(decode(session.take()), "220 mx.example ESMTP\r\n250 2.0.0 OK\r\n");
 * ```
 */
export class ServerSession {
  readonly #settings: SessionSettings;
  readonly #state: MutableState;
  readonly #patience: Patience;
  readonly #replies: ReplyQueue;
  readonly #nonce: () => string;
  readonly #lines: LineDecoder;
  /** Made with the first message: many connections never bring one. */
  #receiver: BodyReceiver | null = null;
  #cursor: Cursor = NOTHING;
  #mode: Mode = "line";
  #sasl: SaslExchange | null = null;
  /** The chunk head that waits until the driver has said whether it wants a body. */
  #chunk: { readonly size: number; readonly last: boolean } | null = null;

  /** How many replies the end of a chunk gets that nobody asked for; 0 while none comes in. */
  #unwanted = 0;

  #asked: ServerEvent | null = null;
  #events: ServerEvent[] = [{ type: "connect" }];
  #tls = false;
  #closed = false;
  #rejected = false;

  /** A session whose client has just connected. */
  constructor(settings: SessionSettings, context: SessionContext) {
    this.#settings = settings;
    this.#state = newState(settings, context.secure ?? false);
    this.#patience = new Patience(settings.limits);
    this.#replies = new ReplyQueue(settings.extensions.enhancedStatusCodes);
    this.#nonce = context.nonce;
    this.#lines = new LineDecoder(settings.limits.commandLine);
  }

  /** What the session knows at this moment. */
  get state(): ServerState {
    return this.#state;
  }

  /** What must happen now that `next()` gave `null`. */
  get waiting(): Waiting {
    if (this.#asked !== null) return "answer";
    if (this.#closed) return "closed";
    return this.#tls ? "tls" : "bytes";
  }

  /** How long this wait may last, in milliseconds (RFC 5321 §4.5.3.2). */
  get timeout(): number {
    const { timeouts } = this.#settings.limits;
    if (this.#tls) return timeouts.handshake;
    return this.#mode === "body" ? timeouts.data : timeouts.command;
  }

  /** Whether a message is being received: reads should be large. */
  get receivingBody(): boolean {
    return this.#mode === "body";
  }

  /** Octets that `take()` would give. */
  get pendingOutput(): number {
    return this.#replies.length;
  }

  /**
   * Octets from the client. They belong to the session, which may move them about, until it waits for
   * bytes again.
   */
  receive(bytes: Uint8Array): void {
    if (this.#cursor.at < this.#cursor.end) throw new Error("receive() before all was read");
    this.#cursor = cursorOver(bytes);
  }

  /** The octets to write now. */
  take(): Uint8Array {
    return this.#replies.take();
  }

  /** What happened next, or `null`: see {@link waiting}. */
  next(): ServerEvent | null {
    for (;;) {
      const event = this.#events.shift();
      if (event !== undefined) return this.#given(event);
      if (this.waiting !== "bytes" || !this.#step()) {
        if (this.#events.length === 0) return null;
      }
    }
  }

  /** Answers the event that `next()` gave last. */
  answer(given: ServerAnswer): void {
    const event = this.#asked;
    if (event === null) throw new Error("answer() without a question");
    this.#asked = null;
    if ("verifier" in given) return this.#saslOutcome(this.#exchange().verifier(given.verifier));
    if ("identity" in given) return this.#loggedIn(given.identity);
    if ("replies" in given) return this.#finished(given.replies);
    this.#replied(event, given.reply);
  }

  /** While a message comes in: drops the rest of it to its true end, then says this. */
  refuse(failure: Reply): void {
    if (this.#mode !== "body") throw new Error("refuse() while no message comes in");
    this.#body.refuse(failure);
  }

  /** Ends the session on our own account with a 421, after the octets already pending (RFC 5321 §3.8). */
  shutDown(last: Reply): void {
    if (this.#closed) return;
    this.#asked = null;
    this.#close(last);
  }

  /** TLS is on: a fresh session; what was read in the clear is dropped (RFC 3207 §4.2). */
  tlsStarted(): void {
    if (!this.#tls) throw new Error("tlsStarted() without STARTTLS");
    this.#tls = false;
    this.#state.secure = true;
    this.#state.hello = null;
    this.#state.identity = null;
    this.#lines.reset();
  }

  /** An event goes out; those that want an answer hold the session. */
  #given(event: ServerEvent): ServerEvent {
    if (!FACTS.has(event.type)) this.#asked = event;
    return event;
  }

  /** Reads on; `false` when more octets are needed. */
  #step(): boolean {
    return this.#mode === "body" ? this.#stepBody() : this.#stepLine();
  }

  #stepLine(): boolean {
    if (this.#talksTls()) return true;
    const result = this.#lines.next(this.#cursor);
    if (result === null) return false;
    switch (result.type) {
      case "line":
        if (this.#mode === "sasl") this.#saslOutcome(this.#exchange().respond(result.line));
        else {this.#command(
            parseCommand(result.line, { smtputf8: this.#settings.extensions.smtputf8 }),
          );}
        break;
      case "too-long":
        this.#lineTooLong();
        break;
      case "hopeless":
        this.#fault("line-too-long", "without end");
        this.#close(reply(500, "5.5.2", "line too long"));
        break;
      case "bare-newline":
        this.#fault("bare-newline", "in a command");
        this.#close(reply(521, "5.5.2", "lines must end in CRLF, not in a bare LF"));
        break;
    }
    return true;
  }

  #lineTooLong(): void {
    this.#fault("line-too-long", `over ${this.#lines.limit} octets`);
    const sasl = this.#mode === "sasl";
    if (sasl) this.#endSasl();
    // RFC 4954 §4 has a code of its own for SASL lines.
    this.#say(reply(500, sasl ? "5.5.6" : "5.5.2", "line too long"));
  }

  /** A TLS ClientHello in the clear would wait for an answer that never comes. No command begins so. */
  #talksTls(): boolean {
    const { bytes, at, end } = this.#cursor;
    if (at === end || bytes[at] !== 0x16 || this.#lines.pending) return false;
    this.#cursor.at = end;
    this.#fault("not-smtp", "TLS without STARTTLS");
    this.#close(reply(521, "5.5.1", "this port begins in the clear: use STARTTLS"));
    return true;
  }

  #command(command: Command): void {
    if (this.#rejected && command.verb !== "QUIT") {
      // The octets behind BDAT are no commands.
      if (command.verb === "BDAT") return this.#close(NO_SERVICE);
      return this.#say(NO_SERVICE);
    }
    switch (command.verb) {
      case "HELO":
      case "EHLO":
      case "LHLO":
        return this.#helloCommand(command);
      case "MAIL":
        return this.#mailCommand(command);
      case "RCPT":
        return this.#rcptCommand(command);
      case "DATA":
        return this.#result(data(this.#state));
      case "BDAT":
        return this.#bdatCommand(command);
      case "AUTH":
        return this.#authCommand(command);
      case "STARTTLS":
        return this.#starttlsCommand();
      case "RSET":
        if (this.#state.transaction !== null) this.#abort("RSET");
        return this.#idleCommand(OK);
      case "NOOP":
        return this.#idleCommand(OK);
      case "HELP":
        return this.#idleCommand(help(this.#state));
      case "VRFY":
        return this.#idleCommand(verify(command.argument, this.#state));
      case "EXPN":
        return this.#idleCommand(expand(command.argument, this.#state));
      case "ETRN":
        return this.#idleCommand(etrn(command.domain, this.#state));
      case "QUIT":
        return this.#close(reply(221, "2.0.0", "bye"), true);
      case "not-smtp":
        this.#fault("not-smtp", command.protocol);
        return this.#close(reply(521, "5.5.1", "this is an SMTP server"));
      case "unknown":
      case "invalid":
        return this.#invalid(command.reply, command.name);
    }
  }

  #helloCommand(command: Extract<Command, { verb: "HELO" | "EHLO" | "LHLO" }>): void {
    // RFC 2920 §3.1: EHLO ends a group, for what is offered is not known before its answer.
    if (this.#settings.refuseEarlyTalk && this.#cursor.at < this.#cursor.end) {
      this.#fault("unauthorized-pipelining", `commands after ${command.verb}`);
      return this.#close(reply(503, "5.5.0", "improper pipelining"));
    }
    this.#idleCommand(hello(command, this.#state));
  }

  #mailCommand(command: Extract<Command, { verb: "MAIL" }>): void {
    if (this.#state.messages >= this.#settings.limits.messages) {
      this.#fault("too-many-commands", "messages");
      return this.#close(reply(421, "4.7.0", "enough messages for one session: connect again"));
    }
    this.#result(mail(command, this.#state));
  }

  #rcptCommand(command: Extract<Command, { verb: "RCPT" }>): void {
    const result = rcpt(command, this.#state);
    if ("ask" in result) return this.#result(result);
    // Too many recipients is no fault: the client sends the rest in another message.
    if (result.reply.code === 452) this.#put(result.reply);
    else this.#refusedRecipient(result.reply);
  }

  #bdatCommand(command: Extract<Command, { verb: "BDAT" }>): void {
    const result = bdat(this.#state);
    if (result === null) return this.#beginChunk(command);
    this.#chunk = command;
    if ("reply" in result) this.#discardChunk(result.reply);
    else this.#result(result);
  }

  #authCommand(command: Extract<Command, { verb: "AUTH" }>): void {
    const refusal = authRefusal(command, this.#state);
    if (refusal !== null) return this.#result(refusal);
    this.#sasl = new SaslExchange(command.mechanism, this.#nonce, this.#settings);
    this.#mode = "sasl";
    this.#lines.limit = this.#settings.limits.authLine;
    this.#saslOutcome(this.#sasl.start(command.initialResponse));
  }

  #starttlsCommand(): void {
    const result = starttls(this.#state);
    if ("reply" in result) return this.#result(result);
    const early = this.#cursor.end - this.#cursor.at;
    if (early > 0) {
      this.#cursor.at = this.#cursor.end;
      this.#fault("plaintext-after-starttls", `${early} octets dropped`);
    }
    this.#say(reply(220, "2.0.0", "go ahead"));
    this.#tls = true;
    this.#events.push(result.ask);
  }

  /** A command that brings no mail forward: only so many of them. */
  #idleCommand(result: VerbResult): void {
    if (this.#patience.idleCommand()) {
      this.#fault("too-many-commands", "without mail");
      return this.#close(reply(421, "4.7.0", "too many commands"));
    }
    this.#result(result);
  }

  #invalid(refusal: Reply, name: string): void {
    this.#fault("syntax", refusal.lines.join(" "));
    // What follows a BDAT we cannot read is a message, not commands.
    if (name === "BDAT") return this.#close(refusal);
    if (name === "RCPT") return this.#refusedRecipient(refusal);
    this.#say(refusal);
  }

  #result(result: VerbResult): void {
    if ("ask" in result) this.#events.push(result.ask);
    else this.#say(result.reply);
  }

  /** What a plain reply means for the event it answers. */
  #replied(event: ServerEvent, given: Reply): void {
    const good = given.code < 400;
    // RFC 5321 §3.8: 421 says that the channel closes.
    if (given.code === 421) return this.#close(given);
    switch (event.type) {
      case "connect":
        return this.#greet(given);
      case "hello":
        if (!good) return this.#say(withoutEnhanced(given));
        this.#state.transaction = null; // RFC 5321 §4.1.4: as if RSET had been said
        this.#state.hello = { verb: event.verb, name: event.name };
        return this.#say(helloReply(this.#state));
      case "sender":
        if (good) this.#state.transaction = newTransaction(event.parameters);
        return this.#say(given);
      case "recipient":
        if (!good) return this.#refusedRecipient(given);
        this.#state.transaction!.accepted++;
        return this.#say(given);
      case "body":
        return this.#bodyReplied(event.command, given);
      case "end":
        return this.#finished(new Array<Reply>(this.#replyCount()).fill(given));
      case "auth":
      case "scram":
      case "authenticated":
        return this.#notLoggedIn(given);
      default:
        this.#say(given);
    }
  }

  #greet(given: Reply): void {
    if (this.#settings.refuseEarlyTalk && this.#cursor.at < this.#cursor.end) {
      this.#fault("early-talk", "before the greeting");
      return this.#close(reply(503, "5.5.0", "talked before the greeting"));
    }
    const greeting = withoutEnhanced(given);
    if (given.code === 521) return this.#close(greeting);
    this.#rejected = given.code >= 400;
    this.#say(greeting);
  }

  #refusedRecipient(refusal: Reply): void {
    if (this.#state.transaction === null) return this.#say(refusal);
    this.#state.transaction.refused++;
    if (this.#patience.refusedRecipient()) {
      this.#fault("too-many-errors", "recipients refused");
      return this.#close(reply(421, "4.7.0", "too many unknown recipients"));
    }
    this.#put(refusal);
  }

  #bodyReplied(command: "DATA" | "BDAT", given: Reply): void {
    if (given.code !== 354) {
      // RFC 2033 §4.3: the last chunk is answered for each recipient, be it refused.
      const replies = this.#chunk?.last ? this.#replyCount() : 1;
      this.#state.transaction = null;
      return command === "BDAT" ? this.#discardChunk(given, replies) : this.#say(given);
    }
    this.#body.begin(command, this.#state.transaction!.binary);
    if (command === "BDAT") {
      this.#state.transaction!.chunking = true;
      return this.#beginChunk(this.#chunk!);
    }
    this.#mode = "body";
    this.#put(given);
  }

  #beginChunk(chunk: { readonly size: number; readonly last: boolean }): void {
    this.#body.beginChunk(chunk.size, chunk.last);
    this.#mode = "body";
    if (this.#body.failure === null) return;
    this.#abortBody(this.#body.failure);
    if (!this.#body.bearable(chunk.size)) this.#close(this.#body.failure);
  }

  /** The octets of a chunk follow whether we want them or not (RFC 3030 §2). */
  #discardChunk(refusal: Reply, replies = 1): void {
    const { size } = this.#chunk!;
    this.#body.begin("BDAT", true);
    this.#body.refuse(refusal);
    if (!this.#body.bearable(size)) return this.#close(refusal);
    this.#body.beginChunk(size, false);
    this.#unwanted = replies;
    this.#mode = "body";
  }

  #stepBody(): boolean {
    const result = this.#body.next(this.#cursor);
    if (result === null) return false;
    switch (result.type) {
      case "chunk":
        this.#events.push(result);
        break;
      case "failed":
        this.#abortBody(this.#body.failure!);
        break;
      case "chunk-end":
        this.#mode = "line";
        if (this.#unwanted > 0) this.#refuseUnwanted(this.#body.failure!);
        else if (this.#body.failure === null) {
          this.#put(reply(250, "2.0.0", `${this.#body.size} octets received`));
        } else this.#refusedBody(this.#body.failure, 1);
        break;
      case "end":
        this.#mode = "line";
        if (this.#body.failure === null) this.#events.push({ type: "end", size: this.#body.size });
        else this.#refusedBody(this.#body.failure, this.#replyCount());
        break;
      case "hopeless":
        this.#fault("too-big", "went on after the limit");
        this.#close(this.#body.failure!);
        break;
    }
    return true;
  }

  /** A chunk that came at the wrong moment is over; whatever transaction there is goes on. */
  #refuseUnwanted(refusal: Reply): void {
    for (; this.#unwanted > 1; this.#unwanted--) this.#put(refusal);
    this.#unwanted = 0;
    this.#say(refusal);
  }

  #refusedBody(failure: Reply, times: number): void {
    if (failure.enhanced === "5.5.2") this.#fault("bare-newline", "in a message");
    this.#state.transaction = null;
    for (let i = 1; i < times; i++) this.#put(failure);
    this.#say(failure);
  }

  /** How many replies the end of a message gets: in LMTP one for each recipient (RFC 2033 §4.2). */
  #replyCount(): number {
    return this.#settings.protocol === "lmtp" ? this.#state.transaction?.accepted ?? 1 : 1;
  }

  #finished(replies: readonly Reply[]): void {
    if (replies.length !== this.#replyCount()) throw new Error("one reply for each recipient");
    if (replies.some((each) => each.code < 400)) this.#state.messages++;
    this.#state.transaction = null;
    for (const each of replies) this.#put(each);
  }

  #exchange(): SaslExchange {
    if (this.#sasl === null) throw new Error("no SASL exchange");
    return this.#sasl;
  }

  #saslOutcome(outcome: SaslOutcome): void {
    if ("challenge" in outcome) return this.#put(outcome.challenge);
    if ("ask" in outcome) {
      this.#events.push(outcome.ask);
      return;
    }
    this.#events.push(outcome.failed);
    this.#notLoggedIn(outcome.reply);
  }

  #loggedIn(identity: string): void {
    this.#endSasl();
    this.#state.identity = identity;
    this.#say(reply(235, "2.7.0", "welcome"));
  }

  #notLoggedIn(refusal: Reply): void {
    this.#endSasl();
    if (refusal.code >= 500 && this.#patience.failedLogin()) {
      this.#fault("too-many-errors", "logins failed");
      this.#put(refusal);
      return this.#close(reply(421, "4.7.0", "too many failed logins"));
    }
    this.#say(refusal);
  }

  #endSasl(): void {
    this.#sasl = null;
    this.#mode = "line";
    this.#lines.limit = this.#settings.limits.commandLine;
  }

  #abort(reason: string): void {
    this.#state.transaction = null;
    this.#events.push({ type: "abort", reason });
  }

  /** The message is refused; the transaction ends with its last octet. */
  #abortBody(refusal: Reply): void {
    this.#events.push({ type: "abort", reason: "refused", refusal });
  }

  #fault(kind: FaultKind, detail: string): void {
    this.#events.push({ type: "fault", kind, detail });
  }

  get #body(): BodyReceiver {
    const { newlines } = this.#settings;
    return this.#receiver ??= new BodyReceiver({
      messageSize: sizeLimit(this.#settings),
      newlines,
    });
  }

  /** A reply that counts when it refuses. */
  #say(given: Reply): void {
    this.#put(given);
    if (given.code < 400 || this.#closed || !this.#patience.error()) return;
    this.#fault("too-many-errors", "commands refused");
    this.#close(reply(421, "4.7.0", "too many errors"));
  }

  #put(given: Reply): void {
    this.#replies.put(given);
  }

  #close(last: Reply, clean = false): void {
    this.#put(last);
    this.#closed = true;
    this.#cursor.at = this.#cursor.end;
    this.#events.push({ type: "quit", clean });
  }
}

const NO_SERVICE = reply(503, "5.5.1", "no service for you: say QUIT");
const OK = answered(250, "2.0.0", "OK");
const NOTHING = cursorOver(new Uint8Array(0));

/** Events that want no answer. */
const FACTS: ReadonlySet<ServerEvent["type"]> = new Set([
  "auth-failed",
  "chunk",
  "abort",
  "starttls",
  "fault",
  "quit",
]);

/** RFC 2034 §4: neither the greeting nor an answer to EHLO or HELO has an enhanced status code. */
function withoutEnhanced({ code, lines }: Reply): Reply {
  return { code, lines };
}
