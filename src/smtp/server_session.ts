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
 * The octets are read in one of three modes: as command lines (here), as answers to SASL challenges
 * (`sasl_mode.ts`), or as a message (`body_mode.ts`). A mode ends by itself, and commands follow again.
 *
 * @module
 */

import { BodyMode } from "./body_mode.ts";
import { beginsBdat, type Command, parseCommand } from "./command.ts";
import { dispatchCommand } from "./command_dispatch.ts";
import { cursorOver } from "./cursor.ts";
import { LineDecoder } from "./line_decoder.ts";
import { type Reply, reply } from "./reply.ts";
import { SaslMode } from "./sasl_mode.ts";
import type { ServerAnswer, ServerEvent } from "./server_event.ts";
import { newTransaction, type ServerState } from "./server_state.ts";
import { SessionCore } from "./session_core.ts";
import type { SessionSettings } from "./session_settings.ts";
import { type SessionTap, showCommand, showResponse } from "./session_tap.ts";
import { bdat } from "./verbs/body.ts";
import { helloReply } from "./verbs/hello.ts";
import { authRefusal, starttls } from "./verbs/security.ts";

/** What a session needs beside its settings. */
export interface SessionContext {
  /** The socket is secured already (port 465). */
  readonly secure?: boolean;
  /** The client is one of ours and may send as many messages as it likes. */
  readonly trusted?: boolean;
  /** A fresh, unguessable, printable string for SASL; called once for each exchange that needs it. */
  readonly nonce: () => string;
  /** Who may listen in. */
  readonly tap?: SessionTap;
}

/** What the session waits for. */
export type Waiting = "bytes" | "answer" | "tls" | "closed";

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
  readonly #core: SessionCore;
  readonly #lines: LineDecoder;
  readonly #nonce: () => string;
  /** Made with the first AUTH, and the first message: many connections never bring one. */
  #sasl: SaslMode | null = null;
  #body: BodyMode | null = null;
  /** The question that holds the session. */
  #asked: ServerEvent | null = null;
  #tls = false;
  #rejected = false;

  /** A session whose client has just connected. */
  constructor(settings: SessionSettings, context: SessionContext) {
    this.#core = new SessionCore(settings, context, context.tap ?? null);
    this.#lines = new LineDecoder(settings.limits.commandLine);
    this.#nonce = context.nonce;
  }

  /** What the session knows at this moment. */
  get state(): ServerState {
    return this.#core.state;
  }

  /** What must happen now that `next()` gave `null`. */
  get waiting(): Waiting {
    if (this.#asked !== null) return "answer";
    if (this.#core.closed) return "closed";
    return this.#tls ? "tls" : "bytes";
  }

  /** How long this wait may last, in milliseconds (RFC 5321 §4.5.3.2). */
  get timeout(): number {
    const { timeouts } = this.#core.settings.limits;
    if (this.#tls) return timeouts.handshake;
    return this.receivingBody ? timeouts.data : timeouts.command;
  }

  /** Whether a message is being received: reads should be large. */
  get receivingBody(): boolean {
    return this.#body !== null && this.#body.active;
  }

  /** Whether a line has begun, and its end is still to come. */
  get withinLine(): boolean {
    return this.#lines.pending;
  }

  /** Octets that have come of the message that is being received; 0 where none is. */
  get bodySize(): number {
    return this.#body !== null && this.#body.active ? this.#body.size : 0;
  }

  /** Octets that `take()` would give. */
  get pendingOutput(): number {
    return this.#core.replies.length;
  }

  /**
   * Octets from the client. They belong to the session, which may move them about, until it waits for
   * bytes again.
   */
  receive(bytes: Uint8Array): void {
    if (this.#core.unread > 0) throw new Error("receive() before all was read");
    this.#core.cursor = cursorOver(bytes);
  }

  /** The octets to write now. */
  take(): Uint8Array {
    return this.#core.replies.take();
  }

  /** What happened next, or `null`: see {@link waiting}. */
  next(): ServerEvent | null {
    const { events } = this.#core;
    for (;;) {
      const event = events.shift();
      if (event !== undefined) return this.#given(event);
      if (this.waiting !== "bytes" || !this.#step()) {
        if (events.length === 0) return null;
      }
    }
  }

  /** Answers the event that `next()` gave last. */
  answer(given: ServerAnswer): void {
    const event = this.#asked;
    if (event === null) throw new Error("answer() without a question");
    this.#asked = null;
    if ("verifier" in given) return this.#saslMode().verifier(given.verifier);
    if ("identity" in given) return this.#saslMode().loggedIn(given.identity);
    if ("replies" in given) return this.#bodyMode().finished(given.replies);
    this.#replied(event, given.reply);
  }

  /** While a message comes in: drops the rest of it to its true end, then says this. */
  refuse(failure: Reply): void {
    this.#bodyMode().refuse(failure);
  }

  /** Ends the session on our own account with a 421, after the octets already pending (RFC 5321 §3.8). */
  shutDown(last: Reply): void {
    if (this.#core.closed) return;
    this.#asked = null;
    this.#core.close(last);
  }

  /** TLS is on: a fresh session; what was read in the clear is dropped (RFC 3207 §4.2). */
  tlsStarted(): void {
    if (!this.#tls) throw new Error("tlsStarted() without STARTTLS");
    this.#tls = false;
    const { state } = this.#core;
    state.secure = true;
    state.hello = null;
    state.identity = null;
    this.#lines.reset();
  }

  #saslMode(): SaslMode {
    return this.#sasl ??= new SaslMode(this.#core, this.#nonce);
  }

  #bodyMode(): BodyMode {
    return this.#body ??= new BodyMode(this.#core);
  }

  /** An event goes out; those that want an answer hold the session. */
  #given(event: ServerEvent): ServerEvent {
    if (!FACTS.has(event.type)) this.#asked = event;
    return event;
  }

  /** Reads on; `false` when more octets are needed. */
  #step(): boolean {
    return this.#body !== null && this.#body.active ? this.#body.step() : this.#stepLine();
  }

  #stepLine(): boolean {
    if (this.#talksTls()) return true;
    const core = this.#core;
    const { limits } = core.settings;
    const sasl = this.#sasl !== null && this.#sasl.active ? this.#sasl : null;
    this.#lines.limit = sasl === null ? limits.commandLine : limits.authLine;
    const result = this.#lines.next(core.cursor);
    if (result === null) return false;
    switch (result.type) {
      case "line":
        if (sasl === null) this.#line(result.line);
        else {
          if (core.tap?.heard) core.tap.command(showResponse(result.line));
          sasl.line(result.line);
        }
        break;
      case "too-long":
        core.fault("line-too-long", `over ${this.#lines.limit} octets`);
        if (sasl !== null) sasl.lineTooLong();
        // What follows a BDAT we cannot read is a message, not commands.
        else if (beginsBdat(result.start)) core.close(LINE_TOO_LONG);
        else core.say(LINE_TOO_LONG);
        break;
      case "hopeless":
        core.fault("line-too-long", "without end");
        core.close(LINE_TOO_LONG);
        break;
      case "bare-newline":
        core.fault("bare-newline", "in a command");
        core.close(reply(521, "5.5.2", "lines must end in CRLF, not in a bare LF"));
        break;
    }
    return true;
  }

  /** A TLS ClientHello in the clear would wait for an answer that never comes. No command begins so. */
  #talksTls(): boolean {
    const core = this.#core;
    const { bytes, at } = core.cursor;
    if (core.unread === 0 || bytes[at] !== 0x16 || this.#lines.pending) return false;
    core.fault("not-smtp", "TLS without STARTTLS");
    core.close(reply(521, "5.5.1", "this port begins in the clear: use STARTTLS"));
    return true;
  }

  #line(line: Uint8Array): void {
    const { settings, tap } = this.#core;
    const command = parseCommand(line, { smtputf8: settings.extensions.smtputf8 });
    if (tap?.heard) tap.command(showCommand(line, command));
    this.#command(command);
  }

  #command(command: Command): void {
    const core = this.#core;
    if (this.#rejected && command.verb !== "QUIT") {
      // The octets behind BDAT are no commands.
      if (command.verb === "BDAT") return core.close(NO_SERVICE);
      return core.say(NO_SERVICE);
    }
    switch (command.verb) {
      case "AUTH":
        return this.#authCommand(command);
      case "BDAT":
        return this.#bodyMode().bdat(command, bdat(core.state));
      case "STARTTLS":
        return this.#starttlsCommand();
      default:
        return dispatchCommand(core, command);
    }
  }

  #authCommand(command: Extract<Command, { verb: "AUTH" }>): void {
    const refusal = authRefusal(command, this.#core.state);
    if (refusal === null) this.#saslMode().begin(command);
    else this.#core.result(refusal);
  }

  #starttlsCommand(): void {
    const core = this.#core;
    const result = starttls(core.state);
    if ("reply" in result) return core.result(result);
    const early = core.unread;
    if (early > 0) {
      core.dropUnread();
      core.fault("plaintext-after-starttls", `${early} octets dropped`);
    }
    core.say(reply(220, "2.0.0", "go ahead"));
    this.#tls = true;
    core.tell(result.ask);
  }

  /** What a plain reply means for the event it answers. */
  #replied(event: ServerEvent, given: Reply): void {
    const core = this.#core;
    const { state } = core;
    const good = given.code < 400;
    // RFC 5321 §3.8: 421 says that the channel closes.
    if (given.code === 421) return core.close(given);
    switch (event.type) {
      case "connect":
        return this.#greet(given);
      case "hello":
        if (!good) return core.say(withoutEnhanced(given));
        state.transaction = null; // RFC 5321 §4.1.4: as if RSET had been said
        state.hello = { verb: event.verb, name: event.name };
        return core.say(helloReply(state));
      case "sender":
        if (good) state.transaction = newTransaction(event.parameters);
        return core.say(given);
      case "recipient":
        if (!good) return core.refuseRecipient(given);
        state.transaction!.accepted++;
        return core.say(given);
      case "body":
        return this.#bodyMode().replied(event.command, given);
      case "end":
        return this.#bodyMode().finishedAlike(given);
      case "auth":
      case "scram":
      case "authenticated":
        return this.#saslMode().notLoggedIn(given);
      default:
        core.say(given);
    }
  }

  #greet(given: Reply): void {
    const core = this.#core;
    if (core.settings.refuseEarlyTalk && core.unread > 0) {
      core.fault("early-talk", "before the greeting");
      return core.close(reply(503, "5.5.0", "talked before the greeting"));
    }
    const greeting = withoutEnhanced(given);
    if (given.code === 521) return core.close(greeting);
    this.#rejected = given.code >= 400;
    core.say(greeting);
  }
}

const LINE_TOO_LONG = reply(500, "5.5.2", "line too long");
const NO_SERVICE = reply(503, "5.5.1", "no service for you: say QUIT");

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
