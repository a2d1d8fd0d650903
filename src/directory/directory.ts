/**
 * Who lives here: which domains are ours, which mailboxes and aliases they have, and who may log in.
 *
 * @module
 */

import type { Address } from "../address.ts";
import type { ScramVerifier } from "../smtp/sasl/scram_verifier.ts";

/** How much a mailbox may hold; absent means no limit. */
export interface Quota {
  /** Octets of all messages. */
  readonly bytes?: number;
  /** Count of messages. */
  readonly messages?: number;
}

/** A place mail is delivered to. Its folder is `ROOT/domain/user`. */
export interface Mailbox {
  /** In lower case. */
  readonly domain: string;
  /** In lower case. */
  readonly user: string;
  /** How much it may hold; absent: as much as the disk. */
  readonly quota?: Quota;
}

/** Someone who can log in. */
export interface Account {
  /** The login name, normally the whole address. */
  readonly name: string;
}

/** What an address is, among ours. */
export type DirectoryEntry =
  | { readonly kind: "mailbox"; readonly mailbox: Mailbox }
  | { readonly kind: "alias"; readonly targets: readonly Address[] };

/**
 * Who lives here. Every method may be asynchronous; one that throws makes the server answer 451, so a
 * directory that is down loses no mail. It stays its maker's: the station never closes one, and asks one that a
 * reload has replaced until the last session ends that began with it.
 */
export interface Directory {
  /** Whether mail for this domain (lower case) ends here. */
  isLocalDomain(domain: string): boolean | Promise<boolean>;
  /**
   * What exactly this address is, or `null`. Only exact matches: subaddresses, catch-alls and
   * `postmaster` are the router's business.
   */
  lookup(address: Address): DirectoryEntry | null | Promise<DirectoryEntry | null>;
  /** Who gets what is sent to addresses of this domain that nobody has; `null` or absent: nobody. */
  catchAll?(domain: string): readonly Address[] | null | Promise<readonly Address[] | null>;
  /** The account whose password this is, or `null`. Takes the same time whether or not the name exists. */
  verify(name: string, password: string): Promise<Account | null>;
  /**
   * The verifier for SCRAM-SHA-256; a stable fake one for unknown names, so that names cannot be
   * probed. Only a directory that has this method gets SCRAM offered.
   */
  scramVerifier?(name: string): Promise<{ verifier: ScramVerifier; account: Account | null }>;
  /** Whether the account may send mail from this address (its own, its aliases, `sendAs`). */
  maySendAs(account: Account, address: Address): boolean | Promise<boolean>;
}
