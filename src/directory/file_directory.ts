/**
 * A directory kept in a users file (`users_file.ts` has its grammar). The whole file is in memory; a
 * look-up sees first, at most once a second, whether it has changed on the disk, and reads it again
 * then.
 *
 * Somebody may be writing it just then, over itself and line by line; taken as it is, it would lose
 * users, and their mail would be refused for good. So a change is believed when it is a second old, or
 * two looks have found the same one, when nothing changed while it was read, and when its last line has
 * an end. Until then everybody goes on living here. (To replace the file by a rename, as `yizhan user`
 * does, is safe at any speed.)
 *
 * What fails: opening throws {@link UsersFileError} with a line for everything wrong. Later a file
 * that is broken, gone or unreadable changes nothing: who lived here goes on living here, and
 * `onTrouble` is told, once for each state of the file. `reload()` throws it instead.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { type Address, domainKey, parseAddressLiteral, parseDomain } from "../address.ts";
import type { Files, FileStat } from "../runtime/files.ts";
import type { Clock, Random } from "../runtime/runtime.ts";
import type { ScramVerifier } from "../smtp/sasl/scram_verifier.ts";
import type { Soon } from "../soon.ts";
import type { Account, Directory, DirectoryEntry } from "./directory.ts";
import { type DirectoryTable, directoryTable } from "./directory_table.ts";
import { TableDirectory } from "./table_directory.ts";
import { demandWhole, parseUsersOctets, readUsersOctets } from "./users_read.ts";

/** What a file directory is made of. */
export interface FileDirectoryOptions {
  /** Where the file lies. */
  readonly files: Files;
  /** For what is remembered, and for how long. */
  readonly clock: Clock;
  /** For the salts of names that nobody has. */
  readonly random: Random;
  /** The users file. */
  readonly path: string;
  /** Local domains beside those the file names. */
  readonly domains?: readonly string[];
  /** Told when a changed file cannot be used and the old users stay. Must not throw. */
  readonly onTrouble?: (error: unknown) => void;
  /** Told when a changed file has come into force by itself. Must not throw. */
  readonly onChange?: () => void;
}

/** Milliseconds between two looks at the file. */
const LOOK_EVERY = 1000;
/**
 * Milliseconds for which a file that was just written may be written again without its time changing,
 * on coarse file systems.
 */
const UNSETTLED = 2000;
/** Milliseconds after which nobody is writing the file any more, or so it seems. */
const QUIET = 1000;

/**
 * Opens a users file as a directory.
 *
 * @throws {UsersFileError} when the file is not there or something in it is wrong.
 * @throws {TypeError} when one of `domains` is none.
 *
 * @example
 * ```ts
 * import { openFileDirectory } from "./file_directory.ts";
 * import { addUser } from "./users_edit.ts";
 * import { memoryRuntime } from "../runtime/memory.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { files, clock, random } = memoryRuntime();
 * const alice = { local: "alice", domain: "example.org" };
 * await addUser({ files, random, path: "users" }, { address: alice, password: "wonderland" });
 *
 * const directory = await openFileDirectory({ files, clock, random, path: "users" });
 * assertEquals(await directory.isLocalDomain("example.org"), true);
 * assertEquals(await directory.verify("alice@example.org", "looking-glass"), null);
 * ```
 */
export async function openFileDirectory(options: FileDirectoryOptions): Promise<FileDirectory> {
  const domains = (options.domains ?? []).map((text) => {
    const domain = parseDomain(text, { smtputf8: true }) ?? parseAddressLiteral(text);
    if (domain === null) throw new TypeError(`"${text}" is not a domain`);
    return domainKey(domain);
  });
  const source = new UsersSource(options, domains);
  const table = await source.read();
  return new WatchedDirectory(source, new TableDirectory(table, options), options);
}

/** A directory kept in a users file. */
export interface FileDirectory extends Required<Directory> {
  /**
   * Reads the file now, changed or not.
   *
   * @throws {UsersFileError} when something in it is wrong; nothing changes then.
   */
  reload(): Promise<void>;
}

/** Looks at the file before it answers from the table. */
class WatchedDirectory implements FileDirectory {
  readonly #source: UsersSource;
  readonly #table: TableDirectory;
  readonly #options: FileDirectoryOptions;
  #lookAt: number;
  /** The look under way, for all who ask meanwhile. */
  #looking: Promise<void> | null = null;
  #trouble: string | null = null;

  constructor(source: UsersSource, table: TableDirectory, options: FileDirectoryOptions) {
    this.#source = source;
    this.#table = table;
    this.#options = options;
    this.#lookAt = options.clock.now() + LOOK_EVERY;
  }

  async reload(): Promise<void> {
    this.#table.replace(await this.#source.read());
  }

  isLocalDomain(domain: string): Soon<boolean> {
    return this.#upToDate((table) => table.isLocalDomain(domain));
  }

  lookup(address: Address): Soon<DirectoryEntry | null> {
    return this.#upToDate((table) => table.lookup(address));
  }

  catchAll(domain: string): Soon<readonly Address[] | null> {
    return this.#upToDate((table) => table.catchAll(domain));
  }

  async verify(name: string, password: string): Promise<Account | null> {
    await this.#look();
    return await this.#table.verify(name, password);
  }

  async scramVerifier(
    name: string,
  ): Promise<{ verifier: ScramVerifier; account: Account | null }> {
    await this.#look();
    return await this.#table.scramVerifier(name);
  }

  maySendAs(account: Account, address: Address): Soon<boolean> {
    return this.#upToDate((table) => table.maySendAs(account, address));
  }

  /** Asks the table, once the file has been looked at. */
  #upToDate<T>(ask: (table: TableDirectory) => T): Soon<T> {
    const look = this.#look();
    return look === null ? ask(this.#table) : look.then(() => ask(this.#table));
  }

  /** A look at the file; `null` while the last one is believed. */
  #look(): Promise<void> | null {
    if (this.#looking !== null) return this.#looking;
    const now = this.#options.clock.now();
    // A clock that was set back must not keep us from looking for a year.
    if (now < this.#lookAt && this.#lookAt - now <= LOOK_EVERY) return null;
    this.#lookAt = now + LOOK_EVERY;
    this.#looking = this.#lookNow().finally(() => this.#looking = null);
    return this.#looking;
  }

  async #lookNow(): Promise<void> {
    try {
      const table = await this.#source.readIfChanged();
      if (table === null) return;
      this.#table.replace(table);
      this.#trouble = null;
      this.#options.onChange?.();
    } catch (error) {
      // A file that is gone is found gone every second.
      if (this.#trouble === String(error)) return;
      this.#trouble = String(error);
      this.#options.onTrouble?.(error);
    }
  }
}

/** The file, and what is known of its last state. */
class UsersSource {
  readonly #options: FileDirectoryOptions;
  readonly #domains: readonly string[];
  #stat: FileStat | null = null;
  /** The file at the last look, read or not. */
  #seen: FileStat | null = null;
  #isLink = false;
  #readAt = 0;
  /** SHA-256 of what was last read: tells a change where the times cannot. */
  #digest = "";

  constructor(options: FileDirectoryOptions, domains: readonly string[]) {
    this.#options = options;
    this.#domains = domains;
  }

  /** Reads the file. */
  async read(): Promise<DirectoryTable> {
    const [stat, readAt] = [await this.#look(), this.#options.clock.now()];
    const octets = await readUsersOctets(this.#options.files, this.#options.path);
    this.#remember(stat, readAt, digestOf(octets));
    return this.#parse(octets);
  }

  /**
   * Reads the file if it is not what was last read, be that right or wrong; else `null`, and also when
   * somebody seems to be writing it.
   */
  async readIfChanged(): Promise<DirectoryTable | null> {
    const before = this.#seen;
    const [stat, readAt] = [await this.#look(), this.#options.clock.now()];
    if (!this.#mayHaveChanged(stat)) return null;
    if (stat !== null && readAt - stat.modified < QUIET && !isSame(stat, before)) return null;
    const octets = await readUsersOctets(this.#options.files, this.#options.path);
    if (!isSame(await this.#look(), stat)) return null;
    const last = this.#digest;
    this.#remember(stat, readAt, digestOf(octets));
    return this.#digest === last ? null : this.#parse(octets);
  }

  async #look(): Promise<FileStat | null> {
    const { files, path } = this.#options;
    const found = await files.stat(path);
    this.#isLink = found?.kind === "link";
    return this.#seen = this.#isLink ? await files.stat(path, { follow: true }) : found;
  }

  #mayHaveChanged(stat: FileStat | null): boolean {
    // A link may lead to another file now, of the same size and time.
    if (stat === null || this.#isLink || !isSame(stat, this.#stat)) return true;
    return Math.abs(this.#readAt - stat.modified) < UNSETTLED;
  }

  /** @param stat from before the reading, so that what changes meanwhile is seen at the next look. */
  #remember(stat: FileStat | null, readAt: number, digest: string): void {
    [this.#stat, this.#readAt, this.#digest] = [stat, readAt, digest];
  }

  #parse(octets: Uint8Array): DirectoryTable {
    const users = parseUsersOctets(octets, this.#options.path);
    demandWhole(users, this.#options.path);
    const { table } = users.file;
    return directoryTable({ ...table, domains: [...table.domains, ...this.#domains] });
  }
}

/** Whether two looks found the same file, as far as can be seen from outside. */
function isSame(a: FileStat | null, b: FileStat | null): boolean {
  return a?.size === b?.size && a?.modified === b?.modified;
}

function digestOf(octets: Uint8Array): string {
  return createHash("sha256").update(octets).digest("base64");
}
