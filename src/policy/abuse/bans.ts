/**
 * Bans: a client that fails logins, asks for recipients that do not exist, talks before the greeting or is refused by
 * other policies more often than an honest one ever would, is not served for a while. Each ban of the same client is
 * twice as long as the one before, up to a longest.
 *
 * A banned client is told 421 in place of the greeting, and the connection is closed: one write, no dialogue. It is
 * not 554, since whoever is banned by mistake (or shares an address with somebody who deserves it) shall try again,
 * and not return its mail to the sender; and since after 554 the client may stay until it says QUIT (RFC 5321 §3.1).
 * A ban that begins during a session ends it: the command that was one too many is answered 421, and those of its
 * other sessions as soon as they want something.
 *
 * What must not ban: a user who mistypes a password (a login that succeeds makes up for failures, though only so
 * often: an attacker may have an account too), or a phone in an office that still has an old one (where somebody has
 * logged in to the account from there, failures are the back-off's affair); a mailing list or large provider that sends to some dead addresses, or
 * some mail that a filter refuses (recipients that got mail pay for it); whatever is refused for now (4xx).
 *
 * It concerns strangers ({@link isStranger}); what a client does after it has logged in is not counted. Left to
 * others: how fast logins may be tried ({@link ./login_backoff.ts}).
 *
 * @module
 */

import { mailboxKey } from "../../address.ts";
import type { MtaFact } from "../../events.ts";
import { clientKey, formatNetwork, type Network, networkOf } from "../../net_address.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { type Reply, reply } from "../../smtp/reply.ts";
import { type Soon, whenKnown } from "../../soon.ts";
import type { Ledger, Note, Rate } from "../ledger/ledger.ts";
import type { MessageView, Policy, PolicyAnswer, Refusal, SessionView } from "../policy.ts";
import { type Ban, BanList } from "./ban_list.ts";
import { formatWait } from "./limit.ts";
import { forgiveLogins, isKnownLogin } from "./login_backoff.ts";
import { SessionMemory } from "../session_memory.ts";
import { DEFAULT_EXEMPT, isStranger } from "./stranger.ts";

/** What leads to a ban, and to how long a one. What is not said is as in {@link DEFAULT_BANS}. */
export interface BanOptions {
  /** Never banned; default: this machine. */
  readonly exempt?: readonly Network[];
  /** Logins that fail. */
  readonly logins?: Rate;
  /** Recipients that do not exist, less those that deliveries pay for. */
  readonly recipients?: Rate;
  /** Faults that only malice or a broken program makes: talk before the greeting, plain text after STARTTLS. */
  readonly faults?: Rate;
  /** Refusals for good (5xx) by other policies, and attempts to relay. */
  readonly refusals?: Rate;
  /** Milliseconds of a first ban. */
  readonly first?: number;
  /** Milliseconds of the longest. */
  readonly longest?: number;
  /** Milliseconds that a ban is remembered after its end: a next one in that time is twice as long. */
  readonly memory?: number;
  /**
   * So many clients of a network (IPv4 /24, IPv6 /48) banned within `memory` ban all of it. 0: never; at most
   * {@link MAX_NETWORK_CLIENTS}.
   */
  readonly networkClients?: number;
}

/** What it needs. */
export interface BanServices {
  /** Where it remembers. */
  readonly ledger: Ledger;
  /** Tells the time. */
  readonly clock: Pick<Clock, "now">;
  /** Is told of events. */
  readonly emit: (fact: MtaFact) => void;
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** What holds where nothing is said. */
export const DEFAULT_BANS: Required<Omit<BanOptions, "exempt">> = {
  // Fewer than the login back-off lets a client try: else it would put off all further ones, and none would count.
  logins: { count: 10, per: HOUR },
  recipients: { count: 50, per: HOUR },
  faults: { count: 5, per: HOUR },
  refusals: { count: 50, per: HOUR },
  first: 15 * 60_000,
  longest: DAY,
  memory: 7 * DAY,
  networkClients: 0,
};

/** The largest {@link BanOptions.networkClients}. */
export const MAX_NETWORK_CLIENTS = 64;

/** Recipients that must have got mail for one that does not exist: lists have a dead address in twenty. */
export const PAID_BY = 5;

/** The same of what policies refuse: forwarders and large providers bring spam among the mail of their users. */
const PRICES = { recipients: PAID_BY, refusals: 1 } as const;

/** Recipients with mail that are remembered in a client's favour. */
const MOST_CREDIT = 1000;

/** How often a login that succeeds makes up for those that failed. */
const FORGIVENESS: Rate = { count: 10, per: DAY };

const NETWORK = { ipv4: 24, ipv6: 48 };

type Misdeed = "logins" | "recipients" | "faults" | "refusals";

const REASONS: Readonly<Record<Misdeed, string>> = {
  logins: "too many failed logins",
  recipients: "too many unknown recipients",
  faults: "talks out of turn",
  refusals: "refused too often",
};

/** Why a network is banned. */
const MANY = "too many banned clients in one network";

const FAULTS: ReadonlySet<string> = new Set(["early-talk", "plaintext-after-starttls"]);

/** The name in logs. */
const NAME = "bans";

/**
 * Makes the policy. It should be the first of all: for who is banned nothing else is to be done.
 *
 * @example
 * ```ts
 * import { bans } from "./bans.ts";
 * import { MemoryLedger } from "../ledger/memory_ledger.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const clock = { now: () => 0 };
 * const ledger = new MemoryLedger(clock);
 * const policy = bans({}, { ledger, clock, emit: () => {} });
 * assertEquals(policy.name, "bans");
 * ```
 */
export function bans(options: BanOptions, services: BanServices): Policy {
  const policy = new Bans({ ...DEFAULT_BANS, exempt: DEFAULT_EXEMPT, ...options }, services);
  const check = (session: SessionView): PolicyAnswer => policy.check(session);
  return {
    name: NAME,
    // A ledger that is out of reach must not stop the mail.
    onFailure: { action: "accept" },
    connect: check,
    credentials: check,
    sender: (session) => whenKnown(policy.taken(session), () => check(session)),
    recipient: check,
    auth: (session) => policy.loggedIn(session),
    message: (message) => policy.brought(message),
    refused: (session, refusal) => policy.refused(session, refusal),
    fault: (session, kind) => void policy.fault(session, kind),
    close: (session) => void policy.taken(session),
  };
}

/** Forgets all that was counted against a client, as when its operator ends a ban. @param client its key. */
export async function forgiveClient(ledger: Ledger, client: string): Promise<void> {
  for (const what of [...Object.keys(REASONS), "times"]) {
    await ledger.forget(`bans:${what} ${client}`);
  }
  await forgiveLogins(ledger, client);
}

class Bans {
  readonly #options: Required<BanOptions>;
  readonly #services: BanServices;
  readonly #list: BanList;
  /** Clients whose ban is being written. */
  readonly #beginning = new Set<string>();
  /** How many recipients the message had that a session brought last, until it is known whether it was taken. */
  readonly #brought = new SessionMemory<number>();

  constructor(options: Required<BanOptions>, services: BanServices) {
    this.#options = options;
    this.#services = services;
    this.#list = new BanList(services.ledger, services.clock);
  }

  check(session: SessionView): PolicyAnswer {
    if (!isStranger(session, this.#options.exempt)) return;
    return whenKnown(
      this.#list.find(session.client),
      (ban) => ban === null ? undefined : { action: "defer" as const, reply: this.#reply(ban) },
    );
  }

  /** A user of ours is there: what went wrong before was a slip. */
  loggedIn(session: SessionView): Soon<undefined> {
    // The view has the account already; it is the client's past that matters.
    if (!isStranger({ ...session, identity: null }, this.#options.exempt)) return;
    const { ledger } = this.#services;
    const client = clientKey(session.client);
    const failures = `bans:logins ${client}`;
    return whenKnown(ledger.recall(failures), (note) => {
      if (note === null) return;
      return whenKnown(
        ledger.take(`bans:forgiven ${client}`, FORGIVENESS),
        (wait) => wait > 0 ? undefined : whenKnown(ledger.forget(failures), () => undefined),
      );
    });
  }

  /** A message is whole; whether others refuse it is not known yet. */
  brought(message: MessageView): void {
    const { session } = message;
    if (!isStranger(session, this.#options.exempt)) return;
    // One recipient named a hundred times is one.
    const distinct = new Set(message.envelope.recipients.map(({ address }) => mailboxKey(address)));
    this.#brought.set(session, distinct.size);
  }

  /** The message that came last was not refused: its recipients pay for others. */
  taken(session: SessionView): Soon<undefined> {
    const recipients = this.#brought.drop(session);
    if (recipients === undefined) return;
    const { ledger } = this.#services;
    const key = creditKey(session);
    return whenKnown(ledger.recall(key), (note) => {
      const credit = Math.min(countOf(note) + recipients, MOST_CREDIT);
      return whenKnown(ledger.note(key, String(credit), DAY), () => undefined);
    });
  }

  refused(session: SessionView, refusal: Refusal): Soon<Reply | undefined> {
    if (refusal.stage === "message") this.#brought.drop(session);
    if (refusal.policy === NAME || !isStranger(session, this.#options.exempt)) return;
    return whenKnown(
      this.#list.find(session.client),
      // Who was banned meanwhile learns nothing more, not even which recipients there are not.
      (ban) => ban === null ? this.#count(session, refusal) : this.#reply(ban),
    );
  }

  #count(session: SessionView, refusal: Refusal): Soon<Reply | undefined> {
    const misdeed = misdeedOf(refusal);
    if (misdeed === null) return;
    const { ledger } = this.#services;
    if (misdeed === "logins") {
      const known = isKnownLogin(ledger, session.client, refusal.name!);
      return whenKnown(known, (known) => known ? undefined : this.#charge(session, misdeed));
    }
    const price = PRICES[misdeed];
    const key = creditKey(session);
    return whenKnown(ledger.recall(key), (note) => {
      const credit = countOf(note);
      if (credit < price) return this.#charge(session, misdeed);
      return whenKnown(ledger.note(key, String(credit - price), DAY), () => undefined);
    });
  }

  fault(session: SessionView, kind: string): Soon<unknown> {
    if (!FAULTS.has(kind) || !isStranger(session, this.#options.exempt)) return;
    return this.#charge(session, "faults");
  }

  /** Counts a misdeed; what the client is told where it was one too many. */
  #charge(session: SessionView, misdeed: Misdeed): Soon<Reply | undefined> {
    const client = clientKey(session.client);
    const taken = this.#services.ledger.take(`bans:${misdeed} ${client}`, this.#options[misdeed]);
    return whenKnown(taken, (wait) => {
      if (wait === 0) return;
      return whenKnown(this.#list.find(session.client), (ban) => {
        if (ban !== null) return this.#reply(ban);
        const begun = this.#begin(session.client, client, REASONS[misdeed]);
        return whenKnown(begun, (ban) => ban === null ? undefined : this.#reply(ban));
      });
    });
  }

  #begin(address: string, client: string, reason: string): Soon<Ban | null> {
    const own = networkOf(address, { ipv4: 32, ipv6: 64 });
    if (own === null || this.#beginning.has(client)) return null;
    this.#beginning.add(client);
    const { ledger } = this.#services;
    const { first, longest, memory } = this.#options;
    const key = `bans:times ${client}`;
    const ban = whenKnown(ledger.recall(key), (note) => {
      const times = Math.min(countOf(note), 40); // 2^40 is more than any longest
      const duration = Math.min(first * 2 ** times, longest);
      return whenKnown(
        ledger.note(key, String(times + 1), duration + memory),
        () => this.#add(own, client, reason, duration),
      );
    });
    const done = whenKnown(ban, (ban) => this.#wholeNetwork(address, client, ban));
    if (done instanceof Promise) return done.finally(() => this.#beginning.delete(client));
    this.#beginning.delete(client);
    return done;
  }

  #add(network: Network, client: string, reason: string, duration: number): Soon<Ban> {
    return whenKnown(this.#list.add(network, { reason, by: "policy" }, duration), (ban) => {
      this.#services.emit({ type: "client.banned", client, reason, duration });
      return ban;
    });
  }

  /** Bans the network too, where that many of its clients were. Gives the client's own ban. */
  #wholeNetwork(address: string, client: string, ban: Ban): Soon<Ban> {
    const { networkClients, memory } = this.#options;
    const network = networkOf(address, NETWORK);
    if (networkClients === 0 || network === null) return ban;
    const { ledger } = this.#services;
    const text = formatNetwork(network);
    const key = `bans:network ${text}`;
    return whenKnown(ledger.recall(key), (note) => {
      const clients = new Set(note === null ? [] : note.value.split(" ")).add(client);
      if (clients.size < Math.min(networkClients, MAX_NETWORK_CLIENTS)) {
        return whenKnown(ledger.note(key, [...clients].join(" "), memory), () => ban);
      }
      const added = whenKnown(
        ledger.forget(key),
        () => this.#add(network, text, MANY, ban.until - ban.since),
      );
      return whenKnown(added, () => ban);
    });
  }

  #reply({ by, reason, until }: Ban): Reply {
    const wait = formatWait(until - this.#services.clock.now());
    // The operator's words are not for strangers.
    const why = by === "operator" ? "not served for now" : reason;
    return reply(421, "4.7.0", `your address is banned (${why}): try again in ${wait}`);
  }
}

function misdeedOf(
  { stage, reply: { code, enhanced = "" }, name, policy }: Refusal,
): "logins" | "recipients" | "refusals" | null {
  if (code < 500) return null;
  // Without a name nothing was guessed: the client gave up, or asked for a mechanism that there is not.
  if (stage === "auth") return name === undefined ? null : "logins";
  if (policy !== undefined) return "refusals";
  if (stage !== "recipient") return null;
  // A full mailbox (5.2.2) is not the client's fault.
  return enhanced.startsWith("5.1.") ? "recipients" : enhanced === "5.7.1" ? "refusals" : null;
}

function creditKey({ client }: SessionView): string {
  return `bans:credit ${clientKey(client)}`;
}

function countOf(note: Note | null): number {
  const count = Number(note?.value ?? 0);
  return Number.isSafeInteger(count) && count > 0 ? count : 0;
}
