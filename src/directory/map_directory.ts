/**
 * A directory written down in a program, with passwords in plain text: for applications and tests. Who
 * keeps passwords on a disk wants `file_directory.ts`.
 *
 * PLAIN and LOGIN compare passwords in constant time and hash nothing: what a slow hash protects lies
 * in this memory as plain text anyway. SCRAM is offered when `scram` is given; the first exchange then
 * makes the verifiers of all accounts (some 60 ms each), so that no name answers later than others.
 *
 * What fails: an address, domain or password that is none is a `TypeError` when the directory is made.
 *
 * @module
 */

import { createHash, timingSafeEqual } from "node:crypto";
import {
  type Address,
  domainKey,
  mailboxKey,
  parseAddress,
  parseAddressLiteral,
  parseDomain,
} from "../address.ts";
import type { Clock, Random } from "../runtime/runtime.ts";
import { MAX_PASSWORD } from "../smtp/sasl/sasl.ts";
import { saslprep } from "../smtp/sasl/saslprep.ts";
import type { Directory, Quota } from "./directory.ts";
import {
  type DirectoryTable,
  directoryTable,
  lookupIn,
  maySendAsIn,
  parseSendAs,
  type User,
  userNamed,
} from "./directory_table.ts";
import { makeVerifier, passwordProblem } from "./password.ts";
import { TableDirectory } from "./table_directory.ts";

/** What a map directory holds. All addresses and domains are text. */
export interface MapDirectoryOptions {
  /** By address, which is also the login name. */
  readonly accounts: Readonly<Record<string, MapAccount>>;
  /** From an address to where its mail goes, here or elsewhere. */
  readonly aliases?: Readonly<Record<string, string | readonly string[]>>;
  /** From a domain to who gets what is sent to addresses of it that nobody has. */
  readonly catchAll?: Readonly<Record<string, string | readonly string[]>>;
  /** Local domains beside those of the accounts, aliases and catch-alls. */
  readonly domains?: readonly string[];
  /** Given, SCRAM is offered beside PLAIN and LOGIN. */
  readonly scram?: { readonly clock: Clock; readonly random: Random };
}

/** One account. */
export interface MapAccount {
  /** Absent: gets mail but cannot log in. */
  readonly password?: string;
  /** How much the mailbox may hold. */
  readonly quota?: Quota;
  /** Addresses and domains it may send as beside its own address and its aliases. */
  readonly sendAs?: readonly string[];
}

/**
 * Makes a directory of what is written down.
 *
 * @throws {TypeError} for an address, domain or password that is none, and one defined twice.
 *
 * @example
 * ```ts
 * import { mapDirectory } from "./map_directory.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const directory = mapDirectory({
 *   accounts: { "alice@example.org": { password: "wonderland" } },
 *   aliases: { "info@example.org": "alice@example.org" },
 * });
 * assertEquals(await directory.verify("alice@example.org", "wonderland"), {
 *   name: "alice@example.org",
 * });
 * assertEquals(await directory.verify("alice@example.org", "looking-glass"), null);
 * ```
 */
export function mapDirectory(options: MapDirectoryOptions): Directory {
  const passwords = new Map<string, string>();
  const table = readTable(options, passwords);
  const directory: Directory = {
    isLocalDomain: (domain) => table.domains.has(domainKey(domain)),
    lookup: (address) => lookupIn(table, address),
    catchAll: (domain) => table.catchAll.get(domainKey(domain)) ?? null,
    verify(name, password) {
      const { key, account } = userNamed(table, name);
      return Promise.resolve(isSame(password, passwords.get(key)) ? account : null);
    },
    maySendAs: (account, address) => maySendAsIn(table, account, address),
  };
  const { scram } = options;
  if (scram === undefined) return directory;
  let hashed: Promise<TableDirectory> | undefined;
  return {
    ...directory,
    async scramVerifier(name) {
      hashed ??= withVerifiers(table, passwords, scram.random).then(
        (table) => new TableDirectory(table, scram),
        (error) => {
          hashed = undefined; // too busy now; another time it may work
          throw error;
        },
      );
      return (await hashed).scramVerifier(name);
    },
  };
}

function readTable(options: MapDirectoryOptions, passwords: Map<string, string>): DirectoryTable {
  const users = new Map<string, User>();
  for (const [text, { password, quota, sendAs = [] }] of Object.entries(options.accounts)) {
    const address = readAddress(text);
    const key = mailboxKey(address);
    if (users.has(key)) throw new TypeError(`"${text}" is there twice`);
    const rights = sendAs.map((right) => parseSendAs(right) ?? refuse(right, "address or domain"));
    users.set(key, { address, verifier: null, sendAs: rights, ...quota && { quota } });
    if (password === undefined) continue;
    const problem = passwordProblem(password);
    if (problem !== null) throw new TypeError(`"${text}": ${problem}`);
    passwords.set(key, password);
  }
  const aliases = new Map<string, readonly Address[]>();
  for (const [text, targets] of Object.entries(options.aliases ?? {})) {
    const key = mailboxKey(readAddress(text));
    if (users.has(key) || aliases.has(key)) throw new TypeError(`"${text}" is there twice`);
    aliases.set(key, [targets].flat().map(readAddress));
  }
  const catchAll = new Map<string, readonly Address[]>();
  for (const [text, targets] of Object.entries(options.catchAll ?? {})) {
    catchAll.set(readDomain(text), [targets].flat().map(readAddress));
  }
  const domains = (options.domains ?? []).map(readDomain);
  return directoryTable({ users, aliases, catchAll, domains });
}

function readAddress(text: string): Address {
  return parseAddress(text, { smtputf8: true }) ?? refuse(text, "address");
}

function readDomain(text: string): string {
  const domain = parseDomain(text, { smtputf8: true }) ?? parseAddressLiteral(text);
  return domainKey(domain ?? refuse(text, "domain"));
}

function refuse(text: string, wanted: string): never {
  throw new TypeError(`"${text}" is no ${wanted}`);
}

/** Whether a password is the one kept; as long for a name that has none. */
function isSame(password: string, kept: string | undefined): boolean {
  const given = digest(password);
  const wanted = digest(kept ?? "");
  return timingSafeEqual(given, wanted) && kept !== undefined;
}

/** Equal digests for passwords that are equal when prepared, and always of one length. */
function digest(password: string): Uint8Array {
  return createHash("sha256").update(saslprep(password, MAX_PASSWORD) ?? "").digest();
}

async function withVerifiers(
  table: DirectoryTable,
  passwords: ReadonlyMap<string, string>,
  random: Random,
): Promise<DirectoryTable> {
  const users = new Map(table.users);
  // One after another: the line before the hash is bounded, and others stand in it.
  for (const [key, password] of passwords) {
    users.set(key, { ...users.get(key)!, verifier: await makeVerifier(password, random) });
  }
  return { ...table, users };
}
