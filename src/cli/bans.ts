/**
 * `yizhan bans`: clients that are not served for a while, seen and changed. It asks the running server over its
 * control socket.
 *
 * @module
 */

import { ControlError } from "../admin/control_protocol.ts";
import { duration } from "../config/fields.ts";
import { formatNetwork, networkOf, parseIp, parseNetwork } from "../net_address.ts";
import { formatSpan, formatVisible } from "../observe/visible_text.ts";
import type { Ban } from "../policy/abuse/ban_list.ts";
import type { Command, CommandLine } from "./command.ts";
import { CONTROL_FLAGS, formatControlJson, RunningServer } from "./control.ts";
import { CommandError, EXIT, type ExitCode, UsageError } from "./exit.ts";
import { StandardOutput } from "./standard_output.ts";
import { say, warn } from "./terminal.ts";

/** How long a ban is where nothing is said. */
const DEFAULT_DURATION = "1d";

/** The command. */
export const bans: Command = {
  name: "bans",
  usage: "list|add|remove [ADDRESS|NETWORK] [FLAGS]",
  description: [
    "list             who is banned, for how long still, and why",
    "add NETWORK      ban an address or a network from now on; sessions that are open end at their",
    "                 next command",
    "remove ADDRESS   end whatever ban the address is under, and forget what was counted against it;",
    "                 a NETWORK ends the ban of just that one",
    "",
    "Of an IPv6 address its /64 is meant, as wherever clients are counted. Networks that may relay",
    "(relay.from) and exempt ones (abuse.exempt), this machine among them, are served although they are",
    "in a network that is banned; to ban one of them alone is refused, since it would change nothing.",
    "",
    "Exit codes: 0 done, 64 wrong command line, 66 it is not banned, 69 no server runs there, 78 the",
    "configuration has it that the ban would change nothing.",
  ].join("\n"),
  flags: {
    ...CONTROL_FLAGS,
    for: { value: "DURATION", help: `How long, such as 30m or 7d (add); ${DEFAULT_DURATION}` },
    reason: { value: "TEXT", help: "Why, for whoever looks at the list later (add)" },
    json: { help: "Print JSON, an object a line" },
  },
  examples: [
    "bans list",
    "bans add 192.0.2.7 --for 7d",
    "bans add 2001:db8::/32 --reason 'floods us'",
    "bans remove 192.0.2.7",
  ],
  run: runBans,
};

async function runBans(line: CommandLine, words: readonly string[]): Promise<ExitCode> {
  const request = readRequest(line);
  const server = await RunningServer.find(line, words);
  const output = new StandardOutput();
  const json = line.has("json");
  try {
    const end = await server.ask(request, (answer) => {
      if (json) return output.print(formatControlJson(answer));
      if (answer.type === "removed") {
        return output.print(`${formatVisible(String(answer.network), 100)}  banned no more`);
      }
      output.print(formatBan(answer as unknown as Ban, Date.now()));
    });
    if (!json && request.do === "bans") sayHowItIs(Number(end.shown), end.off === true);
    return EXIT.ok;
  } catch (error) {
    if (output.gone) return EXIT.ok; // such as `| head`: who reads has enough
    if (error instanceof ControlError && error.code === "not-found") {
      throw new CommandError(EXIT.noInput, `${error.message}; yizhan bans list shows who is`);
    }
    throw server.explain(error);
  }
}

/** What a list does not show. */
function sayHowItIs(shown: number, off: boolean): void {
  const why = "bans are off (abuse.bans.enabled: false)";
  if (shown === 0) say(off ? `nobody is banned: ${why}` : "nobody is banned");
  else if (off) warn(`${why}: none of these holds`);
}

/** @throws {UsageError} for the first thing that is missing or wrong. */
function readRequest(line: CommandLine) {
  const [verb, network, more] = line.operands;
  if (verb === undefined) throw new UsageError("bans wants to know what: list, add or remove");
  if (more !== undefined) throw new UsageError(`bans ${verb} takes one network at a time`);
  if (verb !== "add") {
    for (const flag of ["for", "reason"]) {
      if (line.has(flag)) throw new UsageError(`--${flag} is for bans add only`);
    }
  }
  switch (verb) {
    case "list":
      if (network !== undefined) throw new UsageError("bans list takes no address");
      return { do: "bans" };
    case "add":
      return {
        do: "ban",
        network: readNetwork(verb, network),
        duration: readDuration(line.value("for") ?? DEFAULT_DURATION),
        reason: line.value("reason") ?? "",
      };
    case "remove":
      return { do: "unban", network: readNetwork(verb, network) };
    default:
      throw new UsageError(`bans has no ${verb}: list, add or remove`);
  }
}

function readNetwork(verb: string, text: string | undefined): string {
  const isOne = text !== undefined && (text.includes("/") ? parseNetwork(text) : parseIp(text));
  if (isOne) {
    const everybody = verb === "add" && parseNetwork(text)?.prefix === 0;
    if (everybody) throw new UsageError(`bans add ${text}: that would ban everybody`);
    return text;
  }
  const meant = text === undefined ? null : networkAround(text);
  if (meant !== null) {
    const [address] = text!.split("/");
    throw new UsageError(
      `bans ${verb} ${text}: bits of the host are set; the network is ${meant}, the host alone ${address}`,
    );
  }
  const found = text === undefined ? "" : `, not ${text}`;
  throw new UsageError(
    `bans ${verb} wants an address or a network, such as 192.0.2.7 or 192.0.2.0/24${found}`,
  );
}

/** The network that an address with a length lies in; `null`: it is no such thing. */
function networkAround(text: string): string | null {
  const [address = "", length = "", ...more] = text.split("/");
  if (more.length > 0 || parseIp(address) === null || !/^\d{1,3}$/.test(length)) return null;
  const prefix = Number(length);
  const network = networkOf(address, { ipv4: prefix, ipv6: prefix });
  return network?.prefix === prefix ? formatNetwork(network) : null;
}

function readDuration(text: string): number {
  const read = duration.safeParse(text);
  if (read.success && read.data >= 1000) return read.data;
  throw new UsageError(`--for ${text}: wanted a duration of 1s or more, such as 30m, 12h or 7d`);
}

function formatBan({ network, until, by, reason }: Ban, now: number): string {
  const left = formatSpan(Math.max(1000, until - now));
  const why = by === "operator" ? `by the operator${reason === "" ? "" : `: ${reason}`}` : reason;
  return `${formatVisible(network, 100)}  ${left}  ${formatVisible(why, 300)}`;
}
