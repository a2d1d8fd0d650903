/**
 * What an address leads to in the end: aliases opened until only mailboxes and addresses elsewhere are
 * left. Loops end where they meet themselves, what is reached twice is there once, and how deep and how
 * wide it goes is bounded; past the bounds it throws, because a list that is too large must be mended,
 * not cut.
 *
 * It asks `find` what one address is; it knows no directory.
 *
 * @module
 */

import { type Address, formatAddress, mailboxKey } from "../address.ts";
import type { Mailbox } from "../directory/directory.ts";
import { isPending, type Soon } from "../soon.ts";

/** What one address is. */
export type Destination =
  | { readonly kind: "mailbox"; readonly mailbox: Mailbox }
  | {
    readonly kind: "alias";
    readonly targets: readonly Address[];
    /** The targets get it under this address, not their own: it is what a catch-all is for. */
    readonly keepAddress?: boolean;
  }
  /** Not ours. */
  | { readonly kind: "remote" }
  /** Ours, but nobody's. */
  | { readonly kind: "unknown" };

/** What is left when all aliases are open. */
export interface Expansion {
  readonly mailboxes: readonly MailboxDestination[];
  /** Addresses elsewhere. */
  readonly remote: readonly Address[];
}

/** A mailbox and the address that led to it. */
export interface MailboxDestination {
  readonly mailbox: Mailbox;
  /**
   * The address for Delivered-To: the last on the way, with its tag if it had one; what a catch-all
   * caught stays as it was.
   */
  readonly address: Address;
}

/** How far an expansion may go. */
export interface AliasLimits {
  /** Aliases on the way from the first address to the last. */
  readonly depth: number;
  /** Addresses looked at. */
  readonly addresses: number;
}

/** 16 levels, 10,000 addresses. */
export const DEFAULT_ALIAS_LIMITS: AliasLimits = { depth: 16, addresses: 10_000 };

/** An alias that goes deeper or wider than it may. A fault of the directory: 451, and an event. */
export class AliasError extends Error {
  /** @param message which alias, and which bound. */
  constructor(message: string) {
    super(message);
    this.name = "AliasError";
  }
}

/** An address on the way, and what Delivered-To would be. */
interface Step {
  readonly address: Address;
  readonly deliveredTo: Address;
}

/**
 * Opens aliases, breadth first.
 *
 * @throws {AliasError} past the limits, and whatever `find` throws.
 *
 * @example
 * ```ts
 * import { expandAliases } from "./aliases.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const bob = { local: "bob", domain: "example.org" };
 * const all = { local: "all", domain: "example.org" };
 * const found = await expandAliases(all, ({ local }) =>
 *   local === "all"
 *     ? { kind: "alias", targets: [bob, all, bob] }
 *     : { kind: "mailbox", mailbox: { domain: "example.org", user: local } });
 * assertEquals(found.mailboxes.length, 1);
 * ```
 */
export async function expandAliases(
  start: Address,
  find: (address: Address) => Soon<Destination>,
  limits: AliasLimits = DEFAULT_ALIAS_LIMITS,
): Promise<Expansion> {
  const mailboxes = new Map<string, MailboxDestination>();
  const remote = new Map<string, Address>();
  const seen = new Set([mailboxKey(start)]);
  let level: readonly Step[] = [{ address: start, deliveredTo: start }];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > limits.depth) {
      throw new AliasError(`alias ${formatAddress(start)} is over ${limits.depth} levels deep`);
    }
    const deeper: Step[] = [];
    for (const { address, deliveredTo } of level) {
      const found = find(address);
      const destination = isPending(found) ? await found : found;
      if (destination.kind === "mailbox") {
        const { mailbox } = destination;
        const key = `${mailbox.user}@${mailbox.domain}`;
        if (!mailboxes.has(key)) mailboxes.set(key, { mailbox, address: deliveredTo });
      } else if (destination.kind === "remote") {
        remote.set(mailboxKey(address), address);
      } else if (destination.kind === "alias") {
        for (const target of destination.targets) {
          const key = mailboxKey(target);
          if (seen.has(key)) continue;
          seen.add(key);
          deeper.push({
            address: target,
            deliveredTo: destination.keepAddress ? deliveredTo : target,
          });
        }
        if (seen.size > limits.addresses) {
          const bound = `${limits.addresses} addresses`;
          throw new AliasError(`alias ${formatAddress(start)} leads to over ${bound}`);
        }
      }
    }
    level = deeper;
  }
  return { mailboxes: [...mailboxes.values()], remote: [...remote.values()] };
}
