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
 * @module
 */

import type { ClientEvent, Transaction } from "./client_event.ts";
import type { ClientSettings } from "./client_settings.ts";
import type { PeerExtensions } from "./peer_extensions.ts";
import type { Reply } from "./reply.ts";

/** What a session needs beside its settings. */
export interface ClientContext {
  /** The socket is secured already (port 465). */
  readonly secure?: boolean;
  /** A fresh, unguessable, printable string without commas for SCRAM; called once for each exchange. */
  readonly nonce: () => string;
}

/** What the session waits for. */
export type ClientWaiting = "reply" | "intent" | "body" | "derive" | "tls" | "closed";

/** Who to log in as. */
export interface ClientCredentials {
  readonly user: string;
  readonly password: string;
}

/** A SASL mechanism a client can use, strongest first in {@link CLIENT_MECHANISMS}. */
export type ClientMechanism = "SCRAM-SHA-256" | "PLAIN" | "LOGIN";

/** One session; its peer has just been connected to. */
export class ClientSession {
  constructor(_settings: ClientSettings, _context: ClientContext) {}

  /** What must happen now that `next()` gave `null`. */
  get waiting(): ClientWaiting {
    throw new Error("not yet");
  }
  /** How long this wait may last, in milliseconds; `Infinity` where nothing of the peer's is awaited. */
  get timeout(): number {
    throw new Error("not yet");
  }
  /** What the peer offers; `null` before it has said. */
  get peer(): PeerExtensions | null {
    throw new Error("not yet");
  }
  /** Whether the socket is secured. */
  get secure(): boolean {
    throw new Error("not yet");
  }
  /** Recipients that `send()` takes. */
  get recipientLimit(): number {
    throw new Error("not yet");
  }
  /** How many more messages the session can carry. */
  get messagesLeft(): number {
    throw new Error("not yet");
  }

  /** Octets from the peer; used up when it returns. May be called whatever is awaited. */
  receive(_bytes: Uint8Array): void {
    throw new Error("not yet");
  }
  /** The peer closed, or the connection broke. */
  receiveEnd(): void {
    throw new Error("not yet");
  }
  /** The wait took longer than `timeout`. */
  receiveTimeout(): void {
    throw new Error("not yet");
  }
  /** What happened next, or `null`: see {@link waiting}. */
  next(): ClientEvent | null {
    throw new Error("not yet");
  }
  /** The octets to write now; they are the caller's. */
  take(): Uint8Array {
    throw new Error("not yet");
  }

  /** Asks for TLS: `start-tls` or `tls-refused`. */
  startTls(): void {
    throw new Error("not yet");
  }
  /** TLS is on: what was learnt is forgotten, and EHLO said again (RFC 3207 §4.2). */
  tlsStarted(): void {
    throw new Error("not yet");
  }
  /** Logs in with the strongest of `mechanisms` (default all) that is offered: `authenticated` or `auth-failed`. */
  authenticate(
    _credentials: ClientCredentials,
    _options: { readonly mechanisms?: readonly ClientMechanism[] } = {},
  ): void {
    throw new Error("not yet");
  }
  /** The answer to `derive`: 32 octets. */
  derived(_key: Uint8Array): void {
    throw new Error("not yet");
  }
  /** Sends a message: `body` (perhaps) and `outcomes`. */
  send(_transaction: Transaction): void {
    throw new Error("not yet");
  }
  /** A piece of the message, its head and body in order. */
  writeBody(_bytes: Uint8Array): void {
    throw new Error("not yet");
  }
  /** The message is whole. */
  endBody(): void {
    throw new Error("not yet");
  }
  /** The message cannot be gone on with; `why` becomes the outcome. With DATA this ends the session. */
  abandonBody(_why: Reply): void {
    throw new Error("not yet");
  }
  /** RSET: `done`. */
  reset(): void {
    throw new Error("not yet");
  }
  /** NOOP: `done`. */
  noop(): void {
    throw new Error("not yet");
  }
  /** QUIT: `quit`. */
  quit(): void {
    throw new Error("not yet");
  }
}
