/**
 * A line of an SMTP conversation, for people and for programs.
 *
 * @module
 */

import { type Paint, paintFor } from "../observe/paint.ts";
import type { TraceKind, TraceLine } from "../observe/trace_listener.ts";
import { escapeJson } from "../observe/visible_text.ts";

/**
 * One line for people: the time of day, the id of the session or message, who is at the other end, who speaks
 * (`C:` the client, `S:` the server, `--` nobody) and what is said.
 *
 * @example
 * ```ts
 * import { formatTraceLine } from "./trace_text.ts";
 * import { assertMatch } from "@std/assert";
 *
 * const line = formatTraceLine({
 *   time: 1_795_000_000_123,
 *   side: "in",
 *   id: "kx3f.1",
 *   peer: "192.0.2.7",
 *   kind: "command",
 *   text: "MAIL FROM:<a@b.test>",
 * }, { colour: false });
 * assertMatch(line, /:40\.123 kx3f\.1 from 192\.0\.2\.7 C: MAIL FROM:<a@b\.test>$/);
 * ```
 */
export function formatTraceLine(
  { time, side, id, peer, kind, text }: TraceLine,
  { colour }: { readonly colour: boolean },
): string {
  const paint = paintFor(colour);
  const who = `${formatTime(time)} ${id} ${side === "in" ? "from" : "to"} ${peer}`;
  return `${paint.dim(who)} ${SPEAKERS[kind]} ${paintText(paint, kind, text)}`;
}

/** The same as a line of JSON, with the time in ISO 8601. */
export function formatTraceJson({ time, ...rest }: TraceLine): string {
  return escapeJson(JSON.stringify({ time: new Date(time).toISOString(), ...rest }));
}

const SPEAKERS: Readonly<Record<TraceKind, string>> = {
  command: "C:",
  message: "C:",
  reply: "S:",
  opened: "--",
  closed: "--",
  tls: "--",
  note: "--",
};

function paintText(paint: Paint, kind: TraceKind, text: string): string {
  switch (kind) {
    case "reply":
      return text.startsWith("5")
        ? paint.bad(text)
        : text.startsWith("4")
        ? paint.warning(text)
        : text;
    case "note":
      return paint.warning(text);
    case "command":
      return text;
    default:
      return paint.dim(text);
  }
}

/** Local time, to the millisecond. */
function formatTime(time: number): string {
  const at = new Date(time);
  const digits = (value: number, length = 2) => `${value}`.padStart(length, "0");
  const seconds = `${digits(at.getSeconds())}.${digits(at.getMilliseconds(), 3)}`;
  return `${digits(at.getHours())}:${digits(at.getMinutes())}:${seconds}`;
}
