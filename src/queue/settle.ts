/**
 * What becomes of an entry: the heart of the queue. Outcomes of attempts change the state of
 * recipients; at the end of a round it is decided what the queue keeps and whom to tell. Pure: entry
 * in, entry out; time, chance and schedules are arguments.
 *
 * A round is what happens from a claim to its end: all recipients whose time has come are tried, on
 * several ways at once perhaps. `settle` is called for each part that is finished, `postpone` for
 * what could not be tried, `conclude` once when nothing is under way any more.
 *
 *     waiting ── delivered, relayed ──► that, for good
 *             ── failed (5xx) ────────► failed
 *             ── deferred (4xx) ──────► waiting, later; at the end of its lifetime failed (4.4.7)
 *             ── held ────────────────► waiting until the end of its lifetime, then failed (4.4.7)
 *
 * An expired recipient's history ends in an answer of ours with 4.4.7 (RFC 3463 §3.5) that repeats
 * the words of the last real one.
 *
 * @module
 */

import { describeReply, type Reply, reply } from "../smtp/reply.ts";
import type { Attempt, QueuedRecipient, QueueEntry } from "./entry.ts";
import { noteNotices, type Notice, noticesOwed } from "./notice.ts";
import type { Outcome } from "./outcome.ts";
import { retryDelay, type ScheduleFor } from "./retry.ts";

/** What is decided by. */
export interface SettleContext {
  /** The time of what is settled, in milliseconds since the epoch. */
  readonly now: number;
  /**
   * Gives a number in [0, 1) for the jitter. One that is the same for the whole round keeps the
   * recipients of a message together: one attempt, one notice.
   */
  readonly random: () => number;
  /** How long, how often. */
  readonly scheduleFor: ScheduleFor;
}

/** Why recipients could not be tried at all. */
export interface Postponement {
  /** Not before, in milliseconds since the epoch. */
  readonly until: number;
  /** The answer that their destination gave others last; absent: it is merely busy. */
  readonly reply?: Reply;
  /** Who gave it. */
  readonly host?: string;
}

/** The end of a round. */
export interface Conclusion {
  /** What the queue keeps; `null`: nothing is left to do. */
  readonly next: QueueEntry | null;
  /** What is to be told, before that is recorded. One of a kind at most. */
  readonly notices: readonly Notice[];
}

/** Attempts that are remembered. */
const HISTORY = 10;

/** When a recipient's time is over. */
export function expiryOf(
  { received, sender }: QueueEntry,
  recipient: QueuedRecipient,
  scheduleFor: ScheduleFor,
): number {
  const { lifetime, noticeLifetime } = scheduleFor(recipient);
  return received + (sender === null ? noticeLifetime : lifetime);
}

/**
 * The entry after some attempts. Outcomes of recipients that do not wait, or do not exist, count
 * for nothing.
 */
export function settle(
  entry: QueueEntry,
  outcomes: readonly Outcome[],
  context: SettleContext,
): QueueEntry {
  const recipients = [...entry.recipients];
  for (const outcome of outcomes) {
    const recipient = recipients[outcome.recipient];
    if (recipient?.status !== "waiting") continue;
    recipients[outcome.recipient] = settleOne(entry, recipient, outcome, context);
  }
  return { ...entry, recipients };
}

function settleOne(
  entry: QueueEntry,
  recipient: QueuedRecipient,
  outcome: Outcome,
  { now, random, scheduleFor }: SettleContext,
): QueuedRecipient {
  const { status } = outcome;
  const history = remember(recipient.history, attemptOf(outcome, now));
  if (status === "held") {
    return waitUntil(entry, { ...recipient, history }, Infinity, now, scheduleFor);
  }
  const attempts = recipient.attempts + 1;
  if (status === "deferred") {
    const next = now + retryDelay(scheduleFor(recipient), attempts, random);
    return waitUntil(entry, { ...recipient, attempts, history }, next, now, scheduleFor);
  }
  return status === "relayed" && outcome.dsnHandedOn
    ? { ...recipient, status, attempts, history, dsnHandedOn: true }
    : { ...recipient, status, attempts, history };
}

/**
 * The entry when some recipients were not tried: no attempt is counted. Where the destination is
 * down the reason is noted once, for people to see; and the wait is half as long again as the
 * message is old, up to the longest of its schedule, so that ten thousand messages for a domain
 * that is down for days are not taken up every few minutes.
 */
export function postpone(
  entry: QueueEntry,
  indexes: readonly number[],
  { until, reply, host }: Postponement,
  { now, random, scheduleFor }: SettleContext,
): QueueEntry {
  const recipients = [...entry.recipients];
  for (const index of indexes) {
    let recipient = recipients[index];
    if (recipient?.status !== "waiting") continue;
    if (reply === undefined) {
      // It must not end for want of a place: it has its last attempt then.
      recipients[index] = { ...recipient, next: until };
    } else {
      const { longest, jitter } = scheduleFor(recipient);
      const wait = Math.min((now - entry.received) / 2, longest);
      const next = Math.max(until, Math.round(now + wait * (1 + jitter * (2 * random() - 1))));
      const late = now >= expiryOf(entry, recipient, scheduleFor);
      if (recipient.history.length === 0 || late) {
        const attempt: Attempt = { time: now, ...(host !== undefined && { host }), reply };
        recipient = { ...recipient, history: remember(recipient.history, attempt) };
      }
      recipients[index] = waitUntil(entry, recipient, next, now, scheduleFor);
    }
  }
  return { ...entry, recipients };
}

/**
 * The recipient with its next attempt, at the end of its lifetime at the latest; failed when that
 * is past.
 */
function waitUntil(
  entry: QueueEntry,
  recipient: QueuedRecipient,
  next: number,
  now: number,
  scheduleFor: ScheduleFor,
): QueuedRecipient {
  const expiry = expiryOf(entry, recipient, scheduleFor);
  if (now < expiry) return { ...recipient, next: Math.min(next, expiry) };
  const last = recipient.history.at(-1);
  const attempt: Attempt = { time: now, reply: expired(now - entry.received, last) };
  return { ...recipient, status: "failed", history: remember(recipient.history, attempt) };
}

/** RFC 3463 §3.5: X.4.7, delivery time expired. */
function expired(age: number, last: Attempt | undefined): Reply {
  const hours = Math.round(age / 3_600_000);
  const time = hours >= 48 ? `${Math.round(hours / 24)} days` : `${hours} hours`;
  const words = last === undefined ? "" : `; the last answer was: ${describeReply(last.reply)}`;
  return reply(451, "4.4.7", `could not be delivered within ${time}${words}`);
}

function attemptOf({ host, reply, tls }: Outcome, time: number): Attempt {
  return {
    time,
    ...(host !== undefined && { host }),
    reply: shorten(reply),
    ...(tls !== undefined && { tls }),
  };
}

/**
 * Characters of an answer that are remembered: ten for each of a thousand recipients must stay
 * small.
 */
const WORDS = 1000;

function shorten(answer: Reply): Reply {
  let room = WORDS;
  if (answer.lines.every((line) => (room -= line.length + 1) >= 0)) return answer;
  room = WORDS;
  const lines: string[] = [];
  for (const line of answer.lines) {
    lines.push(line.length <= room ? line : `${line.slice(0, room).toWellFormed()}…`);
    room -= line.length + 1;
    if (room <= 0) break;
  }
  return { ...answer, lines };
}

function remember(history: readonly Attempt[], attempt: Attempt): readonly Attempt[] {
  return history.length < HISTORY
    ? [...history, attempt]
    : [...history.slice(1 - HISTORY), attempt];
}

/**
 * The end of a round: what is owed to the sender, and what the queue keeps, where that is noted as
 * told. Asked again with the same entry, it says the same: so it is after a crash before its answer
 * was recorded.
 *
 * @example
 * ```ts
 * import { retrySchedules } from "./retry.ts";
 * import { conclude, settle } from "./settle.ts";
 * import { reply } from "../smtp/reply.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const address = { local: "bob", domain: "example.org" };
 * const entry = {
 *   id: "1", received: 0, headSize: 9, bodySize: 0, body: "7BIT" as const, smtputf8: false,
 *   requireTls: false, origin: { kind: "submit" as const }, sender: { ...address, local: "alice" },
 *   recipients: [{ address, status: "waiting" as const, next: 0, attempts: 0, history: [] }],
 * };
 * const context = { now: 1000, random: () => 0.5, scheduleFor: retrySchedules() };
 * const refused = { recipient: 0, status: "failed" as const, reply: reply(550, "5.1.1", "who?") };
 * const { next, notices } = conclude(settle(entry, [refused], context), context);
 * assertEquals(next, null);
 * assertEquals(notices, [{ kind: "failed", recipients: [0] }]);
 * ```
 */
export function conclude(
  entry: QueueEntry,
  { now, scheduleFor }: Pick<SettleContext, "now" | "scheduleFor">,
): Conclusion {
  const notices = noticesOwed(entry, now, scheduleFor);
  const done = entry.recipients.every(({ status }) => status !== "waiting");
  return { next: done ? null : noteNotices(gather(entry, now), notices), notices };
}

/** The part of its wait by which a recipient may be made to wait longer, to go with others. */
const PATIENCE = 1 / 4;

/**
 * Brings together what comes due at about the same time: parts of a round end minutes apart, and
 * without this a message to many domains would fall into as many rounds, with as many notices.
 */
function gather(entry: QueueEntry, now: number): QueueEntry {
  const times = entry.recipients
    .flatMap(({ status, next }) => status === "waiting" && next > now ? [next] : [])
    .sort((a, b) => a - b);
  const first = times[0];
  if (first === undefined || first === times.at(-1)) return entry;
  /** For each time the one to which it moves. */
  const moved = new Map<number, number>();
  for (let start = 0; start < times.length;) {
    const latest = times[start]! + (times[start]! - now) * PATIENCE;
    let end = start;
    while (end + 1 < times.length && times[end + 1]! <= latest) end++;
    for (let i = start; i <= end; i++) moved.set(times[i]!, times[end]!);
    start = end + 1;
  }
  const recipients = entry.recipients.map((recipient) => {
    const next = recipient.status === "waiting" ? moved.get(recipient.next) : undefined;
    return next === undefined || next === recipient.next ? recipient : { ...recipient, next };
  });
  return { ...entry, recipients };
}

/**
 * Whether two states of one entry differ in nothing but when to try next: nothing that must outlast a
 * crash.
 */
export function differOnlyInTime(before: QueueEntry, after: QueueEntry): boolean {
  return before.recipients.length === after.recipients.length &&
    before.recipients.every((was, index) => {
      const is = after.recipients[index]!;
      return was === is || (was.status === is.status && was.attempts === is.attempts &&
        was.history === is.history && was.noticed === is.noticed);
    });
}
