/**
 * Events as lines of JSON, for machines. Nothing here fails.
 *
 * Every message makes some of these lines, so an event whose fields come in the order of the line is written
 * as it is; only others are put in order first. Those that every message makes are made in that order.
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
  const order = ORDERS.get(event.type);
  if (order === undefined || "next" in event || !isInOrder(event, order)) return reordered(event);
  const json = escapeJson(JSON.stringify(event));
  const time = formatTime(event.time);
  const facts = json.slice(1, json.lastIndexOf(',"time":'));
  return `{"time":${time === null ? null : `"${time}"`},${facts}}`;
}

/** The fields that events of a type were seen to have beside their time, in order. */
const ORDERS = new Map<string, readonly string[]>();

/** Whether the fields stand in order, and the time behind them: it is added when the event is told. */
function isInOrder(event: MtaEvent, order: readonly string[]): boolean {
  let at = 0;
  let last = "";
  for (const name in event) {
    if (last === "time") return false;
    last = name;
    if (name === "time") continue;
    while (order[at] !== name) if (++at >= order.length) return false;
  }
  return last === "time";
}

function reordered(event: MtaEvent): string {
  const { time, ...facts } = event;
  const fields: Readonly<Record<string, unknown>> = "next" in facts
    ? { ...facts, next: formatTime(facts.next) }
    : facts;
  const ordered: Record<string, unknown> = { time: formatTime(time) };
  for (const name of orderOf(event.type, fields)) {
    const value = fields[name];
    if (value !== undefined) ordered[name] = value;
  }
  return escapeJson(JSON.stringify(ordered));
}

function orderOf(type: string, fields: object): readonly string[] {
  const known = ORDERS.get(type) ?? [];
  const names = Object.keys(fields);
  if (names.every((name) => known.includes(name))) return known;
  const all = [...new Set([...known, ...names])];
  const order = all.sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
  ORDERS.set(type, order);
  return order;
}

/** The order of the fields; what is not named comes after, by name. */
const FIRST = ["type", "session", "message", "listener", "client", "identity", "sender"];

function rank(field: string): number {
  const at = FIRST.indexOf(field);
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
