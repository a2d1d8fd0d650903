/**
 * One direction of a connection in memory: octets and then an end, in order, with a bound on what is
 * under way. A write beyond the bound waits until the reader has taken half of it, as TCP's window makes it wait.
 *
 * What fails: {@link Pipe.break} makes both sides fail with ECONNRESET, {@link Pipe.abandon} the
 * writer with EPIPE.
 *
 * @module
 */

import type { Clock } from "./runtime.ts";
import { SystemError } from "./system_error.ts";

/** How one direction behaves. */
export interface PipeConditions {
  /** Milliseconds from a write until the reader sees it. */
  readonly delay: () => number;
  /** Octets written but not yet read, at most. */
  readonly window: number;
  /** How many of `available` octets one read gives. */
  readonly split: (available: number) => number;
  /** Called after octets were put in. */
  readonly onWrite: () => void;
}

/** Where octets are put in at one side and taken out at the other. */
export class Pipe {
  readonly #clock: Clock;
  readonly #conditions: PipeConditions;
  /** What has arrived and is not read. */
  readonly #arrived: Uint8Array[] = [];
  #available = 0;
  #inFlight = 0;
  #lastArrival = 0;
  #written = 0;
  #ended = false;
  #endArrived = false;
  #abandoned = false;
  #silent = false;
  #broken: SystemError | null = null;
  #wakeReader: (() => void) | null = null;
  #wakeWriter: (() => void) | null = null;

  /** An empty one. */
  constructor(clock: Clock, conditions: PipeConditions) {
    this.#clock = clock;
    this.#conditions = conditions;
  }

  /** Octets put in so far. */
  get written(): number {
    return this.#written;
  }

  /** Puts octets in; resolves when the last has found room. */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.#wakeWriter !== null) throw new Error("a write is pending already");
    this.#checkWritable();
    for (let at = 0; at < bytes.length;) {
      const room = this.#conditions.window - this.#inFlight;
      if (room <= 0) {
        await new Promise<void>((resolve) => this.#wakeWriter = resolve);
        this.#wakeWriter = null;
        if (this.#ended) throw woken();
        this.#checkWritable();
        continue;
      }
      const piece = bytes.slice(at, at + room);
      at += piece.length;
      this.#inFlight += piece.length;
      this.#written += piece.length;
      this.#send(piece);
      this.#conditions.onWrite();
    }
  }

  /** Takes at least one octet out; `null` at the end. */
  async read(into: Uint8Array): Promise<number | null> {
    if (this.#wakeReader !== null) throw new Error("a read is pending already");
    for (;;) {
      if (this.#abandoned) throw woken();
      if (this.#broken !== null) throw this.#broken;
      if (this.#available > 0) return this.#take(into);
      if (this.#endArrived) return null;
      await new Promise<void>((resolve) => this.#wakeReader = resolve);
      this.#wakeReader = null;
    }
  }

  /** Nothing more will be put in; a pending write is woken with ECANCELED. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#wakeWriter?.();
    this.#send(null);
  }

  /**
   * The reader is gone: what is under way is lost, further writes fail, and its own pending read is
   * woken with ECANCELED.
   */
  abandon(): void {
    this.#abandoned = true;
    this.#arrived.length = 0;
    this.#available = 0;
    this.#wakeReader?.();
    this.#wakeWriter?.();
  }

  /** Both sides fail from now on; what is under way is lost. */
  break(): void {
    this.#broken = new SystemError("ECONNRESET", "the connection was reset");
    this.#wakeReader?.();
    this.#wakeWriter?.();
  }

  /** From now on nothing arrives any more, and nobody is told. */
  silence(): void {
    this.#silent = true;
  }

  #send(piece: Uint8Array | null): void {
    if (this.#silent) return;
    // Never overtakes what was sent before it.
    const now = this.#clock.now();
    const arrival = Math.max(this.#lastArrival, now + this.#conditions.delay());
    this.#lastArrival = arrival;
    if (arrival <= now) this.#arrive(piece);
    else this.#clock.sleep(arrival - now).then(() => this.#arrive(piece));
  }

  #arrive(piece: Uint8Array | null): void {
    if (this.#silent || this.#abandoned || this.#broken !== null) return;
    if (piece === null) {
      this.#endArrived = true;
    } else {
      this.#arrived.push(piece);
      this.#available += piece.length;
    }
    this.#wakeReader?.();
  }

  #take(into: Uint8Array): number {
    const most = Math.min(this.#available, into.length);
    const length = Math.min(most, Math.max(1, Math.floor(this.#conditions.split(most))));
    for (let at = 0; at < length;) {
      const head = this.#arrived[0]!;
      const part = head.subarray(0, length - at);
      into.set(part, at);
      at += part.length;
      if (part.length === head.length) this.#arrived.shift();
      else this.#arrived[0] = head.subarray(part.length);
    }
    this.#available -= length;
    this.#inFlight -= length;
    // As TCP does (RFC 9293 §3.8.6.2.2): room for a few octets would be filled with a few octets, for ever.
    if (2 * this.#inFlight <= this.#conditions.window) this.#wakeWriter?.();
    return length;
  }

  #checkWritable(): void {
    if (this.#broken !== null) throw this.#broken;
    if (this.#abandoned || this.#ended) {
      throw new SystemError("EPIPE", "nobody reads what is written");
    }
  }
}

function woken(): SystemError {
  return new SystemError("ECANCELED", "woken by close");
}
