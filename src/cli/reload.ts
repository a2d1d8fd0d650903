/**
 * `yizhan reload`: the running server reads its configuration, users and certificates again.
 *
 * @module
 */

import type { Command, CommandLine } from "./command.ts";
import { CONTROL_FLAGS, formatControlJson, RunningServer } from "./control.ts";
import { EXIT, type ExitCode, UsageError } from "./exit.ts";
import { complain, say, warn } from "./terminal.ts";

/** The command. */
export const reload: Command = {
  name: "reload",
  usage: "[--config FILE] [--json]",
  description: [
    "The running server reads its configuration, its users and its certificates again, as at SIGHUP.",
    "All of it is checked and built first and then takes effect at once: sessions that are open go on",
    "as they began, new ones see the new. Where anything is wrong, all stays as it was, and this says",
    "what it is. What is opened at the start, such as the queue's folder, takes a restart.",
    "",
    "Exit codes: 0 reloaded, 69 no server runs there, 77 it is another user's, 78 the new configuration",
    "is wrong.",
  ].join("\n"),
  flags: { ...CONTROL_FLAGS, json: { help: "Print JSON, an object a line" } },
  examples: ["reload", "reload --config /etc/yizhan/yizhan.yaml"],
  run: runReload,
};

async function runReload(line: CommandLine, words: readonly string[]): Promise<ExitCode> {
  if (line.operands.length > 0) {
    throw new UsageError(`reload takes flags only, not ${line.operands[0]}`);
  }
  const server = await RunningServer.find(line, words);
  const json = line.has("json");
  try {
    await server.ask({ do: "reload" }, (answer) => {
      if (json) return console.log(formatControlJson(answer));
      const text = String(answer.text);
      if (answer.type === "problem") complain(text);
      else if (answer.type === "warning") warn(text);
      else say(text);
    });
  } catch (error) {
    throw server.explain(error);
  }
  if (!json) say("reloaded");
  return EXIT.ok;
}
