/**
 * `yizhan check`: everything that can be known to be wrong before a start, or while a server runs. It changes
 * nothing, and makes no file.
 *
 * @module
 */

import { escapeJson } from "../observe/visible_text.ts";
import { formatFinding, formatSummary } from "./check/check_text.ts";
import type { CheckFinding } from "./check/finding.ts";
import { THIS_MACHINE } from "./check/machine_facts.ts";
import { runChecks } from "./check/run_checks.ts";
import type { Command, CommandLine } from "./command.ts";
import { CONFIG_FLAG, CONFIG_MACHINE, findConfigFile } from "./config_file.ts";
import { EXIT, type ExitCode, UsageError } from "./exit.ts";
import { thisRuntime } from "./machine.ts";
import { isColourful } from "./terminal.ts";

/** The command. */
export const check: Command = {
  name: "check",
  usage: "[--config FILE] [--quiet] [--json]",
  description: [
    "Looks for what is wrong, or should not stay so, before a start or while the server runs: the",
    "configuration, settings that are lost, users and aliases, certificates, DKIM keys, ports, folders and",
    "their modes, room on the disk, files with secrets, programs, filters, name servers and whether they are",
    "believed about DNSSEC (DANE), the clock, limits, permissions.",
    "All of it is told at once, each with what to do. Nothing is changed, and no file is made; each port is",
    "listened on for a moment. Run it as the user the server runs as.",
    "",
    "What DNS should say of your domains is for yizhan dns, what would happen to a mail for yizhan explain.",
    "",
    "Exit codes: 0 no errors (warnings there may be), 66 there is no configuration, 78 errors.",
  ].join("\n"),
  flags: {
    ...CONFIG_FLAG,
    quiet: { help: "Only warnings and errors" },
    json: { help: "Print JSON" },
  },
  examples: ["check", "check --config /etc/yizhan/yizhan.yaml --quiet", "check --json"],
  run: runCheck,
};

async function runCheck(line: CommandLine): Promise<ExitCode> {
  if (line.operands.length > 0) {
    throw new UsageError(`check takes flags only, not ${line.operands[0]}`);
  }
  const file = await findConfigFile(line);
  const findings = await runChecks(file, {
    runtime: thisRuntime(),
    facts: THIS_MACHINE,
    config: CONFIG_MACHINE,
  });
  const count = (level: CheckFinding["level"]) =>
    findings.filter((finding) => finding.level === level).length;
  const [errors, warnings] = [count("error"), count("warning")];
  if (line.has("json")) {
    const shown = line.has("quiet") ? findings.filter(({ level }) => level !== "ok") : findings;
    console.log(escapeJson(JSON.stringify({ errors, warnings, findings: shown })));
  } else {
    const colour = isColourful("stdout");
    for (const finding of findings) {
      if (finding.level === "ok" && line.has("quiet")) continue;
      console.log(formatFinding(finding, colour));
    }
    console.log(formatSummary(errors, warnings, count("ok")));
  }
  return errors > 0 ? EXIT.config : EXIT.ok;
}
