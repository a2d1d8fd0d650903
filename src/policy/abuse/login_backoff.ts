/**
 * Who guesses passwords gets slower and slower, and then no further. Two ways are closed: one client that tries many
 * passwords, and many clients that try a few each on one account.
 *
 * - The answer to a login that failed waits, longer with each failure of the client and of the account.
 * - Each login of a stranger takes a token of its client, one of its network and one of its account _before_ the password
 *   is looked at, so that parallel sessions get no more than one after the other. Where there is none the answer is 454 4.7.0
 *   (RFC 4954 §6), and nothing is checked: the right password is not told from a wrong one.
 * - An address from which somebody has logged in to an account is known to it for 30 days. Logins from there have tokens
 *   of their own, so whoever guesses from elsewhere locks nobody out.
 *
 * Names that are nobody's are treated like all others, in words and in time: nothing here knows which exist. A name
 * counts as the directory reads it, so `Alice@…` and `alice@…` are one account; in keys it stands as a hash, which
 * bounds its length and keeps mistyped passwords out of files.
 *
 * It concerns all who log in but those whom nobody need suspect: networks that may relay, and `exempt` ones, such as
 * the host of a webmail. Left to others: how many logins a session may try (`limits.failedLogins`), and who is not
 * served at all any more ({@link ./bans.ts}).
 *
 * @module
 */

import { createHash } from "node:crypto";
import { mailboxKey, parseAddress } from "../../address.ts";
import { clientKey, formatNetwork, type Network, networkOf } from "../../net_address.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { fixedReply } from "../../smtp/reply.ts";
import { type Soon, whenKnown } from "../../soon.ts";
import type { Ledger, Note, Rate } from "../ledger/ledger.ts";
import type { Policy, PolicyAnswer, Refusal, SessionView, Verdict } from "../policy.ts";
import { type Limit, takeAll } from "./limit.ts";
import { growingDelay, SlowAnswers } from "./slow_answers.ts";
import { DEFAULT_EXEMPT, isStranger } from "./stranger.ts";

/** How much may be guessed. What is not said is as in {@link DEFAULT_LOGIN_BACKOFF}. */
export interface LoginBackoffOptions {
  /** Never held up; default: this machine. */
  readonly exempt?: readonly Network[];
  /** Logins of one client, to accounts it is not known to; and of a known one to each account. */
  readonly client?: Rate;
  /** Logins of all clients of one network (IPv4 /24, IPv6 /48), to accounts they are not known to. */
  readonly network?: Rate;
  /** Logins to one account, of all clients that are not known to it. */
  readonly account?: Rate;
  /** Milliseconds that the answer to a first failure waits; each further one twice as long. */
  readonly first?: number;
  /** Milliseconds that an answer waits at most. */
  readonly longest?: number;
  /** Milliseconds after which failures are forgotten, when no other came. */
  readonly memory?: number;
  /** Milliseconds that a client stays known to an account, after it has logged in. */
  readonly known?: number;
  /** Answers that are held back at once; the others go out without delay. */
  readonly sessions?: number;
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** What holds where nothing is said. */
export const DEFAULT_LOGIN_BACKOFF: Required<Omit<LoginBackoffOptions, "exempt">> = {
  client: { count: 20, per: HOUR },
  // Whoever has an IPv6 /48 has 65,536 clients, and need not try any account twice.
  network: { count: 500, per: HOUR },
  // NIST SP 800-63B §5.2.2: no more than 100 attempts that fail on one account.
  account: { count: 100, per: DAY },
  first: 500,
  longest: 20_000,
  memory: HOUR,
  known: 30 * DAY,
  sessions: 200,
};

const NETWORK = { ipv4: 24, ipv6: 48 };

const TOO_MANY: Verdict = {
  action: "defer",
  reply: fixedReply(454, "4.7.0", "too many logins have failed: try again later"),
};

/** A known client is noted again when a day of its time is over: not at each login. */
const RENEWAL = DAY;

/** What is known of a login that was not answered yet. */
interface Attempt {
  /** The account, hashed. */
  readonly account: string;
  /** Whether the client has logged in to it before. */
  readonly known: boolean;
}

/**
 * Makes the policy. It should stand before all others that look at logins.
 *
 * @example
 * ```ts
 * import { loginBackoff } from "./login_backoff.ts";
 * import { MemoryLedger } from "../ledger/memory_ledger.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const clock = { now: () => 0, sleep: () => Promise.resolve() };
 * const policy = loginBackoff({}, { clock, ledger: new MemoryLedger(clock) });
 * assertEquals(policy.name, "login-backoff");
 * ```
 */
export function loginBackoff(
  options: LoginBackoffOptions,
  services: { readonly clock: Clock; readonly ledger: Ledger },
): Policy {
  const backoff = new LoginBackoff(
    { ...DEFAULT_LOGIN_BACKOFF, exempt: DEFAULT_EXEMPT, ...options },
    services,
  );
  return {
    name: "login-backoff",
    timeout: (options.longest ?? DEFAULT_LOGIN_BACKOFF.longest) + 10_000,
    onFailure: TOO_MANY,
    credentials: (session, name) => backoff.begin(session, name),
    auth: (session) => backoff.succeeded(session),
    refused: (session, refusal) => backoff.failed(session, refusal),
    close: ({ id }) => backoff.close(id),
  };
}

class LoginBackoff {
  readonly #options: Required<LoginBackoffOptions>;
  readonly #ledger: Ledger;
  readonly #clock: Clock;
  readonly #answers: SlowAnswers;
  /** By session: one has one login at a time. */
  readonly #attempts = new Map<string, Attempt>();

  constructor(
    options: Required<LoginBackoffOptions>,
    { clock, ledger }: { readonly clock: Clock; readonly ledger: Ledger },
  ) {
    this.#options = options;
    this.#ledger = ledger;
    this.#clock = clock;
    this.#answers = new SlowAnswers(clock, options.sessions);
  }

  begin(session: SessionView, name: string): PolicyAnswer {
    if (!isStranger(session, this.#options.exempt)) return;
    const account = accountHash(name);
    const client = clientKey(session.client);
    return whenKnown(this.#ledger.recall(knownKey(account, client)), (note) => {
      const known = note !== null;
      return whenKnown(this.#take(account, session.client, known), (wait) => {
        if (wait > 0) {
          // What is refused here was no guess: it makes nobody slower.
          this.#attempts.delete(session.id);
          return TOO_MANY;
        }
        this.#attempts.set(session.id, { account, known });
        return undefined;
      });
    });
  }

  /** Milliseconds until there is a token; 0: it was taken. */
  #take(account: string, address: string, known: boolean): Soon<number> {
    const client = clientKey(address);
    const { client: ofClient, network: ofNetwork, account: ofAccount } = this.#options;
    if (known) return this.#ledger.take(pairKey(account, client), ofClient);
    const network = networkOf(address, NETWORK);
    // The client's first: one that has used up its own takes nothing from others.
    const limits: Limit[] = [
      { key: clientRateKey(client), rate: ofClient, what: "client" },
      ...network === null ? [] : [{
        key: `login-backoff:network ${formatNetwork(network)}`,
        rate: ofNetwork,
        what: "network",
      }],
      { key: `login-backoff:account ${account}`, rate: ofAccount, what: "account" },
    ];
    return whenKnown(takeAll(this.#ledger, limits), (reached) => reached?.wait ?? 0);
  }

  /** The client is known from now on, and what went wrong before was a slip. */
  succeeded(session: SessionView): Soon<undefined> {
    const attempt = this.#attempts.get(session.id);
    this.#attempts.delete(session.id);
    if (attempt === undefined) return;
    const { account, known } = attempt;
    const client = clientKey(session.client);
    const own = [pairKey(account, client), failuresKey(`${account} ${client}`)];
    // Once for each account: whoever has one cannot wash off what he does to others again and again.
    const first = known ? [] : [clientRateKey(client), failuresKey(client)];
    return after([
      ...[...own, ...first].map((key) => this.#ledger.forget(key)),
      this.#renew(knownKey(account, client)),
    ]);
  }

  #renew(key: string): Soon<unknown> {
    const { known } = this.#options;
    return whenKnown(this.#ledger.recall(key), (note) => {
      const left = (note?.until ?? 0) - this.#clock.now();
      return left > known - RENEWAL ? undefined : this.#ledger.note(key, "", known);
    });
  }

  /** The answer waits. */
  failed(session: SessionView, { stage, reply: { code } }: Refusal): Soon<void> {
    if (stage !== "auth" || code < 500) return;
    const attempt = this.#attempts.get(session.id);
    this.#attempts.delete(session.id);
    if (attempt === undefined) return;
    const { account, known } = attempt;
    const client = clientKey(session.client);
    const keys = known ? [`${account} ${client}`] : [client, account];
    const counts = keys.map((key) => this.#count(failuresKey(key)));
    const { first, longest } = this.#options;
    const wait = (counts: readonly number[]) =>
      this.#answers.hold(session.id, growingDelay(Math.max(...counts), first, longest));
    return counts.some((count) => count instanceof Promise)
      ? Promise.all(counts).then(wait)
      : wait(counts as number[]);
  }

  #count(key: string): Soon<number> {
    return whenKnown(this.#ledger.recall(key), (note) => {
      const count = Math.min(countOf(note) + 1, 100);
      return whenKnown(this.#ledger.note(key, String(count), this.#options.memory), () => count);
    });
  }

  close(session: string): void {
    this.#attempts.delete(session);
    this.#answers.release(session);
  }
}

/** Which account a name means, as {@link mailboxKey} has it; 128 bits of it, so none can be made to meet another. */
function accountHash(name: string): string {
  const address = parseAddress(name, { smtputf8: true });
  const key = address === null ? name.toLowerCase() : mailboxKey(address);
  return createHash("sha256").update(key).digest("base64url").slice(0, 22);
}

/** Forgets what was counted against a client, so that its users can log in at once. @param client its key. */
export async function forgiveLogins(ledger: Ledger, client: string): Promise<void> {
  for (const key of [clientRateKey(client), failuresKey(client)]) await ledger.forget(key);
}

/**
 * Whether somebody has logged in from there by this name lately, as {@link loginBackoff} has noted it: then one who
 * fails is more likely a program with an old password than a thief, and is bounded account by account.
 *
 * @param client its address.
 */
export function isKnownLogin(ledger: Ledger, client: string, name: string): Soon<boolean> {
  const key = knownKey(accountHash(name), clientKey(client));
  return whenKnown(ledger.recall(key), (note) => note !== null);
}

/** In a share of its own: no flood of guesses pushes out who is known. */
function knownKey(account: string, client: string): string {
  return `login-known:${account} ${client}`;
}

function clientRateKey(client: string): string {
  return `login-backoff:client ${client}`;
}

function pairKey(account: string, client: string): string {
  return `login-backoff:known ${account} ${client}`;
}

function failuresKey(whose: string): string {
  return `login-backoff:failed ${whose}`;
}

function countOf(note: Note | null): number {
  const count = Number(note?.value ?? 0);
  return Number.isSafeInteger(count) && count > 0 ? count : 0;
}

function after(answers: readonly Soon<unknown>[]): Soon<undefined> {
  return answers.some((answer) => answer instanceof Promise)
    ? Promise.all(answers).then(() => undefined)
    : undefined;
}
