/**
 * `yizhan dev`: the station a developer wants, with nothing to configure. It takes mail for anybody
 * from anybody, any login will do, everything lies in Maildirs under one folder, and nothing ever
 * leaves the machine: no part of it connects outward.
 *
 * @module
 */

import { hostname as hostnameOfSystem } from "node:os";
import { catchAllDirectory } from "../directory/catch_all.ts";
import { type Mta, startMta } from "../mta.ts";
import { formatSocketAddress, type SocketAddress } from "../runtime/network.ts";
import type { Command, CommandLine } from "./command.ts";
import { type FolderNeeds, folderNeeds, makeFolders } from "./data_folder.ts";
import { CommandError, EXIT, type ExitCode, UsageError } from "./exit.ts";
import { formatDay, keepLocalCertificate, type LocalCertificate } from "./local_certificate.ts";
import { STANDARD_OUTPUT } from "./line_output.ts";
import { chooseFormatter, EventLog, LOG_FLAGS } from "./log_output.ts";
import { serverRuntime, thisRuntime } from "./machine.ts";
import { isGranted, mayRead, requirePermissions } from "./permissions.ts";
import { StopSignals } from "./stop_signals.ts";
import { say, speakAside, warn } from "./terminal.ts";
import { describeError, describeFileError, explainFailure } from "./trouble.ts";
import { isLocalOnly, readListenAddress } from "./values.ts";
import { VERSION } from "./version.ts";

/** The command. */
export const dev: Command = {
  name: "dev",
  usage: "[--listen ADDR:PORT]... [--data DIR] [--no-tls] [--json | --text]",
  description: [
    "Takes mail for any address, with STARTTLS or without, with any user name and password or none,",
    "and keeps it as Maildirs in DIR/mail/DOMAIN/USER. Nothing is ever sent on. The certificate for",
    "STARTTLS is made at the first start and kept in DIR/tls. Clients that check certificates refuse it",
    "until they are told to trust DIR/tls/certificate.pem; with --no-tls, STARTTLS is not offered.",
    "",
    "A message with a bare CR or LF is refused. A mail file with LF line ends wants curl --crlf.",
  ].join("\n"),
  flags: {
    listen: {
      value: "ADDR:PORT",
      multiple: true,
      help: "Where to listen (default 127.0.0.1:2525)",
    },
    data: { value: "DIR", help: "Where everything is kept (default ./yizhan-data)" },
    "no-tls": { help: "Do not offer STARTTLS" },
    ...LOG_FLAGS,
  },
  examples: [
    "dev",
    "dev --listen 127.0.0.1:1025 --listen [::1]:1025",
    "dev --data /tmp/mail --json",
    "dev --no-tls",
  ],
  run: runDev,
};

/** What the command line asks for. */
interface DevOptions {
  readonly addresses: readonly SocketAddress[];
  readonly data: string;
  /** Whether STARTTLS is offered. */
  readonly tls: boolean;
}

async function runDev(line: CommandLine, words: readonly string[]): Promise<ExitCode> {
  const options = readOptions(line);
  const { addresses, data, tls } = options;
  const path = `${data}/tls/certificate.pem`;
  const log = new EventLog(
    STANDARD_OUTPUT,
    chooseFormatter(line, {
      maildirRoot: `${data}/mail`,
      certificate: path,
    }),
  );
  await using _ = speakAside();
  await demandPermissions(options, words);
  await makeDataFolder(data);
  const hostname = ownHostname();
  const certificate = tls ? await certificateFor(data, hostname) : null;
  using signals = new StopSignals();
  const mta = await startStation(addresses, data, hostname, certificate, log);
  for (const address of mta.addresses) {
    if (!isLocalOnly(address)) warn(describeExposure(address));
  }
  say(describeStation(mta.addresses, data, certificate));
  await signals.first;
  say("stopping: sessions may finish what they are doing (the signal again stops at once)");
  await mta.stop();
  await log.flush();
  say("stopped");
  return EXIT.ok;
}

async function startStation(
  addresses: readonly SocketAddress[],
  data: string,
  hostname: string,
  certificate: LocalCertificate | null,
  log: EventLog,
): Promise<Mta> {
  try {
    return await startMta({
      runtime: serverRuntime({ outward: false }),
      hostname,
      listeners: addresses.map((address) => ({ role: "catcher", address })),
      directory: catchAllDirectory(),
      delivery: { maildirRoot: `${data}/mail` },
      temporary: `${data}/tmp`,
      certificates: certificate === null ? [] : [certificate.pair],
      onEvent: log.record,
    });
  } catch (error) {
    throw explainFailure("cannot start", error) ?? error;
  }
}

function readOptions(line: CommandLine): DevOptions {
  if (line.operands.length > 0) {
    throw new UsageError(`dev takes flags only, not ${line.operands[0]}`);
  }
  const given = line.values("listen").map((text) => readListenAddress("--listen", text));
  const byDefault: SocketAddress = { transport: "tcp", hostname: "127.0.0.1", port: 2525 };
  const data = (line.value("data") ?? "yizhan-data").replace(/(?<=.)\/+$/, "");
  return { addresses: given.length > 0 ? given : [byDefault], data, tls: !line.has("no-tls") };
}

/** What is needed depends on what is there: a folder that is missing is made in another one. */
async function demandPermissions(
  { addresses, data }: DevOptions,
  words: readonly string[],
): Promise<void> {
  const demand = ({ read, write }: FolderNeeds) =>
    requirePermissions(
      { read: [read], write: [write], listen: addresses, sys: ["statfs"] },
      words,
    );
  demand(await folderNeeds(thisRuntime().files, data, mayRead, demand));
}

async function makeDataFolder(data: string): Promise<void> {
  try {
    await makeFolders(thisRuntime().files, `${data}/mail`);
  } catch (error) {
    throw new CommandError(
      EXIT.cantCreate,
      `cannot make the folder ${data}: ${
        describeFileError(error)
      }; give another one with --data DIR`,
    );
  }
}

/** This machine's name, where it may be asked for and is a name. */
function ownHostname(): string {
  if (!isGranted({ name: "sys", kind: "hostname" })) return "localhost";
  const name = hostnameOfSystem().toLowerCase();
  return /^[a-z\d]([a-z\d.-]{0,251}[a-z\d])?$/.test(name) ? name : "localhost";
}

/** Without a certificate there is no STARTTLS, but still a catcher. */
async function certificateFor(data: string, hostname: string): Promise<LocalCertificate | null> {
  const names = [...new Set(["localhost", hostname, "127.0.0.1", "::1"])];
  try {
    const certificate = await keepLocalCertificate(`${data}/tls`, names, Date.now());
    if (certificate.replaced !== null) {
      say(
        `a new certificate is in ${data}/tls; the old one was of no use: ${certificate.replaced}`,
      );
    }
    return certificate;
  } catch (error) {
    warn(`no STARTTLS: the certificate in ${data}/tls cannot be made: ${describeError(error)}`);
    return null;
  }
}

function describeStation(
  addresses: readonly SocketAddress[],
  data: string,
  certificate: LocalCertificate | null,
): string {
  const tls = certificate === null
    ? "not offered"
    : `${data}/tls/certificate.pem, signed by itself, until ${formatDay(certificate.expires)}`;
  const tryAt = addresses.find(({ transport }) => transport === "tcp");
  return [
    `Yizhan ${VERSION} catches all mail; nothing is sent on. Ctrl-C stops it.`,
    "",
    `  Listens on   ${addresses.map(formatSocketAddress).join(", ")}`,
    `  Mail lies in ${data}/mail/DOMAIN/USER/new`,
    `  STARTTLS     ${tls}`,
    "  AUTH         any user name and password, or none",
    ...(tryAt === undefined ? [] : describeTrial(tryAt, certificate !== null)),
    "",
  ].join("\n");
}

/** Commands that work when pasted into a shell. */
function describeTrial(address: SocketAddress, tls: boolean): string[] {
  const at = formatSocketAddress(reachable(address));
  // A shell would take the brackets of an IPv6 address for a pattern.
  const url = at.startsWith("[") ? `'smtp://${at}'` : `smtp://${at}`;
  const server = at.startsWith("[") ? `'${at}'` : at;
  const mail = String.raw`Subject: Hello\r\n\r\nIt works.\r\n`;
  return [
    "",
    "Try it:",
    "",
    `  printf '${mail}' | curl ${url} --mail-from me@example.test \\`,
    "    --mail-rcpt someone@example.test --upload-file -",
    `  swaks --to someone@example.test --server ${server}${tls ? " -tls" : ""}`,
  ];
}

/** An address a client on this machine can use where the listener takes any. */
function reachable(address: SocketAddress): SocketAddress {
  if (address.transport === "unix") return address;
  if (address.hostname === "0.0.0.0") return { ...address, hostname: "127.0.0.1" };
  return address.hostname === "::" ? { ...address, hostname: "::1" } : address;
}

function describeExposure(address: SocketAddress): string {
  return `${
    formatSocketAddress(address)
  } is open to other machines: whoever can reach it can fill ` +
    "your disk, and passwords are not checked";
}
