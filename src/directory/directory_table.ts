/**
 * Everybody who lives here, as plain data, and the questions a directory answers from it. Keys are what
 * `mailboxKey` and `domainKey` make of an address and a domain. Pure.
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
import type { ScramVerifier } from "../smtp/sasl/scram_verifier.ts";
import type { Account, DirectoryEntry, Mailbox, Quota } from "./directory.ts";

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

/** What exactly an address is. */
export function lookupIn(table: DirectoryTable, address: Address): DirectoryEntry | null {
  const key = mailboxKey(address);
  const user = table.users.get(key);
  if (user !== undefined) return { kind: "mailbox", mailbox: mailboxOf(key, user.quota) };
  const targets = table.aliases.get(key);
  return targets === undefined ? null : { kind: "alias", targets };
}

/** What a login name stands for. */
export interface NamedUser {
  /** The one form of the name, also of one nobody has. */
  readonly key: string;
  /** `null` when nobody has the name. */
  readonly user: User | null;
  /** As `user`; named as the table writes the address. */
  readonly account: Account | null;
}

/** The user with a login name: a whole address, in any case. */
export function userNamed(table: DirectoryTable, name: string): NamedUser {
  const address = parseAddress(name, { smtputf8: true });
  const key = address === null ? name.toLowerCase() : mailboxKey(address);
  const user = address === null ? null : table.users.get(key) ?? null;
  return { key, user, account: user === null ? null : { name: formatAddress(user.address) } };
}

/** Whether an account may send mail from an address: its own, one of its aliases, or a right to. */
export function maySendAsIn(table: DirectoryTable, account: Account, address: Address): boolean {
  const { key, user } = userNamed(table, account.name);
  if (user === null) return false;
  const wanted = mailboxKey(address);
  if (leadsTo(table, wanted, key)) return true;
  return user.sendAs.some((right) =>
    "domain" in right
      ? right.domain === domainKey(address.domain)
      : mailboxKey(right.address) === wanted
  );
}

/** Whether an address is a user, or an alias that leads to it, over other aliases too. */
function leadsTo(table: DirectoryTable, address: string, user: string): boolean {
  const seen = new Set([address]);
  // A set yields what is added while it is walked.
  for (const key of seen) {
    if (key === user) return true;
    for (const target of table.aliases.get(key) ?? []) seen.add(mailboxKey(target));
  }
  return false;
}
