/**
 * File names of a Maildir: `SECONDS.UNIQUE.HOST,S=SIZE,W=VIRTUAL`. The name of a delivered message
 * follows from the delivery alone, so that one repeated after a crash replaces its unread twin instead
 * of standing beside it. `S` (octets of the file, Maildir++) and `W` (octets with CRLF line ends,
 * Dovecot) spare readers a look into the file. Pure; nothing fails.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { Clock } from "../../runtime/runtime.ts";

/** How far names may run ahead of the clock, in microseconds; beyond, it has been set back. */
const LARGEST_LEAD = 1e6;

/** What the name of a delivered message follows from. */
export interface MaildirNameParts {
  /** Microseconds since the epoch when the message was accepted; readers order by it. */
  readonly time: number;
  /** What sets this delivery apart: message, mailbox, recipient. */
  readonly delivery: readonly string[];
  /** The name of this machine. */
  readonly hostname: string;
  /** Octets of the file. */
  readonly size: number;
  /** Octets of the message when every line ends in CRLF. */
  readonly virtualSize: number;
}

/**
 * The name of a delivered message in `new/`.
 *
 * @example
 * ```ts
 * import { maildirName } from "./maildir_name.ts";
 * import { assertMatch } from "@std/assert";
 *
 * const name = maildirName({
 *   time: 1_700_000_000_123_456,
 *   delivery: ["message", "example.org/alice", "alice@example.org"],
 *   hostname: "mx.example.org",
 *   size: 980,
 *   virtualSize: 1000,
 * });
 * assertMatch(name, /^1700000000\.M123456Q[0-9a-f]{24}\.mx\.example\.org,S=980,W=1000$/);
 * ```
 */
export function maildirName(parts: MaildirNameParts): string {
  // In one update: each is a call out of JavaScript.
  const delivery = parts.delivery.map((part) => `${part.length}:${part}`).join("");
  const hash = createHash("sha256").update(delivery).digest("hex");
  const unique = `${stamp(parts.time)}Q${hash.slice(0, 24)}`;
  return `${unique}.${encodeHost(parts.hostname)},S=${parts.size},W=${parts.virtualSize}`;
}

/** A name for a file in `tmp/`; `time` in microseconds, never the same twice in one process. */
export function temporaryName(time: number, hostname: string): string {
  return `${stamp(time)}.${encodeHost(hostname)}`;
}

/** Moments for names: the time of a clock, and each later than the one before. */
export class MaildirTime {
  readonly #clock: Clock;
  #last = 0;

  /** Follows a clock, which may stand still between two calls, or be set back. */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Microseconds since the epoch. */
  next(): number {
    const now = Math.floor(this.#clock.now() * 1000);
    const setBack = this.#last - now > LARGEST_LEAD;
    this.#last = setBack ? now : Math.max(now, this.#last + 1);
    return this.#last;
  }
}

/** The size a name tells (`,S=`), or `null` when it tells none. */
export function sizeInName(name: string): number | null {
  const size = /,S=(\d{1,15})(?=[,:]|$)/.exec(name)?.[1];
  return size === undefined ? null : Number(size);
}

/** `SECONDS.MMICROSECONDS`: Dovecot numbers new messages in this order. */
function stamp(time: number): string {
  const seconds = Math.max(0, Math.floor(time / 1e6));
  const micros = Math.max(0, Math.floor(time) - seconds * 1e6);
  return `${seconds}.M${String(micros).padStart(6, "0")}`;
}

/** The host without what a name may not hold (`/` and `:` become `\057` and `\072`), at most 64 long. */
function encodeHost(hostname: string): string {
  const safe = hostname.replace(/[^A-Za-z0-9._-]/gu, (character) => {
    const octal = (character.codePointAt(0) ?? 0).toString(8).padStart(3, "0");
    return `\\${octal}`;
  });
  return safe.slice(0, 64) || "localhost";
}
