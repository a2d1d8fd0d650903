/**
 * The file `maildirsize` of a Maildir++: a first line with the quota (`1000000S,1000C`), then a line
 * `OCTETS COUNT` for each change, which readers add up. Whoever delivers or removes mail appends a line;
 * from time to time the sum is made anew from the messages themselves, because nobody is locked out and
 * programs that know nothing of it come by. The rules are those of Courier's README.maildirquota, which
 * Dovecot follows too; unlike Courier, and like Dovecot, messages flagged as trashed count until they are
 * removed, and like both, the folder `.Trash` does not.
 *
 * The file is a cache: what cannot be read or written here is counted anew the next time.
 *
 * @module
 */

import { decode, encode } from "../../bytes.ts";
import type { Quota } from "../../directory/directory.ts";
import type { FileHandle, FileIdentity, Files } from "../../runtime/files.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { errorCode } from "../../runtime/system_error.ts";
import { readWholeFile } from "../../runtime/whole_file.ts";
import { sizeInName } from "./maildir_name.ts";

/** What a mailbox holds. */
export interface Usage {
  /** Octets of all messages. */
  readonly bytes: number;
  /** Count of messages. */
  readonly messages: number;
}

/** The sum of a `maildirsize` file. */
export interface MaildirSize extends Usage {
  /** The quota, as its first line says it. */
  readonly quota: string;
  /** Lines that were added up. */
  readonly entries: number;
}

/** A file that long is counted anew, in octets. */
const MAX_FILE = 5120;

/** A mailbox that looked full that long ago is counted anew, in milliseconds. */
const FULL_FOR = 15 * 60 * 1000;

/** `1000000S,1000C`: the first line of the file, without its end. Empty for no quota. */
export function formatQuota(quota: Quota): string {
  const parts: string[] = [];
  if (quota.bytes !== undefined) parts.push(`${quota.bytes}S`);
  if (quota.messages !== undefined) parts.push(`${quota.messages}C`);
  return parts.join(",");
}

/** Whether a mailbox that holds `usage` and takes `more` passes its quota. */
export function exceeds(usage: Usage, more: Usage, quota: Quota): boolean {
  return usage.bytes + more.bytes > (quota.bytes ?? Infinity) ||
    usage.messages + more.messages > (quota.messages ?? Infinity);
}

/** Reads a `maildirsize` file; `null` when it is none, torn or empty. */
export function parseMaildirSize(text: string): MaildirSize | null {
  const end = text.indexOf("\n");
  const lines = new NumberReader(text, end + 1);
  let bytes = 0;
  let messages = 0;
  let entries = 0;
  // It is read for each delivery and may have hundreds of lines: a regular expression for each would cost more than
  // the delivery. What is after the last line end is an entry being written, or nothing.
  for (; !lines.ended; entries++) {
    bytes += lines.number();
    if (!lines.blanks()) return null;
    messages += lines.number();
    if (!lines.lineEnd()) return null;
  }
  // What is no number has made the sums none.
  if (entries === 0 || !(bytes >= 0 && messages >= 0)) return null;
  return { quota: text.slice(0, end).trim(), bytes, messages, entries };
}

/** Most digits of a number: more are no count of anything. */
const MAX_DIGITS = 15;

/** Whole numbers in a text, with blanks around them. */
class NumberReader {
  readonly #text: string;
  #at: number;

  constructor(text: string, at: number) {
    this.#text = text;
    this.#at = at;
  }

  get ended(): boolean {
    return this.#at === this.#text.length;
  }

  /** The next number; NaN when something else is there. */
  number(): number {
    this.blanks();
    const negative = this.#code() === MINUS;
    if (negative) this.#at++;
    const start = this.#at;
    let value = 0;
    for (let digit; (digit = this.#code() - ZERO) >= 0 && digit <= 9; this.#at++) {
      value = value * 10 + digit;
    }
    const digits = this.#at - start;
    if (digits === 0 || digits > MAX_DIGITS) return NaN;
    return negative ? -value : value;
  }

  /** Passes over a line end; `false` when something else is there. */
  lineEnd(): boolean {
    this.blanks();
    if (this.#code() !== LF) return false;
    this.#at++;
    return true;
  }

  /** Passes over blanks; whether there were any. */
  blanks(): boolean {
    const start = this.#at;
    for (let code; (code = this.#code()) === SPACE || code === TAB || code === CR;) this.#at++;
    return this.#at > start;
  }

  /** NaN behind the end. */
  #code(): number {
    return this.#text.charCodeAt(this.#at);
  }
}

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const MINUS = 0x2d;
const ZERO = 0x30;

/**
 * Whether it is a file that nothing else is a name of. Who can write in a mailbox (its owner, where an administrator
 * has it so) could make a link of it to any file of ours, which would then be written to.
 */
function isOwn({ kind, links }: FileIdentity): boolean {
  return kind === "file" && links === 1;
}

/** The `maildirsize` of one mailbox. */
export class MaildirSizeFile {
  readonly #files: Files;
  readonly #clock: Clock;
  readonly #folder: string;
  readonly #path: string;

  /** The file in the mailbox `folder`; neither need be there. */
  constructor(files: Files, clock: Clock, folder: string) {
    this.#files = files;
    this.#clock = clock;
    this.#folder = folder;
    this.#path = `${folder}/maildirsize`;
  }

  /**
   * What the mailbox holds; counted anew when the file cannot be believed: missing, long, of another
   * quota, or saying that there is no room for `more` when that is old or made of several lines.
   *
   * @throws a `SystemError` when the messages cannot be counted.
   */
  async usage(quota: Quota, more: Usage): Promise<Usage> {
    const found = await this.#read();
    if (found === null || found.size.quota !== formatQuota(quota)) return await this.#count(quota);
    const { modified, size: { bytes, messages, entries } } = found;
    const usage = { bytes, messages };
    if (!exceeds(usage, more, quota)) return usage;
    const fresh = entries === 1 && this.#clock.now() - modified < FULL_FOR;
    return fresh ? usage : await this.#count(quota);
  }

  /** Notes that `change` came (or, negative, went). */
  async add(change: Usage): Promise<void> {
    try {
      const file = await this.#files.open(this.#path, { append: true, noFollow: true });
      try {
        if (!isOwn(await file.identify())) throw new Error("not a file of this mailbox alone");
        await file.write(encode(`${change.bytes} ${change.messages}\n`));
      } finally {
        file.close();
      }
    } catch (error) {
      // Without its line the sum is wrong: better none, which is counted anew.
      if (errorCode(error) !== "ENOENT") await this.#remove(this.#path);
    }
  }

  async #read(): Promise<{ size: MaildirSize; modified: number } | null> {
    const found = await this.#files.stat(this.#path);
    if (found?.kind !== "file" || found.size >= MAX_FILE) return null;
    try {
      const file = await this.#files.open(this.#path, { read: true, noFollow: true });
      try {
        if (!isOwn(await file.identify())) return null;
        const size = parseMaildirSize(decode(await readWholeFile(file, this.#path, MAX_FILE)));
        return size === null ? null : { size, modified: found.modified };
      } finally {
        file.close();
      }
    } catch {
      return null;
    }
  }

  async #count(quota: Quota): Promise<Usage> {
    const folders = await this.#messageFolders();
    const before = await this.#newest(folders);
    let bytes = 0;
    let messages = 0;
    for (const folder of folders) {
      for (const name of await this.#names(folder, "file")) {
        const size = sizeInName(name) ?? (await this.#files.stat(`${folder}/${name}`))?.size;
        // Gone since it was listed: a reader moved or removed it.
        if (size === undefined) continue;
        bytes += size;
        messages++;
      }
    }
    const usage = { bytes, messages };
    await this.#write(`${formatQuota(quota)}\n${bytes} ${messages}\n`);
    // Somebody came in between: this sum may be wrong already, so it is not for others to build on.
    if (await this.#newest(folders) > before) await this.#remove(this.#path);
    return usage;
  }

  /** `new` and `cur` of the mailbox and of its subfolders, whose names begin with a dot. */
  async #messageFolders(): Promise<string[]> {
    const folders = [`${this.#folder}/new`, `${this.#folder}/cur`];
    for (const name of await this.#names(this.#folder, "directory")) {
      if (!name.startsWith(".") || name === ".Trash") continue;
      folders.push(`${this.#folder}/${name}/new`, `${this.#folder}/${name}/cur`);
    }
    return folders;
  }

  async #names(folder: string, wanted: "file" | "directory"): Promise<string[]> {
    const names: string[] = [];
    try {
      for await (const { name, kind } of this.#files.list(folder)) {
        if (kind === wanted && !(kind === "file" && name.startsWith("."))) names.push(name);
      }
    } catch (error) {
      if (errorCode(error) !== "ENOENT") throw error;
    }
    return names;
  }

  async #newest(folders: readonly string[]): Promise<number> {
    let newest = 0;
    for (const folder of folders) {
      newest = Math.max(newest, (await this.#files.stat(folder))?.modified ?? 0);
    }
    return newest;
  }

  /** A new file in place of the old one, whole or not at all. */
  async #write(text: string): Promise<void> {
    const temporary = `${this.#folder}/tmp/maildirsize.${this.#clock.now()}`;
    let file: FileHandle;
    try {
      file = await this.#files.open(temporary, { write: true, createNew: true, mode: 0o600 });
    } catch {
      return;
    }
    try {
      await file.write(encode(text));
      await this.#files.rename(temporary, this.#path);
    } catch {
      await this.#remove(temporary);
    } finally {
      file.close();
    }
  }

  async #remove(path: string): Promise<void> {
    try {
      await this.#files.remove(path);
    } catch {
      // Not there, or the disk is ill; the next reader judges the file for itself.
    }
  }
}
