/**
 * Takes one file of the drop folder: opens it, sees what it is, submits it, and removes it; or sets it aside.
 *
 * What fails: what is wrong with the file is an event; what is wrong with the disk or the station is thrown,
 * and the file stays.
 *
 * @module
 */

import { type Address, formatAddress, parseAddress } from "../../address.ts";
import { decodeStrict, encode } from "../../bytes.ts";
import type { MtaFact } from "../../events.ts";
import { findField } from "../../message/header.ts";
import type { LocalUser } from "../../message/received.ts";
import type { FileHandle, FileIdentity } from "../../runtime/files.ts";
import { errorCode } from "../../runtime/system_error.ts";
import { describeReply, type Reply, reply } from "../../smtp/reply.ts";
import { SubmitError, type Submitted } from "../submit.ts";
import type { DropBoxOptions } from "./drop_options.ts";
import { HEADER_LIMIT } from "./drop_file.ts";
import type { DropOrigin } from "./drop_folder.ts";
import { dropNotice } from "./drop_notice.ts";
import {
  type DroppedMail,
  FileChangedError,
  openDroppedMail,
  readDroppedMail,
} from "./drop_reader.ts";
import { moveRefused, refusedName } from "./drop_refused.ts";
import { addressOfUser, senderTrouble } from "./drop_senders.ts";

/** Why a file stays where it is for now, and whose it is. */
export interface PutOff {
  readonly uid: number;
  readonly user: string | null;
  readonly reply: string;
}

/** A file that is open, and known to be one mail of one user. */
interface OpenMail {
  readonly name: string;
  readonly file: FileHandle;
  readonly identity: FileIdentity;
  readonly user: LocalUser;
}

/** Milliseconds that a file of a later version is left alone. */
const LATER_AGE = 86_400_000;

/** What is wrong with what could not even be opened. */
const UNOPENED: Readonly<Record<string, string>> = {
  ELOOP: "it is a link",
  EMLINK: "it is a link",
  ENXIO: "it is no file",
  EACCES: "it may not be read; programs make it in this folder, with mode 0640",
};

/** Takes files. */
export class DropTaker {
  readonly #options: DropBoxOptions;
  readonly #origin: DropOrigin;

  /** @param options those of the box. @param origin by what files made in the folder are known. */
  constructor(options: DropBoxOptions, origin: DropOrigin) {
    this.#options = options;
    this.#origin = origin;
  }

  /** Takes a file or sets it aside: `null`. Gives why it stays where it cannot be taken now. */
  async take(name: string): Promise<PutOff | null> {
    const { runtime: { files }, nameOf } = this.#options;
    const path = this.#pathOf(name);
    let file: FileHandle;
    try {
      file = await files.open(path, { read: true, noFollow: true });
    } catch (error) {
      const code = errorCode(error) ?? "";
      if (code === "ENOENT") return null;
      const reason = UNOPENED[code];
      if (reason === undefined) throw error;
      await this.#setAside(name, reason, null, code === "EACCES");
      return null;
    }
    try {
      const identity = await file.identify();
      const { owner: uid, kind, links } = identity;
      if (links === 0) return null;
      const user = { uid, name: await nameOf(uid) };
      const wrong = this.#whatIsWrong(identity);
      if (wrong !== null) {
        await this.#setAside(name, wrong, user, kind === "file");
        return null;
      }
      return await this.#submit({ name, file, identity, user });
    } finally {
      file.close();
    }
  }

  #pathOf(name: string): string {
    return `${this.#options.directory}/${name}`;
  }

  #whatIsWrong({ kind, links, size, group, device }: FileIdentity): string | null {
    const { sizeLimit } = this.#options;
    const origin = this.#origin;
    if (kind !== "file") return "it is no file";
    // Of these, whose it is says nothing of who put it here; on a file system of one's own one is anybody.
    if (links !== 1) return `it has ${links} names`;
    if (device !== origin.device) return "it is on another file system";
    if (group !== (origin.group ?? group)) return "it was made elsewhere, not in this folder";
    return size > sizeLimit + HEADER_LIMIT ? `it is larger than ${sizeLimit} octets` : null;
  }

  async #submit(open: OpenMail): Promise<PutOff | null> {
    const { name, file, user } = open;
    const mail = await readDroppedMail(file, open, this.#options.sizeLimit);
    if (typeof mail === "string") {
      await this.#setAside(name, mail, user, true);
      return null;
    }
    if ("laterVersion" in mail) return await this.#keepForLater(open, mail.laterVersion);
    const { envelope, fields } = mail;
    const sender = parse(envelope.sender);
    const trouble = await senderTrouble(this.#options, user, sender, fields);
    if (trouble !== null) {
      const answer = reply(550, "5.7.1", trouble);
      const own = addressOfUser(user, this.#options.hostname);
      await this.#refuse(open, mail, { trouble, to: own, refused: forAll(mail, answer) });
      return null;
    }
    try {
      const submitted = await this.#handOn(open, mail, sender);
      await this.#tell(open, mail, sender, submitted.refused);
      await this.#options.runtime.files.remove(this.#pathOf(name)).catch((error) => {
        if (errorCode(error) !== "ENOENT") throw error;
      });
      const facts = { file: name, uid: user.uid, user: user.name, message: submitted.id };
      this.#options.emit({ type: "drop.taken", ...facts });
      return null;
    } catch (error) {
      const who = { uid: user.uid, user: user.name };
      if (error instanceof FileChangedError) return { ...who, reply: error.message };
      if (!(error instanceof SubmitError)) throw error;
      if (error.reply.code < 500) return { ...who, reply: describeReply(error.reply) };
      const refused = error.refused.length > 0 ? error.refused : forAll(mail, error.reply);
      await this.#refuse(open, mail, { trouble: error.message, to: sender, refused });
      return null;
    }
  }

  /** In the midst of an upgrade programs may be of a later version than the server: soon it is of that too. */
  async #keepForLater({ name, identity, user }: OpenMail, version: number): Promise<PutOff | null> {
    const reason = `it is of version ${version}, and this server reads version 1: restart it`;
    const age = this.#options.runtime.clock.now() - identity.modified;
    if (Math.abs(age) < LATER_AGE) return { uid: user.uid, user: user.name, reply: reason };
    await this.#setAside(name, reason, user, true);
    return null;
  }

  /** The message into the queue or its mailboxes, with an author where it names none. */
  #handOn(open: OpenMail, mail: DroppedMail, sender: Address | null): Promise<Submitted> {
    const { file, identity, user } = open;
    const { envelope, fields } = mail;
    const author = sender !== null && findField(fields, "From") === null
      // Without the empty line, a first line that is indented would become a part of it.
      ? [encode(`From: <${formatAddress(sender)}>\r\n${mail.isBare ? "\r\n" : ""}`)]
      : [];
    const message = (async function* () {
      yield* author;
      yield* openDroppedMail(file, open, mail);
    })();
    return this.#options.submit(envelope, message, {
      id: idOf(mail),
      handedIn: this.#arrivalOf(identity),
      user,
      unattended: true,
      smtputf8: hasUtf8(mail.head),
    });
  }

  /** Whoever left it may have set any time. */
  #arrivalOf({ modified }: FileIdentity): number {
    return Math.max(0, Math.min(modified, this.#options.runtime.clock.now()));
  }

  /** Tells who left a mail, and sets it aside. */
  async #refuse(
    open: OpenMail,
    mail: DroppedMail,
    { trouble, to, refused }: {
      readonly trouble: string;
      readonly to: Address | null;
      readonly refused: Submitted["refused"];
    },
  ): Promise<void> {
    await this.#tell(open, mail, to, refused);
    await this.#setAside(open.name, trouble, open.user, true);
  }

  /** Sends a notice, to the postmaster at last; where that cannot be, an event says so. */
  async #tell(
    open: OpenMail,
    mail: DroppedMail,
    to: Address | null,
    refused: Submitted["refused"],
  ): Promise<void> {
    if (refused.length === 0 || mail.envelope.sender === null) return;
    const { hostname, submit, emit, runtime: { clock } } = this.#options;
    const id = idOf(mail);
    const facts = { hostname, id, mail, refused, arrived: this.#arrivalOf(open.identity) };
    const postmaster = { local: "postmaster", domain: hostname };
    let reason = "";
    for (const [reader, audience] of [[to, "sender"], [postmaster, "postmaster"]] as const) {
      if (reader === null) continue;
      const notice = dropNotice({ ...facts, now: clock.now(), to: reader, audience });
      if (notice === null) return;
      try {
        await submit(...notice);
        return;
      } catch (error) {
        // What may pass is tried again, the whole file.
        if (!(error instanceof SubmitError) || error.reply.code < 500) throw error;
        reason = error.message;
      }
    }
    emit({ type: "notice.dropped", message: `${id}.1`, reason });
  }

  /** Moves a file to where nobody else comes; what is no file holds nothing to keep. */
  async #setAside(
    name: string,
    reason: string,
    user: LocalUser | null,
    isFile: boolean,
  ): Promise<void> {
    const { refused, sizeLimit, emit, runtime: { files, clock, random } } = this.#options;
    const path = this.#pathOf(name);
    const chance = random.bytes(8).toHex();
    const kept = `${refused}/${refusedName(clock.now(), user?.uid ?? null, chance)}`;
    const limit = sizeLimit + HEADER_LIMIT;
    await (isFile ? moveRefused(files, path, kept, limit) : files.remove(path));
    const fact: MtaFact = {
      type: "drop.refused",
      file: name,
      ...(user && { uid: user.uid }),
      user: user?.name ?? null,
      reason,
      ...(isFile && { kept }),
    };
    emit(fact);
  }
}

/** The same for the same file, whenever it is looked at. */
function idOf({ digest }: DroppedMail): string {
  return `drop-${digest.slice(0, 32)}`;
}

/** Head fields in another character set stay what they are: nobody calls them UTF-8. */
function hasUtf8(head: Uint8Array): boolean {
  return head.some((octet) => octet > 127) && decodeStrict(head) !== null;
}

function forAll({ envelope }: DroppedMail, answer: Reply): Submitted["refused"] {
  return envelope.recipients.map((recipient) => ({
    recipient: typeof recipient === "string" ? recipient : recipient.address,
    reply: answer,
  }));
}

function parse(sender: string | null): Address | null {
  return sender === null ? null : parseAddress(sender, { smtputf8: true });
}
