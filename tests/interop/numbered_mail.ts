/**
 * Mail that carries a number, whose every line tells whose it is, and what became of it: who was told 250
 * of which, and what came where. Chance comes from a seed, so that a run can be repeated.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { AssertionError } from "@std/assert";
import { splitTrace } from "./maildir.ts";

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** In [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from `from` to under `to`. */
  between(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from));
  }

  /** Whether something happens that happens with this probability. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** One of them. */
  pick<T>(all: readonly T[]): T {
    return all[this.between(0, all.length)]!;
  }
}

/** A message of about so many octets, with CRLF line ends, some of its lines beginning with dots. */
export function numberedMessage(number: number, size: number): string {
  const head =
    `From: <sender@client.test>\r\nSubject: mail ${number}\r\nX-Number: ${number}\r\n\r\n`;
  const line = `${number} ${"-".repeat(66 - String(number).length)}\r\n`;
  const block = `${line.repeat(6)}.\r\n..${number}\r\n`;
  return `${head}${block.repeat(Math.ceil(size / block.length))}end of ${number}\r\n`;
}

/** The number of a message, `null` where it has none. */
export function numberOf(octets: Uint8Array): number | null {
  const head = new TextDecoder("latin1").decode(octets.subarray(0, 4096));
  const number = /^X-Number: (\d+)\r\n/m.exec(head)?.[1];
  return number === undefined ? null : Number(number);
}

function digest(octets: string | Uint8Array): string {
  return createHash("sha256").update(octets).digest("hex");
}

/** A mail that somebody tried to send. */
export interface SentMail {
  readonly number: number;
  readonly recipients: readonly string[];
  readonly digest: string;
  /** Whether the final dot was answered with 250. */
  acknowledged: boolean;
}

/** Something that came more than once. */
export interface Repetition {
  /** The number of the mail, and for whom. */
  readonly key: string;
  /** The run of the station that brought it first, from 0. */
  readonly run: number;
  /** The runs that brought it again. */
  readonly again: readonly number[];
  /** How many messages that first run brought to the same place after it. */
  readonly followers: number;
}

/** What was sent, and what came. */
export class Ledger {
  readonly sent: SentMail[] = [];
  /** When each mail came for each recipient, by `NUMBER RECIPIENT`. */
  readonly #arrivals = new Map<string, { readonly run: number; readonly place: number }[]>();
  /** How many messages each run has brought. */
  readonly #brought: number[] = [];

  /** How many mails were answered with 250. */
  get acknowledged(): number {
    return this.sent.filter(({ acknowledged }) => acknowledged).length;
  }

  /** How many there were for whom something came. */
  get deliveries(): number {
    return this.#arrivals.size;
  }

  /** Another mail. */
  begin(recipients: readonly string[], size: number): { mail: SentMail; message: string } {
    const number = this.sent.length;
    const message = numberedMessage(number, size);
    const mail = { number, recipients, digest: digest(message), acknowledged: false };
    this.sent.push(mail);
    return { mail, message };
  }

  /**
   * A message has come. Fails unless it is one that was sent, to those recipients, octet for octet below the
   * trace on top of it.
   *
   * @param run the run of the station that brought it.
   */
  arrived(octets: Uint8Array, recipients: readonly string[], run: number): void {
    const mail = this.sent[numberOf(octets) ?? -1];
    if (mail === undefined) throw new AssertionError("a mail that nobody sent");
    if (digest(splitTrace(octets).message) !== mail.digest) {
      throw new AssertionError(`mail ${mail.number} is not as it was sent`);
    }
    const place = this.#brought[run] = (this.#brought[run] ?? 0) + 1;
    for (const recipient of recipients) {
      if (!mail.recipients.includes(recipient)) {
        throw new AssertionError(`mail ${mail.number} was not for ${recipient}`);
      }
      const key = `${mail.number} ${recipient}`;
      const arrivals = this.#arrivals.get(key) ?? [];
      arrivals.push({ run, place });
      this.#arrivals.set(key, arrivals);
    }
  }

  /** Recipients that an acknowledged mail did not come to. */
  lost(): string[] {
    return this.sent.filter(({ acknowledged }) => acknowledged)
      .flatMap(({ number, recipients }) => recipients.map((recipient) => `${number} ${recipient}`))
      .filter((key) => !this.#arrivals.has(key));
  }

  /** How many mails have come to somebody. */
  get arrivedMails(): number {
    return new Set([...this.#arrivals.keys()].map((key) => key.split(" ")[0])).size;
  }

  /** What has come though nobody was told that it would. */
  unacknowledged(): string[] {
    return [...this.#arrivals.keys()].filter((key) => !this.sent[parseInt(key)]!.acknowledged);
  }

  /** What came more than once. */
  repetitions(): Repetition[] {
    const repetitions: Repetition[] = [];
    for (const [key, [first, ...others]] of this.#arrivals) {
      if (first === undefined || others.length === 0) continue;
      const { run, place } = first;
      const followers = this.#brought[run]! - place;
      repetitions.push({ key, run, again: others.map(({ run }) => run), followers });
    }
    return repetitions;
  }
}
