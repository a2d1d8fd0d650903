/**
 * The folders of mailboxes: made when first needed, checked to be folders, their names durable before
 * anything is put in them. What was seen to be in order is remembered, so that a delivery costs no look;
 * a folder that vanishes afterwards is made again by {@link MaildirFolders.forget} and another
 * {@link MaildirFolders.ready}.
 *
 * A link in place of a domain, a mailbox or its `tmp`, `new` and `cur` is refused: mail must not leave
 * the root. It is looked for when a mailbox is first used, not at every delivery: who can plant one later
 * can write in the mailbox, and needs no link to harm it.
 *
 * @module
 */

import type { FileKind, Files } from "../../runtime/files.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { errorCode } from "../../runtime/system_error.ts";
import { unsafePath } from "./delivery_error.ts";
import { mailboxOfFolder } from "./mailbox_path.ts";

/** Owner only: mail is private. A process's umask can only take away from it. */
const FOLDER_MODE = 0o700;

/** Files in `tmp` that are older belong to a delivery that died (the Maildir rule), in milliseconds. */
const TEMPORARY_AGE = 36 * 60 * 60 * 1000;

/** Mailboxes remembered; with a catch-all, strangers choose how many there are. */
const MAX_KNOWN = 10_000;

/** Why a folder above the root cannot be synced when that is no fault: closed to us, or not to be synced. */
const NOT_OURS: ReadonlySet<string> = new Set(["EACCES", "EPERM", "EROFS", "EINVAL", "ENOTSUP"]);

/** The root among what is known; no domain's folder has an empty name. */
const ROOT_KEY = "";

/** Makes and remembers the folders of all mailboxes below one root. */
export class MaildirFolders {
  readonly #files: Files;
  readonly #clock: Clock;
  readonly #root: string;
  /** Mailboxes, domains and the root, in order or on the way there, oldest first. */
  readonly #known = new Map<string, Promise<void>>();

  /** Knows of no mailbox yet; the root is made with the first. */
  constructor(files: Files, clock: Clock, root: string) {
    this.#files = files;
    this.#clock = clock;
    this.#root = root.length > 1 ? root.replace(/\/+$/, "") : root;
  }

  /** Where a mailbox, or a folder in it, lies; `path` as `mailboxPath` or `junkPath` gives it. */
  locate(path: string): string {
    return `${this.#root}/${path}`;
  }

  /** Whether the mailbox has a folder already. */
  async exists(path: string): Promise<boolean> {
    return this.#known.has(path) || await this.#files.stat(this.locate(path)) !== null;
  }

  /**
   * Resolves when the mailbox is there with all its folders, durably. Many may ask at once.
   *
   * @throws {DeliveryError} when something else lies there; a `SystemError` when it cannot be made.
   */
  ready(path: string): Promise<void> {
    return this.#once(path, () => this.#prepare(path));
  }

  /** Looks again at the next {@link ready}. */
  forget(path: string): void {
    this.#known.delete(path);
    this.#known.delete(mailboxOfFolder(path) ?? path);
    this.#known.delete(domainOf(path));
    this.#known.delete(ROOT_KEY);
  }

  #once(key: string, work: () => Promise<void>): Promise<void> {
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    if (this.#known.size >= MAX_KNOWN) {
      for (const oldest of this.#known.keys()) {
        this.#known.delete(oldest);
        break;
      }
    }
    const begun = work();
    this.#known.set(key, begun);
    begun.catch(() => {
      if (this.#known.get(key) === begun) this.#known.delete(key);
    });
    return begun;
  }

  async #prepare(path: string): Promise<void> {
    const mailboxPath = mailboxOfFolder(path);
    const above = mailboxPath ?? domainOf(path);
    await (mailboxPath === null
      ? this.#once(above, () => this.#prepareDomain(above))
      : this.ready(mailboxPath));
    const mailbox = this.locate(path);
    await this.#makeFolder(mailbox);
    await this.#files.syncDirectory(this.locate(above));
    if (mailboxPath !== null) await this.#markFolder(mailbox);
    const fresh = await this.#makeFolder(`${mailbox}/tmp`);
    await this.#makeFolder(`${mailbox}/new`);
    await this.#makeFolder(`${mailbox}/cur`);
    await this.#files.syncDirectory(mailbox);
    if (!fresh) await this.#cleanTemporary(`${mailbox}/tmp`);
  }

  /** By this file others see that it is a folder of a mailbox, and no mailbox (Maildir++). Nothing depends on it here. */
  async #markFolder(folder: string): Promise<void> {
    try {
      const options = { write: true, createNew: true, mode: 0o600 };
      (await this.#files.open(`${folder}/maildirfolder`, options)).close();
    } catch {
      // It is there, as a rule.
    }
  }

  async #prepareDomain(domain: string): Promise<void> {
    await this.#once(ROOT_KEY, () => this.#makeRoot(this.#root));
    await this.#makeFolder(this.locate(domain));
    await this.#files.syncDirectory(this.#root);
  }

  /** The root and what is missing above it. Links are the administrator's own here, and followed. */
  async #makeRoot(path: string): Promise<void> {
    const parent = parentOf(path);
    if (parent === null) return;
    if (await this.#files.stat(path) !== null) return await this.#settle(parent);
    await this.#makeRoot(parent);
    await this.#make(path);
    await this.#files.syncDirectory(parent);
  }

  /**
   * The root is there, but whoever made it (this program, before it was killed) may not have synced
   * what it lies in. That cannot be told, so it is synced now, as far up as it is this program's to
   * sync: with a folder that is closed to it (its user, or Deno, was not let in) begins what is the
   * administrator's. A disk that fails is no such thing, and the delivery fails with it.
   */
  async #settle(above: string): Promise<void> {
    for (let path: string | null = above; path !== null; path = parentOf(path)) {
      try {
        await this.#files.syncDirectory(path);
      } catch (error) {
        if (NOT_OURS.has(errorCode(error) ?? "")) return;
        throw error;
      }
    }
  }

  /**
   * Whether it had to be made. The caller syncs the parent in both cases: whoever made a folder that is
   * there may have died before its name was durable.
   */
  async #makeFolder(path: string): Promise<boolean> {
    let found = await this.#files.stat(path);
    if (found === null) {
      if (await this.#make(path)) return true;
      found = await this.#files.stat(path);
    }
    if (found !== null && found.kind !== "directory") throw unsafePath(path, describe(found.kind));
    return false;
  }

  /** Whether it was made here; `false` when another program was quicker. */
  async #make(path: string): Promise<boolean> {
    try {
      await this.#files.makeDirectory(path, FOLDER_MODE);
      return true;
    } catch (error) {
      if (errorCode(error) === "EEXIST") return false;
      throw error;
    }
  }

  /** Trouble here is no reason to refuse mail: the next start tries again. */
  async #cleanTemporary(folder: string): Promise<void> {
    const limit = this.#clock.now() - TEMPORARY_AGE;
    try {
      for await (const { name, kind } of this.#files.list(folder)) {
        if (kind !== "file") continue;
        const path = `${folder}/${name}`;
        const found = await this.#files.stat(path);
        if (found !== null && found.modified < limit) await this.#files.remove(path);
      }
    } catch {
      // As said above.
    }
  }
}

function domainOf(path: string): string {
  return path.slice(0, path.indexOf("/"));
}

/** The folder a path lies in; `null` for the uppermost. */
function parentOf(path: string): string | null {
  if (path === "/" || path === ".") return null;
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "." : path.slice(0, slash) || "/";
}

function describe(kind: FileKind): string {
  switch (kind) {
    case "link":
      return "a link";
    case "file":
      return "a file";
    default:
      return "something else";
  }
}
