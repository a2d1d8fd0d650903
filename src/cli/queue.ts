/**
 * `yizhan queue`: the mail that waits, seen and changed. It asks the running server over its control
 * socket; nothing is read from or written to the disk here.
 *
 * @module
 */

import process from "node:process";
import { ControlError, type ControlLine, type JsonObject } from "../admin/control_protocol.ts";
import type { QueueDetails, QueueSummary } from "../queue/operator/queue_view.ts";
import { concat, decode, encode } from "../bytes.ts";
import { formatSize, formatVisible } from "../observe/visible_text.ts";
import type { Command, CommandLine } from "./command.ts";
import { formatControlJson, RunningServer } from "./control.ts";
import { describeDropped } from "./dropped_mail.ts";
import { EXIT, type ExitCode } from "./exit.ts";
import {
  QUEUE_FLAGS,
  type QueueChoice,
  type QueueOptions,
  readQueueOptions,
} from "./queue_options.ts";
import {
  formatMessages,
  formatQueueDetails,
  formatQueueSummary,
  type QueueTextOptions,
} from "./queue_text.ts";
import { formatTextLine, MessagePrinter, StandardOutput } from "./standard_output.ts";
import { isColourful, isTerminal, say } from "./terminal.ts";

/** The command. */
export const queue: Command = {
  name: "queue",
  usage: "list|show|retry|hold|release|remove [ID]... [FLAGS]",
  description: [
    "list        the mail in the queue: id, age, size, sender and recipients, and what it waits for",
    "show ID     one message: its envelope, what became of each recipient, its head",
    "retry       try now, and forget which hosts were out of reach; what is named by its id is tried even",
    "            where the queue is paused (queue.paused)",
    "hold        no attempts until it is released",
    "release     the end of a hold: it is tried now, whenever it was due before",
    "remove      out of the queue for good; the sender is told only with --bounce",
    "",
    "The last four take ids, or a choice by --to, --from and --state, or --all. A message that is being",
    "delivered at the moment is waited for, for some seconds. All of them ask the running server; only",
    "the user it runs as, and root, may.",
    "",
    "Exit codes: 0 done, 64 wrong command line, 65 it makes no sense for a message, 66 no such message,",
    "69 no server runs there, 74 the server could not, 75 it is being delivered: try again.",
  ].join("\n"),
  flags: QUEUE_FLAGS,
  examples: [
    "queue list",
    "queue list --to example.org --json",
    "queue show kx3f9a01b2c3.1.1 --message >mail.eml",
    "queue retry --to example.org",
    "queue remove kx3f9a01b2c3.1.1 --bounce",
  ],
  run: runQueue,
};

/** Ids in one request; more are asked for in several. */
const IDS_AT_ONCE = 500;

async function runQueue(line: CommandLine, words: readonly string[]): Promise<ExitCode> {
  const options = readQueueOptions(line);
  const server = await RunningServer.find(line, words);
  const output = new StandardOutput();
  try {
    return await perform(server, options, output);
  } catch (error) {
    if (output.gone) return EXIT.ok; // such as `| head`: who reads has enough
    throw server.explain(error);
  }
}

async function perform(
  server: RunningServer,
  options: QueueOptions,
  output: StandardOutput,
): Promise<ExitCode> {
  switch (options.verb) {
    case "list":
      return await list(server, options, output);
    case "show":
      return await show(server, options, output);
    case "hold":
      return await change(server, options, { reason: options.reason }, output);
    case "remove":
      return await change(server, options, { bounce: options.bounce }, output);
    case "retry":
    case "release":
      return await change(server, options, {}, output);
  }
}

async function list(
  server: RunningServer,
  { json, filter, limit }: QueueOptions & { verb: "list" },
  output: StandardOutput,
): Promise<ExitCode> {
  const look = howToLook();
  const end = await server.ask({ do: "list", filter, limit }, (line) => {
    const entry = line as unknown as QueueSummary;
    output.print(json ? formatControlJson(line) : formatQueueSummary(entry, look));
  });
  if (json) return EXIT.ok;
  const { shown, octets, limited } = end as { shown: number; octets: number; limited: boolean };
  const all = Object.keys(filter).length === 0;
  if (shown > 0) {
    say(`${formatMessages(shown)}, ${formatSize(octets)}${limited ? "; there may be more" : ""}`);
  } else say(all ? "the queue is empty" : "the queue has no such mail");
  const dropped = all ? await describeDropped(server) : null;
  if (dropped !== null) say(dropped);
  return EXIT.ok;
}

async function show(
  server: RunningServer,
  { json, id, message }: QueueOptions & { verb: "show" },
  output: StandardOutput,
): Promise<ExitCode> {
  if (message) return await showMessage(server, id, output);
  const entries: ControlLine[] = [];
  const recipients: JsonObject[] = [];
  let head = "";
  await server.ask({ do: "show", id, message: json ? "none" : "head" }, (line) => {
    const { type, ...fields } = line;
    if (type === "entry") entries.push(line);
    else if (type === "recipient") recipients.push(fields);
    else if (type === "head") head = decode(Uint8Array.fromBase64(String(line.data)));
  });
  const [entry] = entries;
  if (entry === undefined) throw new ControlError("garbled", "the server's answer has no entry");
  const whole: ControlLine = { ...entry, recipients };
  if (json) {
    output.print(formatControlJson(whole));
    return EXIT.ok;
  }
  output.print(`${formatQueueDetails(whole as unknown as QueueDetails, howToLook())}\n`);
  for (const one of head.trimEnd().split("\n")) output.print(formatTextLine(one));
  return EXIT.ok;
}

/** The message itself, octet for octet. */
async function showMessage(
  server: RunningServer,
  id: string,
  output: StandardOutput,
): Promise<ExitCode> {
  const printer = new MessagePrinter(output);
  await server.ask({ do: "show", id, message: "whole" }, ({ type, data }) => {
    if (type !== "head" && type !== "body") return;
    const octets = Uint8Array.fromBase64(String(data));
    printer.write(type === "head" ? concat([octets, encode("\r\n")]) : octets);
  });
  printer.end();
  return EXIT.ok;
}

async function change(
  server: RunningServer,
  { json, verb, which }: QueueOptions & { which: QueueChoice },
  details: JsonObject,
  output: StandardOutput,
): Promise<ExitCode> {
  const counts: Record<string, number> = {};
  for (const part of inParts(which)) {
    await server.ask({ do: verb, ...part, ...details }, (line) => {
      counts[line.type] = (counts[line.type] ?? 0) + 1;
      output.print(json ? formatControlJson(line) : describeResult(verb, line));
    });
  }
  const { changed = 0, failed = 0, busy = 0, missing = 0, refused = 0 } = counts;
  const byId = "ids" in which;
  if (!json && !byId) say(`${formatMessages(changed)} ${PAST[verb]}`);
  if (failed > 0) return EXIT.ioError;
  if (busy > 0) return EXIT.temporary;
  if (missing > 0) return EXIT.noInput;
  // Of those that a filter found, some may well be of the wrong kind.
  return refused > 0 && byId ? EXIT.dataError : EXIT.ok;
}

function inParts(which: QueueChoice): QueueChoice[] {
  if (!("ids" in which)) return [which];
  const parts: QueueChoice[] = [];
  for (let at = 0; at < which.ids.length; at += IDS_AT_ONCE) {
    parts.push({ ids: which.ids.slice(at, at + IDS_AT_ONCE) });
  }
  return parts;
}

const PAST: Readonly<Record<string, string>> = {
  retry: "to be tried now",
  hold: "held",
  release: "released",
  remove: "removed",
};

function describeResult(verb: string, { type, id, reason }: ControlLine): string {
  const what = type === "changed"
    ? PAST[verb]!
    : type === "unchanged"
    ? `as it was: ${reason}`
    : `NOT ${PAST[verb]!}: ${reason}`;
  return `${formatVisible(String(id), 100)}  ${formatVisible(what, 1000)}`;
}

function howToLook(): QueueTextOptions {
  return {
    now: Date.now(),
    width: isTerminal("stdout") ? process.stdout.columns ?? 80 : Infinity,
    colour: isColourful("stdout"),
  };
}
