/**
 * Mail into mailboxes on this machine, each a Maildir in `ROOT/domain/user`: a message is written to
 * `tmp/`, synced, renamed into `new/`, and the folder synced. A reader sees all of it or nothing, and
 * what `publish` has resolved for survives a power cut, with the folders it lies in. Nothing in `cur/` is
 * ever touched, and no file that another program named.
 *
 * What is to be junk goes to the folder `.Junk` of the mailbox, as Maildir++ has folders, and counts for its quota.
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
import type { Files } from "../../runtime/files.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { type Reply, reply } from "../../smtp/reply.ts";
import type { Soon } from "../../soon.ts";
import { toDeliveryError } from "./delivery_error.ts";
import { junkPath, mailboxPath } from "./mailbox_path.ts";
import { MaildirCopy } from "./maildir_copy.ts";
import { MaildirDisk } from "./maildir_disk.ts";
import { maildirName, MaildirTime, temporaryName } from "./maildir_name.ts";
import { writeMessage, type WrittenMessage } from "./message_file.ts";
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

class MaildirDelivery implements LocalDelivery {
  readonly #time: MaildirTime;
  readonly #hostname: string;
  readonly #overQuota: Reply;
  readonly #disk: MaildirDisk;
  readonly #quotas: QuotaLedger;
  readonly #gate: Gate;

  constructor({ files, clock, root, hostname, overQuota, concurrency = 64 }: MaildirOptions) {
    this.#time = new MaildirTime(clock);
    this.#hostname = hostname;
    this.#overQuota = overQuota === "defer"
      ? reply(452, "4.2.2", "Mailbox full, try again later")
      : reply(552, "5.2.2", "Mailbox full");
    this.#disk = new MaildirDisk(files, clock, root);
    this.#quotas = new QuotaLedger(files, clock);
    this.#gate = new Gate(concurrency);
  }

  checkRoom(mailbox: Mailbox, size: number): Soon<Reply | null> {
    const quota = limits(mailbox);
    return quota === null ? null : this.#checkRoom(mailbox, quota, size);
  }

  async #checkRoom(mailbox: Mailbox, quota: Quota, size: number): Promise<Reply | null> {
    const { folders } = this.#disk;
    const path = mailboxPath(mailbox);
    const folder = folders.locate(path);
    try {
      // No folder is made before there is mail for it.
      if (await folders.exists(path)) await folders.ready(path);
      // A size that is not told is at least one octet, so that a full mailbox is seen to be full.
      const room = await this.#quotas.hasRoom(folder, quota, Math.max(size, 1));
      return room ? null : this.#overQuota;
    } catch (error) {
      throw toDeliveryError(error, "see how full is", folder);
    }
  }

  prepare(source: MessageSource, recipient: LocalRecipient): Promise<PreparedDelivery> {
    return this.#gate.run(() => this.#prepare(source, recipient));
  }

  async #prepare(source: MessageSource, recipient: LocalRecipient): Promise<PreparedDelivery> {
    const mailbox = mailboxPath(recipient.mailbox);
    const path = recipient.junk === true ? junkPath(mailbox) : mailbox;
    const folder = this.#disk.folders.locate(path);
    let reservation: Reservation | null = null;
    try {
      await this.#disk.folders.ready(path);
      const head = storedHead(source.head, recipient.sender, recipient.address);
      const quota = limits(recipient.mailbox);
      if (quota !== null) {
        // One quota for all folders of a mailbox.
        const root = this.#disk.folders.locate(mailbox);
        reservation = await this.#reserve(root, quota, head.length + source.bodySize);
      }
      const file = await this.#write(path, head, source);
      return new MaildirCopy({
        disk: this.#disk,
        mailbox: path,
        temporary: file.temporary,
        folder: `${folder}/new`,
        name: this.#name(path, file, source, recipient),
        size: file.size,
        repeatable: source.received !== undefined,
        reservation,
      });
    } catch (error) {
      await reservation?.cancel(() => Promise.resolve(false));
      throw toDeliveryError(error, "deliver into", folder);
    }
  }

  /** `size` is with CRLF line ends, a little more than the file will have. */
  async #reserve(folder: string, quota: Quota, size: number): Promise<Reservation> {
    const reservation = await this.#quotas.reserve(folder, quota, size);
    if (reservation !== null) return reservation;
    throw new DeliveryError(
      this.#overQuota,
      `no room for ${size} octets in ${folder}: its quota`,
    );
  }

  /** A file in `tmp/`, whole and synced. */
  async #write(path: string, head: Uint8Array, source: MessageSource): Promise<WrittenFile> {
    const { file, temporary } = await this.#disk.createTemporary(
      path,
      () => temporaryName(this.#time.next(), this.#hostname),
    );
    try {
      const { size, virtualSize } = await writeMessage(file, head, source);
      await file.sync();
      file.close();
      return { temporary, size, virtualSize };
    } catch (error) {
      file.close();
      await this.#disk.remove(temporary);
      throw error;
    }
  }

  #name(
    path: string,
    { size, virtualSize }: WrittenFile,
    { received }: MessageSource,
    { messageId, address }: LocalRecipient,
  ): string {
    return maildirName({
      time: received === undefined ? this.#time.next() : received * 1000,
      delivery: [messageId, path, address.local, address.domain],
      hostname: this.#hostname,
      size,
      virtualSize,
    });
  }
}

/** A file in `tmp/`. */
interface WrittenFile extends WrittenMessage {
  readonly temporary: string;
}

/** The quota, when it limits anything. */
function limits({ quota }: Mailbox): Quota | null {
  if (quota === undefined) return null;
  return quota.bytes === undefined && quota.messages === undefined ? null : quota;
}
