/**
 * Dates of messages and trace fields (RFC 5322 §3.3).
 *
 * @module
 */

import { lexStructured } from "./structured.ts";

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
const MINUTE = 60_000;

/** Hours from UTC (RFC 5322 §4.3). All other letters are as good as none. */
const ZONES: ReadonlyMap<string, number> = new Map([
  ["EST", -5],
  ["EDT", -4],
  ["CST", -6],
  ["CDT", -5],
  ["MST", -7],
  ["MDT", -6],
  ["PST", -8],
  ["PDT", -7],
]);

/**
 * Writes a date-time in UTC.
 *
 * @param time milliseconds since the Unix epoch.
 * @throws {RangeError} outside the years 1900 to 9999, which the format cannot say.
 *
 * @example
 * ```ts
 * import { formatDate } from "./date.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(formatDate(1709633472000), "Tue, 05 Mar 2024 10:11:12 +0000");
 * ```
 */
export function formatDate(time: number): string {
  const second = Math.floor(time / 1000);
  if (second !== last.second) last = { second, text: formatSecond(time) };
  return last.text;
}

/** Every message is dated, and most in the same second as the one before. */
let last = { second: NaN, text: "" };

function formatSecond(time: number): string {
  const date = new Date(time);
  const year = date.getUTCFullYear();
  if (!(year >= 1900 && year <= 9999)) throw new RangeError(`not a date for a message: ${time}`);
  const day = two(date.getUTCDate());
  const clock = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].map(two).join(":");
  return `${DAYS[date.getUTCDay()]}, ${day} ${MONTHS[date.getUTCMonth()]} ${year} ${clock} +0000`;
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}

/**
 * Reads a date-time: milliseconds since the Unix epoch, or `null`. Comments, missing seconds, short
 * years and zones by name are read too (RFC 5322 §4.3); the day of the week is not checked.
 *
 * @example
 * ```ts
 * import { parseDate } from "./date.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseDate("Tue, 5 Mar 2024 11:11:12 +0100 (CET)"), 1709633472000);
 * assertEquals(parseDate("yesterday"), null);
 * ```
 */
export function parseDate(text: string): number | null {
  if (text.length > 1000) return null;
  const lexemes = lexStructured(text);
  if (lexemes === null || lexemes.some((l) => l.kind === "quoted" || l.kind === "literal")) {
    return null;
  }
  const match = DATE_TIME.exec(lexemes.map((lexeme) => lexeme.text).join(" "));
  if (match === null) return null;
  const [, day, month = "", year = "", hour, minute, second, zone = ""] = match;
  const monthIndex = MONTHS.findIndex((name) => name.toLowerCase() === month.toLowerCase());
  const offset = parseZone(zone);
  const midnight = Date.UTC(fullYear(year), monthIndex, Number(day));
  // Date.UTC would take 30 February for 1 March.
  if (monthIndex === -1 || offset === null || new Date(midnight).getUTCDate() !== Number(day)) {
    return null;
  }
  if (fullYear(year) < 1900) return null;
  const [h, m, s] = [Number(hour), Number(minute), Number(second ?? 0)];
  if (h > 23 || m > 59 || s > 60) return null; // 60 is a leap second
  return midnight + (h * 60 + m - offset) * MINUTE + s * 1000;
}

/** Over lexemes with one space between. */
const DATE_TIME =
  /^(?:[A-Za-z]+ , )?(\d{1,2}) ([A-Za-z]{3}) (\d{2,4}) (\d{2}) : (\d{2})(?: : (\d{2}))? ([+-]\d{4}|[A-Za-z]{1,5})$/;

/** RFC 5322 §4.3: two digits are 1950 to 2049, three count from 1900. */
function fullYear(digits: string): number {
  const year = Number(digits);
  if (digits.length === 4) return year;
  return digits.length === 2 && year < 50 ? 2000 + year : 1900 + year;
}

/** Minutes from UTC. */
function parseZone(zone: string): number | null {
  if (/^[A-Za-z]/.test(zone)) return (ZONES.get(zone.toUpperCase()) ?? 0) * 60;
  const minutes = Number(zone.slice(3));
  if (minutes > 59) return null;
  const offset = Number(zone.slice(1, 3)) * 60 + minutes;
  return zone.startsWith("-") ? -offset : offset;
}
