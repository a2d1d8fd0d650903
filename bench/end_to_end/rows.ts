/**
 * The rows of the table: what is measured beside other servers, and the goal of each. Pure.
 *
 * @module
 */

import type { Role } from "../support/server.ts";

/** What a row wants of us, all of it. */
export interface Goal {
  /** So many times better than the peer. */
  readonly times?: number;
  /** So many times less CPU for a message than the peer. */
  readonly cpuTimes?: number;
  /** No more than this, in the row's unit. */
  readonly most?: number;
}

/** Work that the harness does: one of its letters, with arguments, and which of its rows are meant. */
export interface HarnessWork {
  readonly kind: "harness";
  readonly letter: "A" | "B" | "C" | "E";
  readonly args: readonly string[];
  readonly role: Role;
  /** Those rows whose `what` is this; absent: all. */
  readonly what?: string;
}

/** A row. */
export interface Row {
  /** On the command line. */
  readonly name: string;
  /** In the table. */
  readonly work: string;
  readonly unit: string;
  /** Rates shall be high, memory and delays low. */
  readonly better: "more" | "less";
  readonly goal: Goal;
  readonly measured: HarnessWork | { readonly kind: "idle" | "tail" | "decoder" };
}

const accept = (
  name: string,
  work: string,
  goal: Goal,
  size: string,
  sessions: number,
  keep: "many" | "one" = "many",
): Row => ({
  name,
  work,
  unit: "messages/s",
  better: "more",
  goal,
  measured: {
    kind: "harness",
    letter: "A",
    role: "hold",
    args: ["--sizes", size, "--sessions", `${sessions}`, "--keep", keep],
  },
});

const TLS = { kind: "harness", letter: "E", role: "hold", args: ["--sessions", "20"] } as const;
const USUAL = ["--sizes", "10k", "--sessions", "50"] as const;

/** All rows, in the table's order. */
export const ROWS: readonly Row[] = [
  accept("accept", "10 KB, 50 sessions", { times: 8, cpuTimes: 10 }, "10k", 50),
  accept("small", "1 KB, 50 sessions", { times: 12 }, "1k", 50),
  accept("crowd", "10 KB, 200 sessions", { times: 10 }, "10k", 200),
  accept("single", "10 KB, one session", { times: 3 }, "10k", 1),
  accept("large", "1 MB, 50 sessions", { times: 4 }, "1m", 50),
  accept("one", "10 KB, 50 sessions, one message each", { times: 6 }, "10k", 50, "one"),
  {
    name: "maildir",
    work: "10 KB into Maildirs, until the last is there",
    unit: "messages/s",
    better: "more",
    goal: { times: 5 },
    measured: { kind: "harness", letter: "B", role: "maildir", args: USUAL },
  },
  {
    name: "relay",
    work: "10 KB to a sink, until the last is there",
    unit: "messages/s",
    better: "more",
    goal: { times: 6 },
    measured: { kind: "harness", letter: "C", role: "relay", args: USUAL },
  },
  {
    name: "starttls",
    work: "STARTTLS, 20 sessions",
    unit: "handshakes/s",
    better: "more",
    goal: { times: 1.3 },
    measured: { ...TLS, what: "handshakes" },
  },
  {
    name: "tls",
    work: "1 MB over TLS, 20 sessions",
    unit: "messages/s",
    better: "more",
    goal: { times: 1.5 },
    measured: { ...TLS, what: "bulk 1 MB TLS" },
  },
  {
    name: "idle",
    work: "memory of an idle connection",
    unit: "KiB",
    better: "less",
    goal: { most: 12 },
    measured: { kind: "idle" },
  },
  {
    name: "tail",
    work: "p99 of the reply to the final dot, at half the peer's rate",
    unit: "ms",
    better: "less",
    goal: { times: 2 },
    measured: { kind: "tail" },
  },
  {
    name: "decoder",
    work: "DATA decoder",
    unit: "MB/s",
    better: "more",
    goal: { times: 4 },
    measured: { kind: "decoder" },
  },
];

/** The other servers that the harness knows, and which of its works each can do. */
const PEERS: Readonly<Record<string, string>> = {
  postfix: "ABCE",
  exim: "ABCE",
  haraka: "ACE",
  nodemailer: "AE",
  opensmtpd: "AB",
};

/** Their names. */
export const PEER_NAMES: readonly string[] = Object.keys(PEERS);

/**
 * Who takes turns with us in a work: the peers that can do it. Postfix has two ways into a Maildir, of which `local`
 * wants a user of this machine, and two set-ups as a relay: each is a peer of its own.
 *
 * @param localUser whether there is a user for `local`.
 */
export function peersFor(
  letter: string,
  peers: readonly string[],
  localUser: boolean,
): string[] {
  return peers.filter((peer) => PEERS[peer]?.includes(letter)).flatMap((peer) => {
    if (peer !== "postfix") return [peer];
    if (letter === "B" && localUser) return ["postfix", "postfix/local"];
    return letter === "C" ? ["postfix", "postfix/relay-tuned"] : ["postfix"];
  });
}

/** A goal for people. */
export function formatGoal({ times, cpuTimes, most }: Goal, { better, unit }: Row): string {
  const parts: string[] = [];
  if (times !== undefined) {
    parts.push(better === "more" ? `${times} times` : `1/${times}`);
  }
  if (cpuTimes !== undefined) parts.push(`CPU 1/${cpuTimes}`);
  if (most !== undefined) parts.push(`at most ${most} ${unit}`);
  return parts.join(", ");
}
