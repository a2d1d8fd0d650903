/**
 * Where mail for an address goes: into mailboxes here, elsewhere, or nowhere. The directory says what
 * addresses exactly are; all rules beside are here. For an address of ours, the first of these that
 * leads somewhere:
 *
 *  1. the address as it stands: a mailbox, or an alias and what it leads to;
 *  2. the address without its tag (`user+tag` is `user`); the tag stays in the delivered-to address;
 *  3. for `postmaster`, the address configured for it;
 *  4. the catch-all of the domain;
 *  5. for `root` at our own host name, `postmaster` there: programs of the machine write to it, and somebody
 *     must read what they say;
 *  6. for `postmaster`, a mailbox of that name: mail to it is never refused (RFC 5321 §4.5.1).
 *
 * An address of ours that SRS made is none of these: it goes back to the sender it stands for, which may
 * be of ours too.
 *
 * Ours are the directory's local domains, our own host name, our own address literals, and no domain at
 * all (`<Postmaster>`, RFC 5321 §4.1.1.3). The host name and the literals have no addresses of their own
 * but `postmaster` and `root`, unless the directory calls them local.
 *
 * An alias target that nobody has is passed over while another one is left; the directory should not
 * have let it in. What the directory throws goes through: the server answers 451.
 *
 * @module
 */

import { type Address, domainKey, mailboxKey } from "../address.ts";
import type { Directory, Mailbox } from "../directory/directory.ts";
import { type Destination, expandAliases, type MailboxDestination } from "./aliases.ts";
import { isPending, type Soon, whenKnown } from "../soon.ts";
import { withoutTag } from "./subaddress.ts";

/** What becomes of mail for an address. */
export type Resolution =
  | {
    readonly kind: "local";
    /** Where it is put, each mailbox once. Empty when an alias leads only elsewhere. */
    readonly mailboxes: readonly MailboxDestination[];
    /** Where an alias of ours also sends it, which takes a queue. */
    readonly remote: readonly Address[];
  }
  /** Not ours. Whether it may pass is for `policy/relay.ts` to say. */
  | { readonly kind: "relay" }
  /** A sender elsewhere that we rewrote when we sent its mail on (SRS): a bounce on its way back to it. */
  | { readonly kind: "returned"; readonly address: Address }
  /** Ours, but nobody has this address: 550 5.1.1. */
  | { readonly kind: "unknown" };

/** What decided about an address on the way; the numbers are those above. */
export type RouterRule =
  /** 1. */
  | "entry"
  /** 2. */
  | "subaddress"
  /** 3. */
  | "postmaster"
  /** 4. */
  | "catch-all"
  /** 5. */
  | "root"
  /** 6. */
  | "own-postmaster"
  /** Ours, and none of these. */
  | "nobody"
  /** A domain that is not ours. */
  | "elsewhere"
  /** SRS made it: the one target is the sender it stands for. */
  | "rewritten-sender";

/** One step on the way of an address, for those who explain it. */
export interface RouterStep {
  readonly address: Address;
  readonly rule: RouterRule;
  readonly destination: Destination;
}

/** Who is told of each step. */
type Watch = ((step: RouterStep) => void) | undefined;

/** What a router must know beside the directory. */
export interface RouterOptions {
  /** Our own name. */
  readonly hostname: string;
  /** Between user and tag; `null` for no subaddresses. Default `+`. */
  readonly subaddressDelimiter?: string | null;
  /** Where mail for `postmaster` goes in domains that have none of their own. */
  readonly postmaster?: Address;
  /** Whom an address made by SRS stands for, if we made it; absent: nobody. */
  readonly restoreSender?: (address: Address) => Address | null;
  /** Our own address literals, with brackets, such as `[192.0.2.1]`. */
  readonly literals?: readonly string[];
}

/**
 * Resolves addresses.
 *
 * @example
 * ```ts
 * import { Router } from "./router.ts";
 * import { mapDirectory } from "../directory/map_directory.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const directory = mapDirectory({ accounts: { "alice@example.org": {} } });
 * const router = new Router(directory, { hostname: "mail.example.org" });
 * const found = await router.resolve({ local: "alice+news", domain: "example.org" });
 * assertEquals(found.kind === "local" && found.mailboxes[0]?.mailbox.user, "alice");
 * assertEquals(await router.resolve({ local: "bob", domain: "example.org" }), { kind: "unknown" });
 * assertEquals(await router.resolve({ local: "bob", domain: "example.net" }), { kind: "relay" });
 * ```
 */
export class Router {
  readonly #directory: Directory;
  readonly #options: RouterOptions;
  /** Domains that are ours without the directory's saying so. */
  readonly #own: ReadonlySet<string>;

  constructor(directory: Directory, options: RouterOptions) {
    this.#directory = directory;
    this.#options = options;
    this.#own = new Set(["", options.hostname, ...options.literals ?? []].map(domainKey));
  }

  /**
   * Where mail for the address goes; at once for a domain that is known not to be ours. `watch` is told of every
   * step.
   */
  resolve(address: Address, watch?: (step: RouterStep) => void): Soon<Resolution> {
    const ours = this.isOurs(address.domain);
    if (isPending(ours)) {
      return ours.then((found) =>
        found ? this.#resolveOurs(address, watch) : elsewhere(address, watch)
      );
    }
    return ours ? this.#resolveOurs(address, watch) : elsewhere(address, watch);
  }

  async #resolveOurs(address: Address, watch: Watch): Promise<Resolution> {
    // Before everything else: no catch-all may catch it.
    const sender = this.#options.restoreSender?.(address) ?? null;
    if (sender !== null) {
      told(watch, address, "rewritten-sender", { kind: "alias", targets: [sender] });
      // It may be of another domain of ours, or rewritten by us before: mail for it ends here then. Each
      // restored address is shorter than the one before.
      if (await this.isOurs(sender.domain)) return await this.#resolveOurs(sender, watch);
      return { kind: "returned", address: sender };
    }
    const { mailboxes, remote } = await expandAliases(address, (one) => this.#find(one, watch));
    if (mailboxes.length > 0 || remote.length > 0) return { kind: "local", mailboxes, remote };
    if (!isPostmaster(address) && !this.#isRoot(address)) return { kind: "unknown" };
    // The address configured for postmaster leads nowhere: better here than refused.
    const mailbox = this.#postmasterMailbox(address.domain);
    told(watch, address, "own-postmaster", { kind: "mailbox", mailbox });
    return { kind: "local", mailboxes: [{ mailbox, address }], remote: [] };
  }

  /** Whether mail for a domain ends here, or goes on from here by an alias. */
  isOurs(domain: string): Soon<boolean> {
    return this.#own.has(domainKey(domain)) || this.#directory.isLocalDomain(domain);
  }

  #find(address: Address, watch: Watch): Soon<Destination> {
    return whenKnown(this.isOurs(address.domain), (ours) => {
      if (!ours) return told(watch, address, "elsewhere", REMOTE);
      return whenKnown(
        this.#directory.lookup(address),
        (exact) => exact ? told(watch, address, "entry", exact) : this.#findOther(address, watch),
      );
    });
  }

  /** What an address of ours is that nobody has exactly. */
  async #findOther(address: Address, watch: Watch): Promise<Destination> {
    const directory = this.#directory;
    const { domain } = address;
    const bare = withoutTag(address, this.#options.subaddressDelimiter);
    const tagged = bare && await directory.lookup(bare);
    if (tagged) return told(watch, address, "subaddress", tagged);
    const { postmaster } = this.#options;
    const forPostmaster = isPostmaster(address);
    if (forPostmaster && postmaster && mailboxKey(postmaster) !== mailboxKey(address)) {
      return told(watch, address, "postmaster", { kind: "alias", targets: [postmaster] });
    }
    const everything = await directory.catchAll?.(domain);
    if (everything && everything.length > 0) {
      const all: Destination = { kind: "alias", targets: everything, keepAddress: true };
      return told(watch, address, "catch-all", all);
    }
    if (this.#isRoot(address)) {
      const reader = { local: "postmaster", domain };
      return told(watch, address, "root", { kind: "alias", targets: [reader] });
    }
    if (!forPostmaster) return told(watch, address, "nobody", NOBODY);
    const mailbox = this.#postmasterMailbox(domain);
    return told(watch, address, "own-postmaster", { kind: "mailbox", mailbox });
  }

  #isRoot({ local, domain }: Address): boolean {
    return local.toLowerCase() === "root" && this.#own.has(domainKey(domain));
  }

  #postmasterMailbox(domain: string): Mailbox {
    return { domain: domainKey(domain || this.#options.hostname), user: "postmaster" };
  }
}

const RELAY: Resolution = { kind: "relay" };
const REMOTE: Destination = { kind: "remote" };
const NOBODY: Destination = { kind: "unknown" };

function elsewhere(address: Address, watch: Watch): Resolution {
  told(watch, address, "elsewhere", REMOTE);
  return RELAY;
}

/** The destination, once who watches has been told. */
function told(
  watch: Watch,
  address: Address,
  rule: RouterRule,
  destination: Destination,
): Destination {
  watch?.({ address, rule, destination });
  return destination;
}

function isPostmaster(address: Address): boolean {
  return address.local.toLowerCase() === "postmaster";
}
