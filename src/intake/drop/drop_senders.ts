/**
 * As whom a user of this machine may send. Root and the user that the server runs as may be anybody; others are
 * their own name at the host, and what the configuration gives them: addresses, whole domains, or anything.
 * The rule holds for the reverse-path and for the fields that name an author, like that for users who log in
 * (`policy/sender_identity.ts`). The null reverse-path is let pass. Pure.
 *
 * @module
 */

import { type Address, addressesEqual, domainKey, parseAddress } from "../../address.ts";
import type { RawField } from "../../message/header.ts";
import type { LocalUser } from "../../message/received.ts";
import { foreignAuthor } from "../../policy/sender_identity.ts";
import { withoutTag } from "../../routing/subaddress.ts";

/** Who may send as whom: users by name or number, to addresses and domains, or `any`. */
export type DropSenders = Readonly<Record<string, "any" | readonly string[]>>;

/** What the rule is made of. */
export interface SenderRule {
  /** The host name: users are NAME at it. */
  readonly hostname: string;
  /** What the configuration gives to whom. */
  readonly senders: DropSenders;
  /** The user the server runs as. */
  readonly ownUid: number;
  /** As the router has it; `null` for no subaddresses. Default `+`. */
  readonly subaddressDelimiter?: string | null;
}

/** The address of a user: the name at the host; `null` where it makes none. */
export function addressOfUser({ name }: LocalUser, hostname: string): Address | null {
  return name === null ? null : parseAddress(`${name}@${hostname}`, { smtputf8: true });
}

/**
 * Whether a user may send as an address.
 *
 * @example
 * ```ts
 * import { mayUseAddress } from "./drop_senders.ts";
 * import { assert } from "@std/assert";
 *
 * const rule = {
 *   hostname: "host.example.org",
 *   senders: { "www-data": ["shop.example.org"] },
 *   ownUid: 990,
 * };
 * const webServer = { uid: 33, name: "www-data" };
 * assert(mayUseAddress(rule, webServer, { local: "orders", domain: "shop.example.org" }));
 * assert(mayUseAddress(rule, webServer, { local: "www-data", domain: "host.example.org" }));
 * assert(!mayUseAddress(rule, webServer, { local: "root", domain: "host.example.org" }));
 * ```
 */
export function mayUseAddress(rule: SenderRule, user: LocalUser, address: Address): boolean {
  if (user.uid === 0 || user.uid === rule.ownUid) return true;
  const own = addressOfUser(user, rule.hostname);
  const bare = withoutTag(address, rule.subaddressDelimiter);
  const isIt = (other: Address | null) =>
    other !== null &&
    (addressesEqual(address, other) || (bare !== null && addressesEqual(bare, other)));
  if (isIt(own)) return true;
  const given = givenTo(rule, user);
  return given === "any" ||
    given.some((one) =>
      one.includes("@")
        ? isIt(parseAddress(one, { smtputf8: true }))
        : domainKey(one) === domainKey(address.domain)
    );
}

/** What the configuration gives to a user, by name and by number together. */
function givenTo({ senders }: SenderRule, { uid, name }: LocalUser): "any" | readonly string[] {
  // A name of digits would be somebody else's number.
  const keys = name === null || /^\d+$/.test(name) ? [`${uid}`] : [`${uid}`, name];
  const given = keys.flatMap((key) => Object.hasOwn(senders, key) ? [senders[key]!] : []);
  return given.includes("any") ? "any" : given.flat();
}

/** Why a user may not send a message with this reverse-path and head; `null` when it may. */
export async function senderTrouble(
  rule: SenderRule,
  user: LocalUser,
  sender: Address | null,
  fields: readonly RawField[],
): Promise<string | null> {
  const who = user.name ?? `user ${user.uid}`;
  if (user.uid === 0 || user.uid === rule.ownUid) return null;
  if (givenTo(rule, user) === "any") return null;
  return await foreignAuthor(who, sender, fields, (address) => mayUseAddress(rule, user, address));
}
