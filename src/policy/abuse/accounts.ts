/**
 * What an account may send: mails a day, recipients an hour and a day, and recipients that it never wrote to before.
 * The last is what tells a stolen password from its owner: spam goes to people nobody here ever wrote to.
 *
 * Whoever is over a limit is answered 45x 4.7.1, never 5xx: a limit passes with time; a program that sends for somebody
 * (a shop, a list) keeps its mail and comes again, and a mail program leaves it in the outbox and shows the words.
 * A refusal for good would lose that mail, and would stop a thief no better. One who goes on asking is answered 421,
 * which ends the session. An operator hears of it by `account.limited`, once an hour for each account, and may give one
 * account other limits.
 *
 * A limit is a bucket that fills again steadily: who has not sent for a day may send all of a day's at once, and in
 * the day that follows as much again. It concerns whoever has logged in, wherever from, but not a `catcher`.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { type Address, mailboxKey } from "../../address.ts";
import type { MtaFact } from "../../events.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { reply } from "../../smtp/reply.ts";
import { type Soon, whenKnown } from "../../soon.ts";
import type { Ledger, Rate } from "../ledger/ledger.ts";
import type { Policy, SessionView, Verdict } from "../policy.ts";
import { formatWait, type Limit, type Reached, takeAll } from "./limit.ts";

/** The limits of an account; `null`: none. */
export interface AccountRates {
  /** Mails: MAIL. */
  readonly messages?: Rate | null;
  /** Recipients, in a short time. */
  readonly recipientsHourly?: Rate | null;
  /** Recipients, in a long time. */
  readonly recipientsDaily?: Rate | null;
  /** Recipients that it has not written to in {@link REMEMBERED}. */
  readonly newRecipients?: Rate | null;
}

/** See {@link accountLimits}. What is not said is as in {@link DEFAULT_ACCOUNT_RATES}. */
export interface AccountLimitOptions extends AccountRates {
  /** Accounts that have other limits, by their names. */
  readonly accounts?: Readonly<Record<string, AccountRates>>;
}

/** What it needs. */
export interface AccountLimitServices {
  /** Where it remembers. */
  readonly ledger: Ledger;
  /** Tells the time. */
  readonly clock: Pick<Clock, "now">;
  /** Is told of events. */
  readonly emit: (fact: MtaFact) => void;
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** More than a person sends; who sends newsletters has limits of their own. */
export const DEFAULT_ACCOUNT_RATES: Required<AccountRates> = {
  messages: { count: 2000, per: DAY },
  recipientsHourly: { count: 500, per: HOUR },
  recipientsDaily: { count: 3000, per: DAY },
  newRecipients: { count: 500, per: DAY },
};

/** Milliseconds after which somebody is new again. */
export const REMEMBERED: number = 90 * DAY;

/** Recipients that are remembered of one account at most; others stay new. */
const MAX_REMEMBERED: Rate = { count: 20_000, per: REMEMBERED };

/** Refusals of an account after which its sessions are ended. */
const PATIENCE: Rate = { count: 100, per: HOUR };

const ONCE_AN_HOUR: Rate = { count: 1, per: HOUR };

/** Bounds what accounts send. */
export function accountLimits(
  options: AccountLimitOptions,
  { ledger, clock, emit }: AccountLimitServices,
): Policy {
  const { accounts = {}, ...general } = options;
  const common = { ...DEFAULT_ACCOUNT_RATES, ...general };
  const own = new Map(
    Object.entries(accounts).map((
      [name, rates],
    ) => [name.toLowerCase(), { ...common, ...rates }]),
  );

  /** The account and its limits, where there is one. */
  function find({ identity, role }: SessionView) {
    if (identity === null || role === "catcher") return null;
    const account = identity.toLowerCase();
    const rates = own.get(account) ?? common;
    const limit = (name: keyof AccountRates, what: string): Limit => (
      { key: `accounts:${name} ${account}`, rate: rates[name], what }
    );
    return { account, limit };
  }

  function refuse(
    session: SessionView,
    account: string,
    code: number,
    reached: Reached | null,
  ): Soon<Verdict | undefined> {
    if (reached === null) return undefined;
    const { limit, rate, wait } = reached;
    const tell = ledger.take(`accounts:told ${account}`, ONCE_AN_HOUR);
    return whenKnown(tell, (told) => {
      if (told === 0) {
        const { id, client, identity } = session;
        const facts = { session: id, client, identity: identity!, limit: limit.what };
        emit({ type: "account.limited", ...facts, count: rate.count, per: rate.per });
      }
      return whenKnown(ledger.take(`accounts:refused ${account}`, PATIENCE), (stop) => {
        const text = `this account has reached its limit of ${limit.what}: ` +
          `try again in ${formatWait(wait)}, or ask the postmaster`;
        return { action: "defer", reply: reply(stop > 0 ? 421 : code, "4.7.1", text) };
      });
    });
  }

  /** Whether the account has written to it before, or may now for the first time. */
  function meet(account: string, limit: Limit, recipient: Address): Soon<Reached | null> {
    if (limit.rate === null) return null;
    // In a share of its own: however many are known, they push out none of the limits.
    const key = `accounts-known:${account} ${digestOf(recipient)}`;
    return whenKnown(ledger.recall(key), (known) => {
      if (known === null) {
        return whenKnown(takeAll(ledger, [limit]), (reached) => {
          if (reached !== null) return reached;
          const room = ledger.take(`accounts:remembered ${account}`, MAX_REMEMBERED);
          return whenKnown(room, (wait) => {
            if (wait === 0) ledger.note(key, "", REMEMBERED);
            return null;
          });
        });
      }
      // Not at every mail: each is a line on the disk.
      if (known.until - clock.now() < REMEMBERED - 7 * DAY) ledger.note(key, "", REMEMBERED);
      return null;
    });
  }

  return {
    name: "account-limits",
    sender(session) {
      const found = find(session);
      if (found === null) return;
      const { account, limit } = found;
      const taken = takeAll(ledger, [limit("messages", "mails")]);
      return whenKnown(taken, (reached) => refuse(session, account, 451, reached));
    },
    recipient(session, recipient) {
      const found = find(session);
      if (found === null) return;
      const { account, limit } = found;
      const fresh = limit("newRecipients", "new recipients");
      const limits = [
        limit("recipientsHourly", "recipients, hourly"),
        limit("recipientsDaily", "recipients, daily"),
      ];
      const known = meet(account, fresh, recipient);
      const taken = whenKnown(known, (reached) => reached ?? takeAll(ledger, limits));
      return whenKnown(taken, (reached) => refuse(session, account, 450, reached));
    },
  };
}

/** Whom somebody writes to is nobody else's affair, also not who reads the file of the ledger. */
function digestOf(recipient: Address): string {
  return createHash("sha256").update(mailboxKey(recipient)).digest("base64url").slice(0, 22);
}
