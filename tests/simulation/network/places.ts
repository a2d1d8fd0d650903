/**
 * Where mail of the simulated network can go, and what must become of it: the addresses, who hosts them, what
 * aliases lead to. A model of its own, small enough to be seen to be right: it knows nothing of how a
 * station finds its ways.
 *
 * @module
 */

/** The machines. Those of stations run Yizhan, the others are written for the simulation. */
export const MACHINES = {
  a: "192.0.2.1",
  b: "192.0.2.2",
  c: "192.0.2.3",
  d: "192.0.2.4",
  sink: "192.0.2.5",
  lmtp: "192.0.2.6",
  /** Nothing listens there. */
  gone: "192.0.2.7",
} as const;

/** A station by the letter of its machine. */
export type StationName = "a" | "b" | "c" | "d";

/** All of them. */
export const STATIONS: readonly StationName[] = ["a", "b", "c", "d"];

/** The end of a way. */
export type End =
  /** A mailbox that takes all mail in the end. */
  | { readonly kind: "box"; readonly name: string }
  /** Nobody: the sender must hear of it. */
  | { readonly kind: "nobody" }
  /** A mailbox that may take it or not, as the times are: one of the two must come of it. */
  | { readonly kind: "perhaps"; readonly name: string };

/** Aliases: the last two go in a circle over all stations; lists lead to mailboxes only. */
export const ALIASES: Readonly<Record<string, readonly string[]>> = {
  "fwd@a.test": ["u1@b.test"],
  "fwd@b.test": ["fwd@c.test"],
  "fwd@c.test": ["u2@sink.test"],
  "lost@a.test": ["nobody@b.test"],
  "lost@b.test": ["no@sink.test"],
  "team@a.test": ["u1@a.test", "u2@a.test", "u1@c.test"],
  "team@b.test": ["u1@b.test", "u1@d.test", "u1@sink.test"],
  "nick@d.test": ["u2@d.test"],
  "ring@a.test": ["ring@b.test"],
  "ring@b.test": ["ring@a.test"],
};

/** Who lives at a station, beside its postmaster. */
export const USERS = ["u1", "u2", "pm"];

/** Addresses that mail is sent to, by how often they are drawn. */
export const RECIPIENTS: readonly (readonly [weight: number, address: string])[] = [
  ...STATIONS.flatMap((name) => ["u1", "u2"].map((user) => [6, `${user}@${name}.test`] as const)),
  [6, "fwd@a.test"],
  [4, "fwd@b.test"],
  [3, "lost@a.test"],
  [2, "lost@b.test"],
  [5, "team@a.test"],
  [5, "team@b.test"],
  [3, "nick@d.test"],
  [1, "ring@a.test"],
  [3, "nobody@c.test"],
  [8, "u1@sink.test"],
  [5, "u2@sink.test"],
  [3, "no@sink.test"],
  [4, "u1@lmtp.test"],
  [2, "no@lmtp.test"],
  [2, "u1@held.test"],
  [2, "u1@nowhere.test"],
  [1, "u1@null.test"],
  [2, "u1@gone.test"],
  [2, "u1@fickle.test"],
];

/** Reverse-paths, by how often they are drawn; `null` is the null one. */
export const SENDERS: readonly (readonly [weight: number, address: string | null])[] = [
  ...STATIONS.map((name) => [4, `u1@${name}.test`] as const),
  [3, "u2@sink.test"],
  [3, null],
  [1, "fwd@a.test"],
  [1, "no@sink.test"],
  [1, "nobody@a.test"],
  [1, "u1@nowhere.test"],
];

/** Where mail for an address ends, once for each way that leads there. */
export function endsOf(address: string, before: readonly string[] = []): readonly End[] {
  if (before.includes(address)) return [{ kind: "nobody" }];
  const targets = ALIASES[address];
  if (targets !== undefined) {
    return targets.flatMap((target) => endsOf(target, [...before, address]));
  }
  const [user, domain] = address.split("@") as [string, string];
  const station = STATIONS.find((name) => domain === `${name}.test`);
  if (station !== undefined) return [USERS.includes(user) ? box(address) : { kind: "nobody" }];
  switch (domain) {
    case "sink.test":
    case "lmtp.test":
      return [user === "no" ? { kind: "nobody" } : box(address)];
    case "held.test":
    case "fickle.test":
      return [{ kind: "perhaps", name: address }];
    default:
      return [{ kind: "nobody" }];
  }
}

function box(name: string): End {
  return { kind: "box", name };
}

/** What DNS says while it is well. */
export const ZONES: Readonly<Record<string, { mx?: string[]; a?: string[] }>> = {
  "a.test": { mx: ["10 mx.a.test"] },
  // The second takes mail for the first while that is down.
  "b.test": { mx: ["10 mx.b.test", "20 mx.c.test"] },
  "c.test": { mx: ["10 mx.c.test"] },
  // No MX: the domain is its own host (RFC 5321 §5.1).
  "d.test": { a: [MACHINES.d] },
  "sink.test": { mx: ["10 mx.gone.test", "20 mx.sink.test"] },
  "fickle.test": { mx: ["10 mx.sink.test"] },
  "held.test": { mx: ["10 mx.a.test"] },
  "lmtp.test": { mx: ["10 mx.c.test"] },
  "gone.test": { mx: ["10 mx.gone.test"] },
  "null.test": { mx: ["0 ."] },
  "mx.a.test": { a: [MACHINES.a] },
  "mx.b.test": { a: [MACHINES.b] },
  "mx.c.test": { a: [MACHINES.c] },
  "mx.d.test": { a: [MACHINES.d] },
  "mx.sink.test": { a: [MACHINES.sink] },
  "mx.gone.test": { a: [MACHINES.gone] },
};
