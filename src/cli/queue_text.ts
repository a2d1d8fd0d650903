/**
 * The queue as text for people. Half of it was chosen by strangers: every string is made harmless, and what
 * is too long for the line is cut.
 *
 * @module
 */

import type { QueueDetails, QueueSummary, RecipientDetails } from "../queue/operator/queue_view.ts";
import { paintFor } from "../observe/paint.ts";
import { cutText, formatSize, formatSpan, formatVisible } from "../observe/visible_text.ts";

/** How it looks. */
export interface QueueTextOptions {
  /** Milliseconds since the epoch: ages and waits count from here. */
  readonly now: number;
  /** Columns of a line; `Infinity` where nothing is cut. */
  readonly width: number;
  /** Whether to use ANSI colours. */
  readonly colour: boolean;
}

/** Recipients named in a list; the rest are counted. */
const NAMED = 3;

const INDENT = "    ";

/**
 * A message in a list, in two lines: id, age, size, and who sends to whom; then what it waits for.
 *
 * @example
 * ```ts
 * import { formatQueueSummary } from "./queue_text.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const text = formatQueueSummary({
 *   id: "kx3f.1",
 *   state: "waiting",
 *   received: "2026-01-01T10:00:00.000Z",
 *   size: 1229,
 *   sender: "alice@a.test",
 *   recipients: ["bob@b.test"],
 *   recipientCount: 1,
 *   next: "2026-01-01T12:05:00.000Z",
 *   kept: false,
 *   attempts: 3,
 *   reason: "mx.b.test [192.0.2.1]:25: 451 4.7.1 Greylisted",
 * }, { now: Date.UTC(2026, 0, 1, 12), width: Infinity, colour: false });
 * assertEquals(text, [
 *   "kx3f.1                  2 h  1.2 KB  alice@a.test → bob@b.test",
 *   "    in 5 min, after 3 attempts: mx.b.test [192.0.2.1]:25: 451 4.7.1 Greylisted",
 * ].join("\n"));
 * ```
 */
export function formatQueueSummary(entry: QueueSummary, options: QueueTextOptions): string {
  const paint = paintFor(options.colour);
  const age = formatSpan(options.now - Date.parse(entry.received));
  const start = [
    formatVisible(entry.id, 100).padEnd(20),
    age.padStart(6),
    formatSize(entry.size).padStart(7),
  ].join(" ");
  const route = fit(formatRoute(entry), options.width - start.length - 2);
  const doing = fit(formatDoing(entry, options.now), options.width - INDENT.length);
  const shade = entry.state === "held" ? paint.warning : paint.dim;
  return `${start}  ${route}\n${INDENT}${shade(doing)}`;
}

/** A message in full, without its head and body. */
export function formatQueueDetails(entry: QueueDetails, options: QueueTextOptions): string {
  const { now } = options;
  const age = formatSpan(now - Date.parse(entry.received));
  const flags = [
    entry.body === "7BIT" ? "" : entry.body,
    entry.smtputf8 ? "SMTPUTF8" : "",
    entry.requireTls ? "REQUIRETLS" : "",
    entry.dsnReturn === null ? "" : `RET=${entry.dsnReturn}`,
    entry.dsnEnvelopeId === null ? "" : `ENVID=${entry.dsnEnvelopeId}`,
  ].filter((flag) => flag !== "");
  const state = entry.state === "held" && entry.held !== null
    ? `held since ${formatMoment(entry.held.since)}: ${entry.held.reason}`
    : entry.state === "active"
    ? "being delivered just now"
    : `waits${formatNext(entry, now)}`;
  const rows: [string, string][] = [
    ["Message", entry.id],
    ["State", state],
    ["Received", `${formatMoment(entry.received)}, ${age} ago${formatOrigin(entry)}`],
    ["Size", `${formatSize(entry.headSize)} head, ${formatSize(entry.bodySize)} body`],
    ...(flags.length === 0 ? [] : [["Asked for", flags.join(", ")] as [string, string]]),
    ["Sender", entry.sender === "" ? "<>" : entry.sender],
    ...(entry.junk === undefined ? [] : [["Junk", entry.junk] as [string, string]]),
  ];
  return [
    ...rows.map(([name, value]) => `${name.padEnd(10)} ${formatVisible(value, 1000)}`),
    ...entry.recipients.flatMap((one) => formatRecipient(one, options)),
  ].join("\n");
}

/** `3 messages`, `1 message`. */
export function formatMessages(count: number): string {
  return formatCount(count, "message");
}

function formatRecipient(recipient: RecipientDetails, { now, colour }: QueueTextOptions): string[] {
  const { address, status, attempts, history } = recipient;
  const paint = paintFor(colour);
  const wait = status === "waiting" ? formatNext(recipient, now) : "";
  const count = attempts === 0 ? "" : `, ${formatCount(attempts, "attempt")} so far`;
  const notes = [
    recipient.forwardedBy === null ? "" : `forwarded by ${recipient.forwardedBy}`,
    recipient.mailbox === null ? "" : `mailbox ${recipient.mailbox}`,
    recipient.notify === null ? "" : `NOTIFY=${recipient.notify.join(",")}`,
    recipient.noticed.length === 0 ? "" : `sender told: ${recipient.noticed.join(", ")}`,
  ].filter((note) => note !== "").map((note) => `${INDENT}${formatVisible(note, 1000)}`);
  const shade = status === "failed" ? paint.bad : status === "waiting" ? paint.warning : paint.good;
  return [
    `${"Recipient".padEnd(10)} ${formatVisible(address, 330)}  ${shade(status)}${wait}${count}`,
    ...notes,
    ...history.map(({ time, reply, host, tls }) => {
      const parts = [formatMoment(time), host ?? "", tls ?? "", reply].filter((part) =>
        part !== ""
      );
      return `${INDENT}${paint.dim(formatVisible(parts.join("  "), 1000))}`;
    }),
  ];
}

function formatRoute({ sender, recipients, recipientCount }: QueueSummary): string {
  const named = recipients.slice(0, NAMED).map((one) => formatVisible(one, 330));
  const more = recipients.length - named.length;
  const done = recipientCount - recipients.length;
  return [
    `${sender === "" ? "<>" : formatVisible(sender, 330)} → ${named.join(", ")}`,
    more > 0 ? `and ${more} more` : "",
    done > 0 ? `(${done} done)` : "",
  ].filter((part) => part !== "").join(" ");
}

function formatDoing(entry: QueueSummary, now: number): string {
  const { state, next, attempts, reason } = entry;
  const why = reason === null ? "" : `: ${formatVisible(reason, 1000)}`;
  if (state === "held") return `held${why}`;
  const after = attempts === 0 ? "" : `, after ${formatCount(attempts, "attempt")}`;
  if (state === "active") return `being delivered just now${after}${why}`;
  if (isUntilAsked(entry, now)) return `${formatUntilAsked(entry, now)}${after}`;
  return next === null ? `no attempt${after}${why}` : `${formatWait(next, now)}${after}${why}`;
}

/** When it is tried: of a message or a recipient that waits. */
type Next = Pick<QueueSummary, "next" | "kept">;

function formatNext(what: Next, now: number): string {
  if (isUntilAsked(what, now)) return ` ${formatUntilAsked(what, now)}`;
  return what.next === null ? "" : `, next attempt ${formatWait(what.next, now)}`;
}

/** An order may have made due what was kept. */
function isUntilAsked({ next, kept }: Next, now: number): boolean {
  return kept && next !== null && Date.parse(next) > now;
}

function formatUntilAsked({ next }: Next, now: number): string {
  return `until it is asked for (ETRN), ${formatSpan(Date.parse(next!) - now)} at most`;
}

function formatOrigin({ origin: { kind, session, client, identity } }: QueueDetails): string {
  switch (kind) {
    case "session":
      return [
        client === undefined ? "" : `, from ${client}`,
        identity === undefined ? "" : ` as ${identity}`,
        session === undefined ? "" : `, session ${session}`,
      ].join("");
    case "submit":
      return ", from a program";
    case "notice":
      return `, a notice${session === undefined ? "" : ` about ${session}`}`;
  }
}

function formatCount(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

function formatWait(next: string, now: number): string {
  const wait = Date.parse(next) - now;
  return wait <= 0 ? "due now" : `in ${formatSpan(wait)}`;
}

/** `2026-11-22 20:10:05`, local time. */
function formatMoment(time: string): string {
  const at = new Date(Date.parse(time));
  const two = (value: number) => `${value}`.padStart(2, "0");
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** Cut to the columns there are, but never to nothing: a terminal too narrow may wrap. */
function fit(text: string, columns: number): string {
  return cutText(text, Math.max(20, columns));
}
