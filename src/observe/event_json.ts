/**
 * Events as lines of JSON, for machines. Nothing here fails.
 *
 * The few events that every session or every message makes are spelled out. That costs a third of what is done
 * for all others: to put their fields in order for `JSON.stringify()`, and to look through what it gives.
 *
 * @module
 */

import type { MtaEvent } from "../events.ts";
import { escapeJson } from "./visible_text.ts";

/**
 * One line of JSON, without its line end: `time` in ISO 8601 (UTC) and `type` first, then the ids that
 * join the lines of one mail, then the rest, always in the same order.
 *
 * @example
 * ```ts
 * import { formatEventJson } from "./event_json.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(
 *   formatEventJson({ address: "[::1]:25", listener: "mx", type: "listener.started", time: 0 }),
 *   '{"time":"1970-01-01T00:00:00.000Z","type":"listener.started","listener":"mx","address":"[::1]:25"}',
 * );
 * ```
 */
export function formatEventJson(event: MtaEvent): string {
  return formatUsual(event) ?? formatAny(event);
}

/** Events that every session or every message makes, their fields in the order of {@link orderOf}. */
function formatUsual(event: MtaEvent): string | null {
  switch (event.type) {
    case "message.accepted": {
      const { identity, recipients, tls } = event;
      return `${begin(event)},"session":"${text(event.session)}"` +
        `,"message":"${text(event.message)}","client":"${text(event.client)}"` +
        `,"identity":${textOrNull(identity)}` +
        `,"sender":"${text(event.sender)}","duration":${event.duration},"queued":${event.queued}` +
        `,"recipients":[${texts(recipients)}],"size":${event.size}` +
        `,"subject":"${text(event.subject)}","tls":${textOrNull(tls)}}`;
    }
    case "message.done":
      return `${begin(event)},"message":"${text(event.message)}","delivered":${event.delivered}` +
        `,"duration":${event.duration},"failed":${event.failed}}`;
    case "delivery.done": {
      const { session, reply, tls } = event;
      let line = begin(event);
      if (session !== undefined) line += `,"session":"${text(session)}"`;
      line += `,"message":"${text(event.message)}","destination":"${text(event.destination)}"`;
      if (event.duration !== undefined) line += `,"duration":${event.duration}`;
      line += `,"recipient":"${text(event.recipient)}"`;
      if (reply !== undefined) line += `,"reply":"${text(reply)}"`;
      if (tls !== undefined) line += `,"tls":"${text(tls)}"`;
      return event.took === undefined ? `${line}}` : `${line},"took":${event.took}}`;
    }
    case "session.opened":
      return `${begin(event)},"session":"${text(event.session)}"` +
        `,"listener":"${text(event.listener)}","client":"${text(event.client)}"}`;
    case "session.closed":
      return `${begin(event)},"session":"${text(event.session)}"` +
        `,"listener":"${text(event.listener)}","client":"${text(event.client)}"` +
        `,"duration":${event.duration},"messages":${event.messages}` +
        `,"reason":"${text(event.reason)}"}`;
    default:
      return null;
  }
}

function begin({ time, type }: MtaEvent): string {
  return `{"time":${textOrNull(formatTime(time))},"type":"${type}"`;
}

/** What stands between the quotes. */
function text(given: string): string {
  return HARMLESS.test(given) ? given : escapeJson(JSON.stringify(given)).slice(1, -1);
}

function textOrNull(given: string | null): string {
  return given === null ? "null" : `"${text(given)}"`;
}

function texts(given: readonly string[]): string {
  let listed = "";
  for (const one of given) listed += listed === "" ? `"${text(one)}"` : `,"${text(one)}"`;
  return listed;
}

/** What stands in JSON as it is. */
const HARMLESS = /^[ !#-[\]-~]*$/;

function formatAny(event: MtaEvent): string {
  const { time, ...facts } = event;
  const fields: Readonly<Record<string, unknown>> = "next" in facts
    ? { ...facts, next: formatTime(facts.next) }
    : facts;
  const ordered: Record<string, unknown> = { time: formatTime(time) };
  for (const name of orderOf(Object.keys(fields))) ordered[name] = fields[name];
  return escapeJson(JSON.stringify(ordered));
}

/** Orders found so far: events of one kind have the same fields, so there are few. */
const ORDERS = new Map<string, readonly string[]>();

function orderOf(names: readonly string[]): readonly string[] {
  const shape = names.join();
  let order = ORDERS.get(shape);
  if (order === undefined) {
    order = names.toSorted((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
    ORDERS.set(shape, order);
  }
  return order;
}

/** The order of the fields; what is not named comes after, by name. */
const FIRST = ["type", "session", "message", "listener", "client", "identity", "sender"];

function rank(name: string): number {
  const at = FIRST.indexOf(name);
  return at === -1 ? FIRST.length : at;
}

/** The second of the last event, up to its point: most are in the same second as the one before. */
let last = { second: NaN, text: "" };

/** In ISO 8601. A time that a Date cannot hold stands for "when somebody asks". */
function formatTime(time: number): string | null {
  if (!(Math.abs(time) <= 8.64e15)) return null;
  const whole = Math.trunc(time);
  const second = Math.floor(whole / 1000);
  if (second !== last.second) {
    last = { second, text: new Date(second * 1000).toISOString().slice(0, -4) };
  }
  const rest = whole - second * 1000;
  return `${last.text}${rest < 10 ? "00" : rest < 100 ? "0" : ""}${rest}Z`;
}
