/**
 * One connection to another station, from its first octet to QUIT: greeting, TLS, login, messages. The client's
 * counterpart of `server/smtp_connection.ts`. What is left to others: connecting (`open_exchange.ts`), what the
 * protocol says (`smtp/`), the socket (`session_pump.ts`), the messages (`message_carrier.ts`), which station to
 * talk to and what an answer means for a recipient (`attempt.ts`, `answers.ts`).
 *
 * What fails: opening gives a failure as a value, sending gives outcomes for all recipients whatever
 * happens. Every wait ends: by the session's time-outs, or by an aborted signal, which closes the socket.
 *
 * @module
 */

import type { Conversation, Tracer } from "../observe/trace.ts";
import type { Credentials } from "../routing/route.ts";
import type { Connection, Network, SocketAddress } from "../runtime/network.ts";
import type { TlsClientOptions } from "../runtime/tls.ts";
import { ClientSession } from "../smtp/client_session.ts";
import {
  type ClientOptions,
  type ClientSettings,
  clientSettings,
} from "../smtp/client_settings.ts";
import type { PeerExtensions } from "../smtp/peer_extensions.ts";
import { reply } from "../smtp/reply.ts";
import { type LoopSigns, ownName } from "./loop_check.ts";
import { about, itself, type OpeningFailure, ours } from "./opening_failure.ts";
import { type Failed, MessageCarrier, type Sending, type Sent } from "./message_carrier.ts";
import { LAST_WORDS, type PumpServices, SessionPump } from "./session_pump.ts";
import { checkPeer, tlsFault } from "./peer_check.ts";
import { guardName, type TlsFault } from "./tls_guard.ts";
import { afterTlsTrouble, type TlsPlan, type TlsTrouble } from "./tls_policy.ts";

/** What all connections share. */
export interface ExchangeServices extends PumpServices {
  /** Our name for EHLO. */
  readonly hostname: string;
  readonly network: Network;
  /** Fresh and unguessable, for SCRAM. */
  readonly nonce: () => string;
  /** Of the session: limits and time-outs. */
  readonly session?: Pick<ClientOptions, "ignoredKeywords" | "limits" | "timeouts">;
  /** Milliseconds until connecting is given up. Default 30,000. */
  readonly connectTimeout?: number;
  /** Where conversations can be listened to. */
  readonly tracer?: Tracer;
}

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
  /** What would make it ourselves; absent: nothing does. */
  readonly loop?: LoopSigns;
  /** Told how TLS went, each time it is tried, and from which address of ours. Must not throw. */
  readonly noteTls?: (fault: TlsFault | null, source?: string) => void;
}

/** One connection and its session. */
export class SmtpExchange {
  /** Messages sent over it so far. */
  messages = 0;
  /** Those who have it, for the pool: two while the message of one is answered, and the other is to follow. */
  users = 1;

  readonly #target: ExchangeTarget;
  readonly #settings: ClientSettings;
  readonly #session: ClientSession;
  readonly #pump: SessionPump;
  readonly #carrier: MessageCarrier;
  readonly #now: () => number;
  /** The address of ours. */
  readonly #source: string | undefined;
  /** With what guards the peer, once it is known to be the right one. */
  #tls: string | undefined;

  /** Takes a fresh connection over, and the conversation that may be listened to. */
  constructor(
    services: ExchangeServices,
    target: ExchangeTarget,
    connection: Connection,
    trace: Conversation | null = null,
  ) {
    const { hostname, session: options, nonce } = services;
    const { protocol, tls, label } = target;
    const timeouts = { quit: LAST_WORDS, ...options?.timeouts };
    this.#target = target;
    this.#now = () => services.clock.now();
    const { local } = connection;
    this.#source = local.transport === "tcp" ? local.hostname : undefined;
    this.#settings = clientSettings(hostname, { ...options, timeouts, protocol });
    this.#session = new ClientSession(this.#settings, {
      ...{ secure: tls.start === "implicit", nonce },
      ...(trace && { tap: trace }),
    });
    this.#pump = new SessionPump(services, this.#session, connection, label, trace);
    this.#carrier = new MessageCarrier(this.#session, this.#pump, services.clock, trace);
  }

  /** Who is at the other end, for people. */
  get label(): string {
    return this.#target.label;
  }

  /** What TLS is used, and what vouches for the peer where more does than the rules of the web: `TLSv1.3, DANE`. */
  get tls(): string | undefined {
    return this.#tls ?? this.#pump.tls;
  }

  /** What the peer offers. */
  get peer(): PeerExtensions {
    return this.#session.peer!;
  }

  /** Recipients that one transaction takes. */
  get recipientLimit(): number {
    return this.#session.recipientLimit;
  }

  /** Whether another message can be sent over it: at once, or behind the one that is about to go out whole. */
  get usable(): boolean {
    return this.#carrier.usable;
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

  /**
   * Sends a message; gives one outcome for each recipient whatever happens. Only where it is {@link usable}.
   *
   * @throws what is a bug of ours.
   */
  send(sending: Sending): Promise<Sent> {
    this.messages++;
    return this.#carrier.send(sending);
  }

  /**
   * Rests between two messages. A peer that speaks or closes meanwhile has ended the session, and so has
   * `until`, in epoch milliseconds: then `onGone` is told, once, and should {@link quit}.
   */
  rest(until: number, onGone: () => void): void {
    this.#pump.rest(until, onGone);
  }

  /** Ends the rest: whether it is still usable as far as can be known. */
  wake(): boolean {
    this.#pump.wake();
    return this.usable && !this.#pump.arrived;
  }

  /** Says QUIT, waits a moment for the answer, and closes. Never throws. */
  async quit(): Promise<void> {
    if (this.#pump.closed) return;
    const { waiting } = this.#session;
    try {
      if (waiting === "intent" && !this.#pump.arrived) {
        this.#session.quit();
        while (await this.#pump.next() !== null);
        await this.#pump.closeWrite();
      } else if (waiting === "closed") {
        while (await this.#pump.next() !== null); // the session's own last words
      }
    } catch {
      // It is over either way.
    }
    this.#pump.close();
  }

  /** Until the peer has told what it offers. */
  async #ready(): Promise<OpeningFailure | null> {
    for (let event; (event = await this.#pump.next()) !== null;) {
      if (event.type === "ready") {
        const { loop } = this.#target;
        const name = loop && ownName(loop, { greeting: event.greeting, name: event.peer.name });
        if (loop && name) return itself(this.label, loop, `it calls itself ${name}`);
      }
      if (event.type !== "failed") continue;
      const afterTls = this.tls !== undefined && this.#target.tls.start === "starttls";
      return afterTls ? this.#failedAtTls(event) : this.#sessionFailed(event);
    }
    return null;
  }

  async #startTls(): Promise<OpeningFailure | null> {
    const { tls } = this.#target;
    if (tls.start !== "starttls") return null;
    if (!this.peer.startTls) return this.#withoutTls({ kind: "not offered" });
    this.#session.startTls();
    for (let event; (event = await this.#pump.next()) !== null;) {
      if (event.type === "failed") {
        if (!event.remote) {
          this.#note({ type: "validation-failure", text: event.reply.lines.join(" ") });
        }
        return this.#failedAtTls(event);
      }
      if (event.type === "tls-refused") {
        return this.#withoutTls({ kind: "refused", reply: event.reply });
      }
    }
    const failure = await this.#secure();
    if (failure !== null) return failure;
    this.#session.tlsStarted();
    return await this.#ready();
  }

  async #secure(): Promise<OpeningFailure | null> {
    const { serverName, authorities, tls: { guard, verify } } = this.#target;
    let fault: TlsFault | null = null;
    const inspect: TlsClientOptions["inspect"] = (peer) => {
      const found = checkPeer(guard!, peer, this.#now());
      fault = found.fault;
      return found.counts ? fault?.text ?? null : null;
    };
    const failure = await this.#pump.secure({
      ...{ serverName, verify },
      ...(authorities && { authorities }),
      ...(guard && { inspect }),
    }, this.#settings.timeouts.handshake);
    if (failure === null) {
      this.#note(fault);
      const name = guard === undefined ? null : guardName(guard);
      if (name !== null) this.#tls = `${this.#pump.tls}, ${name}`;
      return null;
    }
    this.#note(fault ?? tlsFault(failure.code, failure.why));
    return this.#tlsFailed({ kind: "failed", error: failure.why });
  }

  #note(fault: TlsFault | null): void {
    this.#target.noteTls?.(fault, this.#source);
  }

  /** No handshake was begun: this connection can go on in clear, where that is allowed. */
  #withoutTls(trouble: TlsTrouble): OpeningFailure | null {
    const text = trouble.kind === "refused"
      ? `STARTTLS was answered ${trouble.reply.code}`
      : "STARTTLS was not offered";
    this.#note({ type: "starttls-not-supported", text });
    const decided = afterTlsTrouble(this.#target.tls, trouble);
    return decided === "clear" ? null : ours("tls", about(this.label, decided), {});
  }

  /** Who hangs up at STARTTLS, or right after the handshake, has not liked something about TLS. */
  #failedAtTls(event: Failed): OpeningFailure {
    if (event.remote) return this.#sessionFailed(event);
    return this.#tlsFailed({ kind: "failed", error: event.reply.lines.join(" ") });
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
    for (let event; (event = await this.#pump.next()) !== null;) {
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

  async #abortable<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const onAbort = () => this.#pump.interrupt();
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await work();
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }
}
