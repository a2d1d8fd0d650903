/**
 * `yizhan serve`: the station of real domains with real users, told all it must know by a configuration.
 *
 * @module
 */

import type { LoadedConfig } from "../config/load.ts";
import { formatSocketAddress } from "../runtime/network.ts";
import { loadAcmeLibrary } from "./acme/authority.ts";
import type { Command, CommandLine } from "./command.ts";
import { CONFIG_FLAG, loadConfigFor, loadConfigSilently } from "./config_file.ts";
import { EXIT, type ExitCode, UsageError } from "./exit.ts";
import { HangUps } from "./hang_ups.ts";
import { STANDARD_OUTPUT } from "./line_output.ts";
import { loadCertificateMaker } from "./local_certificate.ts";
import {
  chooseFormat,
  chooseFormatter,
  demandOneFormat,
  EventLog,
  LOG_FLAGS,
} from "./log_output.ts";
import { serverRuntime, thisRuntime } from "./machine.ts";
import { isRoot } from "./privileges.ts";
import { startAsUser, STAYS_ROOT } from "./serve_as_user.ts";
import { requireServePermissions } from "./serve_needs.ts";
import { ServedStation } from "./served_station.ts";
import { StopSignals } from "./stop_signals.ts";
import { startTelemetry } from "./telemetry.ts";
import { complain, say, speakAside, warn } from "./terminal.ts";
import { VERSION } from "./version.ts";
import { SharedOutput } from "./workers/shared_output.ts";
import { startThread } from "./workers/thread.ts";
import { countWorkers } from "./workers/worker_plans.ts";

/** The command. */
export const serve: Command = {
  name: "serve",
  usage: "[--config FILE] [--json | --text]",
  description: [
    "Takes mail for the users of the configuration and delivers it into Maildirs; what they send",
    "elsewhere waits in the queue until the next server has it, or its sender the news that it cannot",
    "be done. yizhan init writes a configuration, yizhan check looks for what is wrong with it, and",
    "yizhan config print --defaults tells all its keys.",
    "",
    "SIGHUP, or yizhan reload, reads the configuration, the users and the certificates again: sessions",
    "that are open go on as they began, and what is wrong leaves all as it was. New users are seen",
    "within a second or two without that, new certificates and DKIM keys within a minute.",
    "",
    "SIGTERM and SIGINT drain: sessions and deliveries may finish what they are doing, for as long as",
    "stop.grace says. The signal again stops at once; nothing that was accepted is lost.",
  ].join("\n"),
  flags: { ...CONFIG_FLAG, ...LOG_FLAGS },
  examples: ["serve", "serve --config /etc/yizhan/yizhan.yaml --json"],
  run: runServe,
};

/** Milliseconds between two looks at the files of certificates and keys. */
const POLL = 60_000;

async function runServe(line: CommandLine, words: readonly string[]): Promise<ExitCode> {
  if (line.operands.length > 0) {
    throw new UsageError(`serve takes flags only, not ${line.operands[0]}`);
  }
  demandOneFormat(line);
  const load = async (read: typeof loadConfigFor) => {
    const loaded = await read(line);
    await requireServePermissions(loaded, words);
    return loaded;
  };
  using signals = new StopSignals();
  using hangUps = HangUps.catch();
  const asGiven = await load(loadConfigFor);
  await using _ = speakAside();
  const { relay } = asGiven.config;
  const { enabled: outward, nameServers, dnssec } = relay;
  const machine = { outward, nameServers, dnssec };
  const workers = countWorkers(asGiven.config, thisRuntime().network, warn);
  const reread = () => load(loadConfigSilently);
  // Whom root makes way for may not be able to read where Deno keeps them.
  if (asGiven.config.acme) await Promise.all([loadAcmeLibrary(), loadCertificateMaker()]);
  const started = await startAsUser(asGiven, serverRuntime(machine), { workers, reread });
  const { config, runtime } = started;
  const formatter = ({ config, paths }: LoadedConfig) =>
    chooseFormatter(line, { maildirRoot: paths.mail, format: config.log.format });
  const output = workers === 1 ? STANDARD_OUTPUT : new SharedOutput(STANDARD_OUTPUT);
  const log = new EventLog(output, formatter(config));
  const telemetry = await startTelemetry(warn);
  const station = await ServedStation.start({
    ...{ runtime, config, workers, output },
    stationRuntime: workers === 1 ? runtime : serverRuntime({ ...machine, shared: "first" }),
    starter: startThread,
    logFormat: ({ config }) => chooseFormat(line, config.log.format),
    reread,
    onReload: (loaded) => log.use(formatter(loaded)),
    onEvent: telemetry === null ? log.record : (event) => {
      log.record(event);
      telemetry.record(event);
    },
    droppedLogLines: () => log.dropped,
  });
  started.bound?.close();
  if (isRoot()) warn(STAYS_ROOT);
  say(`Yizhan ${VERSION} serves as ${config.config.hostname}`);
  const { listeners, monitor, web = [] } = await station.status();
  for (const { name, address } of listeners) say(`  ${name} on ${formatSocketAddress(address)}`);
  for (const address of web) say(`  site on ${formatSocketAddress(address)}`);
  if (monitor !== undefined) say(`  monitor on ${formatSocketAddress(monitor)}`);
  // It serves meanwhile: a filter may be started later than we are.
  station.filterTroubles().then((troubles) => troubles.forEach(warn));
  hangUps.answer(() => reloadAloud(station));
  const timer = setInterval(() => {
    station.renewCertificates();
    station.renewKeys();
  }, POLL);
  await signals.first;
  say("stopping: sessions may finish what they are doing (the signal again stops at once)");
  clearInterval(timer);
  await station.stop();
  telemetry?.stop();
  await log.flush();
  say("stopped");
  return EXIT.ok;
}

async function reloadAloud(station: ServedStation): Promise<void> {
  const report = await station.reload();
  if (report.status === "refused") {
    report.problems.forEach(complain);
    return warn("the configuration in force stays as it was");
  }
  report.warnings.forEach(warn);
  report.changes.forEach(say);
  say("reloaded");
}
