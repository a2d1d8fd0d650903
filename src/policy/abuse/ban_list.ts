/**
 * Who is banned, in the {@link Ledger}: networks, each until a time, with the reason. Finding out whether a client is
 * banned takes two looks, and one for each further length of prefix that is in use.
 *
 * Bans are kept under keys of their own (`banned:…`), so that no flood of whatever else is counted can push them out.
 *
 * @module
 */

import {
  formatClients,
  formatNetwork,
  type Network,
  networkOf,
  parseNetwork,
} from "../../net_address.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { isPending, type Soon, whenKnown } from "../../soon.ts";
import type { Ledger, Note } from "../ledger/ledger.ts";

/** Somebody is banned. */
export interface Ban {
  /** Such as `192.0.2.7`, `192.0.2.0/24` or `2001:db8:1:2::/64`. */
  readonly network: string;
  /** In words. */
  readonly reason: string;
  /** Who said so: the program, or its operator. */
  readonly by: "policy" | "operator";
  /** Epoch milliseconds. */
  readonly since: number;
  /** Epoch milliseconds. */
  readonly until: number;
}

/** What a client is, as everywhere: an IPv4 address, or the /64 of an IPv6 address. */
const CLIENT = { ipv4: 32, ipv6: 64 } as const;

/** What the key of each ban in a ledger begins with. */
export const BAN_KEYS = "banned:net ";

/** Which other lengths are in use: `4/24 6/48`. */
const PREFIXES = "banned:prefixes";

/** Characters of a reason. */
const LONGEST_REASON = 200;

/** The bans of a station. */
export class BanList {
  readonly #ledger: Ledger;
  readonly #clock: Pick<Clock, "now">;

  constructor(ledger: Ledger, clock: Pick<Clock, "now">) {
    this.#ledger = ledger;
    this.#clock = clock;
  }

  /** The ban that a client's address is under; `null`: none. What is no address is never banned. */
  find(client: string): Soon<Ban | null> {
    const own = networkOf(client, CLIENT);
    if (own === null) return null;
    return whenKnown(this.#recall(own), (ban) => {
      if (ban !== null) return ban;
      return whenKnown(this.#ledger.recall(PREFIXES), (note) => this.#findWider(client, own, note));
    });
  }

  #findWider(client: string, own: Network, note: Note | null): Soon<Ban | null> {
    if (note === null) return null;
    const family = familyOf(own);
    const answers: Soon<Ban | null>[] = [];
    for (const text of note.value.split(" ")) {
      if (!text.startsWith(`${family}/`)) continue;
      const prefix = Number(text.slice(2));
      answers.push(this.#recall(networkOf(client, { ipv4: prefix, ipv6: prefix })!));
    }
    const found = (bans: readonly (Ban | null)[]) => bans.find((ban) => ban !== null) ?? null;
    return answers.some(isPending)
      ? Promise.all(answers).then(found)
      : found(answers as (Ban | null)[]);
  }

  /** Bans a network from now on, in place of an earlier ban of the same. @param duration milliseconds. */
  add(network: Network, ban: Pick<Ban, "reason" | "by">, duration: number): Soon<Ban> {
    const since = this.#clock.now();
    const reason = ban.reason.slice(0, LONGEST_REASON);
    const made = { network: formatClients(network), reason, by: ban.by, since };
    const noted = this.#ledger.note(keyOf(network), `${since} ${ban.by} ${reason}`, duration);
    const told = whenKnown(noted, () => this.#notePrefix(network, duration));
    return whenKnown(told, () => ({ ...made, until: since + duration }));
  }

  #notePrefix(network: Network, duration: number): Soon<void> {
    const family = familyOf(network);
    if (network.prefix === CLIENT[family === 4 ? "ipv4" : "ipv6"]) return;
    const prefix = `${family}/${network.prefix}`;
    return whenKnown(this.#ledger.recall(PREFIXES), (note) => {
      const known = note === null ? [] : note.value.split(" ");
      const lifetime = Math.max(duration, (note?.until ?? 0) - this.#clock.now());
      return this.#ledger.note(PREFIXES, [...new Set([...known, prefix])].join(" "), lifetime);
    });
  }

  /** Ends the ban of just this network; whether there was one. */
  remove(network: Network): Soon<boolean> {
    return this.#ledger.forget(keyOf(network));
  }

  /** All bans, the newest last. */
  async *list(): AsyncIterable<Ban> {
    for await (const note of this.#ledger.list(BAN_KEYS)) {
      const ban = parseBan(note);
      if (ban !== null) yield ban;
    }
  }

  #recall(network: Network): Soon<Ban | null> {
    const note = this.#ledger.recall(keyOf(network));
    return whenKnown(note, (note) => note === null ? null : parseBan(note));
  }
}

function keyOf(network: Network): string {
  return `${BAN_KEYS}${formatNetwork(network)}`;
}

function familyOf({ address }: Network): 4 | 6 {
  return address.length === 4 ? 4 : 6;
}

function parseBan({ key, value, until }: Note): Ban | null {
  const [, since, by, reason] = /^(\d{1,16}) (policy|operator) ([^]*)$/.exec(value) ?? [];
  const network = parseNetwork(key.slice(BAN_KEYS.length));
  if (since === undefined || reason === undefined || network === null) return null;
  return {
    network: formatClients(network),
    reason,
    by: by === "operator" ? "operator" : "policy",
    since: Number(since),
    until,
  };
}
