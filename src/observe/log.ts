/**
 * Events as readable lines for a person at a terminal. (`event_json.ts` writes them for machines.)
 *
 * Half of what an event holds was chosen by strangers, so every string is made harmless first: control
 * characters (they drive terminals and forge lines), bidirectional and other format characters (they
 * make text read differently from what it is) and lone surrogates come out as escapes. What does not
 * fit a line is cut. Where the lines go is the caller's business; nothing here fails.
 *
 * @module
 */

import type { MtaEvent } from "../events.ts";
import { type Paint, paintFor } from "./paint.ts";
import { formatSize, formatSpan, formatVisible } from "./visible_text.ts";

/** How a readable line looks. */
export interface EventLineOptions {
  /** Whether to use ANSI colours. */
  readonly colour: boolean;
  /** The folder of the mailboxes; given, a delivery is shown as the folder where the mail lies. */
  readonly maildirRoot?: string;
}

/**
 * One line for a terminal, without its line end, or `null` where the event says nothing a person
 * watching needs (sessions that come and go, TLS, logins that work: the JSON has them). Times are
 * local.
 *
 * @example
 * ```ts
 * import { formatEventLine } from "./log.ts";
 * import { assertMatch } from "@std/assert";
 *
 * const line = formatEventLine({
 *   time: 1_795_000_000_000,
 *   type: "message.accepted",
 *   session: "kx3f",
 *   message: "kx3f.1",
 *   client: "192.0.2.7",
 *   identity: null,
 *   sender: "alice@a.test",
 *   recipients: ["bob@b.test"],
 *   size: 1229,
 *   subject: "Hello",
 *   tls: "TLSv1.3",
 *   duration: 12,
 *   queued: 0,
 * }, { colour: false });
 * assertMatch(line!, /✉ alice@a\.test → bob@b\.test {2}"Hello" {2}1\.2 KB {2}TLSv1\.3 {2}kx3f\.1$/);
 * ```
 */
export function formatEventLine(
  event: MtaEvent,
  options: EventLineOptions = { colour: false },
): string | null {
  const paint = paintFor(options.colour);
  const shown = describe(event, paint, options);
  return shown === null ? null : `${paint.dim(formatTimeOfDay(event.time))}  ${shown}`;
}

/**
 * {@link formatEventLine} with one line for each mail, which ends in where the mail lies: deliveries are
 * held back until the message they belong to is accepted. That is their order, since 250 is said only
 * when all copies are safe. Lines bear the time of day, so the first of another day has one above it that
 * tells the date.
 *
 * @example
 * ```ts
 * import { EventLines } from "./log.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const lines = new EventLines({ colour: false, maildirRoot: "mail" });
 * const delivered = lines.format({
 *   time: 1_795_000_000_000,
 *   type: "delivery.done",
 *   session: "kx3f",
 *   message: "kx3f.1",
 *   recipient: "bob@b.test",
 *   destination: "maildir:b.test/bob",
 * });
 * assertEquals(delivered, null); // the line comes with "message.accepted"
 * ```
 */
export class EventLines {
  readonly #options: EventLineOptions;
  /** Where copies of messages not yet accepted lie, by message. */
  readonly #destinations = new Map<string, string[]>();
  /** The day of the last line: when it began, in local time. */
  #day: number | null = null;

  /** @param options how the lines look. */
  constructor(options: EventLineOptions) {
    this.#options = options;
  }

  /** The line for an event, or `null` for none. */
  format(event: MtaEvent): string | null {
    if (event.type === "delivery.done" && event.session !== undefined && this.#hold(event)) {
      return null; // what the queue delivers comes after
    }
    const line = formatEventLine(event, this.#options);
    return line === null ? null : this.#dated(event.time, this.#withPlace(event, line));
  }

  /** A day that has come since the last line is told first, on a line of its own. */
  #dated(time: number, line: string): string {
    const day = new Date(time).setHours(0, 0, 0, 0);
    const isNew = this.#day !== null && this.#day !== day;
    this.#day = day;
    return isNew
      ? `${paintFor(this.#options.colour).dim(`— ${formatDate(time)} —`)}\n${line}`
      : line;
  }

  #withPlace(event: MtaEvent, line: string): string {
    if (!("message" in event) || event.message === undefined || BESIDE.has(event.type)) return line;
    const destinations = this.#destinations.get(event.message);
    this.#destinations.delete(event.message);
    if (event.type !== "message.accepted" || destinations === undefined) return line;
    const [first = "", ...rest] = destinations;
    const more = rest.length === 0 ? "" : ` and ${rest.length} more`;
    return `${line}  in ${formatVisible(locate(first, this.#options.maildirRoot), REASON)}${more}`;
  }

  /** Whether there was room to wait for the message. */
  #hold({ message, destination }: { message: string; destination: string }): boolean {
    const held = this.#destinations.get(message);
    if (held === undefined && this.#destinations.size >= MAX_HELD) return false;
    this.#destinations.set(message, [...held ?? [], destination]);
    return true;
  }
}

function formatDate(time: number): string {
  const at = new Date(time);
  const two = (value: number) => `${value}`.padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

/** What may be told of a message while it is being taken. */
const BESIDE: ReadonlySet<string> = new Set(["queue.trouble", "relay.trouble", "internal.error"]);

/** Messages whose deliveries are held back at once. */
const MAX_HELD = 10_000;

function formatTimeOfDay(time: number): string {
  const at = new Date(time);
  const two = (value: number) => `${value}`.padStart(2, "0");
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** Longest pieces of a readable line, in characters. */
const ADDRESS = 100;
const TEXT = 80;
const REASON = 240;

/** Recipients named in a readable line; the rest are counted. */
const NAMED_RECIPIENTS = 3;

function describe(event: MtaEvent, paint: Paint, options: EventLineOptions): string | null {
  switch (event.type) {
    case "message.accepted": {
      const { identity, subject, size, tls } = event;
      return joinColumns(`${paint.good("✉")} ${route(event.sender, event.recipients)}`, [
        `"${formatVisible(subject, TEXT)}"`,
        formatSize(size),
        tls === null ? "" : formatVisible(tls, TEXT),
        identity === null ? "" : `as ${formatVisible(identity, ADDRESS)}`,
        paint.dim(formatVisible(event.message, TEXT)),
      ]);
    }
    case "delivery.done":
      return joinColumns(`${paint.dim("↳")} ${formatVisible(event.recipient, ADDRESS)}`, [
        formatVisible(locate(event.destination, options.maildirRoot), REASON),
        paint.dim(formatVisible(event.message, TEXT)),
      ]);
    case "message.authenticated": {
      const { from, spf, spfDomain, dkim, dmarc, policy, disposition } = event;
      // What passes, or is nobody's to judge, is in the JSON.
      if (dmarc !== "fail" && disposition === "accept") return null;
      return joinColumns(`${paint.warning("⚑")} from ${formatVisible(from.join(", "), ADDRESS)}`, [
        paint.warning(`DMARC ${dmarc}${policy === null ? "" : `, p=${policy}`}: ${disposition}`),
        formatVisible(`SPF ${spf} for ${spfDomain}, DKIM ${dkim}`, REASON),
        formatVisible(event.client, TEXT),
        paint.dim(formatVisible(event.message, TEXT)),
      ]);
    }
    case "message.refused":
      return refusal(paint, route(event.sender, event.recipients), event.reply, [
        event.policy === undefined ? "" : `by ${formatVisible(event.policy, TEXT)}`,
        formatVisible(event.client, TEXT),
        paint.dim(formatVisible(event.message, TEXT)),
      ]);
    case "command.refused": {
      const about = event.address === undefined ? "" : ` ${formatVisible(event.address, ADDRESS)}`;
      const from = event.sender === undefined ? "" : `from ${formatVisible(event.sender, ADDRESS)}`;
      return refusal(paint, `${formatVisible(event.stage, TEXT)}${about}`, event.reply, [
        from,
        event.identity === undefined ? "" : `as ${formatVisible(event.identity, ADDRESS)}`,
        event.policy === undefined ? "" : `by ${formatVisible(event.policy, TEXT)}`,
        formatVisible(event.client, TEXT),
      ]);
    }
    case "message.discarded":
      return joinColumns(`${paint.warning("∅")} ${route(event.sender, event.recipients)}`, [
        `discarded by ${formatVisible(event.policy, TEXT)}: ${formatVisible(event.reason, REASON)}`,
        paint.dim(formatVisible(event.message, TEXT)),
      ]);
    case "delivery.failed":
      return refusal(paint, formatVisible(event.recipient, ADDRESS), event.reply, [
        formatVisible(withoutClass(event.error ?? event.host ?? ""), REASON),
        paint.dim(formatVisible(event.message, TEXT)),
      ]);
    case "delivery.deferred": {
      const reason = formatVisible(event.reply, REASON);
      const wait = formatWait(event.next - event.time);
      return joinColumns(`${paint.warning("…")} ${formatVisible(event.recipient, ADDRESS)}`, [
        paint.warning(`${reason}, again ${wait}`),
        event.host === undefined ? "" : formatVisible(event.host, TEXT),
        paint.dim(formatVisible(event.message, TEXT)),
      ]);
    }
    case "message.queued":
      return joinColumns(`${paint.good("✉")} ${route(event.sender, event.recipients)}`, [
        event.notice === undefined ? "" : `notice: ${formatVisible(event.notice, TEXT)}`,
        formatSize(event.size),
        paint.dim(formatVisible(event.message, TEXT)),
      ]);
    case "notice.dropped":
      return joinColumns(`${paint.warning("∅")} ${formatVisible(event.message, TEXT)}`, [
        `notice dropped: ${formatVisible(event.reason, REASON)}`,
      ]);
    case "queue.changed":
      return joinColumns(`${paint.dim("⚑")} ${formatVisible(event.message, TEXT)}`, [event.action]);
    case "queue.started":
      return joinColumns(`${paint.dim("≡")} ETRN ${formatVisible(event.domain, ADDRESS)}`, [
        formatVisible(event.client, TEXT),
      ]);
    case "queue.opened":
      return event.messages === 0 ? null : joinColumns(
        `${paint.dim("≡")} ${formatVisible(event.path, TEXT)}`,
        [event.messages === 1 ? "1 message waits" : `${event.messages} messages wait`],
      );
    case "queue.damaged":
      return warning(paint, event.path, `damaged: ${event.reason}${keptAt(event.kept)}`);
    case "queue.trouble":
      return warning(paint, event.where, withoutClass(event.error));
    case "relay.trouble":
      return warning(paint, event.host, withoutClass(event.error));
    case "auth.failed":
      return refusal(paint, `login ${formatVisible(event.identity, ADDRESS)}`, event.reason, [
        formatVisible(event.mechanism, TEXT),
        formatVisible(event.client, TEXT),
      ]);
    case "session.refused":
      return refusal(paint, formatVisible(event.client, TEXT), event.reason, []);
    case "client.banned":
      return warning(
        paint,
        event.client,
        `banned for ${formatSpan(event.duration)}: ${event.reason}`,
      );
    case "session.fault":
      return warning(paint, event.client, `${event.kind}: ${event.detail}`);
    case "tls.failed":
      return warning(paint, event.client, `TLS: ${withoutClass(event.error)}`);
    case "station.reloaded":
      return joinColumns(`${paint.good("↻")} reloaded`, [
        event.started.length === 0
          ? ""
          : `listening on ${formatVisible(event.started.join(", "), REASON)}`,
        event.stopped.length === 0
          ? ""
          : `no more on ${formatVisible(event.stopped.join(", "), REASON)}`,
      ]);
    case "station.reload-failed":
      return warning(paint, "reload refused", event.error.replace(/^\w*Error: /, ""));
    case "listener.trouble":
      return warning(paint, event.listener, withoutClass(event.error));
    case "drop.deferred":
      return joinColumns(`${paint.warning("…")} ${formatVisible(event.file, TEXT)}`, [
        paint.warning(
          `${formatVisible(event.reply, REASON)}, again ${formatWait(event.next - event.time)}`,
        ),
        formatOwner(event),
      ]);
    case "drop.refused":
      return refusal(
        paint,
        formatVisible(event.file, TEXT),
        `${event.reason}${keptAt(event.kept)}`,
        [formatOwner(event)],
      );
    case "drop.trouble":
      return warning(paint, event.where, withoutClass(event.error));
    case "account.limited": {
      const { identity, limit, count, per, client } = event;
      const reached = `has reached its limit of ${limit} (${count} in ${hoursOf(per)})`;
      const advice = "if that is not its owner, change its password; else give it a higher limit";
      return warning(paint, identity, `${reached}, last from ${client}: ${advice}`);
    }
    case "report.sent": {
      const about = `report of ${event.kind} for ${event.domain} on ${event.day}`;
      if (event.targets.length === 0) return warning(paint, about, event.troubles.join("; "));
      return joinColumns(`${paint.dim("⚑")} ${formatVisible(about, TEXT)}`, [
        `to ${formatVisible(event.targets.join(", "), REASON)}`,
      ]);
    }
    case "policy.failed":
      return warning(paint, `policy ${event.policy}`, `${event.stage}: ${event.error}`);
    case "internal.error":
      return `${paint.bad("!")} ${paint.bad(formatVisible(event.where, TEXT))}: ${
        formatVisible(withoutClass(event.error), REASON)
      }`;
    case "listener.started":
    case "listener.stopped":
    case "session.opened":
    case "session.closed":
    case "tls.started":
    case "auth.succeeded":
    case "message.done":
    case "drop.taken":
      return null;
  }
}

/** `in 40 s`, `in 5 min`, `in 3 h`, `now`. */
function formatWait(milliseconds: number): string {
  return milliseconds <= 0 ? "now" : `in ${formatSpan(Math.max(1000, milliseconds))}`;
}

/** Whose a dropped file was. */
function formatOwner({ uid, user }: { readonly uid?: number; readonly user: string | null }) {
  if (uid === undefined) return "";
  return user === null ? `of user ${uid}` : `of ${formatVisible(user, TEXT)} (user ${uid})`;
}

function keptAt(path: string | undefined): string {
  return path === undefined ? "" : `; kept as ${path}`;
}

/** What the machine said, without the name of our class for it, which tells a reader nothing. */
function withoutClass(error: string): string {
  return error.replace(/^SystemError: /, "").replace(
    /^TLS handshake failed: /,
    "handshake failed: ",
  );
}

/** `alice@a.test → bob@b.test, carol@c.test +7`; the null sender is `<>`. */
function route(sender: string, recipients: readonly string[]): string {
  const named = recipients.slice(0, NAMED_RECIPIENTS).map((r) => formatVisible(r, ADDRESS));
  const more = recipients.length - named.length;
  const from = sender === "" ? "<>" : formatVisible(sender, ADDRESS);
  return `${from} → ${named.join(", ")}${more > 0 ? ` +${more}` : ""}`;
}

function refusal(paint: Paint, what: string, why: string, rest: readonly string[]): string {
  return joinColumns(`${paint.bad("✗")} ${what}`, [paint.bad(formatVisible(why, REASON)), ...rest]);
}

function warning(paint: Paint, who: string, what: string): string {
  return joinColumns(`${paint.warning("!")} ${formatVisible(who, TEXT)}`, [
    paint.warning(formatVisible(what, REASON)),
  ]);
}

/** `maildir:DOMAIN/USER` as the folder new mail is in; other destinations as they are. */
function locate(destination: string, maildirRoot: string | undefined): string {
  const scheme = "maildir:";
  if (maildirRoot === undefined || !destination.startsWith(scheme)) return destination;
  return `${maildirRoot}/${destination.slice(scheme.length)}/new`;
}

function joinColumns(first: string, rest: readonly string[]): string {
  return [first, ...rest.filter((column) => column !== "")].join("  ");
}

/** `24 h`, or `30 min`. */
function hoursOf(milliseconds: number): string {
  const minutes = Math.round(milliseconds / 60_000);
  return minutes % 60 === 0 ? `${minutes / 60} h` : `${minutes} min`;
}
