/**
 * Room in mailboxes that have a quota. What is prepared but not yet published is reserved here, so that
 * many sessions at once cannot fill the same room twice; what is published is written to `maildirsize`
 * in the same breath, so that it is never counted in both or in neither. Steps on one mailbox follow each
 * other; mailboxes without a quota never come here.
 *
 * @module
 */

import type { Quota } from "../../directory/directory.ts";
import type { Files } from "../../runtime/files.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { exceeds, MaildirSizeFile } from "./maildir_size.ts";

/** Room kept for one message. */
export interface Reservation {
  /**
   * Makes the message visible by `publish`, which tells whether it is one more, and books it with its
   * `size` in octets. The reservation ends when that has succeeded.
   */
  book(size: number, publish: () => Promise<boolean>): Promise<void>;
  /** Takes the message out again by `remove`, which tells whether it was there, or only gives up the room. */
  cancel(remove: () => Promise<boolean>): Promise<void>;
}

/** What is known of one mailbox while somebody uses it. */
interface Ledger {
  readonly file: MaildirSizeFile;
  /** When the step before has ended. */
  turn: Promise<unknown>;
  /** Steps under way and reservations held; at zero the ledger is forgotten. */
  users: number;
  bytes: number;
  messages: number;
}

/** All mailboxes with a quota. */
export class QuotaLedger {
  readonly #files: Files;
  readonly #clock: Clock;
  readonly #ledgers = new Map<string, Ledger>();

  /** Counts mailboxes of this disk. */
  constructor(files: Files, clock: Clock) {
    this.#files = files;
    this.#clock = clock;
  }

  /** Whether the mailbox has room for a message of `size` octets. @throws a `SystemError`. */
  async hasRoom(folder: string, quota: Quota, size: number): Promise<boolean> {
    const ledger = this.#enter(folder);
    try {
      return await inTurn(ledger, () => fits(ledger, quota, size));
    } finally {
      this.#leave(folder, ledger);
    }
  }

  /** Keeps room for a message of `size` octets; `null` when there is none. @throws a `SystemError`. */
  async reserve(folder: string, quota: Quota, size: number): Promise<Reservation | null> {
    const ledger = this.#enter(folder);
    let kept = false;
    try {
      kept = await inTurn(ledger, async () => {
        if (!await fits(ledger, quota, size)) return false;
        ledger.bytes += size;
        ledger.messages++;
        return true;
      });
    } finally {
      if (!kept) this.#leave(folder, ledger);
    }
    return kept ? this.#reservation(folder, ledger, size) : null;
  }

  #reservation(folder: string, ledger: Ledger, reserved: number): Reservation {
    let held = true;
    let booked = 0;
    const end = () => {
      if (!held) return;
      held = false;
      ledger.bytes -= reserved;
      ledger.messages--;
      this.#leave(folder, ledger);
    };
    return {
      book: (size, publish) =>
        inTurn(ledger, async () => {
          if (await publish()) {
            booked = size;
            await ledger.file.add({ bytes: size, messages: 1 });
          }
          end();
        }),
      cancel: (remove) =>
        inTurn(ledger, async () => {
          const size = booked;
          booked = 0;
          const removed = await remove();
          if (removed && size > 0) await ledger.file.add({ bytes: -size, messages: -1 });
          end();
        }),
    };
  }

  #enter(folder: string): Ledger {
    let ledger = this.#ledgers.get(folder);
    if (ledger === undefined) {
      const file = new MaildirSizeFile(this.#files, this.#clock, folder);
      ledger = { file, turn: Promise.resolve(), users: 0, bytes: 0, messages: 0 };
      this.#ledgers.set(folder, ledger);
    }
    ledger.users++;
    return ledger;
  }

  #leave(folder: string, ledger: Ledger): void {
    if (--ledger.users === 0) this.#ledgers.delete(folder);
  }
}

/** Runs `step` when the steps before it have ended. */
function inTurn<T>(ledger: Ledger, step: () => Promise<T>): Promise<T> {
  const result = ledger.turn.then(step);
  ledger.turn = result.catch(() => {});
  return result;
}

async function fits(ledger: Ledger, quota: Quota, size: number): Promise<boolean> {
  const usage = await ledger.file.usage(quota, { bytes: size, messages: 1 });
  const reserved = { bytes: ledger.bytes + size, messages: ledger.messages + 1 };
  return !exceeds(usage, reserved, quota);
}
