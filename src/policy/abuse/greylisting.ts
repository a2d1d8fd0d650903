/**
 * Greylisting (RFC 6647): mail that a network sends for the first time from a sender to a recipient is put off with
 * 451 4.7.1. A mail server tries again; most programs that only send spam do not. What came again after `delay` and
 * within `window` passes from then on, and a network of which several passed is not asked any more.
 *
 * It is decided at RCPT, before the message is sent (RFC 6647 §2.4 and §5), but for the null sender: servers that check
 * whether a sender exists ask with `MAIL FROM:<>` and RCPT and then leave, without a message; to put those off would
 * keep our own users' mail from being taken elsewhere. So notices are put off when the message is whole, and then for
 * all of their recipients.
 *
 * The client counts by its network (IPv4 /24, IPv6 /64), since large senders try again from another machine; the
 * sender with what changes from message to message taken out (VERP, SRS, BATV). It concerns strangers; not those who
 * have logged in. What is exempt by the sender's domain is exempt for whoever claims it: say so of domains only where
 * something else checks that.
 *
 * One network starts only so many triplets an hour; past that it is put off without being remembered, so that
 * random senders cost no memory. Nothing is promised of what is remembered: a server that is forgotten waits again.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { type Address, domainKey, mailboxKey } from "../../address.ts";
import { domainPatternKey, findByDomain } from "../../domain_pattern.ts";
import { formatNetwork, type Network, networkOf } from "../../net_address.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { reply } from "../../smtp/reply.ts";
import { type Soon, whenKnown } from "../../soon.ts";
import type { Ledger, Note, Rate } from "../ledger/ledger.ts";
import type { Policy, PolicyAnswer, SessionView, Verdict } from "../policy.ts";
import { formatWait } from "./limit.ts";
import { DEFAULT_EXEMPT, isStranger } from "./stranger.ts";

/** What it works with. */
export interface GreylistingServices {
  /** Tells the time. */
  readonly clock: Pick<Clock, "now">;
  /** Where it remembers. */
  readonly ledger: Ledger;
  /** Whether somebody vouches for a client, as a list of those who are welcome: it does not wait. */
  readonly isWelcome?: (session: SessionView) => Soon<boolean>;
}

/** Who waits, and how long. What is not said is as in {@link DEFAULT_GREYLISTING}. */
export interface GreylistingOptions {
  /** Networks that never wait; default: this machine. */
  readonly exempt?: readonly Network[];
  /** Recipients whose mail never waits: addresses, and domains as patterns (`example.org`, `.example.org`). */
  readonly recipients?: readonly string[];
  /** Domains whose senders never wait, as patterns. */
  readonly senders?: readonly string[];
  /** Milliseconds until mail may come again. */
  readonly delay?: number;
  /** Milliseconds within which it must have come again. */
  readonly window?: number;
  /** Milliseconds that what passed is remembered, since it last came. */
  readonly lifetime?: number;
  /** So many triplets that passed let all mail of the network pass; 0: never. */
  readonly passes?: number;
}

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

/** What holds where nothing is said. */
export const DEFAULT_GREYLISTING: Required<Omit<GreylistingOptions, "exempt">> = {
  recipients: [],
  senders: [],
  delay: 5 * MINUTE,
  // Past the time until servers have tried a few times; a weekend.
  window: 2 * DAY,
  // What comes once a month is known the next time.
  lifetime: 36 * DAY,
  passes: 5,
};

const NETWORK = { ipv4: 24, ipv6: 64 };

/** Triplets that a network may start. */
const NEW: Rate = { count: 500, per: 60 * MINUTE };

/** What passed is noted again when a day of its time is over: not with each mail. */
const RENEWAL = DAY;

/**
 * Makes the policy. It should stand behind those that refuse for good: what they refuse need not wait first.
 *
 * @example
 * ```ts
 * import { greylisting } from "./greylisting.ts";
 * import { MemoryLedger } from "../ledger/memory_ledger.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const clock = { now: () => 0, sleep: () => Promise.resolve() };
 * const policy = greylisting({}, { clock, ledger: new MemoryLedger(clock) });
 * assertEquals(policy.name, "greylisting");
 * ```
 */
export function greylisting(
  options: GreylistingOptions,
  services: GreylistingServices,
): Policy {
  const list = new Greylist(
    { ...DEFAULT_GREYLISTING, exempt: DEFAULT_EXEMPT, ...options },
    services,
  );
  return {
    name: "greylisting",
    // What cannot be remembered now must not keep mail out.
    onFailure: { action: "accept" },
    recipient: (session, recipient, { sender }) =>
      sender === null ? undefined : list.check(session, sender, [recipient]),
    message: ({ session, envelope: { sender, recipients } }) =>
      sender === null
        ? list.check(session, sender, recipients.map(({ address }) => address))
        : undefined,
  };
}

class Greylist {
  readonly #options: Required<GreylistingOptions>;
  readonly #ledger: Ledger;
  readonly #clock: Pick<Clock, "now">;
  readonly #isWelcome: GreylistingServices["isWelcome"];
  readonly #recipients: ReadonlySet<string>;
  readonly #recipientDomains: ReadonlyMap<string, true>;
  readonly #senderDomains: ReadonlyMap<string, true>;

  constructor(
    options: Required<GreylistingOptions>,
    { clock, ledger, isWelcome }: GreylistingServices,
  ) {
    this.#isWelcome = isWelcome;
    this.#options = options;
    this.#ledger = ledger;
    this.#clock = clock;
    const isAddress = (text: string) => text.includes("@");
    this.#recipients = new Set(options.recipients.filter(isAddress).map(keyOfText));
    this.#recipientDomains = patternTable(options.recipients.filter((text) => !isAddress(text)));
    this.#senderDomains = patternTable(options.senders);
  }

  /** Whether all of the recipients may have mail of the sender now. */
  check(
    session: SessionView,
    sender: Address | null,
    recipients: readonly Address[],
  ): PolicyAnswer {
    if (!isStranger(session, this.#options.exempt)) return;
    if (sender !== null && findByDomain(this.#senderDomains, sender.domain)) return;
    const waiting = recipients.filter((recipient) => !this.#isExempt(recipient));
    const network = networkOf(session.client, NETWORK);
    if (waiting.length === 0 || network === null) return;
    const client = formatNetwork(network);
    const from = sender === null ? "<>" : senderKey(sender);
    if (this.#isWelcome === undefined) return this.#checkTriplets(client, from, waiting);
    return whenKnown(
      this.#isWelcome(session),
      (welcome) => welcome ? undefined : this.#checkTriplets(client, from, waiting),
    );
  }

  #checkTriplets(
    client: string,
    from: string,
    waiting: readonly Address[],
  ): Soon<Verdict | undefined> {
    return whenKnown(this.#ledger.recall(clientKey(client)), (passed) => {
      if (this.#isAllowed(passed)) return this.#renew(passed!);
      const keys = new Set(waiting.map((recipient) => tripletKey(client, from, recipient)));
      const waits = [...keys].map((key) => this.#wait(client, key));
      return waits.some((wait) => wait instanceof Promise)
        ? Promise.all(waits).then(decide)
        : decide(waits as number[]);
    });
  }

  #isExempt(recipient: Address): boolean {
    return this.#recipients.has(mailboxKey(recipient)) ||
      findByDomain(this.#recipientDomains, recipient.domain) === true;
  }

  #isAllowed(passed: Note | null): boolean {
    const { passes } = this.#options;
    return passes > 0 && countOf(passed) >= passes;
  }

  /** It is still in use, and lasts from now on. */
  #renew({ key, value, until }: Note): Soon<undefined> {
    const { lifetime } = this.#options;
    if (until - this.#clock.now() > lifetime - RENEWAL) return;
    return whenKnown(this.#ledger.note(key, value, lifetime), () => undefined);
  }

  /** Milliseconds that a triplet must still wait; 0: it passes. */
  #wait(client: string, key: string): Soon<number> {
    return whenKnown(this.#ledger.recall(passedKey(key)), (passed) => {
      if (passed !== null) return whenKnown(this.#renew(passed), () => 0);
      return whenKnown(this.#ledger.recall(waitingKey(key)), (waiting) => {
        const { delay, lifetime } = this.#options;
        if (waiting === null) return this.#start(client, key);
        const left = Number(waiting.value) + delay - this.#clock.now();
        if (left > 0) return left;
        const noted = whenKnown(
          this.#ledger.forget(waitingKey(key)),
          () => this.#ledger.note(passedKey(key), "", lifetime),
        );
        return whenKnown(noted, () => whenKnown(this.#count(client), () => 0));
      });
    });
  }

  #start(client: string, key: string): Soon<number> {
    const { delay, window } = this.#options;
    return whenKnown(this.#ledger.take(`greylisting:new ${client}`, NEW), (full) => {
      if (full > 0) return delay;
      const now = String(this.#clock.now());
      return whenKnown(this.#ledger.note(waitingKey(key), now, window), () => delay);
    });
  }

  /** One more of the network has passed. */
  #count(client: string): Soon<unknown> {
    const { lifetime, passes } = this.#options;
    if (passes === 0) return;
    const key = clientKey(client);
    return whenKnown(
      this.#ledger.recall(key),
      (note) => this.#ledger.note(key, String(Math.min(countOf(note) + 1, passes)), lifetime),
    );
  }
}

function decide(waits: readonly number[]) {
  const longest = Math.max(...waits);
  if (longest === 0) return undefined;
  // The remaining time, so that a postmaster who tries by hand knows when (RFC 6647 §5).
  const wait = formatWait(longest);
  const text = `greylisted, as all first mail is: it is taken when tried again in ${wait}`;
  return { action: "defer" as const, reply: reply(451, "4.7.1", text) };
}

/**
 * A sender without what changes from message to message: the tag of BATV (`prvs=…=`), hash and time of SRS, and
 * whatever has a digit in it (VERP, numbers of messages and bounces).
 *
 * @example
 * ```ts
 * import { senderKey } from "./greylisting.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const keyOf = (local: string) => senderKey({ local, domain: "lists.example" });
 * assertEquals(keyOf("prvs=4715ab1cde=Alice"), "alice@lists.example");
 * assertEquals(keyOf("SRS0=HHH=TT=a.example=alice"), "srs=a.example=alice@lists.example");
 * assertEquals(keyOf("news-return-4711-bob=b.example"), "news-return-#-bob=b.example@lists.example");
 * ```
 */
export function senderKey({ local, domain }: Address): string {
  const plain = local.normalize("NFC").toLowerCase()
    .replace(/^prvs=[^=]*=/, "") // draft-levine-smtp-batv
    .replace(/^srs0[=+-][^=]*=[^=]*=/, "srs=")
    .replace(/^srs1[=+-][^=]*=([^=]*)==[^=]*=[^=]*=/, "srs=$1=");
  return `${plain.replace(/[^-.+=_]*\d[^-.+=_]*/g, "#")}@${domainKey(domain)}`;
}

function tripletKey(client: string, sender: string, recipient: Address): string {
  const hash = createHash("sha256").update(`${sender}\n${mailboxKey(recipient)}`);
  return `${client} ${hash.digest("base64url").slice(0, 22)}`;
}

// Each in a share of its own: what waits is anybody's, what passed is not.
function waitingKey(triplet: string): string {
  return `greylisting:${triplet}`;
}

function passedKey(triplet: string): string {
  return `greylisted:${triplet}`;
}

function clientKey(client: string): string {
  return `greylisted:client ${client}`;
}

function countOf(note: Note | null): number {
  const count = Number(note?.value ?? 0);
  return Number.isSafeInteger(count) && count > 0 ? count : 0;
}

function keyOfText(text: string): string {
  const at = text.lastIndexOf("@");
  return mailboxKey({ local: text.slice(0, at), domain: text.slice(at + 1) });
}

function patternTable(patterns: readonly string[]): ReadonlyMap<string, true> {
  return new Map(patterns.map((pattern) => [domainPatternKey(pattern), true]));
}
