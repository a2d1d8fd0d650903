/**
 * How often strangers may connect, and how much mail they may bring: token buckets for each client and for each
 * network, so that a thousand addresses of one network are no thousand clients. Whoever is over a limit is told to
 * come again, by 421 or 45x, and no honest mail is lost by it: a mail server does come again.
 *
 * {@link connectionRates} and {@link messageRates} concern strangers only ({@link isStranger}): whoever has logged in
 * is limited by account (`accounts.ts`).
 *
 * The sender's domain has no limit unless one is given: anybody can write it, so a flood in the name of a large
 * provider would shut out the provider.
 *
 * @module
 */

import { domainKey } from "../../address.ts";
import { clientKey, formatNetwork, type Network, networkOf } from "../../net_address.ts";
import { reply } from "../../smtp/reply.ts";
import { whenKnown } from "../../soon.ts";
import type { Ledger, Rate } from "../ledger/ledger.ts";
import type { Policy, SessionView, Verdict } from "../policy.ts";
import { formatWait, type Limit, type Reached, takeAll } from "./limit.ts";
import { DEFAULT_EXEMPT, isStranger } from "./stranger.ts";

/** Limits of a client and of its network; `null`: none. */
export interface ClientRates {
  /** Of an IPv4 address, or an IPv6 /64. */
  readonly client?: Rate | null;
  /** Of an IPv4 /24, or an IPv6 /48. */
  readonly network?: Rate | null;
}

/** See {@link connectionRates}. What is not said is as in {@link DEFAULT_CONNECTION_RATES}. */
export interface ConnectionRateOptions extends ClientRates {
  /** Never limited; default: this machine. */
  readonly exempt?: readonly Network[];
}

/** Limits of a client, its network and the sender's domain. */
export interface MailRates extends ClientRates {
  /** Of the domain of the reverse-path, whoever sends in its name. Default: none. */
  readonly senderDomain?: Rate | null;
}

/** See {@link messageRates}. What is not said is as in {@link DEFAULT_MESSAGE_RATES}. */
export interface MessageRateOptions {
  /** Transactions: MAIL. */
  readonly messages?: MailRates;
  /** Recipients: RCPT. */
  readonly recipients?: MailRates;
  /** Never limited; default: this machine. */
  readonly exempt?: readonly Network[];
}

/** What they need. */
export interface RateServices {
  /** Where it remembers. */
  readonly ledger: Ledger;
}

const MINUTE = 60_000;

/** More than a busy server has a use for, which sends many mails over one connection. */
export const DEFAULT_CONNECTION_RATES: Required<ClientRates> = {
  client: { count: 120, per: MINUTE },
  network: { count: 600, per: MINUTE },
};

/** What a large provider sends to a company on its busiest day. */
export const DEFAULT_MESSAGE_RATES: Readonly<
  Record<"messages" | "recipients", Required<MailRates>>
> = {
  messages: {
    client: { count: 1000, per: 10 * MINUTE },
    network: { count: 5000, per: 10 * MINUTE },
    senderDomain: null,
  },
  recipients: {
    client: { count: 5000, per: 10 * MINUTE },
    network: { count: 20_000, per: 10 * MINUTE },
    senderDomain: null,
  },
};

const NETWORK = { ipv4: 24, ipv6: 48 };

/** Bounds how often strangers connect. Who comes too often is told 421 4.7.0 in place of a greeting. */
export function connectionRates(
  options: ConnectionRateOptions,
  { ledger }: RateServices,
): Policy {
  const { exempt = DEFAULT_EXEMPT } = options;
  const rates = { ...DEFAULT_CONNECTION_RATES, ...options };
  const limitsOf = limitsOfClients("connection-rates", "connections", rates);
  return {
    name: "connection-rates",
    connect(session) {
      if (!isStranger(session, exempt)) return;
      return whenKnown(
        takeAll(ledger, limitsOf(session)),
        (reached) => refuse(421, "4.7.0", reached),
      );
    },
  };
}

/** Bounds how many mails strangers bring, and to how many recipients. What is too much is told 451 or 450 4.7.1. */
export function messageRates(options: MessageRateOptions, { ledger }: RateServices): Policy {
  const { exempt = DEFAULT_EXEMPT } = options;
  const messages = mailLimits("messages", options.messages);
  const recipients = mailLimits("recipients", options.recipients);
  return {
    name: "message-rates",
    sender(session, sender) {
      if (!isStranger(session, exempt)) return;
      const limits = messages(session, sender?.domain);
      return whenKnown(takeAll(ledger, limits), (reached) => refuse(451, "4.7.1", reached));
    },
    recipient(session, _, { sender }) {
      if (!isStranger(session, exempt)) return;
      const limits = recipients(session, sender?.domain);
      return whenKnown(takeAll(ledger, limits), (reached) => refuse(450, "4.7.1", reached));
    },
  };
}

/** Makes the limits of mails or recipients. */
function mailLimits(what: "messages" | "recipients", given: MailRates = {}) {
  const rates = { ...DEFAULT_MESSAGE_RATES[what], ...given };
  const limitsOf = limitsOfClients("message-rates", what, rates);
  return (session: SessionView, domain: string | undefined): readonly Limit[] => {
    const limits = limitsOf(session);
    if (domain === undefined || rates.senderDomain === null) return limits;
    const name = domainKey(domain);
    const key = `message-rates:${what} domain ${name}`;
    return [...limits, { key, rate: rates.senderDomain, what: `${what} in the name of ${name}` }];
  };
}

/** Clients whose limits are kept at hand: a session asks for the same again and again. */
const MAX_NAMES = 1000;

/**
 * Makes the limits of whoever connects. The client first: one that is over its limit takes nothing from its
 * neighbours.
 */
function limitsOfClients(
  policy: string,
  what: string,
  rates: Required<ClientRates>,
): (session: SessionView) => readonly Limit[] {
  const known = new Map<string, readonly Limit[]>();
  return ({ client }) => {
    const found = known.get(client);
    if (found !== undefined) return found;
    if (known.size === MAX_NAMES) known.clear();
    const own = clientKey(client);
    const limits: Limit[] = [
      { key: `${policy}:${what} ${own}`, rate: rates.client, what: `${what} from ${own}` },
    ];
    const network = networkOf(client, NETWORK);
    if (network !== null) {
      const name = formatNetwork(network);
      const key = `${policy}:${what} network ${name}`;
      limits.push({ key, rate: rates.network, what: `${what} from ${name}` });
    }
    known.set(client, limits);
    return limits;
  };
}

function refuse(code: number, enhanced: string, reached: Reached | null): Verdict | undefined {
  if (reached === null) return undefined;
  const { limit, wait } = reached;
  const text = `too many ${limit.what}: try again in ${formatWait(wait)}`;
  return { action: "defer", reply: reply(code, enhanced, text) };
}
