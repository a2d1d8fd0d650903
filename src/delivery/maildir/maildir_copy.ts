/**
 * One copy of a message: in `tmp/`, whole and synced, then in `new/`, or taken back.
 *
 * @module
 */

import type { PreparedDelivery } from "../../queue/local_delivery.ts";
import { toDeliveryError } from "./delivery_error.ts";
import type { MaildirDisk } from "./maildir_disk.ts";
import type { Reservation } from "./quota_ledger.ts";

/** What a copy is made of. */
export interface MaildirCopyParts {
  /** Where it lies. */
  readonly disk: MaildirDisk;
  /** The mailbox, `domain/user`, or the folder in it, `domain/user/.Junk`. */
  readonly mailbox: string;
  /** The file in `tmp/`. */
  readonly temporary: string;
  /** The folder `new/`. */
  readonly folder: string;
  /** The name it gets there. */
  readonly name: string;
  /** Octets of the file. */
  readonly size: number;
  /** Whether the delivery may have been made before, under the same name. */
  readonly repeatable: boolean;
  /** Where the mailbox has a quota. */
  readonly reservation: Reservation | null;
}

/** A copy that is on the disk. */
export class MaildirCopy implements PreparedDelivery {
  readonly #parts: MaildirCopyParts;
  readonly #published: string;
  #state: "prepared" | "published" | "discarded" = "prepared";

  /** Of a file that is whole and synced. */
  constructor(parts: MaildirCopyParts) {
    this.#parts = parts;
    this.#published = `${parts.folder}/${parts.name}`;
  }

  get destination(): string {
    return `maildir:${this.#parts.mailbox}`;
  }

  async publish(): Promise<void> {
    if (this.#state === "published") return;
    if (this.#state === "discarded") throw new Error("this delivery has been discarded");
    const { disk, folder, size, reservation } = this.#parts;
    try {
      if (reservation === null) await this.#show();
      else await reservation.book(size, () => this.#showAndTell());
      await disk.sync(folder);
    } catch (error) {
      await this.discard();
      throw toDeliveryError(error, "deliver as", this.#published);
    }
  }

  async discard(): Promise<void> {
    if (this.#state === "discarded") return;
    const { disk, temporary, reservation } = this.#parts;
    const target = this.#state === "published" ? this.#published : temporary;
    this.#state = "discarded";
    const remove = () => disk.remove(target);
    await (reservation === null ? remove() : reservation.cancel(remove));
  }

  async #show(): Promise<void> {
    const { disk, mailbox, temporary } = this.#parts;
    await disk.show(mailbox, temporary, this.#published);
    this.#state = "published";
  }

  /** Whether it is one message more now, and not the twin of one that lies there. */
  async #showAndTell(): Promise<boolean> {
    const { disk, repeatable } = this.#parts;
    const twin = repeatable && await disk.exists(this.#published);
    await this.#show();
    return !twin;
  }
}
