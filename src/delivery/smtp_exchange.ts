/**
 * One connection to another station: carries octets between a socket and a {@link ClientSession}, makes
 * TLS, logs in, sends messages. The client's counterpart of `server/smtp_connection.ts`. What is left to
 * others: what the protocol says (`smtp/`), which station to talk to and what an answer means for a
 * recipient (`remote.ts`, `hand_over.ts`).
 *
 * What fails: opening gives a failure as a value, sending gives outcomes for all recipients whatever
 * happens. Every wait ends: by the session's time-outs, held in one list that is swept once a second, or
 * by an aborted signal, which closes the socket.
 *
 * @module
 */

import { pbkdf2 } from "node:crypto";
import type { MtaFact } from "../events.ts";
import { Gate } from "../gate.ts";
import type { MessageSource } from "../queue/local_delivery.ts";
import type { Credentials } from "../routing/route.ts";
import type { DeadlineMember, Deadlines } from "../runtime/deadlines.ts";
import type { Clock, Connection, Network, SocketAddress } from "../runtime/runtime.ts";
import type { ClientEvent, RecipientOutcome, Transaction } from "../smtp/client_event.ts";
import { ClientSession } from "../smtp/client_session.ts";
import { type ClientOptions, clientSettings } from "../smtp/client_settings.ts";
import type { PeerExtensions } from "../smtp/peer_extensions.ts";
import { type Reply, reply } from "../smtp/reply.ts";
import { UNREADABLE } from "./outcomes.ts";
import { writeMessage } from "./message_writer.ts";
import { afterTlsTrouble, type TlsPlan, type TlsTrouble } from "./tls_policy.ts";

/** What all connections share. */
export interface ExchangeServices {
  /** Our name for EHLO. */
  readonly hostname: string;
  readonly network: Network;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly emit: (fact: MtaFact) => void;
  /** Fresh and unguessable, for SCRAM. */
  readonly nonce: () => string;
  /** Of the session: limits and time-outs. */
  readonly session?: Pick<ClientOptions, "ignoredKeywords" | "limits" | "timeouts">;
  /** Milliseconds until connecting is given up. Default 30,000. */
  readonly connectTimeout?: number;
  /** PBKDF2-HMAC-SHA-256, 32 octets. Default: in the thread pool, one at a time. */
  readonly derive?: (work: KeyDerivation) => Promise<Uint8Array>;
}

/** What a SCRAM key is made of. */
export type KeyDerivation = Omit<Extract<ClientEvent, { type: "derive" }>, "type">;

/** Whom to connect to, and how. */
export interface ExchangeTarget {
  readonly address: SocketAddress;
  /** The IP address of ours to connect from. */
  readonly source?: string;
  /** What its certificate must be for. */
  readonly serverName: string;
  /** For people, such as `mx.example.org [192.0.2.7]:25`. */
  readonly label: string;
  readonly protocol: "smtp" | "lmtp";
  readonly tls: TlsPlan;
  /** More roots to trust, PEM. */
  readonly authorities?: readonly string[];
  readonly credentials?: Credentials;
}

/** Why a station could not be talked to. */
export interface OpeningFailure {
  readonly status: "failed";
  /** What was being done. */
  readonly stage: "connect" | "greeting" | "hello" | "tls" | "login";
  /** What the peer said, or our own words. */
  readonly reply: Reply;
  /** Whether the reply is the peer's. */
  readonly remote: boolean;
  /** The peer was not there, or turned everybody away for now. */
  readonly unreachable: boolean;
  /** A fresh connection in clear is the answer (RFC 7435 §4.3). */
  readonly clear?: true;
  readonly tls?: string;
}

/** What became of one message. */
export interface Sent {
  /** One for each recipient of the transaction. */
  readonly outcomes: readonly RecipientOutcome[];
  /** How the session ended, where it did. */
  readonly failure: Failed | null;
  /** Why the message could not be read to its end, where that was so: no fault of the peer's. */
  readonly unread: string | null;
}

/** A failed session, as told by it. */
type Failed = Extract<ClientEvent, { type: "failed" }>;

/** Octets read at once: replies are short. */
const READ_SIZE = 2048;
/** Until connecting is given up (milliseconds): less than a second lost packet or two would need. */
const CONNECT_TIMEOUT = 30_000;
/** How long the answer to QUIT is awaited, and what a broken socket still brings (milliseconds). */
const LAST_WORDS = 2_000;

/** Passwords are hashed one at a time: the thread pool is also that of the disk. */
const hashing = new Gate(1);

/** Connects and makes the session ready for messages: greeting, EHLO, TLS, login. Never throws. */
export async function openExchange(
  services: ExchangeServices,
  target: ExchangeTarget,
  signal: AbortSignal,
): Promise<SmtpExchange | OpeningFailure> {
  const connection = await connect(services, target, signal);
  if ("status" in connection) return connection;
  const exchange = new SmtpExchange(services, target, connection);
  const failure = await exchange.start(signal);
  if (failure === null) return exchange;
  await exchange.quit();
  return failure;
}

async function connect(
  { network, clock, deadlines, connectTimeout = CONNECT_TIMEOUT }: ExchangeServices,
  { address, source, label }: ExchangeTarget,
  signal: AbortSignal,
): Promise<Connection | OpeningFailure> {
  const late = new AbortController();
  const member: DeadlineMember = {
    deadline: clock.now() + connectTimeout,
    expire: () => late.abort(),
  };
  deadlines.add(member);
  try {
    return await network.connect(address, {
      signal: AbortSignal.any([signal, late.signal]),
      ...(source !== undefined && { source }),
    });
  } catch (error) {
    const why = late.signal.aborted ? "no answer in time" : messageOf(error);
    const text = `cannot connect to ${label}: ${why}`;
    return ours("connect", reply(451, "4.4.1", text), { unreachable: true });
  } finally {
    deadlines.delete(member);
  }
}

/** One connection and its session. */
export class SmtpExchange implements DeadlineMember {
  /** When {@link expire} is due: epoch milliseconds. */
  deadline = Infinity;
  /** Messages sent over it so far. */
  messages = 0;

  readonly #services: ExchangeServices;
  readonly #target: ExchangeTarget;
  readonly #session: ClientSession;
  #connection: Connection;
  readonly #buffer = new Uint8Array(READ_SIZE);
  #reading: Promise<number | null> | null = null;
  /** Something has come since the read began: octets, or the end. */
  #arrived = false;
  /** Told by the session while the message was being written. */
  readonly #events: ClientEvent[] = [];
  #unread: string | null = null;
  #timedOut = false;
  /** Nothing can be written any more. */
  #broken = false;
  #closed = false;
  /** What {@link expire} does while nothing is awaited. */
  #onIdle: (() => void) | null = null;

  /** Takes a fresh connection over. */
  constructor(services: ExchangeServices, target: ExchangeTarget, connection: Connection) {
    this.#services = services;
    this.#target = target;
    this.#connection = connection;
    const { hostname, session: options } = services;
    const timeouts = { quit: LAST_WORDS, ...options?.timeouts };
    const { protocol } = target;
    const settings = clientSettings(hostname, { ...options, timeouts, protocol });
    const secure = target.tls.start === "implicit";
    this.#session = new ClientSession(settings, { secure, nonce: services.nonce });
    services.deadlines.add(this);
  }

  /** Who is at the other end, for people. */
  get label(): string {
    return this.#target.label;
  }

  /** What TLS is used, such as `TLSv1.3`. */
  get tls(): string | undefined {
    return this.#connection.tls?.protocol;
  }

  /** What the peer offers. */
  get peer(): PeerExtensions {
    return this.#session.peer!;
  }

  /** Recipients that one transaction takes. */
  get recipientLimit(): number {
    return this.#session.recipientLimit;
  }

  /** Whether another message can be sent over it. */
  get usable(): boolean {
    return !this.#closed && this.#session.waiting === "intent" && this.#session.messagesLeft > 0;
  }

  /** From the first octet to the first intent; `null` when all went well. To be called once. */
  async start(signal: AbortSignal): Promise<OpeningFailure | null> {
    return await this.#abortable(signal, async () => {
      if (this.#target.tls.start === "implicit") {
        const failure = await this.#secure();
        if (failure !== null) return failure;
      }
      return await this.#ready() ?? await this.#startTls() ?? await this.#login();
    });
  }

  /** Sends a message; gives one outcome for each recipient whatever happens. Never throws. */
  async send(
    transaction: Transaction,
    source: MessageSource,
    signal: AbortSignal,
  ): Promise<Sent> {
    this.messages++;
    let outcomes: readonly RecipientOutcome[] = [];
    let failure: Failed | null = null;
    this.#unread = null;
    await this.#abortable(signal, async () => {
      this.#session.send(transaction);
      for (let event; (event = await this.#next()) !== null;) {
        if (event.type === "outcomes") outcomes = event.outcomes;
        else if (event.type === "failed") failure = event;
        else if (event.type === "body") await this.#writeMessage(source);
      }
    });
    if (failure !== null) this.close();
    return { outcomes, failure, unread: this.#unread };
  }

  /**
   * Rests between two messages. A peer that speaks or closes meanwhile has ended the session, and so has
   * `until`, in epoch milliseconds: then `onGone` is told, once, and should {@link quit}.
   */
  rest(until: number, onGone: () => void): void {
    const gone = () => {
      if (this.#onIdle !== gone) return;
      this.#onIdle = null;
      onGone();
    };
    this.#onIdle = gone;
    this.deadline = until;
    this.#beginRead().then(gone);
  }

  /** Ends the rest: whether it is still usable as far as can be known. */
  wake(): boolean {
    this.#onIdle = null;
    this.deadline = Infinity;
    return this.usable && !this.#arrived;
  }

  /** Says QUIT, waits a moment for the answer, and closes. Never throws. */
  async quit(): Promise<void> {
    if (this.#closed) return;
    if (this.#session.waiting === "intent" && !this.#arrived) {
      try {
        this.#session.quit();
        while (await this.#next() !== null);
        await this.#connection.closeWrite();
      } catch {
        // It is over either way.
      }
    }
    this.close();
  }

  /** Closes at once; what waits ends. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#services.deadlines.delete(this);
    this.#connection.close();
  }

  /** A wait has lasted too long. */
  expire(): void {
    if (this.#onIdle !== null) return this.#onIdle();
    this.#timedOut = true;
    this.#connection.close();
  }

  /** Until the peer has told what it offers. */
  async #ready(): Promise<OpeningFailure | null> {
    for (let event; (event = await this.#next()) !== null;) {
      if (event.type !== "failed") continue;
      const afterTls = this.tls !== undefined && this.#target.tls.start === "starttls";
      return afterTls ? this.#failedAtTls(event) : this.#sessionFailed(event);
    }
    return null;
  }

  /** Who hangs up at STARTTLS, or right after the handshake, has not liked something about TLS. */
  #failedAtTls(event: Failed): OpeningFailure {
    if (event.remote) return this.#sessionFailed(event);
    return this.#tlsFailed({ kind: "failed", error: event.reply.lines.join(" ") });
  }

  async #startTls(): Promise<OpeningFailure | null> {
    const { tls } = this.#target;
    if (tls.start !== "starttls") return null;
    if (!this.peer.startTls) return this.#withoutTls({ kind: "not offered" });
    this.#session.startTls();
    for (let event; (event = await this.#next()) !== null;) {
      if (event.type === "failed") return this.#failedAtTls(event);
      if (event.type === "tls-refused") {
        return this.#withoutTls({ kind: "refused", reply: event.reply });
      }
    }
    const failure = await this.#secure();
    if (failure !== null) return failure;
    this.#session.tlsStarted();
    return await this.#ready();
  }

  /** No handshake was begun: this connection can go on in clear, where that is allowed. */
  #withoutTls(trouble: TlsTrouble): OpeningFailure | null {
    const decided = afterTlsTrouble(this.#target.tls, trouble);
    return decided === "clear" ? null : ours("tls", about(this.label, decided), {});
  }

  async #secure(): Promise<OpeningFailure | null> {
    const { serverName, authorities, tls } = this.#target;
    const { clock } = this.#services;
    this.deadline = clock.now() + this.#handshakeTimeout();
    try {
      this.#connection = await this.#connection.startTlsClient({
        serverName,
        verify: tls.verify,
        ...(authorities !== undefined && { authorities }),
      });
      return null;
    } catch (error) {
      const why = this.#timedOut ? "no answer in time" : messageOf(error);
      return this.#tlsFailed({ kind: "failed", error: why });
    } finally {
      this.deadline = Infinity;
    }
  }

  #handshakeTimeout(): number {
    return this.#services.session?.timeouts?.handshake ?? 60_000;
  }

  #tlsFailed(trouble: TlsTrouble & { readonly kind: "failed" }): OpeningFailure {
    const decided = afterTlsTrouble(this.#target.tls, trouble);
    if (decided !== "clear") return ours("tls", about(this.label, decided), {});
    const text = `TLS with ${this.label} failed: ${trouble.error}`;
    return ours("tls", reply(451, "4.7.5", text), { clear: true });
  }

  async #login(): Promise<OpeningFailure | null> {
    const { credentials } = this.#target;
    if (credentials === undefined) return null;
    this.#session.authenticate(credentials);
    for (let event; (event = await this.#next()) !== null;) {
      if (event.type === "failed") return this.#sessionFailed(event);
      if (event.type !== "auth-failed") continue;
      const { remote } = event;
      const given = remote ? event.reply : about(this.label, event.reply);
      return { ...ours("login", given, { unreachable: true }), remote, ...this.#tlsField() };
    }
    return null;
  }

  #sessionFailed({ kind, reply: given, remote }: Failed): OpeningFailure {
    const stage = kind === "greeting" ? "greeting" : "hello";
    const unreachable = kind !== "refused" || given.code < 500;
    const told = remote ? given : about(this.label, given);
    return { ...ours(stage, told, { unreachable }), remote, ...this.#tlsField() };
  }

  #tlsField(): { readonly tls?: string } {
    return this.tls === undefined ? {} : { tls: this.tls };
  }

  /** Writes a message; one that cannot be read to its end is broken off. */
  async #writeMessage(source: MessageSource): Promise<void> {
    const wanted = () => this.#session.waiting === "body" && !this.#broken;
    try {
      await writeMessage(source, {
        wanted,
        write: async (bytes, last) => {
          this.#session.writeBody(bytes);
          if (last) this.#session.endBody();
          await this.#flush();
          if (!last) await this.#heed();
        },
      });
    } catch (error) {
      if (!wanted()) return;
      this.#unread = messageOf(error);
      this.#session.abandonBody(UNREADABLE);
    }
    // A socket that takes no more may still have brought the peer's last words.
    while (this.#session.waiting === "body" && this.#broken) await this.#read();
  }

  /** In the middle of a message: hears a peer that speaks before its turn, and waits where it must. */
  async #heed(): Promise<void> {
    for (;;) {
      for (let event; (event = this.#session.next()) !== null;) this.#events.push(event);
      if (this.#session.waiting === "body") {
        this.#beginRead();
        if (!this.#arrived) return;
      } else if (this.#session.waiting !== "reply") {
        return;
      }
      await this.#read();
    }
  }

  /** The next event, or `null` when something is wanted of us. */
  async #next(): Promise<ClientEvent | null> {
    for (;;) {
      const event = this.#events.shift() ?? this.#session.next();
      if (event?.type === "fault") {
        const error = "octets in clear after STARTTLS: somebody injects, they are dropped";
        this.#services.emit({ type: "relay.trouble", host: this.label, error });
      } else if (event?.type === "derive") {
        this.#session.derived(await (this.#services.derive ?? derive)(event));
      } else if (event !== null) {
        return event;
      } else {
        await this.#flush();
        if (this.#session.waiting !== "reply") return null;
        await this.#read();
      }
    }
  }

  /** Hands what comes to the session: octets, the end, or that nothing came in time. */
  async #read(): Promise<void> {
    this.#expectWithin(this.#broken ? LAST_WORDS : this.#session.timeout);
    await this.#beginRead();
    const length = await this.#reading!.catch(() => null);
    this.#reading = null;
    this.#arrived = false;
    this.deadline = Infinity;
    if (length !== null) this.#session.receive(this.#buffer.subarray(0, length));
    else if (this.#timedOut && !this.#broken) this.#session.receiveTimeout();
    else this.#session.receiveEnd();
  }

  /** Begins to read where no read is pending; resolves when something has come. */
  #beginRead(): Promise<void> {
    const arrived = () => void (this.#arrived = true);
    this.#reading ??= this.#connection.read(this.#buffer);
    return this.#reading.then(arrived, arrived);
  }

  /** Writes what the session has to say. That the socket is broken shows at the next read. */
  async #flush(): Promise<void> {
    const octets = this.#session.take();
    if (octets.length === 0) return;
    const over = this.#session.waiting === "closed";
    this.#expectWithin(over ? LAST_WORDS : this.#session.timeout);
    try {
      await this.#connection.write(octets);
    } catch {
      this.#broken = !this.#timedOut;
    }
    this.deadline = Infinity;
  }

  #expectWithin(timeout: number): void {
    this.deadline = this.#services.clock.now() + timeout;
  }

  async #abortable<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const onAbort = () => this.#connection.close();
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await work();
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }
}

/** A failure in our own words. */
function ours(
  stage: OpeningFailure["stage"],
  given: Reply,
  more: { readonly unreachable?: boolean; readonly clear?: true },
): OpeningFailure {
  return { status: "failed", stage, reply: given, remote: false, unreachable: false, ...more };
}

/** Our own words, saying whom they are about. */
function about(label: string, given: Reply): Reply {
  return { ...given, lines: [`${label}: ${given.lines.join(" ")}`] };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function derive({ password, salt, iterations }: KeyDerivation): Promise<Uint8Array> {
  return hashing.run(() =>
    new Promise((resolve, reject) => {
      pbkdf2(password, salt, iterations, 32, "sha256", (error, key) => {
        if (error) reject(error);
        else resolve(key);
      });
    })
  );
}
