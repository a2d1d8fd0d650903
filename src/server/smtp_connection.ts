/**
 * One connection: carries octets between a socket and a {@link ServerSession}, and questions between
 * the session and intake. The loop below is the whole of it; what is left to others: syntax and order
 * (`smtp/`), decisions (`intake/`), how many connections there may be (`listener.ts`).
 *
 * What fails: a peer that vanishes ends the session, and what it had not finished is dropped; a
 * time-out is answered 421 4.4.2; nothing is thrown to the caller.
 *
 * @module
 */

import { describeError, type MtaFact } from "../events.ts";
import { IntakeSession } from "../intake/intake.ts";
import type { IntakeServices } from "../intake/services.ts";
import type { Deadlines } from "../runtime/deadlines.ts";
import { type Clock, type Connection, errorCode, type TlsServer } from "../runtime/runtime.ts";
import { type Reply, reply } from "../smtp/reply.ts";
import type { ServerAnswer, ServerEvent } from "../smtp/server_event.ts";
import { ServerSession } from "../smtp/server_session.ts";
import type { SessionSettings } from "../smtp/session_settings.ts";
import { type ReadBuffers, SMALL } from "./read_buffers.ts";

/** What the connections of a listener share. */
export interface ConnectionServices {
  readonly intake: IntakeServices;
  readonly deadlines: Deadlines;
  readonly buffers: ReadBuffers;
  readonly clock: Clock;
  /** Fresh and unguessable, for SASL. */
  readonly nonce: () => string;
  readonly emit: (fact: MtaFact) => void;
}

/** What one listener adds. */
export interface ConnectionSettings {
  readonly session: SessionSettings;
  readonly role: string;
  readonly listener: string;
  /** For STARTTLS and implicit TLS. */
  readonly tls: TlsServer | null;
  /** TLS from the first octet (RFC 8314). */
  readonly implicitTls: boolean;
}

/** Pending octets are written at the latest when there are so many. */
const FLUSH_AT = 4096;
/** Replies do not wait longer than this for the rest of their group (milliseconds). */
const FLUSH_AFTER = 50;
/** Why a session ended, unless something else is known. */
const PEER_CLOSED = "closed by peer";
/** How long the last words may take (milliseconds). */
const LAST_WORDS = 2000;
/** How long we may take to answer (milliseconds): what clients wait for, RFC 5321 §4.5.3.2. */
const ANSWER_LIMIT = 10 * 60_000;
/** Octets that are still read after them. */
const LAST_OCTETS = 1024 * 1024;

/** We have no answer and wait for it no longer. */
class NoAnswer extends Error {}

/** One connection, from accept to close. */
export class SmtpConnection {
  /** When {@link expire} is due: epoch milliseconds. */
  deadline = Infinity;

  readonly #services: ConnectionServices;
  readonly #settings: ConnectionSettings;
  readonly #session: ServerSession;
  readonly #intake: IntakeSession;
  readonly #opened: number;
  #connection: Connection;
  readonly #small = new Uint8Array(SMALL);
  #large: Uint8Array | null = null;
  /** The last read could have brought more. */
  #filled = false;
  #reading: Promise<number | null> | null = null;
  /** Ends the wait for an answer of ours. */
  #giveUp: ((reason: NoAnswer) => void) | null = null;
  /** Octets that came before the greeting. */
  #early: number | null = null;
  #messageDeadline = Infinity;
  #writing = false;
  #stopping = false;
  #reason: string = PEER_CLOSED;

  constructor(
    connection: Connection,
    id: string,
    services: ConnectionServices,
    settings: ConnectionSettings,
  ) {
    this.#connection = connection;
    this.#services = services;
    this.#settings = settings;
    this.#opened = services.clock.now();
    this.#session = new ServerSession(settings.session, {
      secure: settings.implicitTls,
      nonce: services.nonce,
    });
    const { remote } = connection;
    this.#intake = new IntakeSession(services.intake, {
      id,
      role: settings.role,
      client: remote.transport === "tcp" ? remote.hostname : "unix",
      lmtp: settings.session.protocol === "lmtp",
      submission: settings.role === "submission" || settings.role === "submissions",
    });
  }

  /** Serves until the session ends, then says so. Never rejects. */
  async serve(ended: (connection: SmtpConnection) => void): Promise<void> {
    const { emit, deadlines } = this.#services;
    const { id: session, client } = this.#intake;
    emit({ type: "session.opened", session, listener: this.#settings.listener, client });
    deadlines.add(this);
    try {
      if (this.#settings.implicitTls) await this.#secure();
      await this.#loop();
    } catch (error) {
      if (error instanceof NoAnswer) await this.#sayNoAnswer();
      else this.#failed(error);
    } finally {
      deadlines.delete(this);
      this.#connection.close();
      this.#giveBack();
      await this.#intake.abort();
      emit({
        type: "session.closed",
        session,
        listener: this.#settings.listener,
        client,
        reason: this.#reason,
        messages: this.#session.state.messages,
        duration: this.#services.clock.now() - this.#opened,
      });
      ended(this);
      this.#intake.close();
    }
  }

  /** The station stops: ends now when idle, else after the message under way. */
  stop(): void {
    this.#stopping = true;
    const idle = this.#reading !== null && !this.#writing && this.#giveUp === null;
    if (idle && this.#mayStop()) this.#sayLast("stopping", SHUTTING_DOWN);
  }

  /** Closes at once. */
  abandon(): void {
    this.#reason = "station stopped";
    this.#connection.close();
    this.#giveUp?.(new NoAnswer());
  }

  /** A wait has lasted too long. */
  expire(): void {
    if (this.#giveUp !== null && !this.#writing) {
      this.#reason = "no answer";
      this.#giveUp(new NoAnswer());
    } else if (this.#reading === null || this.#writing) {
      if (this.#session.waiting !== "closed") this.#reason = "timeout";
      this.#connection.close();
      this.#giveUp?.(new NoAnswer());
    } else this.#sayLast("timeout", TIMED_OUT);
  }

  async #loop(): Promise<void> {
    this.#readEarly();
    for (;;) {
      const event = this.#session.next();
      if (event !== null) {
        await this.#handle(event);
        if (this.#session.pendingOutput >= FLUSH_AT) await this.#flush();
        continue;
      }
      switch (this.#session.waiting) {
        case "bytes":
          await this.#flush();
          if (this.#stopping && this.#mayStop()) {
            this.#reason = "stopping";
            this.#session.shutDown(SHUTTING_DOWN);
            break;
          }
          this.#prepareRead();
          if (!this.#received(await this.#reading)) return;
          break;
        case "tls":
          await this.#flush();
          await this.#secure();
          this.#session.tlsStarted();
          break;
        case "closed":
          await this.#flush();
          return await this.#farewell();
        case "answer":
          throw new Error("a question was left without an answer");
      }
    }
  }

  /** Begun before the greeting, so that a client that talks first is seen when the greeting is slow. */
  #readEarly(): void {
    this.#reading = this.#connection.read(this.#small);
    this.#reading.then((length) => this.#early = length, () => {}); // errors show when it is awaited
  }

  #prepareRead(): void {
    this.#setDeadline(this.#session.timeout);
    if (this.#reading !== null) return;
    this.#chooseBuffer();
    this.#reading = this.#connection.read(this.#buffer());
  }

  /** Hands on what a read has brought; `false` at the peer's end. */
  #received(length: number | null): boolean {
    this.#reading = null;
    if (length === null) return false;
    const buffer = this.#buffer();
    this.#session.receive(buffer.subarray(0, length));
    this.#filled = length === buffer.length;
    return true;
  }

  #buffer(): Uint8Array {
    return this.#large ?? this.#small;
  }

  /** A large buffer while a message lasts, where there is one. */
  #chooseBuffer(): void {
    if (!this.#session.receivingBody) this.#giveBack();
    else if (this.#large === null) this.#large = this.#services.buffers.borrow(this.#filled);
    else if (!this.#filled && this.#services.buffers.scarce) this.#giveBack();
  }

  #giveBack(): void {
    if (this.#large === null) return;
    this.#services.buffers.giveBack(this.#large, this.#intake.viewsHeld);
    this.#large = null;
  }

  async #flush(): Promise<void> {
    if (this.#session.pendingOutput === 0) return;
    this.#setDeadline(this.#session.timeout);
    await this.#write();
  }

  async #write(): Promise<void> {
    this.#writing = true;
    try {
      await this.#connection.write(this.#session.take());
    } finally {
      this.#writing = false;
    }
  }

  /**
   * Ends our direction first (FIN, and under TLS close_notify: RFC 8446 §6.1) and hears the peer out for
   * a moment: a socket closed with octets unread is reset, and the peer might never see our last reply.
   */
  async #farewell(): Promise<void> {
    this.deadline = this.#services.clock.now() + LAST_WORDS;
    await this.#connection.closeWrite();
    for (let heard = 0; heard < LAST_OCTETS;) {
      const length = await (this.#reading ?? this.#connection.read(this.#small));
      this.#reading = null;
      if (length === null) return;
      heard += length;
    }
  }

  async #secure(): Promise<void> {
    const { emit, clock } = this.#services;
    const { tls } = this.#settings;
    if (tls === null) throw new Error("TLS was promised without a certificate");
    this.deadline = clock.now() + this.#settings.session.limits.timeouts.handshake;
    const { id: session, client } = this.#intake;
    try {
      this.#connection = await this.#connection.startTlsServer(tls);
    } catch (error) {
      emit({ type: "tls.failed", session, client, error: describeError(error) });
      throw error;
    }
    const info = this.#connection.tls!;
    this.#intake.secured(info);
    emit({ type: "tls.started", session, protocol: info.protocol, cipher: info.cipher });
  }

  /** What an event means: a question for intake, or a fact to note. */
  async #handle(event: ServerEvent): Promise<void> {
    switch (event.type) {
      case "connect":
        return await this.#connect();
      case "hello":
        return this.#answer(await this.#soon(this.#intake.greet(event.verb, event.name)), HELLO_OK);
      case "auth":
      case "scram":
      case "authenticated":
        return this.#session.answer(await this.#soon(this.#intake.login(event)));
      case "auth-failed":
        return this.#intake.loginFailed(event.mechanism, event.name, event.reason);
      case "sender":
        return this.#answer(await this.#soon(this.#intake.sender(event.sender, event.parameters)));
      case "recipient":
        return this.#answer(
          await this.#soon(this.#intake.recipient(event.recipient, event.parameters)),
        );
      case "body":
        return await this.#begin();
      case "chunk":
        return await this.#chunk(event.bytes);
      case "end":
        this.#messageDeadline = Infinity;
        return this.#session.answer(
          replyOrReplies(await this.#soon(this.#intake.end()), this.#intake),
        );
      case "abort":
        return await this.#intake.abort(event.refusal);
      case "verify":
        return this.#answer(await this.#soon(this.#intake.verify(event.argument)));
      case "expand":
        return this.#answer(await this.#soon(this.#intake.expand(event.argument)));
      case "etrn":
        return this.#answer(this.#intake.etrn(event.domain));
      case "fault":
        return this.#fault(event.kind, event.detail);
      case "quit":
        if (this.#reason === PEER_CLOSED) this.#reason = event.clean ? "quit" : "cut off";
        return;
      case "starttls":
        return;
    }
  }

  async #connect(): Promise<void> {
    const { hostname, banner } = this.#settings.session;
    const refusal = await this.#soon(this.#intake.connect());
    await this.#takeEarlyTalk();
    this.#answer(refusal ?? reply(220, undefined, `${hostname} ${banner}`));
  }

  /** What came while the greeting was decided goes to the session first: it must see who talks early. */
  async #takeEarlyTalk(): Promise<void> {
    const { refuseEarlyTalk, greetingDelay } = this.#settings.session;
    if (!refuseEarlyTalk) return;
    this.deadline = Infinity;
    await this.#services.clock.sleep(greetingDelay);
    if (this.#early === null) return;
    this.#session.receive(this.#small.subarray(0, this.#early));
    this.#reading = null;
  }

  async #begin(): Promise<void> {
    const started = await this.#intake.begin();
    if (started.code === 354) {
      this.#messageDeadline = this.#services.clock.now() +
        this.#settings.session.limits.timeouts.message;
    }
    this.#answer(started);
  }

  async #chunk(bytes: Uint8Array): Promise<void> {
    const refusal = this.#intake.chunk(bytes);
    const given = refusal instanceof Promise ? await this.#soon(refusal) : refusal;
    if (given === null) return;
    await this.#intake.abort(given);
    this.#session.refuse(given);
  }

  #answer(given: Reply | null, otherwise?: Reply): void {
    this.#session.answer({ reply: given ?? otherwise! });
  }

  /**
   * Waits for an answer of ours: the client's time does not run. Replies already made go out when it
   * takes long, and when it takes far too long the session is given up.
   */
  async #soon<T>(answer: Promise<T>): Promise<T> {
    this.deadline = this.#services.clock.now() + ANSWER_LIMIT;
    const late = this.#session.pendingOutput > 0 ? this.#flushLate() : null;
    const gaveUp = new Promise<never>((_, reject) => this.#giveUp = reject);
    try {
      return await Promise.race([answer, gaveUp]);
    } finally {
      this.#giveUp = null;
      await late?.stop();
    }
  }

  #flushLate(): { stop(): Promise<void> } {
    const waiting = new AbortController();
    const late = this.#services.clock.sleep(FLUSH_AFTER, waiting.signal).then(() => this.#write());
    late.catch(() => {}); // not needed any more; or a broken socket, which the next read will show
    return {
      stop: async () => {
        waiting.abort(null); // a reason of ours: the default one is an exception with a stack
        if (this.#writing) await late;
      },
    };
  }

  /** Whoever should have answered did not: the client may try again, and is told so. */
  async #sayNoAnswer(): Promise<void> {
    this.#intake.viewsHeld = true; // whoever did not answer may still be at work on them
    try {
      this.#session.shutDown(NO_ANSWER);
      await this.#flush();
      await this.#farewell();
    } catch {
      // It was abandoned, or the client is gone too.
    }
  }

  #setDeadline(wait: number): void {
    const { timeouts } = this.#settings.session.limits;
    if (!this.#intake.busy && !this.#session.receivingBody) this.#messageDeadline = Infinity;
    this.deadline = Math.min(
      this.#services.clock.now() + wait,
      this.#messageDeadline,
      this.#opened + timeouts.session,
    );
  }

  /** Nothing is lost when the session ends now. */
  #mayStop(): boolean {
    return !this.#intake.busy && this.#session.waiting === "bytes";
  }

  /** Says 421 while a read is pending, then closes, which ends the read. */
  #sayLast(reason: string, last: Reply): void {
    this.#reason = reason;
    this.#session.shutDown(last);
    this.deadline = this.#services.clock.now() + LAST_WORDS;
    this.#writing = true;
    this.#connection.write(this.#session.take())
      .then(() => this.#connection.closeWrite())
      .catch(() => {})
      .finally(() => this.#connection.close());
  }

  #fault(kind: string, detail: string): void {
    const { id: session, client } = this.#intake;
    this.#services.emit({ type: "session.fault", session, client, kind, detail });
  }

  #failed(error: unknown): void {
    if (this.#reason !== PEER_CLOSED) return;
    const code = errorCode(error);
    if (this.#session.waiting === "closed") return; // nothing was left to do
    if (code === undefined) {
      const { id: session } = this.#intake;
      const facts = { where: "connection", error: describeError(error), session };
      this.#services.emit({ type: "internal.error", ...facts });
    }
    this.#reason = code === undefined ? "internal error" : `connection lost (${code})`;
  }
}

function replyOrReplies(replies: Reply[], intake: IntakeSession): ServerAnswer {
  return intake.origin.lmtp ? { replies } : { reply: replies[0]! };
}

const HELLO_OK = reply(250, undefined, "OK");
const SHUTTING_DOWN = reply(421, "4.3.2", "station is stopping: try again later");
const NO_ANSWER = reply(421, "4.3.0", "no answer to be had here now: try again later");
const TIMED_OUT = reply(421, "4.4.2", "timeout: closing");
