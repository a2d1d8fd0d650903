/**
 * `yizhan status`: how the running server is.
 *
 * @module
 */

import type { StationStatus } from "../admin/station_requests.ts";
import { formatVisible } from "../observe/visible_text.ts";
import { formatSocketAddress } from "../runtime/runtime.ts";
import { type Command, type CommandLine, formatTable } from "./command.ts";
import { CONTROL_FLAGS, formatControlJson, RunningServer } from "./control.ts";
import { EXIT, type ExitCode, UsageError } from "./exit.ts";

/** The command. */
export const status: Command = {
  name: "status",
  usage: "[--config FILE] [--json]",
  description: [
    "Where the running server listens and how many are connected, how much mail waits, when its",
    "certificates expire, and whether its configuration is the one in the file.",
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
    await server.ask({ do: "status" }, ({ type: _, ...answer }) => {
      const text = line.has("json")
        ? formatControlJson(answer)
        : formatStatus(answer as unknown as StationStatus, Date.now());
      console.log(text);
    });
  } catch (error) {
    throw server.explain(error);
  }
  return EXIT.ok;
}

/** As a person reads it; `now` in epoch milliseconds. */
export function formatStatus(status: StationStatus, now: number): string {
  const { version, runtime, pid, hostname, config, started, loaded } = status;
  const stopping = status.stopping ? ", stopping" : "";
  return [
    `Yizhan ${version} (${runtime}) serves as ${hostname}: process ${pid}${stopping}`,
    `  up for ${formatSpan(now - started)}; configuration ${formatVisible(config, 200)}, read ` +
    `${formatSpan(now - loaded)} ago`,
    ...status.reloadFailed === undefined
      ? []
      : [`  a newer configuration is not in force: ${formatVisible(status.reloadFailed, 500)}`],
    "",
    "Listeners:",
    ...formatTable(status.listeners.map(describeListener)),
    "",
    ...describeQueue(status, now),
    ...status.certificates.map(({ file, expires }) => {
      const day = new Date(expires).toISOString().slice(0, 10);
      const left = expires < now ? "expired" : `for ${formatSpan(expires - now)}`;
      return `Certificate ${formatVisible(file, 200)}: until ${day}, ${left}.`;
    }),
  ].join("\n");
}

function describeListener(
  { name, role, address, connections, listening }: StationStatus["listeners"][number],
): readonly [string, string] {
  const called = name === role ? role : `${formatVisible(name, 60)} (${role})`;
  const ending = listening ? "" : ", takes no more";
  return [`${called}  ${formatSocketAddress(address)}`, `${connections} connected${ending}`];
}

function describeQueue({ queue }: StationStatus, now: number): string[] {
  if (queue === null) return ["No queue: mail only ends here."];
  const { messages, running, waiting, down } = queue;
  return [
    `Queue: ${messages} messages at work, ${running} deliveries under way, ${waiting} wait for their turn` +
    `${queue.paused ? "; paused" : ""}${queue.troubled ? "; CANNOT BE WRITTEN" : ""}.`,
    ...down.map(({ destination, until, reply }) =>
      `  ${formatVisible(destination, 100)} is out of reach, again in ${
        formatSpan(until - now)
      }: ` +
      formatVisible(`${reply.code} ${reply.lines.join(" ")}`, 200)
    ),
  ];
}

/** `3 days`, `2 hours`, `5 min`, `10 s`: the largest unit, rounded down. */
function formatSpan(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} hours` : `${Math.floor(hours / 24)} days`;
}
