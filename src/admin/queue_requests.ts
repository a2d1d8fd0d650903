/**
 * The queue over the control socket: requests read and checked, results written as lines.
 *
 * | `do` | fields | lines |
 * | --- | --- | --- |
 * | `list` | `filter`, `limit` | `entry`; the end has `shown`, `octets`, and `limited` where the limit ended it |
 * | `show` | `id`, `message`: `none`, `head` or `whole` | `entry`, a `recipient` for each, then `head` and `body` in base64 |
 * | `retry` `release` | `ids` or `filter` | `changed`, `unchanged`, `refused`, `busy`, `missing`, `failed` |
 * | `hold` | the same, `reason` | the same |
 * | `remove` | the same, `bounce` (switch) | the same |
 *
 * @module
 */

import { ControlError, type ControlLine, type JsonObject } from "./control_protocol.ts";
import type { ControlCommand } from "./control_server.ts";
import type { QueueChange } from "../queue/operator/queue_change.ts";
import type { QueueControl, QueueSelection } from "../queue/operator/queue_control.ts";
import {
  QUEUE_STATES,
  type QueueMatcher,
  queueMatcher,
  type QueueState,
} from "../queue/operator/queue_filter.ts";

/** Characters of a reason at most. */
const MAX_REASON = 500;

/** The commands of the queue, for a control server. */
export function queueCommands(control: QueueControl): Readonly<Record<string, ControlCommand>> {
  const changing =
    (read: (request: JsonObject) => QueueChange): ControlCommand => (request, signal) =>
      change(control, read(request), request, signal);
  return {
    list: (request, signal) => list(control, request, signal),
    show: (request, signal) => show(control, request, signal),
    retry: changing(() => ({ action: "retry" })),
    release: changing(() => ({ action: "release" })),
    hold: changing((request) => ({ action: "hold", reason: readReason(request) })),
    remove: changing((request) => ({ action: "remove", bounce: readSwitch(request, "bounce") })),
  };
}

async function* list(
  control: QueueControl,
  request: JsonObject,
  signal: AbortSignal,
): AsyncGenerator<ControlLine, JsonObject> {
  const matcher = readFilter(request.filter ?? {});
  const limit = readLimit(request.limit);
  let shown = 0;
  let octets = 0;
  for await (const entry of control.list(matcher, signal)) {
    yield { type: "entry", ...entry };
    shown++;
    octets += entry.size;
    // Whether there are more is not looked for: it could take as long as the whole list.
    if (shown === limit) return { shown, octets, limited: true };
  }
  return { shown, octets, limited: false };
}

async function* show(
  control: QueueControl,
  request: JsonObject,
  signal: AbortSignal,
): AsyncGenerator<ControlLine, JsonObject> {
  const id = readId(request.id);
  const details = await control.show(id);
  if (details === null) {
    throw new ControlError("not-found", `there is no message ${id} in the queue`);
  }
  // With all that became of them, some thousand recipients are more than a line may hold.
  const { recipients, ...rest } = details;
  yield { type: "entry", ...rest };
  for (const recipient of recipients) yield { type: "recipient", ...recipient };
  const parts = request.message ?? "none";
  if (parts === "none") return {};
  if (parts !== "head" && parts !== "whole") throw bad("message must be none, head or whole");
  const source = await control.open(id);
  yield { type: "head", data: source.head.toBase64() };
  if (parts === "head") return {};
  for await (const chunk of source.openBody()) {
    signal.throwIfAborted();
    yield { type: "body", data: chunk.toBase64() };
  }
  return {};
}

async function* change(
  control: QueueControl,
  wanted: QueueChange,
  request: JsonObject,
  signal: AbortSignal,
): AsyncGenerator<ControlLine, JsonObject> {
  const counts = { changed: 0, unchanged: 0, refused: 0, busy: 0, missing: 0, failed: 0 };
  for await (const { result, ...rest } of control.change(readSelection(request), wanted, signal)) {
    counts[result]++;
    yield { type: result, ...rest };
  }
  return counts;
}

function readSelection({ ids, filter }: JsonObject): QueueSelection {
  if (ids === undefined && filter !== undefined) return { matcher: readFilter(filter) };
  if (!Array.isArray(ids) || filter !== undefined) throw bad("give either ids or a filter");
  return { ids: ids.map(readId) };
}

function readFilter(value: unknown): QueueMatcher {
  if (typeof value !== "object" || value === null) throw bad("filter must be an object");
  const { to, from, state } = value as JsonObject;
  if (state !== undefined && !QUEUE_STATES.includes(state as QueueState)) {
    throw bad(`state must be one of ${QUEUE_STATES.join(", ")}`);
  }
  const matcher = queueMatcher({
    ...(to !== undefined && { to: readText(to, "to") }),
    ...(from !== undefined && { from: readText(from, "from") }),
    ...(state !== undefined && { state: state as QueueState }),
  });
  if ("wrong" in matcher) throw bad(`${matcher.wrong} is neither an address nor a domain`);
  return matcher;
}

function readLimit(value: unknown): number {
  if (value === undefined) return Infinity;
  if (Number.isSafeInteger(value) && (value as number) > 0) return value as number;
  throw bad("limit must be a whole number, at least 1");
}

function readId(value: unknown): string {
  // As an entry's id is defined: nothing else can be in the queue, or reach a file name.
  if (typeof value === "string" && /^[\w-][\w.-]{0,99}$/.test(value)) return value;
  throw bad("that is no id of a message in the queue");
}

function readReason({ reason }: JsonObject): string {
  const text = reason === undefined ? "by the operator" : readText(reason, "reason");
  if (text.length > MAX_REASON) throw bad(`reason must have at most ${MAX_REASON} characters`);
  return text;
}

function readSwitch(request: JsonObject, name: string): boolean {
  const value = request[name] ?? false;
  if (typeof value === "boolean") return value;
  throw bad(`${name} must be true or false`);
}

function readText(value: unknown, name: string): string {
  if (typeof value === "string") return value;
  throw bad(`${name} must be text`);
}

function bad(reason: string): ControlError {
  return new ControlError("bad-request", reason);
}
