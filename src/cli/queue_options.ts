/**
 * What `yizhan queue` is told on its command line, checked.
 *
 * @module
 */

import { type QueueFilter, queueMatcher, type QueueState } from "../queue/operator/queue_filter.ts";
import { QUEUE_STATES } from "../queue/operator/queue_filter.ts";
import type { CommandLine, Flag } from "./command.ts";
import { CONTROL_FLAGS } from "./control.ts";
import { UsageError } from "./exit.ts";
import { hintNearestName } from "../config/nearest_name.ts";

/** The flags of `queue`. */
export const QUEUE_FLAGS = {
  ...CONTROL_FLAGS,
  to: { value: "ADDRESS|DOMAIN", help: "Mail that is still to reach it" },
  from: { value: "ADDRESS|DOMAIN", help: "Mail with this sender; '<>' for notices" },
  state: { value: "STATE", help: `Mail in this state: ${QUEUE_STATES.join(", ")}` },
  all: { help: "All mail in the queue (retry, hold, release, remove)" },
  limit: { value: "COUNT", help: "Show no more than so many (list)" },
  message: { help: "Print the message itself, octet for octet (show)" },
  reason: { value: "TEXT", help: "Why, for whoever looks at the queue later (hold)" },
  bounce: { help: "Tell the sender that the message was not delivered (remove)" },
  json: { help: "Print JSON, an object a line" },
} satisfies Record<string, Flag>;

/** What `queue` shall do. */
export type QueueOptions = { readonly json: boolean } & QueueTask;

/** The verbs. */
export type QueueTask =
  | { readonly verb: "list"; readonly filter: QueueFilter; readonly limit?: number }
  | { readonly verb: "show"; readonly id: string; readonly message: boolean }
  | { readonly verb: "retry" | "release"; readonly which: QueueChoice }
  | { readonly verb: "hold"; readonly which: QueueChoice; readonly reason?: string }
  | { readonly verb: "remove"; readonly which: QueueChoice; readonly bounce: boolean };

/** Which messages; `filter` is empty for all. */
export type QueueChoice = { readonly ids: readonly string[] } | { readonly filter: QueueFilter };

const FILTERS = ["to", "from", "state"] as const;
const COMMON = ["config", "socket", "json"] as const;

/** The verbs, and which flags each of them takes beside the common ones. */
const VERBS = {
  list: [...FILTERS, "limit"],
  show: ["message"],
  retry: [...FILTERS, "all"],
  hold: [...FILTERS, "all", "reason"],
  release: [...FILTERS, "all"],
  remove: [...FILTERS, "all", "bounce"],
} satisfies Record<string, (keyof typeof QUEUE_FLAGS)[]>;

type Verb = keyof typeof VERBS;

/** @throws {UsageError} for the first thing that is missing or wrong. */
export function readQueueOptions(line: CommandLine): QueueOptions {
  const verb = readVerb(line);
  const task = readTask(verb, line);
  return { json: line.has("json"), ...task };
}

function readVerb(line: CommandLine): Verb {
  const [text] = line.operands;
  const verbs = Object.keys(VERBS) as Verb[];
  if (text === undefined) throw new UsageError(`queue wants one of ${verbs.join(", ")}`);
  const verb = verbs.find((one) => one === text);
  if (verb === undefined) {
    const hint = hintNearestName(text, verbs);
    throw new UsageError(`queue has no ${text}, only ${verbs.join(", ")}${hint}`);
  }
  const known: readonly string[] = [...COMMON, ...VERBS[verb]];
  const unknown = Object.keys(QUEUE_FLAGS).find((flag) => line.has(flag) && !known.includes(flag));
  if (unknown !== undefined) throw new UsageError(`queue ${verb} takes no --${unknown}`);
  return verb;
}

function readTask(verb: Verb, line: CommandLine): QueueTask {
  switch (verb) {
    case "list":
      return { verb, filter: readFilter(line), ...readLimit(line) };
    case "show":
      return { verb, id: readOneId(line), message: line.has("message") };
    case "hold": {
      const reason = line.value("reason");
      return { verb, which: readChoice(verb, line), ...(reason === undefined ? {} : { reason }) };
    }
    case "remove":
      return { verb, which: readChoice(verb, line), bounce: line.has("bounce") };
    case "retry":
    case "release":
      return { verb, which: readChoice(verb, line) };
  }
}

function readFilter(line: CommandLine): QueueFilter {
  if (line.operands.length > 1) {
    throw new UsageError(`queue ${line.operands[0]}: what is ${line.operands[1]} for?`);
  }
  const filter: QueueFilter = Object.fromEntries(
    FILTERS.flatMap((flag) => line.has(flag) ? [[flag, line.value(flag)]] : []),
  );
  if (filter.state !== undefined && !QUEUE_STATES.includes(filter.state as QueueState)) {
    const hint = hintNearestName(filter.state, QUEUE_STATES);
    const states = QUEUE_STATES.join(", ");
    throw new UsageError(`--state ${filter.state}: wanted one of ${states}${hint}`);
  }
  const matcher = queueMatcher(filter);
  if (!("wrong" in matcher)) return filter;
  const flag = matcher.wrong;
  throw new UsageError(
    `--${flag} ${filter[flag]}: wanted an address or a domain, such as example.org`,
  );
}

/** Ids, or a filter, or all: one of them, said outright. */
function readChoice(verb: Verb, line: CommandLine): QueueChoice {
  const ids = line.operands.slice(1);
  const filtered = FILTERS.some((flag) => line.has(flag));
  const all = line.has("all");
  if ([ids.length > 0, filtered, all].filter(Boolean).length > 1) {
    throw new UsageError(`queue ${verb}: give ids, or --to, --from and --state, or --all`);
  }
  if (ids.length > 0) return { ids: ids.map(readId) };
  if (filtered) return { filter: readFilter(line) };
  if (all) return { filter: {} };
  throw new UsageError(
    `queue ${verb} wants the ids of messages, or --to, --from, --state, or --all`,
  );
}

function readOneId(line: CommandLine): string {
  const [, id, extra] = line.operands;
  if (id === undefined) throw new UsageError("queue show wants the id of a message");
  if (extra !== undefined) {
    throw new UsageError(`queue show: one message at a time, not ${extra} too`);
  }
  return readId(id);
}

function readId(text: string): string {
  if (/^[\w-][\w.-]{0,99}$/.test(text)) return text;
  throw new UsageError(`${text} is no id of a message; yizhan queue list shows them`);
}

function readLimit(line: CommandLine): { readonly limit?: number } {
  const text = line.value("limit");
  if (text === undefined) return {};
  if (/^[1-9]\d{0,11}$/.test(text)) return { limit: Number(text) };
  throw new UsageError(`--limit ${text}: wanted a number of messages, at least 1`);
}
