/**
 * What intake is handed for mail that ends on this machine (implemented in `delivery/maildir/`):
 * first all copies are prepared, then all are published, and only then is 250 said.
 *
 * @module
 */

import type { Mailbox } from "../directory/directory.ts";
import type { Address } from "../address.ts";
import type { Reply } from "../smtp/reply.ts";
import type { Soon } from "../soon.ts";

/** A message that is complete but not yet accepted. */
export interface MessageSource {
  /** The header section as it shall be stored: whole fields, each ending in CRLF, no empty line. */
  readonly head: Uint8Array;
  /** Octets of the body, the empty line before it not counted. */
  readonly bodySize: number;
  /**
   * When the message was accepted, in milliseconds since the epoch: part of the file name, so a repeated
   * delivery must tell the same. Absent: now.
   */
  readonly received?: number;
  /** The body, from its start, as often as asked. A chunk is valid until the next is asked for. */
  openBody(): AsyncIterable<Uint8Array>;
  /**
   * The body at once, where all of it is in memory; `null` where it is in a file. Views to be used before anything is
   * waited for: whoever brought the message may give it up meanwhile, and they hold another one then.
   */
  bodyParts?(): readonly Uint8Array[] | null;
  /**
   * Moves the body, where it is a file, to another path of the same file system, whole and synced (the
   * folder is not); `false` when it is no file or the move cannot be done: then it is to be copied. After a
   * move `openBody` reads it where it went, while it is there.
   */
  moveBody?(path: string): Promise<boolean>;
}

/** One copy to make. */
export interface LocalRecipient {
  /** Whose copy. */
  readonly mailbox: Mailbox;
  /** The forward-path it was sent to, for Delivered-To. */
  readonly address: Address;
  /** The reverse-path, for Return-Path; `null` for `<>`. */
  readonly sender: Address | null;
  /** The message's id; with the mailbox it makes the file name, so a repeated delivery replaces its twin. */
  readonly messageId: string;
  /** It goes to the folder Junk. Absent: to the inbox. */
  readonly junk?: boolean;
}

/** A copy that is on the disk, whole and durable, but that no reader sees yet. */
export interface PreparedDelivery {
  /** Where it goes, for the log, such as `maildir:example.org/alice`. */
  readonly destination?: string;
  /** Makes it visible and durable under its final name. */
  publish(): Promise<void>;
  /** Takes it back; after `publish`, as far as that can be done. Never throws. */
  discard(): Promise<void>;
}

/** Delivers into mailboxes on this machine. */
export interface LocalDelivery {
  /** What RCPT is answered when the mailbox has no room for `size` octets; `null` when it has. */
  checkRoom(mailbox: Mailbox, size: number): Soon<Reply | null>;
  /** Writes and syncs one copy. @throws {DeliveryError} with the reply that tells why it cannot. */
  prepare(source: MessageSource, recipient: LocalRecipient): Promise<PreparedDelivery>;
}

/** A delivery that cannot be done, with what the client is to be told. */
export class DeliveryError extends Error {
  /** 4xx: may work later. 5xx: never. */
  readonly reply: Reply;

  /**
   * A failed delivery.
   *
   * @param reply what to answer. @param message what went wrong, for the log.
   */
  constructor(reply: Reply, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "DeliveryError";
    this.reply = reply;
  }
}
