/**
 * Mail into mailboxes on this machine, each a Maildir in `ROOT/domain/user`: a message is written to
 * `tmp/`, synced, renamed into `new/`, and the folder synced. A reader sees all of it or nothing, and
 * what `publish` has resolved for survives a power cut, with the folders it lies in. Nothing in `cur/` is
 * ever touched, and no file that another program named.
 *
 * Lines are stored with LF, as all programs that read Maildirs directly expect: mutt shows a `^M` at the
 * end of each header line of a file with CRLF. Dovecot serves either with CRLF; nothing is lost on the way
 * there and back (`unix_line_encoder.ts`), so signatures stay valid.
 *
 * What fails becomes a `DeliveryError`: 452 4.3.1 when the disk is full, 451 4.3.5 where the program may
 * not write, 451 4.2.0 where a link or a file lies in place of a folder, 552 5.2.2 or 452 4.2.2 where the
 * mailbox's quota is spent, else 451 4.3.0. Nothing is left behind in `tmp/` then, nor in `new/`.
 *
 * What it leaves to others: who has a mailbox and what address it is (`directory/`, `routing/`), and what
 * to answer when several recipients fare differently (`intake/`).
 *
 * @module
 */

import type { Mailbox, Quota } from "../../directory/directory.ts";
import { Gate } from "../../gate.ts";
import {
  DeliveryError,
  type LocalDelivery,
  type LocalRecipient,
  type MessageSource,
  type PreparedDelivery,
} from "../../queue/local_delivery.ts";
import { SharedSync } from "../../queue/shared_sync.ts";
import { type Clock, errorCode, type FileHandle, type Files } from "../../runtime/runtime.ts";
import { type Reply, reply } from "../../smtp/reply.ts";
import { toDeliveryError } from "./delivery_error.ts";
import { mailboxPath } from "./mailbox_path.ts";
import { MaildirFolders } from "./maildir_folders.ts";
import { maildirName, MaildirTime, temporaryName } from "./maildir_name.ts";
import { writeMessage } from "./message_file.ts";
import { QuotaLedger, type Reservation } from "./quota_ledger.ts";
import { storedHead } from "./stored_head.ts";

/** How mail is put into Maildirs. */
export interface MaildirOptions {
  /** The disk. */
  readonly files: Files;
  /** Gives the times in names and the age of what is left over. */
  readonly clock: Clock;
  /** The folder that holds all mailboxes; made when missing. */
  readonly root: string;
  /** The name of this machine, part of file names. */
  readonly hostname: string;
  /**
   * What is said of a mailbox without room: `reject` is 552 5.2.2, so that the sender hears of it at once
   * (the default); `defer` is 452 4.2.2, so that mail waits with the sender while the user tidies up.
   */
  readonly overQuota?: "reject" | "defer";
  /** How many messages are written at the same time; each costs at most 64 KiB. Default 64. */
  readonly concurrency?: number;
}

/**
 * Makes the delivery agent.
 *
 * @example
 * ```ts
 * import { maildirDelivery } from "./maildir.ts";
 * import { denoRuntime } from "../../runtime/deno.ts";
 * import { encode } from "../../bytes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * const { files, clock } = denoRuntime();
 * const maildir = maildirDelivery({ files, clock, root, hostname: "mx.example.org" });
 *
 * const body = encode("Hello.\r\n");
 * const delivery = await maildir.prepare(
 *   {
 *     head: encode("Subject: hi\r\n"),
 *     bodySize: body.length,
 *     async *openBody() {
 *       yield body;
 *     },
 *   },
 *   {
 *     mailbox: { domain: "example.org", user: "alice" },
 *     address: { local: "alice", domain: "example.org" },
 *     sender: null,
 *     messageId: "3f9a0c",
 *   },
 * );
 * await delivery.publish();
 *
 * const [file] = Deno.readDirSync(`${root}/example.org/alice/new`);
 * assertEquals(
 *   await Deno.readTextFile(`${root}/example.org/alice/new/${file?.name}`),
 *   "Return-Path: <>\nDelivered-To: alice@example.org\nSubject: hi\n\nHello.\n",
 * );
 * await Deno.remove(root, { recursive: true });
 * ```
 */
export function maildirDelivery(options: MaildirOptions): LocalDelivery {
  return new MaildirDelivery(options);
}

/** A file in `tmp/`, whole and synced. */
interface WrittenFile {
  readonly path: string;
  readonly size: number;
  readonly virtualSize: number;
}

class MaildirDelivery implements LocalDelivery {
  readonly #files: Files;
  readonly #time: MaildirTime;
  readonly #hostname: string;
  readonly #overQuota: Reply;
  readonly #folders: MaildirFolders;
  readonly #quotas: QuotaLedger;
  readonly #syncs: SharedSync;
  readonly #gate: Gate;

  constructor(options: MaildirOptions) {
    this.#files = options.files;
    this.#time = new MaildirTime(options.clock);
    this.#hostname = options.hostname;
    this.#overQuota = options.overQuota === "defer"
      ? reply(452, "4.2.2", "Mailbox full, try again later")
      : reply(552, "5.2.2", "Mailbox full");
    this.#folders = new MaildirFolders(options.files, options.clock, options.root);
    this.#quotas = new QuotaLedger(options.files, options.clock);
    this.#syncs = new SharedSync(options.files);
    this.#gate = new Gate(options.concurrency ?? 64);
  }

  async checkRoom(mailbox: Mailbox, size: number): Promise<Reply | null> {
    const quota = limits(mailbox);
    if (quota === null) return null;
    const path = mailboxPath(mailbox);
    const folder = this.#folders.locate(path);
    try {
      // No folder is made before there is mail for it.
      if (await this.#folders.exists(path)) await this.#folders.ready(path);
      // A size that is not told is at least one octet, so that a full mailbox is seen to be full.
      const room = await this.#quotas.hasRoom(folder, quota, Math.max(size, 1));
      return room ? null : this.#overQuota;
    } catch (error) {
      throw toDeliveryError(error, "see how full is", folder);
    }
  }

  prepare(source: MessageSource, recipient: LocalRecipient): Promise<PreparedDelivery> {
    return this.#gate.run(async () => {
      const path = mailboxPath(recipient.mailbox);
      const folder = this.#folders.locate(path);
      let reservation: Reservation | null = null;
      try {
        await this.#folders.ready(path);
        const head = storedHead(source.head, recipient.sender, recipient.address);
        reservation = await this.#reserve(recipient.mailbox, folder, head.length + source.bodySize);
        const file = await this.#write(path, head, source);
        return this.#prepared(path, file, this.#name(path, file, source, recipient), reservation);
      } catch (error) {
        await reservation?.cancel(() => Promise.resolve(false));
        throw toDeliveryError(error, "deliver into", folder);
      }
    });
  }

  /** `size` is with CRLF line ends, a little more than the file will have. */
  async #reserve(mailbox: Mailbox, folder: string, size: number): Promise<Reservation | null> {
    const quota = limits(mailbox);
    if (quota === null) return null;
    const reservation = await this.#quotas.reserve(folder, quota, size);
    if (reservation === null) {
      throw new DeliveryError(
        this.#overQuota,
        `no room for ${size} octets in ${folder}: its quota`,
      );
    }
    return reservation;
  }

  #name(
    path: string,
    file: WrittenFile,
    source: MessageSource,
    recipient: LocalRecipient,
  ): string {
    const { messageId, address } = recipient;
    return maildirName({
      time: source.received === undefined ? this.#time.next() : source.received * 1000,
      delivery: [messageId, path, address.local, address.domain],
      hostname: this.#hostname,
      size: file.size,
      virtualSize: file.virtualSize,
    });
  }

  async #write(path: string, head: Uint8Array, source: MessageSource): Promise<WrittenFile> {
    const { file, path: temporary } = await this.#createTemporary(path);
    try {
      const written = await writeMessage(file, head, source);
      await file.sync();
      file.close();
      return { path: temporary, ...written };
    } catch (error) {
      file.close();
      await this.#remove(temporary);
      throw error;
    }
  }

  async #createTemporary(path: string): Promise<{ file: FileHandle; path: string }> {
    let vanished = false;
    for (;;) {
      const name = temporaryName(this.#time.next(), this.#hostname);
      const temporary = `${this.#folders.locate(path)}/tmp/${name}`;
      try {
        const options = { write: true, createNew: true, mode: 0o600 };
        return { file: await this.#files.open(temporary, options), path: temporary };
      } catch (error) {
        const code = errorCode(error);
        // Another process, in this very microsecond; the next is free, or the one after it.
        if (code === "EEXIST") continue;
        if (code !== "ENOENT" || vanished) throw error;
        vanished = true;
        await this.#renew(path);
      }
    }
  }

  /** The mailbox was in order and is no longer: somebody removed it. */
  async #renew(path: string): Promise<void> {
    this.#folders.forget(path);
    await this.#folders.ready(path);
  }

  #prepared(
    path: string,
    file: WrittenFile,
    name: string,
    reservation: Reservation | null,
  ): PreparedDelivery {
    const folder = `${this.#folders.locate(path)}/new`;
    const published = `${folder}/${name}`;
    let state: "prepared" | "published" | "discarded" = "prepared";

    const show = async () => {
      await this.#rename(path, file.path, published);
      state = "published";
    };
    const discard = async () => {
      if (state === "discarded") return;
      const target = state === "published" ? published : file.path;
      state = "discarded";
      const remove = () => this.#remove(target);
      await (reservation === null ? remove() : reservation.cancel(remove));
    };
    const publish = async () => {
      if (state === "published") return;
      if (state === "discarded") throw new Error("this delivery has been discarded");
      try {
        if (reservation === null) await show();
        else await reservation.book(file.size, () => this.#isNew(published, show));
        await this.#syncs.sync(folder);
      } catch (error) {
        await discard();
        throw toDeliveryError(error, "deliver as", published);
      }
    };
    return { destination: `maildir:${path}`, publish, discard };
  }

  /** Whether what `show` shows is one message more, and not the twin of one that lies there. */
  async #isNew(path: string, show: () => Promise<void>): Promise<boolean> {
    const twin = await this.#files.stat(path);
    await show();
    return twin === null;
  }

  async #rename(path: string, from: string, to: string): Promise<void> {
    try {
      await this.#files.rename(from, to);
    } catch (error) {
      if (errorCode(error) !== "ENOENT") throw error;
      await this.#renew(path);
      await this.#files.rename(from, to);
    }
  }

  /** Whether it was there and is gone. */
  async #remove(path: string): Promise<boolean> {
    try {
      await this.#files.remove(path);
      return true;
    } catch {
      // A reader has taken it, or the disk is ill: then the 36 hours of tmp/ see to it.
      return false;
    }
  }
}

/** The quota, when it limits anything. */
function limits({ quota }: Mailbox): Quota | null {
  if (quota === undefined) return null;
  return quota.bytes === undefined && quota.messages === undefined ? null : quota;
}
