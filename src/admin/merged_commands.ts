/**
 * The commands of several stations that work as one: asked of all, and answered as if there were one queue. A
 * message is in one of them; who asks for it by its id need not know in which.
 *
 * What fails: an error of one is that of the whole answer, as when one cannot be asked just now; what was
 * already said stays said.
 *
 * @module
 */

import { ControlError, type ControlLine, type JsonObject } from "./control_protocol.ts";
import type { ControlCommand } from "./control_server.ts";

type Answer = AsyncGenerator<ControlLine, JsonObject, void>;

/** What changes entries of the queue. */
const CHANGES = ["retry", "release", "hold", "remove"];

/** How commands are merged, by their names; all others are those of the first alone. */
const MERGED: Readonly<
  Record<
    string,
    (asks: readonly ControlCommand[], request: JsonObject, signal: AbortSignal) => Answer
  >
> = {
  list,
  show,
  trace,
  ...Object.fromEntries(CHANGES.map((name) => [name, change])),
};

/**
 * The commands of one station, of which those that are about mail and sessions are asked of the others too.
 *
 * @param own its own. @param others asks each of the others there are when a request comes.
 */
export function mergedCommands(
  own: Readonly<Record<string, ControlCommand>>,
  others: () => readonly ControlCommand[],
): Readonly<Record<string, ControlCommand>> {
  const merge = ([name, command]: [string, ControlCommand]): [string, ControlCommand] => {
    const merged = MERGED[name];
    if (merged === undefined) return [name, command];
    return [name, (request, signal) => merged([command, ...others()], request, signal)];
  };
  return Object.fromEntries(Object.entries(own).map(merge));
}

async function* list(
  asks: readonly ControlCommand[],
  request: JsonObject,
  signal: AbortSignal,
): Answer {
  let [shown, octets] = [0, 0];
  for (const ask of asks) {
    // The first sees the request as it is, and refuses what is wrong with it.
    const limit = typeof request.limit === "number" ? { limit: request.limit - shown } : {};
    const end = yield* ask({ ...request, ...limit }, signal);
    shown += Number(end.shown);
    octets += Number(end.octets);
    if (end.limited === true) return { shown, octets, limited: true };
  }
  return { shown, octets, limited: false };
}

async function* show(
  asks: readonly ControlCommand[],
  request: JsonObject,
  signal: AbortSignal,
): Answer {
  let missing: unknown;
  for (const ask of asks) {
    try {
      return yield* ask(request, signal);
    } catch (error) {
      // It may have gone while it was shown: then no other has it either.
      if (!isNotFound(error)) throw error;
      missing ??= error;
    }
  }
  throw missing;
}

async function* change(
  asks: readonly ControlCommand[],
  request: JsonObject,
  signal: AbortSignal,
): Answer {
  const counts: Record<string, number> = {};
  let ids = request.ids;
  for (const [index, ask] of asks.entries()) {
    const isLast = index === asks.length - 1;
    const missing: unknown[] = [];
    const lines = ask({ ...request, ...(ids !== undefined && { ids }) }, signal);
    for await (const line of lines) {
      if (line.type === "missing" && !isLast) missing.push(line.id);
      else {
        counts[line.type] = (counts[line.type] ?? 0) + 1;
        yield line;
      }
    }
    if (ids === undefined) continue;
    if (missing.length === 0) break;
    ids = missing;
  }
  return { changed: 0, unchanged: 0, refused: 0, busy: 0, missing: 0, failed: 0, ...counts };
}

/** All at once: lines come as they are said. */
async function* trace(
  asks: readonly ControlCommand[],
  request: JsonObject,
  signal: AbortSignal,
): Answer {
  const enough = new AbortController();
  const all = AbortSignal.any([signal, enough.signal]);
  const running = new Map(asks.map((ask) => {
    const lines = ask(request, all);
    return [lines, nextOf(lines)] as const;
  }));
  const counts = { shown: 0, lost: 0 };
  let following = false;
  let missing: unknown;
  try {
    while (running.size > 0) {
      const { lines, next, error } = await Promise.race(running.values());
      if (next === undefined) {
        // An id that one of them knows need not be known to the others.
        if (!isNotFound(error)) throw error;
        missing ??= error;
        running.delete(lines);
      } else if (next.done) running.delete(lines);
      else {
        running.set(lines, nextOf(lines));
        const line = next.value;
        if (line.type === "following" && following) continue;
        if (line.type === "following") following = true;
        if (line.type === "lost") counts.lost += Number(line.lines);
        yield line;
        if (line.type === "line" && ++counts.shown === request.limit) return counts;
      }
    }
  } finally {
    enough.abort();
    await Promise.all(running.keys().map((lines) => lines.return({}).catch(() => {})));
  }
  if (!following) throw missing;
  return counts;
}

/** What comes next, or why nothing does. Never rejects. */
function nextOf(lines: Answer) {
  return lines.next().then(
    (next) => ({ lines, next, error: undefined }),
    (error: unknown) => ({ lines, next: undefined, error }),
  );
}

function isNotFound(error: unknown): boolean {
  return error instanceof ControlError && error.code === "not-found";
}
