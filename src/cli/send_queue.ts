/**
 * The queue for programs that know sendmail: printed like `mailq` does (`-bp`), and tried again (`-q`). Both ask
 * the running server over its control socket, like `yizhan queue`.
 *
 * @module
 */

import type { ControlLine } from "../admin/control_protocol.ts";
import { formatSize, formatVisible } from "../observe/visible_text.ts";
import type { QueueSummary } from "../queue/operator/queue_view.ts";
import type { CommandLine } from "./command.ts";
import { RunningServer } from "./control.ts";
import { describeDropped } from "./dropped_mail.ts";
import { EXIT, type ExitCode } from "./exit.ts";
import type { RetryChoice } from "./sendmail_flags.ts";
import { StandardOutput } from "./standard_output.ts";
import { say } from "./terminal.ts";

/** Prints the queue. */
export async function printQueue(line: CommandLine, words: readonly string[]): Promise<ExitCode> {
  const output = new StandardOutput();
  const server = await RunningServer.find(line, words);
  let count = 0;
  let octets = 0;
  try {
    await server.ask({ do: "list", filter: {} }, (answer: ControlLine) => {
      const entry = answer as unknown as QueueSummary;
      if (count++ === 0) output.print(HEADING);
      octets += entry.size;
      output.print(formatMailqEntry(entry));
    });
    output.print(
      count === 0
        ? "Mail queue is empty"
        : `-- ${formatSize(octets)} in ${count} request${count === 1 ? "" : "s"}.`,
    );
    // Aside: programs read what is printed.
    const dropped = await describeDropped(server);
    if (dropped !== null) say(dropped);
    return EXIT.ok;
  } catch (error) {
    if (output.gone) return EXIT.ok;
    throw server.explain(error);
  }
}

/** Makes mail due now, all or some. */
export async function retryQueue(
  line: CommandLine,
  words: readonly string[],
  { id, to, from }: RetryChoice,
): Promise<ExitCode> {
  const server = await RunningServer.find(line, words);
  const which = id !== undefined
    ? { ids: [id] }
    : { filter: { ...(to !== undefined && { to }), ...(from !== undefined && { from }) } };
  let missing = 0;
  try {
    await server.ask({ do: "retry", ...which }, ({ type }) => {
      if (type === "missing") missing++;
    });
    return missing > 0 ? EXIT.noInput : EXIT.ok;
  } catch (error) {
    throw server.explain(error);
  }
}

const HEADING =
  "-Queue ID-                  --Size-- ----Arrival Time---- -Sender/Recipient-------";

/**
 * An entry as programs that read `mailq` expect it: the id (`*` behind it while it is being delivered, `!` while
 * it is held), the size, the time and the sender; the reason; each recipient on a line; an empty line.
 */
export function formatMailqEntry(entry: QueueSummary): string {
  const { id, state, size, received, sender, recipients, reason } = entry;
  const mark = state === "active" ? "*" : state === "held" ? "!" : " ";
  const start = [
    `${formatVisible(id, 100)}${mark}`.padEnd(27),
    `${size}`.padStart(8),
    formatArrival(received),
  ].join(" ");
  const indent = " ".repeat(59);
  return [
    `${start}  ${sender === "" ? "MAILER-DAEMON" : formatVisible(sender, 330)}`,
    ...(reason === null ? [] : [`(${formatVisible(reason, 1000)})`]),
    ...recipients.map((recipient) => `${indent}${formatVisible(recipient, 330)}`),
    "",
  ].join("\n");
}

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/** `Thu Jan  1 10:00:00`, local time. */
function formatArrival(time: string): string {
  const at = new Date(Date.parse(time));
  const two = (value: number) => `${value}`.padStart(2, "0");
  const day = `${at.getDate()}`.padStart(2);
  const clock = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return `${DAYS[at.getDay()]} ${MONTHS[at.getMonth()]} ${day} ${clock}`;
}
