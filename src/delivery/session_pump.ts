/**
 * Carries octets between a socket and a {@link ClientSession}: reads and writes as the session asks, holds its
 * time-outs, feeds it messages. Knows nothing of what is said.
 *
 * What fails: nothing is thrown for what a peer or the network does. A broken connection or a wait that is
 * too long is told to the session, which makes events of it; closing the socket ends every wait.
 *
 * @module
 */

import { pbkdf2 } from "node:crypto";
import type { MtaFact } from "../events.ts";
import { Gate } from "../gate.ts";
import type { Conversation } from "../observe/trace.ts";
import type { MessageSource } from "../queue/local_delivery.ts";
import type { DeadlineMember, Deadlines } from "../runtime/deadlines.ts";
import type { Connection } from "../runtime/network.ts";
import type { Clock } from "../runtime/runtime.ts";
import { errorCode } from "../runtime/system_error.ts";
import type { TlsClientOptions } from "../runtime/tls.ts";
import type { ClientEvent } from "../smtp/client_event.ts";
import type { ClientSession } from "../smtp/client_session.ts";
import { writeMessage } from "./message_writer.ts";
import { UNREADABLE } from "./outcomes.ts";
import { briefOf } from "./peer_check.ts";

/** What pumps share. */
export interface PumpServices {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly emit: (fact: MtaFact) => void;
  /** PBKDF2-HMAC-SHA-256, 32 octets. Default: in the thread pool, one at a time. */
  readonly derive?: (work: KeyDerivation) => Promise<Uint8Array>;
}

/** What a SCRAM key is made of. */
export type KeyDerivation = Omit<Extract<ClientEvent, { type: "derive" }>, "type">;

/** Why a handshake failed. */
export interface HandshakeFailure {
  /** For people. */
  readonly why: string;
  /** As in `node:tls`, such as `CERT_HAS_EXPIRED`. */
  readonly code?: string;
}

/** Octets read at once: replies are short. */
const READ_SIZE = 2048;
/** Octets of a message that goes in one write. */
const SMALL = 64 * 1024;
const CRLF = Uint8Array.of(0x0d, 0x0a);
/** How long the last words may take, ours and what a broken socket still brings (milliseconds). */
export const LAST_WORDS = 2_000;

/** Passwords are hashed one at a time: the thread pool is also that of the disk. */
const hashing = new Gate(1);

/** One socket and one session. */
export class SessionPump implements DeadlineMember {
  /** When {@link expire} is due: epoch milliseconds. */
  deadline = Infinity;
  /** What is written while a reply is awaited. */
  aside: Promise<void> | null = null;

  readonly #services: PumpServices;
  readonly #session: ClientSession;
  /** Who is at the other end, for people. */
  readonly #label: string;
  readonly #trace: Conversation | null;
  #connection: Connection;
  readonly #buffer = new Uint8Array(READ_SIZE);
  #reading: Promise<void> | null = null;
  /** What the read brought: how many octets, or the end. */
  #length: number | null = null;
  /** Something has come since the read began: octets, or the end. */
  #arrived = false;
  /** Told by the session while a message was being written. */
  readonly #events: ClientEvent[] = [];
  /** The reply that is awaited, by its number, and when it must be whole. */
  #awaited = -1;
  #awaitedUntil = Infinity;
  /** When the message under way must be over. */
  #messageUntil = Infinity;
  #timedOut = false;
  /** Nothing can be written any more. */
  #broken = false;
  #closed = false;
  /** Ends a rest. */
  #onGone: (() => void) | null = null;

  /** Takes a fresh connection over, and the conversation that may be listened to. */
  constructor(
    services: PumpServices,
    session: ClientSession,
    connection: Connection,
    label: string,
    trace: Conversation | null = null,
  ) {
    this.#services = services;
    this.#session = session;
    this.#connection = connection;
    this.#label = label;
    this.#trace = trace;
    services.deadlines.add(this);
  }

  /** What TLS is used, such as `TLSv1.3`. */
  get tls(): string | undefined {
    return this.#connection.tls?.protocol;
  }

  /** Whether the socket was closed by us. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Something has come that nobody asked for. */
  get arrived(): boolean {
    return this.#arrived;
  }

  /** The next event, or `null` when the session wants something. */
  async next(): Promise<ClientEvent | null> {
    for (;;) {
      const event = this.poll();
      if (event?.type === "derive") {
        this.#session.derived(await (this.#services.derive ?? derive)(event));
      } else if (event !== null) {
        return event;
      } else {
        await this.flush();
        if (this.#session.waiting !== "reply") return null;
        await this.read();
      }
    }
  }

  /** An event that is there already. */
  poll(): ClientEvent | null {
    for (;;) {
      const event = this.#events.shift() ?? this.#session.next();
      if (event?.type !== "fault") return event;
      const error = "octets in clear after STARTTLS: somebody injects, they are dropped";
      const facts = { host: this.#label, kind: "injection", error } as const;
      this.#services.emit({ type: "relay.trouble", ...facts });
    }
  }

  /** Becomes secured; gives why it did not, after which the socket is closed. */
  async secure(options: TlsClientOptions, timeout: number): Promise<HandshakeFailure | null> {
    this.#expectWithin(timeout);
    try {
      this.#connection = await this.#connection.startTlsClient(options);
      this.#trace?.secured(this.#connection.tls!);
      return null;
    } catch (error) {
      const why = this.#timedOut ? "no answer in time" : briefOf(error);
      this.#trace?.note(`TLS failed: ${why}`);
      const code = errorCode((error as { readonly cause?: unknown }).cause);
      return { why, ...(code !== undefined && { code }) };
    } finally {
      this.deadline = Infinity;
    }
  }

  /**
   * Gives the session the message it waits for. One that cannot be read to its end is broken off: gives why.
   * A small one that is in memory is only given, at once: {@link flush} is to follow.
   */
  writeMessage(source: MessageSource): string | null | Promise<string | null> {
    const parts = source.head.length + source.bodySize <= SMALL ? source.bodyParts?.() : null;
    return parts ? this.#writeParts(source, parts) : this.#writeStream(source);
  }

  #writeParts({ head, bodySize }: MessageSource, parts: readonly Uint8Array[]): string | null {
    const session = this.#session;
    let left = bodySize;
    for (const part of parts) left -= part.length;
    if (left !== 0) {
      session.abandonBody(UNREADABLE);
      return `the body is not the ${bodySize} octets it should be`;
    }
    session.writeBody(head);
    session.writeBody(CRLF);
    for (const part of parts) session.writeBody(part);
    session.endBody();
    return null;
  }

  async #writeStream(source: MessageSource): Promise<string | null> {
    const wanted = () => this.#session.waiting === "body" && !this.#broken;
    try {
      await writeMessage(source, {
        wanted,
        write: async (bytes, last) => {
          this.#session.writeBody(bytes);
          if (last) return this.#session.endBody();
          await this.flush();
          await this.#heed();
        },
      });
    } catch (error) {
      if (wanted()) {
        this.#session.abandonBody(UNREADABLE);
        return messageOf(error);
      }
    }
    // A socket that takes no more may still have brought the peer's last words.
    while (this.#session.waiting === "body" && this.#broken) await this.read();
    return null;
  }

  /** A message begins, which must be written within `timeout` milliseconds; `null`: none is under way. */
  messageWithin(timeout: number | null): void {
    this.#messageUntil = timeout === null ? Infinity : this.#services.clock.now() + timeout;
  }

  /** The message is written whole: for what is said to that there is so much time in any case, in milliseconds. */
  messageWritten(timeout: number): void {
    this.#messageUntil = Math.max(this.#messageUntil, this.#services.clock.now() + timeout);
  }

  /**
   * Rests. `onGone` is told, once, when the peer speaks or closes meanwhile, or when it is `until`, in epoch
   * milliseconds.
   */
  rest(until: number, onGone: () => void): void {
    this.#onGone = onGone;
    this.deadline = until;
    this.#beginRead();
    if (this.#arrived) queueMicrotask(() => this.#gone());
  }

  /** Ends a rest. */
  wake(): void {
    this.#onGone = null;
    this.deadline = Infinity;
  }

  #gone(): void {
    const onGone = this.#onGone;
    this.#onGone = null;
    onGone?.();
  }

  /** Says that no more will be written. */
  async closeWrite(): Promise<void> {
    this.#expectWithin(LAST_WORDS);
    await this.#connection.closeWrite();
  }

  /** Closes at once; what waits ends. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#services.deadlines.delete(this);
    this.#connection.close();
    this.#trace?.close("closed");
  }

  /** Ends what waits, and lets the session hear that the connection broke. */
  interrupt(): void {
    this.#connection.close();
  }

  /** A wait has lasted too long. */
  expire(): void {
    if (this.#onGone !== null) return this.#gone();
    this.#timedOut = true;
    this.#connection.close();
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
      await this.read();
    }
  }

  /** Resolves when something has come, in time or not: {@link receive} is to follow. */
  arrival(): Promise<void> {
    this.#expectReply();
    return this.#beginRead();
  }

  /** Hands what has come to the session: octets, the end, or that nothing came in time. */
  receive(): void {
    const length = this.#length;
    this.#reading = null;
    this.#arrived = false;
    this.deadline = Infinity;
    if (length !== null) this.#session.receive(this.#buffer.subarray(0, length));
    else if (this.#timedOut && !this.#broken) this.#session.receiveTimeout();
    else this.#session.receiveEnd();
  }

  /** Waits for what comes, and hands it to the session. */
  async read(): Promise<void> {
    await this.arrival();
    this.receive();
  }

  /** A reply that comes octet by octet has no more time than one that comes whole. */
  #expectReply(): void {
    const { waiting, replies, timeout } = this.#session;
    if (this.#broken || waiting !== "reply") {
      return this.#expectWithin(this.#broken ? LAST_WORDS : timeout);
    }
    if (this.#awaited !== replies) {
      this.#awaited = replies;
      this.#awaitedUntil = this.#services.clock.now() + timeout;
    }
    this.deadline = Math.min(this.#awaitedUntil, this.#messageUntil);
  }

  /** Begins to read where no read is pending; resolves when something has come. */
  #beginRead(): Promise<void> {
    return this.#reading ??= this.#connection.read(this.#buffer).then(this.#onRead, this.#onEnd);
  }

  readonly #onRead = (length: number | null): void => {
    this.#length = length;
    this.#arrived = true;
    this.#gone();
  };

  readonly #onEnd = (): void => this.#onRead(null);

  /** Writes what the session has to say; `null` when that is nothing. That the socket is broken shows at the next read. */
  flush(): Promise<void> | null {
    const octets = this.#session.take();
    if (octets.length === 0) return null;
    const over = this.#session.waiting === "closed";
    this.#expectWithin(over ? LAST_WORDS : this.#session.timeout);
    return this.#connection.write(octets).then(this.#onWritten, this.#onUnwritten);
  }

  readonly #onWritten = (): void => {
    this.deadline = Infinity;
  };

  readonly #onUnwritten = (): void => {
    this.#broken = !this.#timedOut;
    this.deadline = Infinity;
  };

  /** Writes while a reply is awaited, whose time goes on: {@link settle} is to follow. */
  writeAside(): void {
    const done = () => void (this.aside = null);
    // Copied: a reply that comes before all of it has gone may have the session say more, in the same buffer.
    this.aside = this.#connection.write(this.#session.take().slice()).then(done, () => {
      this.#broken = !this.#timedOut;
      done();
    });
  }

  /** Waits until what was written aside has gone. */
  async settle(): Promise<void> {
    this.#expectWithin(this.#session.waiting === "reply" ? this.#session.timeout : LAST_WORDS);
    await this.aside;
    this.deadline = Infinity;
  }

  #expectWithin(timeout: number): void {
    this.deadline = Math.min(this.#services.clock.now() + timeout, this.#messageUntil);
  }
}

/** What went wrong, for people. */
export function messageOf(error: unknown): string {
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
