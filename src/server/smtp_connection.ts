/**
 * One connection: carries octets between a socket and a {@link ServerSession}. The loop below is the whole of it;
 * what is left to others: syntax and order (`smtp/`), what is asked and answered (`dialogue.ts`), how long a client
 * may take (`session_time.ts`), how many connections there may be (`listener.ts`).
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
import type { Connection } from "../runtime/network.ts";
import type { Clock } from "../runtime/runtime.ts";
import { errorCode } from "../runtime/system_error.ts";
import type { TlsServer } from "../runtime/tls.ts";
import type { Conversation, Tracer } from "../observe/trace.ts";
import { type Reply, reply } from "../smtp/reply.ts";
import { ServerSession } from "../smtp/server_session.ts";
import type { SessionSettings } from "../smtp/session_settings.ts";
import type { Soon } from "../soon.ts";
import { AnswerWait, NoAnswer } from "./answer_wait.ts";
import { Dialogue, type DialogueHost } from "./dialogue.ts";
import { ConnectionBuffers, type ReadBuffers } from "./read_buffers.ts";
import type { Role } from "./roles.ts";
import { SessionTime } from "./session_time.ts";

/** What the connections of a listener share. */
export interface ConnectionServices {
  readonly intake: IntakeServices;
  readonly deadlines: Deadlines;
  /** As these, for waits of some milliseconds. */
  readonly moments: Deadlines;
  readonly buffers: ReadBuffers;
  readonly clock: Clock;
  /** Fresh and unguessable, for SASL. */
  readonly nonce: () => string;
  readonly emit: (fact: MtaFact) => void;
  /** Where conversations can be listened to. */
  readonly tracer?: Tracer;
}

/** What one listener adds. */
export interface ConnectionSettings {
  readonly session: SessionSettings;
  readonly role: Role;
  readonly listener: string;
  /** For STARTTLS and implicit TLS. */
  readonly tls: TlsServer | null;
  /** TLS from the first octet (RFC 8314). */
  readonly implicitTls: boolean;
}

/** Pending octets are written at the latest when there are so many. */
const FLUSH_AT = 4096;
/** Why a session ended, unless something else is known. */
const PEER_CLOSED = "closed by peer";
const QUIT = "quit";
/** How long the last words may take (milliseconds). */
const LAST_WORDS = 2000;
/** How long we may take to answer (milliseconds): what clients wait for, RFC 5321 §4.5.3.2. */
const ANSWER_LIMIT = 10 * 60_000;
/** Octets that are still read after them. */
const LAST_OCTETS = 1024 * 1024;

/** One connection, from accept to close. */
export class SmtpConnection implements DialogueHost {
  /** When {@link expire} is due: epoch milliseconds. */
  deadline = Infinity;

  readonly #services: ConnectionServices;
  readonly #settings: ConnectionSettings;
  readonly #session: ServerSession;
  readonly #intake: IntakeSession;
  readonly #trace: Conversation | null;
  readonly #opened: number;
  readonly #buffers: ConnectionBuffers;
  readonly #answers: AnswerWait;
  readonly #dialogue: Dialogue;
  #connection: Connection;
  #reading: Promise<number | null> | null = null;
  /** Octets that came before the greeting. */
  #early: number | null = null;
  readonly #time: SessionTime;
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
    this.#time = new SessionTime(settings.session.limits, this.#opened);
    this.#buffers = new ConnectionBuffers(services.buffers);
    this.#answers = new AnswerWait(services.clock, services.moments, () => this.#write());
    const { remote } = connection;
    const client = remote.transport === "tcp" ? remote.hostname : "unix";
    const { listener } = settings;
    const who = { side: "in", id, peer: client, address: client, listener } as const;
    this.#trace = services.tracer?.open(who, `connection to ${listener}`) ?? null;
    this.#intake = new IntakeSession(services.intake, {
      id,
      role: settings.role,
      client,
      ...(remote.transport === "tcp" && { port: remote.port }),
      lmtp: settings.session.protocol === "lmtp",
      submission: settings.role === "submission" || settings.role === "submissions",
    });
    this.#session = new ServerSession(settings.session, {
      secure: settings.implicitTls,
      trusted: this.#intake.trusted,
      nonce: services.nonce,
      ...(this.#trace && { tap: this.#trace }),
    });
    const { clock } = services;
    this.#dialogue = new Dialogue(this.#session, this.#intake, this.#time, clock, this);
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
      this.#buffers.end(this.#intake.viewsHeld || this.#reading !== null);
      this.#traceEnd();
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
    const idle = this.#reading !== null && !this.#writing && !this.#answers.pending;
    if (idle && this.#mayStop()) this.#sayLast("stopping", SHUTTING_DOWN);
  }

  /** Closes at once. */
  abandon(): void {
    this.#reason = "station stopped";
    this.#connection.close();
    this.#answers.giveUp();
  }

  /** A wait has lasted too long. */
  expire(): void {
    if (this.#answers.pending && !this.#writing) {
      this.#reason = "no answer";
      this.#answers.giveUp();
    } else if (this.#reading === null || this.#writing) {
      if (this.#session.waiting !== "closed") this.#reason = "timeout";
      this.#connection.close();
      this.#answers.giveUp();
    } else this.#sayLast("timeout", TIMED_OUT);
  }

  async #loop(): Promise<void> {
    this.#readEarly();
    for (;;) {
      const pending = this.#proceed();
      if (pending !== null) {
        await pending;
        continue;
      }
      // Here each round trip of each client passes by: what is one call more is here one promise more.
      if (this.#session.pendingOutput > 0) await this.#flush();
      switch (this.#session.waiting) {
        case "bytes":
          if (this.#stopping && this.#mayStop()) {
            this.#reason = "stopping";
            this.#session.shutDown(SHUTTING_DOWN);
            break;
          }
          this.#prepareRead();
          if (!this.#received(await this.#reading)) return;
          break;
        case "tls":
          await this.#secure();
          this.#session.tlsStarted();
          break;
        case "closed":
          return await this.#farewell();
        case "answer":
          throw new Error("a question was left without an answer");
      }
    }
  }

  /** Handles what has come, as far as it is answered at once; gives what has to be waited for. */
  #proceed(): Promise<void> | null {
    for (;;) {
      if (this.#session.pendingOutput >= FLUSH_AT) return this.#flush();
      const event = this.#session.next();
      if (event === null) return null;
      const handled = this.#dialogue.handle(event);
      if (handled instanceof Promise) return handled;
    }
  }

  /** Begun before the greeting, so that a client that talks first is seen when the greeting is slow. */
  #readEarly(): void {
    this.#reading = this.#connection.read(this.#buffers.small);
    this.#reading.then((length) => this.#early = length, () => {}); // errors show when it is awaited
  }

  #prepareRead(): void {
    const now = this.#services.clock.now();
    this.deadline = this.#time.waits(now, this.#session, this.#intake.busy);
    if (this.#reading !== null) return;
    const { receivingBody } = this.#session;
    const buffer = this.#buffers.choose(receivingBody, this.#intake.viewsHeld);
    this.#reading = this.#connection.read(buffer);
  }

  /** Hands on what a read has brought; `false` at the peer's end. */
  #received(length: number | null): boolean {
    this.#reading = null;
    if (length === null) return false;
    this.#time.heard(this.#now, length);
    this.#session.receive(this.#buffers.filled(length));
    return true;
  }

  /** Writes the replies that are made: the client has its time to read them. */
  #flush(): Promise<void> {
    this.deadline = this.#time.writes(this.#services.clock.now());
    return this.#write();
  }

  #write(): Promise<void> {
    this.#writing = true;
    return this.#connection.write(this.#session.take()).then(this.#written, this.#notWritten);
  }

  readonly #written = (): void => {
    this.#writing = false;
  };

  readonly #notWritten = (error: unknown): never => {
    this.#writing = false;
    throw error;
  };

  /**
   * Ends our direction first (FIN, and under TLS close_notify: RFC 8446 §6.1) and hears the peer out for
   * a moment: a socket closed with octets unread is reset, and the peer might never see our last reply.
   */
  async #farewell(): Promise<void> {
    // Who has said QUIT, and nothing after it, has nothing left to send.
    if (this.#reason === QUIT && this.#connection.tls === null) return;
    this.deadline = this.#services.clock.now() + LAST_WORDS;
    await this.#connection.closeWrite();
    for (let heard = 0; heard < LAST_OCTETS;) {
      const length = await (this.#reading ?? this.#connection.read(this.#buffers.small));
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
      this.#trace?.note(`TLS failed: ${describeError(error)}`);
      throw error;
    }
    const info = this.#connection.tls!;
    this.#intake.secured(info);
    this.#trace?.secured(info);
    emit({ type: "tls.started", session, protocol: info.protocol, cipher: info.cipher });
  }

  /** The session is over, as it says itself. */
  quit(clean: boolean): void {
    if (this.#reason === PEER_CLOSED) this.#reason = clean ? QUIT : "cut off";
  }

  /** What came while the greeting was decided goes to the session first: it must see who talks early. */
  async takeEarlyTalk(): Promise<void> {
    const { refuseEarlyTalk, greetingDelay } = this.#settings.session;
    if (!refuseEarlyTalk) return;
    // A stranger's first words may be there already, and show when the loop has gone round: worth a timer, also of 0.
    if (greetingDelay > 0 || !this.#intake.trusted) {
      this.deadline = Infinity;
      await this.#services.clock.sleep(greetingDelay);
    }
    if (this.#early === null) return;
    this.#session.receive(this.#buffers.small.subarray(0, this.#early));
    this.#reading = null;
  }

  /** An answer of ours; while it is awaited the client's time does not run. */
  soon<T>(answer: Soon<T>): Soon<T> {
    if (!(answer instanceof Promise)) return answer;
    this.deadline = this.#services.clock.now() + ANSWER_LIMIT;
    return this.#answers.wait(answer, this.#session.pendingOutput > 0);
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

  readonly #now = (): number => this.#services.clock.now();

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

  #traceEnd(): void {
    const octets = this.#session.bodySize;
    const within = octets === 0 ? "" : `, ${octets} octets into a message`;
    this.#trace?.close(`${this.#reason}${within}`);
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

const SHUTTING_DOWN = reply(421, "4.3.2", "station is stopping: try again later");
const NO_ANSWER = reply(421, "4.3.0", "no answer to be had here now: try again later");
const TIMED_OUT = reply(421, "4.4.2", "timeout: closing");
