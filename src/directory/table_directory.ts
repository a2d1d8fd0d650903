/**
 * A directory that is a table in memory: what all directories that can be read whole are made of. The
 * table is plain data, keyed as {@link mailboxKey} and {@link domainKey} have it, and can be replaced
 * while mail comes in.
 *
 * @module
 */

import {
  type Address,
  domainKey,
  formatAddress,
  mailboxKey,
  parseAddress,
  parseDomain,
} from "../address.ts";
import type { Clock, Random } from "../runtime/runtime.ts";
import type { ScramVerifier } from "../smtp/sasl/scram.ts";
import type { Account, Directory, DirectoryEntry, Mailbox, Quota } from "./directory.ts";
import { DEFAULT_ITERATIONS } from "./password.ts";
import { PasswordChecker } from "./password_checker.ts";

/** Everybody who lives here. */
export interface DirectoryTable {
  /** By mailbox key. No key is both a user and an alias. */
  readonly users: ReadonlyMap<string, User>;
  /** By mailbox key. */
  readonly aliases: ReadonlyMap<string, readonly Address[]>;
  /** By domain key. */
  readonly catchAll: ReadonlyMap<string, readonly Address[]>;
  /** Domain keys. Those of users, aliases and catch-alls are local anyway. */
  readonly domains: ReadonlySet<string>;
  /** What fake verifiers are made from, where it is kept. */
  readonly secret?: Uint8Array;
}

/** One user. */
export interface User {
  readonly address: Address;
  /** `null`: gets mail but cannot log in. */
  readonly verifier: ScramVerifier | null;
  readonly quota?: Quota;
  /** What it may send as beside its own address and the aliases that lead to it. */
  readonly sendAs: readonly SendAs[];
}

/** A right to send. */
export type SendAs =
  | { readonly address: Address }
  /** Any address of the domain. */
  | { readonly domain: string };

/**
 * Reads a right to send: `sales@example.org`, or `example.org` or `@example.org` for a whole domain;
 * `null` for what is neither.
 */
export function parseSendAs(text: string): SendAs | null {
  const address = parseAddress(text, { smtputf8: true });
  if (address !== null) return { address };
  const domain = parseDomain(text.replace(/^@/, ""), { smtputf8: true });
  return domain === null ? null : { domain: domainKey(domain) };
}

/** A table, all its local domains filled in. */
export function directoryTable(parts: {
  readonly users: DirectoryTable["users"];
  readonly aliases: DirectoryTable["aliases"];
  readonly catchAll: DirectoryTable["catchAll"];
  /** Domain keys beside those of the users, aliases and catch-alls. */
  readonly domains: Iterable<string>;
  readonly secret?: Uint8Array;
}): DirectoryTable {
  const domains = new Set(parts.domains);
  for (const key of parts.users.keys()) domains.add(splitKey(key).domain);
  for (const key of parts.aliases.keys()) domains.add(splitKey(key).domain);
  for (const domain of parts.catchAll.keys()) domains.add(domain);
  return { ...parts, domains };
}

/** The mailbox a mailbox key names. */
export function mailboxOf(key: string, quota?: Quota): Mailbox {
  const mailbox = splitKey(key);
  return quota === undefined ? mailbox : { ...mailbox, quota };
}

function splitKey(key: string): { user: string; domain: string } {
  // No domain has an @; a quoted local part may.
  const at = key.lastIndexOf("@");
  return { user: key.slice(0, at), domain: key.slice(at + 1) };
}

/** What a table directory needs of the machine. */
export interface TableDirectoryOptions {
  readonly clock: Clock;
  readonly random: Random;
}

/** A directory over a {@link DirectoryTable}. Login names are whole addresses, in any case. */
export class TableDirectory implements Directory {
  readonly #options: TableDirectoryOptions;
  /** Where a table has no secret: the same for all tables of this process. */
  readonly #fallbackSecret: Uint8Array;
  #table: DirectoryTable;
  #checker: PasswordChecker;

  constructor(table: DirectoryTable, options: TableDirectoryOptions) {
    this.#options = options;
    this.#fallbackSecret = options.random.bytes(32);
    this.#table = table;
    this.#checker = this.#newChecker(table);
  }

  /** Another table from now on; remembered passwords are forgotten. */
  replace(table: DirectoryTable): void {
    this.#table = table;
    this.#checker = this.#newChecker(table);
  }

  isLocalDomain(domain: string): boolean {
    return this.#table.domains.has(domainKey(domain));
  }

  lookup(address: Address): DirectoryEntry | null {
    const key = mailboxKey(address);
    const user = this.#table.users.get(key);
    if (user !== undefined) return { kind: "mailbox", mailbox: mailboxOf(key, user.quota) };
    const targets = this.#table.aliases.get(key);
    return targets === undefined ? null : { kind: "alias", targets };
  }

  catchAll(domain: string): readonly Address[] | null {
    return this.#table.catchAll.get(domainKey(domain)) ?? null;
  }

  async verify(name: string, password: string): Promise<Account | null> {
    const { key, account, verifier } = this.#account(name);
    return await this.#checker.verify(key, password, verifier) ? account : null;
  }

  // Asynchronous by its contract; nothing here waits.
  // deno-lint-ignore require-await
  async scramVerifier(
    name: string,
  ): Promise<{ verifier: ScramVerifier; account: Account | null }> {
    const { key, account, verifier } = this.#account(name);
    // Made for those who exist as well, so that the clock tells nothing.
    const fake = this.#checker.fakeVerifier(key);
    return { verifier: verifier ?? fake, account: verifier === null ? null : account };
  }

  maySendAs(account: Account, address: Address): boolean {
    const { key, user } = this.#account(account.name);
    if (user === undefined) return false;
    const wanted = mailboxKey(address);
    if (wanted === key || this.#leadsTo(wanted, key)) return true;
    return user.sendAs.some((right) =>
      "domain" in right
        ? right.domain === domainKey(address.domain)
        : mailboxKey(right.address) === wanted
    );
  }

  /** Whether an alias leads to a user, over other aliases too. */
  #leadsTo(alias: string, user: string): boolean {
    const seen = new Set([alias]);
    // A set yields what is added while it is walked.
    for (const key of seen) {
      if (key === user) return true;
      for (const target of this.#table.aliases.get(key) ?? []) seen.add(mailboxKey(target));
    }
    return false;
  }

  #account(name: string) {
    const address = parseAddress(name, { smtputf8: true });
    const key = address === null ? name.toLowerCase() : mailboxKey(address);
    const user = address === null ? undefined : this.#table.users.get(key);
    // The account has one name, however the client wrote it.
    const account = user === undefined ? null : { name: formatAddress(user.address) };
    return { key, user, account, verifier: user?.verifier ?? null };
  }

  #newChecker(table: DirectoryTable): PasswordChecker {
    return new PasswordChecker({
      ...this.#options,
      secret: table.secret ?? this.#fallbackSecret,
      fakeIterations: commonIterations(table.users.values()),
    });
  }
}

/** The iterations most users have: a fake one must not stand out. */
function commonIterations(users: Iterable<User>): number {
  const counts = new Map<number, number>();
  for (const { verifier } of users) {
    if (verifier !== null) {
      counts.set(verifier.iterations, (counts.get(verifier.iterations) ?? 0) + 1);
    }
  }
  let common = DEFAULT_ITERATIONS;
  let most = 0;
  for (const [iterations, count] of counts) if (count > most) [common, most] = [iterations, count];
  return common;
}
