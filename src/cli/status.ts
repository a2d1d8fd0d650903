/**
 * `yizhan status`: how the running server is.
 *
 * @module
 */

import { ControlError, type JsonObject } from "../admin/control_protocol.ts";
import { isOutdated, type StationStatus } from "../admin/station_requests.ts";
import { formatVisible } from "../observe/visible_text.ts";
import { formatSocketAddress } from "../runtime/network.ts";
import type { Command, CommandLine } from "./command.ts";
import { findConfigFile } from "./config_file.ts";
import { CONTROL_FLAGS, formatControlJson, RunningServer } from "./control.ts";
import { countDropped, type DroppedMail, formatDropped } from "./dropped_mail.ts";
import { EXIT, type ExitCode, UsageError } from "./exit.ts";
import { thisRuntime } from "./machine.ts";

/** The command. */
export const status: Command = {
  name: "status",
  usage: "[--config FILE | --socket PATH] [--json]",
  description: [
    "Where the running server listens and how many are connected, how much mail waits in the queue and",
    "in the drop folder, how many clients are banned, whether its filters answer, when its certificates expire, and whether its configuration",
    "is the one in the file.",
    "",
    "Exit codes: 0 it runs, 69 no server runs there, 77 it is another user's.",
  ].join("\n"),
  flags: { ...CONTROL_FLAGS, json: { help: "Print JSON" } },
  examples: ["status", "status --config /etc/yizhan/yizhan.yaml --json"],
  run: runStatus,
};

async function runStatus(line: CommandLine, words: readonly string[]): Promise<ExitCode> {
  if (line.operands.length > 0) {
    throw new UsageError(`status takes flags only, not ${line.operands[0]}`);
  }
  const server = await RunningServer.find(line, words);
  try {
    let answer: JsonObject = {};
    await server.ask({ do: "status" }, ({ type: _, ...rest }) => {
      answer = rest;
    });
    const status = answer as unknown as StationStatus;
    const mail = status.queue === null ? null : await countMail(server);
    const dropped = await countDropped(server);
    if (line.has("json")) {
      console.log(formatControlJson({ ...withTimes(status), mail, drop: dropped }));
    } else {
      const changed = await changeOfFile(line);
      console.log(formatStatus(status, { now: Date.now(), mail, dropped, changed }));
    }
  } catch (error) {
    throw server.explain(error);
  }
  return EXIT.ok;
}

/** Times as all other JSON has them, such as 2026-11-23T05:26:31.310Z. */
function withTimes({ started, loaded, queue, certificates, ...rest }: StationStatus): JsonObject {
  const format = (milliseconds: number) => new Date(milliseconds).toISOString();
  return {
    ...rest,
    started: format(started),
    loaded: format(loaded),
    queue: queue && {
      ...queue,
      down: queue.down.map((one) => ({ ...one, until: format(one.until) })),
    },
    certificates: certificates.map(({ expires, acme, ...one }) => ({
      ...one,
      expires: format(expires),
      ...(acme && { acme: { ...acme, next: format(acme.next) } }),
    })),
  };
}

/** Messages in the queue that are counted: the look shall take no longer than a blink. */
const COUNTED = 1000;

/** What lies in the queue. */
export interface MailCount {
  readonly messages: number;
  /** There may be more. */
  readonly more: boolean;
}

/** `null` while one of several that serve cannot be asked: that it is being started again is what is to be told. */
async function countMail(server: RunningServer): Promise<MailCount | null> {
  try {
    const { shown, limited } = await server.ask({ do: "list", limit: COUNTED }, () => {});
    return { messages: Number(shown), more: limited === true };
  } catch (error) {
    if (error instanceof ControlError && error.code === "busy") return null;
    throw error;
  }
}

/** When the file of the configuration was changed, epoch milliseconds; `null` where that cannot be known. */
async function changeOfFile(line: CommandLine): Promise<number | null> {
  if (line.has("socket")) return null;
  const file = await findConfigFile(line);
  if (file === null) return null;
  const found = await thisRuntime().files.stat(file, { follow: true }).catch(() => null);
  return found?.modified ?? null;
}

/** What is known beside what the server says. Times are epoch milliseconds. */
export interface StatusFacts {
  readonly now: number;
  readonly mail: MailCount | null;
  /** What lies in the drop folder; `null` or absent: there is none, or it is not known. */
  readonly dropped?: DroppedMail | null;
  /** When the file of the configuration was changed; `null`: unknown. */
  readonly changed: number | null;
}

/** As a person reads it. */
export function formatStatus(
  status: StationStatus,
  { now, mail, dropped, changed }: StatusFacts,
): string {
  const { version, runtime, pid, hostname, config, started, loaded } = status;
  const stopping = status.stopping ? ", stopping" : "";
  return [
    `Yizhan ${version} (${runtime}) serves as ${hostname}: process ${pid}${stopping}`,
    `  up for ${spellSpan(now - started)}; configuration ${formatVisible(config, 200)}, read ` +
    `${spellSpan(now - loaded)} ago`,
    ...describeOutdated(status, changed),
    "",
    "Listeners:",
    ...formatListeners([...status.listeners.map(describeListener), ...describeMonitor(status)]),
    "",
    ...describeQueue(status, mail, now),
    ...describeDrop(dropped ?? null),
    ...describeWorkers(status),
    ...describePolicies(status),
    ...status.certificates.flatMap((one) => describeCertificate(one, now)),
  ].join("\n");
}

function describeCertificate(
  { file, expires, acme }: StationStatus["certificates"][number],
  now: number,
): string[] {
  const day = (time: number) => new Date(time).toISOString().slice(0, 10);
  const left = expires < now ? "expired" : `for ${spellSpan(expires - now)}`;
  const about = `Certificate ${formatVisible(file, 200)}`;
  if (acme === undefined) return [`${about}: until ${day(expires)}, ${left}.`];
  const { issued, trouble, next } = acme;
  const told = issued
    ? `${about}: until ${day(expires)}, ${left}; renewed about ${day(next)}.`
    : `${about}: signed by itself, until the authority gives one.`;
  if (trouble === undefined) return [told];
  const again = next <= now ? "tried again now" : `tried again in ${spellSpan(next - now)}`;
  return [told, `  the last order FAILED: ${formatVisible(trouble, 500)}; ${again}`];
}

function describeListener(
  { name, role, address, connections, listening }: StationStatus["listeners"][number],
): readonly [string, string, string] {
  const called = name === role ? role : `${formatVisible(name, 60)} (${role})`;
  const ending = listening ? "" : ", takes no more";
  return [called, formatSocketAddress(address), `${connections} connected${ending}`];
}

function describeMonitor(
  { monitor, web = [] }: StationStatus,
): (readonly [string, string, string])[] {
  const site = web.map((address) => ["site", formatSocketAddress(address), ""] as const);
  if (monitor === undefined) return site;
  return [["monitor", formatSocketAddress(monitor), ""], ...site];
}

/** Three columns. */
function formatListeners(rows: readonly (readonly [string, string, string])[]): string[] {
  const widest = (column: 0 | 1) => Math.max(0, ...rows.map((row) => row[column].length));
  const [names, places] = [widest(0), widest(1)];
  return rows.map(([name, place, rest]) =>
    `  ${name.padEnd(names)}  ${place.padEnd(places)}  ${rest}`.trimEnd()
  );
}

function describeOutdated(status: StationStatus, changed: number | null): string[] {
  if (status.reloadFailed !== undefined) {
    return [
      `  the last reload was refused: ${formatVisible(status.reloadFailed, 500)}`,
      "  what was in force stays; yizhan check, then yizhan reload",
    ];
  }
  if (!isOutdated(status, changed)) return [];
  return ["  the file has been changed since: yizhan check, then yizhan reload"];
}

function describeQueue({ queue }: StationStatus, mail: MailCount | null, now: number): string[] {
  if (queue === null) return ["No queue: mail only ends here."];
  const { running, waiting, down } = queue;
  const lying = mail === null
    ? ""
    : `${mail.messages}${mail.more ? " or more" : ""} ${
      mail.messages === 1 ? "message" : "messages"
    }, `;
  return [
    `Queue: ${lying}${running} ${
      running === 1 ? "delivery" : "deliveries"
    } under way, ${waiting} waiting for ` +
    `their turn${queue.paused ? "; paused" : ""}${queue.troubled ? "; CANNOT BE WRITTEN" : ""}.`,
    ...down.map(({ destination, until, reply }) =>
      `  ${formatVisible(destination, 100)} is out of reach, again in ${spellSpan(until - now)}: ` +
      formatVisible(`${reply.code} ${reply.lines.join(" ")}`, 200)
    ),
  ];
}

/** Where something waits: mostly it is taken at once. */
function describeDrop(dropped: DroppedMail | null): string[] {
  if (dropped === null || (dropped.waiting === 0 && !dropped.more)) return [];
  return [`Drop folder: ${formatDropped(dropped)} (the log says why, as drop.deferred).`];
}

/** Who serves beside the first, where anybody does: what is said above is of all. */
function describeWorkers({ workers }: StationStatus): string[] {
  if (workers === undefined) return [];
  const threads = workers.filter(({ state }) => state !== "leftover");
  const restarting = threads.filter(({ state }) => state === "restarting").map(({ name }) => name);
  const leftovers = workers.filter(({ state }) => state === "leftover").map(({ name }) => name);
  const ill = restarting.length === 0 ? "" : `; ${restarting.join(", ")} being started again`;
  const old = leftovers.length === 0 ? "" : `; delivering what was ${leftovers.join(", ")}`;
  return [`Workers: ${threads.length + 1}${ill}${old}.`];
}

/** Nothing of a server of a version that does not tell it. */
function describePolicies({ abuse, filters = [] }: StationStatus): string[] {
  const told = filters.flatMap(({ name, place, trouble, remedy }) => {
    const what = trouble === null ? "answers" : formatVisible(trouble, 500);
    return [
      `Filter ${formatVisible(name, 60)} at ${formatVisible(place, 200)}: ${what}.`,
      ...(remedy === undefined ? [] : [`  ${formatVisible(remedy, 500)}`]),
    ];
  });
  if (abuse === undefined) return told;
  const { banned, remembered, greylisting } = abuse;
  const bans = banned === null ? "bans are off" : `${banned} banned`;
  const entries = remembered === 1 ? "1 entry" : `${remembered} entries`;
  const grey = greylisting ? "on" : "off";
  return [
    `Strangers: ${bans}, greylisting is ${grey}; ${entries} of limits remembered.`,
    ...told,
  ];
}

/** `3 days`, `2 hours`, `5 min`, `10 s`: rounded down, unlike elsewhere, so that no more is told than there is. */
function spellSpan(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} hours` : `${Math.floor(hours / 24)} days`;
}
