/**
 * Who has logged in writes in their own name only: the reverse-path and every address in the From field
 * must be the account's own, one of its aliases, or one it has a right to (RFC 6409 §6.1). A
 * subaddress of an own address is an own address.
 *
 * The null reverse-path is let pass, since read receipts have it (RFC 8098 §3); their From field is
 * looked at like any other. A message without a From field is let pass: nobody's name is in it. Two From
 * fields, or one that mail programs may read in two ways, are refused: what we read is not what
 * somebody else would see.
 *
 * It says nothing of sessions that have not logged in, nor on a `catcher`, where any password is right
 * and broken mail is what is to be looked at. A directory that throws makes the policy fail: 451.
 *
 * @module
 */

import { type Address, formatAddress } from "../address.ts";
import type { Directory } from "../directory/directory.ts";
import { fieldValue, findFields } from "../message/header.ts";
import { parseFromAddresses } from "../message/mailbox_list.ts";
import { withoutTag } from "../routing/subaddress.ts";
import { reply } from "../smtp/reply.ts";
import type { Policy, SessionView, Verdict } from "./policy.ts";

/** What may differ from the rule. */
export interface SenderIdentityOptions {
  /** Whether the From field is looked at, beside the reverse-path. Default `true`. */
  readonly checkFrom?: boolean;
  /** As the router has it; `null` for no subaddresses. Default `+`. */
  readonly subaddressDelimiter?: string | null;
}

/**
 * The policy.
 *
 * @example
 * ```ts
 * import { senderIdentity } from "./sender_identity.ts";
 * import { mapDirectory } from "../directory/map_directory.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const policy = senderIdentity(mapDirectory({ accounts: { "alice@example.org": {} } }));
 * const session = {
 *   id: "1",
 *   role: "submission",
 *   client: "192.0.2.1",
 *   hello: "laptop",
 *   tls: null,
 *   identity: "alice@example.org",
 * };
 * const verdict = await policy.sender?.(session, { local: "bob", domain: "example.org" });
 * assertEquals(verdict?.action, "reject");
 * ```
 */
export function senderIdentity(directory: Directory, options: SenderIdentityOptions = {}): Policy {
  const { checkFrom = true, subaddressDelimiter } = options;

  async function maySendAs(name: string, address: Address): Promise<boolean> {
    if (await directory.maySendAs({ name }, address)) return true;
    const bare = withoutTag(address, subaddressDelimiter);
    return bare !== null && await directory.maySendAs({ name }, bare);
  }

  return {
    name: "sender-identity",
    async sender(session, sender) {
      const name = accountOf(session);
      if (name === null || sender === null || await maySendAs(name, sender)) return undefined;
      return reject(`the sender <${formatAddress(sender)}> is not an address of ${name}`);
    },
    async message({ session, fields }) {
      const name = accountOf(session);
      if (name === null || !checkFrom) return undefined;
      const from = findFields(fields, "From");
      if (from.length > 1) return reject("the message has more than one From field");
      if (from[0] === undefined) return undefined;
      const authors = parseFromAddresses(fieldValue(from[0]));
      if (authors === null) return reject("the From field holds no address that can be read");
      for (const author of authors) {
        if (await maySendAs(name, author)) continue;
        return reject(`<${formatAddress(author)}> in the From field is not an address of ${name}`);
      }
      return undefined;
    },
  };
}

function accountOf(session: SessionView): string | null {
  return session.role === "catcher" ? null : session.identity;
}

function reject(text: string): Verdict {
  return { action: "reject", reply: reply(550, "5.7.1", text) };
}
