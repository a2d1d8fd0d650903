/**
 * `yizhan completion`: a script with which a shell completes command lines of this program.
 *
 * @module
 */

import { hintNearestName } from "../config/nearest_name.ts";
import type { Command, CommandEntry, CommandLine } from "./command.ts";
import { loadPage } from "./command_page.ts";
import { formatCompletion, SHELLS } from "./completion_text.ts";
import { EXIT, type ExitCode, UsageError } from "./exit.ts";
import { StandardOutput } from "./standard_output.ts";

/** The command. @param commands all of them, this one too. */
export function completionCommand(commands: readonly CommandEntry[]): Command {
  return {
    name: "completion",
    usage: SHELLS.join("|"),
    description:
      "Prints a script with which the shell completes commands, flags and files of yizhan.",
    flags: {},
    examples: [
      "completion bash >/usr/share/bash-completion/completions/yizhan",
      "completion zsh >/usr/local/share/zsh/site-functions/_yizhan",
      "completion fish >~/.config/fish/completions/yizhan.fish",
    ],
    run: (line) => runCompletion(commands, line),
  };
}

async function runCompletion(
  commands: readonly CommandEntry[],
  { operands }: CommandLine,
): Promise<ExitCode> {
  const [given, extra] = operands;
  if (extra !== undefined) {
    throw new UsageError(`completion takes one shell; what is ${extra} for?`);
  }
  const shell = SHELLS.find((one) => one === given);
  if (shell === undefined) {
    const found = given === undefined ? "" : `, not ${given}${hintNearestName(given, SHELLS)}`;
    throw new UsageError(`completion wants one of ${SHELLS.join(", ")}${found}`);
  }
  const pages = await Promise.all(commands.map(loadPage));
  const output = new StandardOutput();
  try {
    output.print(formatCompletion(shell, pages).trimEnd());
  } catch (error) {
    if (!output.gone) throw error;
  }
  return EXIT.ok;
}
