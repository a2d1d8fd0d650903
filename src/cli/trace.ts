/**
 * `yizhan trace`: SMTP conversations of the running server, followed while they go on. It asks over the
 * control socket, as `queue` does. Credentials and messages never come here: the server leaves them out.
 *
 * @module
 */

import { ControlError, type ControlLine } from "../admin/control_protocol.ts";
import { parseNetwork } from "../net_address.ts";
import type { TraceLine } from "../observe/trace_listener.ts";
import { formatVisible } from "../observe/visible_text.ts";
import type { Command, CommandLine } from "./command.ts";
import { CONTROL_FLAGS, RunningServer } from "./control.ts";
import { EXIT, type ExitCode, UsageError } from "./exit.ts";
import { StandardOutput } from "./standard_output.ts";
import { StopSignals } from "./stop_signals.ts";
import { isColourful, say } from "./terminal.ts";
import { formatTraceJson, formatTraceLine } from "./trace_text.ts";

/** The command. */
export const trace: Command = {
  name: "trace",
  usage: "--peer PEER|--message ID|--listener NAME|--all [FLAGS]",
  description: [
    "Shows what clients say to the server, and what it says to other servers, line by line and from now",
    "on: C: is the client, S: the server, -- is what happens to the connection. Each line begins with the",
    "time, the id of the session or message, and who is at the other end.",
    "",
    "Never shown: passwords and all else that is said to log in, whoever says it, and the messages",
    "themselves, of which only the size is told. The addresses of senders and recipients are.",
    "",
    "A message is followed by its id on all its ways from here (yizhan queue retry ID makes it go now); by",
    "the id of a session, what that session says, and every message it brought. Mail never waits for this",
    "command: where more is said than can be shown, lines are left out and counted. Ctrl-C ends it.",
    "",
    "Exit codes: 0 ended by Ctrl-C, --limit or --for, 64 wrong command line, 66 nothing has such an id,",
    "69 no server runs there, 75 it stopped, or too many follow already, 77 it is another user's.",
  ].join("\n"),
  flags: {
    peer: { value: "PEER", help: "With an IP address, a network (192.0.2.0/24), a host, or unix" },
    message: { value: "ID", help: "Of a message in the queue, or of an open session" },
    listener: { value: "NAME", help: "That come to this listener, such as mx" },
    all: { help: "All conversations" },
    limit: { value: "COUNT", help: "End after so many lines" },
    for: { value: "TIME", help: "End after this time, such as 30s, 5m or 1h" },
    ...CONTROL_FLAGS,
    json: { help: "Print JSON, an object a line" },
  },
  examples: [
    "trace --peer 192.0.2.7",
    "trace --peer mx.example.org --for 5m",
    "trace --message kx3f9a01b2c3.1.1",
    "trace --all --limit 100 --json",
  ],
  run: runTrace,
};

/** What is asked of the server. */
interface TraceRequest {
  readonly do: "trace";
  readonly [field: string]: string | number | boolean;
}

async function runTrace(line: CommandLine, words: readonly string[]): Promise<ExitCode> {
  const request = readRequest(line);
  const server = await RunningServer.find(line, words);
  const output = new StandardOutput();
  const view = new TraceView(output, line.has("json"));
  using signals = new StopSignals();
  const asked = server.ask(request, (one) => view.show(one));
  try {
    // Where Ctrl-C ends it the process ends, and with it the connection.
    await Promise.race([asked, signals.first]);
  } catch (error) {
    if (output.gone) return EXIT.ok; // such as `| head`: who reads has enough
    // What a name means only the server knows: that it means nothing is the command line's fault.
    const wrong = error instanceof ControlError && error.code === "bad-request";
    throw wrong ? new UsageError(error.message) : server.explain(error);
  } finally {
    asked.catch(() => {});
  }
  view.end();
  return EXIT.ok;
}

/** Prints what comes. */
class TraceView {
  readonly #output: StandardOutput;
  readonly #json: boolean;
  readonly #look = { colour: isColourful("stdout") };
  #shown = 0;
  #lost = 0;

  constructor(output: StandardOutput, json: boolean) {
    this.#output = output;
    this.#json = json;
  }

  show(line: ControlLine): void {
    switch (line.type) {
      case "following":
        return say(`Following ${formatVisible(String(line.text), 500)}. Ctrl-C ends it.`);
      case "lost":
        this.#lost += Number(line.lines);
        return say(`${formatLines(Number(line.lines))} left out: more is said than can be shown`);
      case "line": {
        const { type: _, ...rest } = line;
        const one = rest as unknown as TraceLine;
        this.#output.print(this.#json ? formatTraceJson(one) : formatTraceLine(one, this.#look));
        this.#shown++;
      }
    }
  }

  end(): void {
    const lost = this.#lost === 0 ? "" : `; ${formatLines(this.#lost)} left out`;
    say(`${formatLines(this.#shown)} shown${lost}`);
  }
}

function formatLines(count: number): string {
  return `${count} ${count === 1 ? "line" : "lines"}`;
}

const CHOICES = ["peer", "message", "listener", "all"] as const;

/** @throws {UsageError} */
function readRequest(line: CommandLine): TraceRequest {
  const [extra] = line.operands;
  if (extra !== undefined) {
    throw new UsageError(`trace takes flags only: what is ${extra}? ${guess(extra)}`);
  }
  const given = CHOICES.filter((flag) => line.has(flag));
  if (given.length === 0) {
    throw new UsageError("trace wants to know whom: --peer, --message, --listener or --all");
  }
  if (given.length > 1) {
    throw new UsageError(`trace takes one of ${given.map((flag) => `--${flag}`).join(" and ")}`);
  }
  return { do: "trace", ...readChoice(line), ...readLimit(line), ...readTime(line) };
}

function readChoice(line: CommandLine): Record<string, string | true> {
  const [peer, id, listener] = [line.value("peer"), line.value("message"), line.value("listener")];
  if (peer !== undefined) return { peer: readPeer(peer) };
  if (listener !== undefined) return { listener };
  if (id === undefined) return { all: true };
  if (/^[\w-][\w.-]{0,99}$/.test(id)) return { id };
  throw new UsageError(`--message ${id}: that is no id; yizhan queue list shows those of messages`);
}

function readPeer(peer: string): string {
  if (peer === "unix" || parseNetwork(peer) !== null) return peer;
  if (!peer.includes("/") && !/^[\d.]+$/.test(peer) && /^[^\s:@]+$/.test(peer)) return peer;
  const wanted = "an IP address, a network such as 192.0.2.0/24, a host name, or unix";
  throw new UsageError(`--peer ${peer}: wanted ${wanted}`);
}

function readLimit(line: CommandLine): { readonly limit?: number } {
  const text = line.value("limit");
  if (text === undefined) return {};
  if (/^[1-9]\d{0,11}$/.test(text)) return { limit: Number(text) };
  throw new UsageError(`--limit ${text}: wanted a number of lines, at least 1`);
}

/** As long as a conversation may be followed (milliseconds). */
const LONGEST = 7 * 86_400_000;

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function readTime(line: CommandLine): { readonly for?: number } {
  const text = line.value("for");
  if (text === undefined) return {};
  const [, amount, unit = ""] = /^([1-9]\d{0,5})([smhd])$/.exec(text) ?? [];
  const time = amount === undefined ? Infinity : Number(amount) * UNITS[unit]!;
  if (time <= LONGEST) return { for: time };
  throw new UsageError(`--for ${text}: wanted a time, such as 30s, 5m or 1h, at most 7d`);
}

function guess(operand: string): string {
  return parseNetwork(operand) === null ? "see --message and --peer" : `say --peer ${operand}`;
}
