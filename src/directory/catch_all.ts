/**
 * The directory of a development catcher: every domain is local, every address is a mailbox, every
 * password is right. Not for a server others can reach.
 *
 * It has no SCRAM: a proof of "any password" cannot be checked.
 *
 * @module
 */

import { type Address, mailboxKey } from "../address.ts";
import type { Directory } from "./directory.ts";
import { mailboxOf } from "./directory_table.ts";

/**
 * Makes a directory that takes everything.
 *
 * @param domain the mailbox domain of `<Postmaster>`, which has none of its own.
 *
 * @example
 * ```ts
 * import { catchAllDirectory } from "./catch_all.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const directory = catchAllDirectory();
 * assertEquals(await directory.lookup({ local: "Anybody", domain: "anywhere.test" }), {
 *   kind: "mailbox",
 *   mailbox: { user: "anybody", domain: "anywhere.test" },
 * });
 * ```
 */
export function catchAllDirectory(domain = "localhost"): Directory {
  return {
    isLocalDomain: () => true,
    lookup(address: Address) {
      const named = address.domain === "" ? { ...address, domain } : address;
      return { kind: "mailbox", mailbox: mailboxOf(mailboxKey(named)) };
    },
    verify: (name) => Promise.resolve({ name }),
    maySendAs: () => true,
  };
}
