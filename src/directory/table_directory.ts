/**
 * A directory over a {@link DirectoryTable}, which can be replaced while mail comes in.
 *
 * @module
 */

import { type Address, domainKey } from "../address.ts";
import type { Clock, Random } from "../runtime/runtime.ts";
import type { ScramVerifier } from "../smtp/sasl/scram_verifier.ts";
import type { Account, Directory, DirectoryEntry } from "./directory.ts";
import {
  type DirectoryTable,
  lookupIn,
  maySendAsIn,
  type User,
  userNamed,
} from "./directory_table.ts";
import { PasswordChecker, type VerifierShape } from "./password_checker.ts";

/** What a table directory needs of the machine. */
export interface TableDirectoryOptions {
  readonly clock: Clock;
  readonly random: Random;
}

/** A directory over a table. Login names are whole addresses, in any case. */
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
    return lookupIn(this.#table, address);
  }

  catchAll(domain: string): readonly Address[] | null {
    return this.#table.catchAll.get(domainKey(domain)) ?? null;
  }

  async verify(name: string, password: string): Promise<Account | null> {
    const { key, user, account } = userNamed(this.#table, name);
    return await this.#checker.verify(key, password, user?.verifier ?? null) ? account : null;
  }

  scramVerifier(name: string): Promise<{ verifier: ScramVerifier; account: Account | null }> {
    const { key, user, account } = userNamed(this.#table, name);
    // Made for those who exist as well, so that the clock tells nothing.
    const fake = this.#checker.fakeVerifier(key);
    if (!user?.verifier) return Promise.resolve({ verifier: fake, account: null });
    return Promise.resolve({ verifier: user.verifier, account });
  }

  maySendAs(account: Account, address: Address): boolean {
    return maySendAsIn(this.#table, account, address);
  }

  #newChecker(table: DirectoryTable): PasswordChecker {
    return new PasswordChecker({
      ...this.#options,
      secret: table.secret ?? this.#fallbackSecret,
      shapes: shapesOf(table.users.values()),
    });
  }
}

/** What the verifiers of users look like, those from elsewhere too: a fake one must not stand out, nor a real one. */
function shapesOf(users: Iterable<User>): VerifierShape[] {
  const shapes = new Map<string, VerifierShape>();
  for (const { verifier } of users) {
    if (verifier === null) continue;
    const { iterations, salt: { length: saltLength } } = verifier;
    const key = `${iterations} ${saltLength}`;
    const count = (shapes.get(key)?.count ?? 0) + 1;
    shapes.set(key, { iterations, saltLength, count });
  }
  return [...shapes.values()];
}
