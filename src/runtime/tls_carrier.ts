/**
 * The stream that `node:tls` runs over: a Duplex whose far side is a plaintext {@link Connection}.
 *
 * Deno's TLS swallows whatever its stream offers, however much its own reader lags behind. So the
 * back-pressure is made here: after the handshake the socket is read only while somebody waits for
 * plaintext (`demand`), by small reads while little comes and large ones while much does.
 *
 * @module
 */

import { Duplex } from "node:stream";
import { Buffer } from "node:buffer";
import { clearTimeout, setTimeout } from "node:timers";
import type { Connection } from "./runtime.ts";

const SMALL_READ = 4 * 1024;
const LARGE_READ = 64 * 1024;

/**
 * A fatal handshake_failure alert (RFC 8446 §6): Deno's TLS gives up on a client's first flight
 * without a word, and the client's owner would have to guess why.
 */
const HANDSHAKE_FAILURE = Uint8Array.of(0x15, 3, 3, 0, 2, 2, 40);

/** Milliseconds a dying stream waits for the write in flight: it may be the alert that tells why. */
const LAST_WRITE = 1000;

/** Encrypted octets, between TLS and the socket. */
export class TlsCarrier extends Duplex {
  readonly #plain: Connection;
  #received: Uint8Array;
  #readSize = SMALL_READ;
  #wanted = false;
  #reading = false;
  #writing: Promise<void> | null = null;
  #demand = true;

  /** Over `plain`; `received` is given to TLS before what the socket gives. */
  constructor(plain: Connection, received: Uint8Array = new Uint8Array(0)) {
    super({ allowHalfOpen: true, readableHighWaterMark: LARGE_READ });
    this.#plain = plain;
    this.#received = received;
    // Whoever waits learns of it by `close`; without a listener it would be uncaught.
    this.on("error", () => {});
  }

  /** Whether plaintext is waited for. Set while the handshake lasts. */
  set demand(demand: boolean) {
    this.#demand = demand;
    this.#pull();
  }

  /** For {@link Duplex} alone. */
  override _read(): void {
    this.#wanted = true;
    this.#pull();
  }

  /** For {@link Duplex} alone. */
  override _write(bytes: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#writing = this.#plain.write(bytes).then(() => done(), done);
  }

  /** For {@link Duplex} alone. */
  override _final(done: (error?: Error | null) => void): void {
    this.#plain.closeWrite().then(() => done(), () => done());
  }

  /** For {@link Duplex} alone. */
  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const timer = setTimeout(() => this.#plain.close(), LAST_WRITE);
    // Only a server that refuses a handshake ends before it has written anything.
    const written = this.#writing ?? this.#plain.write(HANDSHAKE_FAILURE).catch(() => {});
    written.then(() => {
      clearTimeout(timer);
      this.#plain.close();
      done(error);
    });
  }

  #pull(): void {
    if (!this.#wanted || !this.#demand || this.#reading || this.destroyed) return;
    this.#wanted = false;
    if (this.#received.length > 0) {
      const received = this.#received;
      this.#received = new Uint8Array(0);
      this.push(Buffer.from(received));
      return;
    }
    this.#reading = true;
    const buffer = Buffer.allocUnsafeSlow(this.#readSize);
    this.#plain.read(buffer).then((length) => {
      this.#reading = false;
      if (this.destroyed) return;
      if (length === buffer.length) this.#readSize = LARGE_READ;
      else if (length !== null && length < SMALL_READ) this.#readSize = SMALL_READ;
      this.push(length === null ? null : buffer.subarray(0, length));
    }, (error) => {
      this.#reading = false;
      this.destroy(error);
    });
  }
}
