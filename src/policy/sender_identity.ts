/**
 * Who has logged in writes in their own name only: the reverse-path and every address in the fields that
 * name an author or a sender (From, Sender, and those of a resent message) must be the account's own,
 * one of its aliases, or one it has a right to (RFC 6409 §6.1). A subaddress of an own address is an own
 * address, unless somebody has just that address.
 *
 * The null reverse-path is let pass, since read receipts have it (RFC 8098 §3); their fields are looked
 * at like any other. A message that has none of these fields is let pass: nobody's name is in it. Two
 * From or two Sender fields, or one that mail programs may read in two ways, are refused: what we read
 * is not what somebody else would see. A message resent twice has each Resent- field twice (RFC 5322
 * §3.6.6), and all must be the account's.
 *
 * It says nothing of sessions that have not logged in, nor on a `catcher`, where any password is right
 * and broken mail is what is to be looked at. A directory that throws makes the policy fail: 451.
 *
 * @module
 */

import { type Address, formatAddress } from "../address.ts";
import type { Directory } from "../directory/directory.ts";
import { fieldValue, findFields, type RawField } from "../message/header.ts";
import { parseFromAddresses } from "../message/mailbox_list.ts";
import { withoutTag } from "../routing/subaddress.ts";
import { reply } from "../smtp/reply.ts";
import type { Policy, SessionView, Verdict } from "./policy.ts";

/** What may differ from the rule. */
export interface SenderIdentityOptions {
  /**
   * Whether the From field and the others that name a sender are looked at, beside the reverse-path.
   * Default `true`.
   */
  readonly checkFrom?: boolean;
  /** As the router has it; `null` for no subaddresses. Default `+`. */
  readonly subaddressDelimiter?: string | null;
}

/** The fields that name who wrote or sent a message, and whether there may be several. */
const NAMING: readonly { readonly name: string; readonly repeats: boolean }[] = [
  { name: "From", repeats: false },
  { name: "Sender", repeats: false },
  { name: "Resent-From", repeats: true },
  { name: "Resent-Sender", repeats: true },
];

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
 *   trusted: false,
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
    // As mail is routed: an address somebody has is nobody else's subaddress.
    if (bare === null || await directory.lookup(address) !== null) return false;
    return await directory.maySendAs({ name }, bare);
  }

  async function check(
    account: string,
    sender: Address | null,
    fields: readonly RawField[],
  ): Promise<Verdict | undefined> {
    const mayUse = (address: Address) => maySendAs(account, address);
    const trouble = await foreignAuthor(account, sender, fields, mayUse);
    return trouble === null ? undefined : reject(trouble);
  }

  return {
    name: "sender-identity",
    // Whoever has not logged in is answered at once, without a promise: that is most mail.
    sender(session, sender) {
      const name = accountOf(session);
      return name === null || sender === null ? undefined : check(name, sender, []);
    },
    message(message) {
      const account = accountOf(message.session);
      return account === null || !checkFrom ? undefined : check(account, null, message.fields);
    },
  };
}

/**
 * Says whose name is used that must not be: in the reverse-path, or in one of the fields that name an author
 * or a sender; `null` when all is well. What mail programs may read in two ways is not well.
 *
 * @param who whose mail it is, for the words. @param mayUse whether an address is theirs.
 */
export async function foreignAuthor(
  who: string,
  sender: Address | null,
  fields: readonly RawField[],
  mayUse: (address: Address) => boolean | Promise<boolean>,
): Promise<string | null> {
  if (sender !== null && !await mayUse(sender)) {
    return `the sender <${formatAddress(sender)}> is not an address of ${who}`;
  }
  for (const { name, repeats } of NAMING) {
    const found = findFields(fields, name);
    if (found.length > 1 && !repeats) return `the message has more than one ${name} field`;
    for (const field of found) {
      const addresses = parseFromAddresses(fieldValue(field));
      if (addresses === null) return `the ${name} field holds no address that can be read`;
      for (const address of addresses) {
        if (await mayUse(address)) continue;
        return `<${formatAddress(address)}> in the ${name} field is not an address of ${who}`;
      }
    }
  }
  return null;
}

function accountOf(session: SessionView): string | null {
  return session.role === "catcher" ? null : session.identity;
}

function reject(text: string): Verdict {
  return { action: "reject", reply: reply(550, "5.7.1", text) };
}
