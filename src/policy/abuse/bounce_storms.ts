/**
 * Notices from outside (mail with the null reverse-path) in bounds: whoever's address was forged as the sender of a
 * million spam mails gets a hundred notices an hour, not a million; and a client that has nothing but notices is slowed.
 * What is too much is put off by 450 4.7.1: notices of an honest server come later, and none is lost.
 *
 * It concerns strangers ({@link isStranger}). What this station sends itself is not bounded here: a failure that is
 * told to nobody would be lost mail (RFC 5321 §6.1). It makes a notice only of mail that it has accepted, so it
 * answers no forged sender whose mail it refuses.
 *
 * @module
 */

import { mailboxKey } from "../../address.ts";
import { clientKey, type Network } from "../../net_address.ts";
import { reply } from "../../smtp/reply.ts";
import { whenKnown } from "../../soon.ts";
import type { Ledger, Rate } from "../ledger/ledger.ts";
import type { Policy } from "../policy.ts";
import { formatWait, type Limit, takeAll } from "./limit.ts";
import { DEFAULT_EXEMPT, isStranger } from "./stranger.ts";

/** See {@link bounceStorms}. What is not said is as in {@link DEFAULT_BOUNCE_RATES}. */
export interface BounceStormOptions {
  /** Notices to one address; `null`: no limit. */
  readonly recipient?: Rate | null;
  /** Notices, by recipients, from an IPv4 address or an IPv6 /64; `null`: no limit. */
  readonly client?: Rate | null;
  /** Never limited; default: this machine. */
  readonly exempt?: readonly Network[];
}

/** What it needs. */
export interface BounceStormServices {
  /** Where it remembers. */
  readonly ledger: Ledger;
}

const HOUR = 3_600_000;

/** A mailing list's address may well get a hundred. */
export const DEFAULT_BOUNCE_RATES: Required<Omit<BounceStormOptions, "exempt">> = {
  recipient: { count: 100, per: HOUR },
  client: { count: 1000, per: HOUR },
};

/** Bounds notices from strangers. */
export function bounceStorms(
  options: BounceStormOptions,
  { ledger }: BounceStormServices,
): Policy {
  const { exempt = DEFAULT_EXEMPT } = options;
  const rates = { ...DEFAULT_BOUNCE_RATES, ...options };
  return {
    name: "bounce-storms",
    recipient(session, recipient, { sender }) {
      if (sender !== null || !isStranger(session, exempt)) return;
      const client = clientKey(session.client);
      const limits: Limit[] = [
        { key: `bounce-storms:from ${client}`, rate: rates.client, what: `from ${client}` },
        {
          key: `bounce-storms:to ${mailboxKey(recipient)}`,
          rate: rates.recipient,
          what: "to this address",
        },
      ];
      return whenKnown(takeAll(ledger, limits), (reached) => {
        if (reached === null) return undefined;
        const text = `too many notices (mails from <>) ${reached.limit.what}: ` +
          `try again in ${formatWait(reached.wait)}`;
        return { action: "defer", reply: reply(450, "4.7.1", text) };
      });
    },
  };
}
