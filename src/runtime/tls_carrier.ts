/**
 * The stream that `node:tls` runs over; its far side is a plaintext {@link Connection}.
 *
 * It is no Duplex, only what `node:tls` uses of one. TLS takes what it is given at once, and hands out its own
 * octets piece by piece: the queues of a Duplex would stay empty, and cost a twentieth of a handshake and a
 * tenth of a large message.
 *
 * Deno's TLS swallows whatever its stream offers, however much its own reader lags behind. So the
 * back-pressure is made here: after the handshake the socket is read only while somebody waits for
 * plaintext ({@link TlsCarrier.want}), at once as much as there is room for.
 *
 * @module
 */

import { EventEmitter } from "node:events";
import { nextTick } from "node:process";
import type { Duplex } from "node:stream";
import { clearTimeout, setTimeout } from "node:timers";
import type { Connection } from "./network.ts";

const SMALL_READ = 4 * 1024;
const LARGE_READ = 64 * 1024;

/** Large buffers nobody reads into. To make one anew costs more than to read into it. */
const spare: Uint8Array[] = [];
const MOST_SPARE = 16;

/**
 * A fatal handshake_failure alert (RFC 8446 §6): Deno's TLS gives up on a client's first flight
 * without a word, and the client's owner would have to guess why.
 */
const HANDSHAKE_FAILURE = Uint8Array.of(0x15, 3, 3, 0, 2, 2, 40);

/** Milliseconds a dying stream waits for the write in flight: it may be the alert that tells why. */
const LAST_WRITE = 1000;

/** Is told how a call of a stream ended. */
export type Done = (error?: Error | null) => void;

/** Encrypted octets, between TLS and the socket. */
export class TlsCarrier extends EventEmitter {
  /** For TLS alone. */
  readonly readable = true;
  /** For TLS alone. */
  readonly writable = true;
  /** For TLS alone. */
  readonly allowHalfOpen = true;
  /** Whether it ends, or has ended. */
  destroyed = false;
  /** What it ended of, where that was an error. */
  errored: Error | null = null;
  readonly #plain: Connection;
  #received: Uint8Array | null;
  readonly #small: Uint8Array = new Uint8Array(SMALL_READ);
  #flowing = false;
  #wanted = SMALL_READ;
  #reading = false;
  #ended = false;
  #wrote = false;
  #writing: Promise<void> | null = null;

  /** Over `plain`; `received` is given to TLS before what the socket gives. */
  constructor(plain: Connection, received: Uint8Array = new Uint8Array(0)) {
    super();
    this.#plain = plain;
    this.#received = received.length > 0 ? received : null;
    // Whoever waits learns of it by `close`; without a listener it would be uncaught.
    this.on("error", () => {});
  }

  /** As `node:tls` wants it called. */
  get duplex(): Duplex {
    return this as unknown as Duplex;
  }

  /** How many octets of plaintext somebody waits for; 0: nobody does. The handshake waits for some. */
  want(octets: number): void {
    this.#wanted = octets;
    this.#pull();
  }

  /** For TLS alone. */
  resume(): this {
    this.#flowing = true;
    this.#pull();
    return this;
  }

  /** For TLS alone. */
  pause(): this {
    this.#flowing = false;
    return this;
  }

  /** For TLS alone. */
  cork(): void {}

  /** For TLS alone. */
  uncork(): void {}

  /** For TLS alone. */
  write(bytes: Uint8Array, done: Done): boolean {
    this.#wrote = true;
    this.#afterWrites(() => this.#plain.write(bytes), done);
    return true;
  }

  /** For TLS alone. */
  end(done: Done): this {
    this.#afterWrites(() => this.#plain.closeWrite().catch(() => {}), done);
    return this;
  }

  /** Ends it and closes the socket; `close` tells when that is done. */
  destroy(error: Error | null = null): this {
    if (this.destroyed) return this;
    this.destroyed = true;
    this.errored = error;
    // Only a server that refuses a handshake ends before it has written anything.
    const writing = this.#wrote
      ? this.#writing
      : this.#plain.write(HANDSHAKE_FAILURE).catch(() => {});
    if (writing === null) {
      this.#close();
    } else {
      const timer = setTimeout(() => this.#plain.close(), LAST_WRITE);
      writing.then(() => {
        clearTimeout(timer);
        this.#close();
      });
    }
    return this;
  }

  /** Later, when TLS has said why it ended this. */
  #close(): void {
    this.#plain.close();
    nextTick(() => {
      if (this.errored !== null) this.emit("error", this.errored);
      this.emit("close");
    });
  }

  #afterWrites(write: () => Promise<void>, done: Done): void {
    // Later, for TLS writes again at once, for ever.
    if (this.destroyed) return nextTick(done, this.errored ?? new Error("the stream has ended"));
    const writing = (this.#writing === null ? write() : this.#writing.then(write)).then(() => {
      if (this.#writing === writing) this.#writing = null;
      done();
    }, (error) => {
      this.destroy(error);
      done(error);
    });
    this.#writing = writing;
  }

  #pull(): void {
    if (!this.#flowing || this.#wanted === 0) return;
    if (this.#reading || this.#ended || this.destroyed) return;
    this.#reading = true;
    const received = this.#received;
    if (received !== null) {
      this.#received = null;
      // TLS may still be making itself.
      return nextTick(() => {
        this.#give(received);
        this.#pull();
      });
    }
    const buffer = this.#wanted <= SMALL_READ
      ? this.#small
      : spare.pop() ?? new Uint8Array(LARGE_READ);
    this.#plain.read(buffer).then((length) => {
      this.#give(length === null ? null : buffer.subarray(0, length));
      if (buffer !== this.#small && spare.length < MOST_SPARE) spare.push(buffer);
      this.#pull();
    }, (error) => this.destroy(error));
  }

  /** What TLS is given it has copied before it returns. */
  #give(octets: Uint8Array | null): void {
    if (!this.destroyed) {
      this.#ended = octets === null;
      if (octets === null) this.emit("end");
      else this.emit("data", octets);
    }
    this.#reading = false;
  }
}
