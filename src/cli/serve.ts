/**
 * `yizhan serve`: the station of real domains with real users, told all it must know on the command
 * line. SIGHUP, or a change of their files, brings new certificates and users without a restart; wrong
 * ones leave those in force alone.
 *
 * @module
 */

import { type FileDirectory, openFileDirectory } from "../directory/file_directory.ts";
import { ControlServer } from "../admin/control_server.ts";
import { queueCommands } from "../admin/queue_requests.ts";
import { type Mta, startMta } from "../mta.ts";
import type { QueueOptions } from "../mta_queue.ts";
import type { Credentials } from "../routing/route.ts";
import type { RouteOptions, ViaOptions } from "../routing/route_table.ts";
import { formatSocketAddress, type Runtime } from "../runtime/runtime.ts";
import { CertificateFiles } from "./certificate_files.ts";
import type { Command, CommandLine } from "./command.ts";
import { CommandError, EXIT, type ExitCode } from "./exit.ts";
import { chooseFormatter, EventLog } from "./log_output.ts";
import { serverRuntime } from "./machine.ts";
import { mayRead, requirePermissions } from "./permissions.ts";
import { StopSignals } from "./stop_signals.ts";
import { acceptDomains, readCredentialLines, readRoute, ROUTE_HELP } from "./route_text.ts";
import { readServeOptions, SERVE_FLAGS, type ServeOptions } from "./serve_options.ts";
import { say, warn } from "./terminal.ts";
import { describeError, describeFileError, explainFailure } from "./trouble.ts";
import { VERSION } from "./version.ts";

/** The command. */
export const serve: Command = {
  name: "serve",
  usage: "--hostname NAME --users FILE --mail DIR --mx ADDR:PORT [FLAGS]",
  description: [
    "Takes mail for the users in FILE (lines of domain, user, alias, catch-all: see help user) and",
    "delivers it into Maildirs under DIR. A change of FILE is seen within a second or two, one of the",
    "certificates within a minute, both at once on SIGHUP; what is wrong with them is reported and",
    "those in force stay. SIGTERM and SIGINT drain: sessions may finish what they are doing.",
    "",
    "Mail that users send elsewhere waits in the queue until the next server has it, or its sender the",
    "news that it cannot be done: yizhan queue shows and changes it.",
    "",
    ROUTE_HELP,
  ].join("\n"),
  flags: SERVE_FLAGS,
  examples: [
    "serve --hostname mx.example.org --users users --mail /var/mail/yizhan --mx 0.0.0.0:25",
    "serve --hostname mx.example.org --users users --mail mail --mx [::]:25 \\\n" +
    "      --submissions [::]:465 --certificate chain.pem --key key.pem",
    "serve --hostname localhost --users users --mail mail --lmtp unix:/run/yizhan/lmtp.sock",
    "serve --hostname mx.example.org --users users --mail mail --mx [::]:25 \\\n" +
    "      --route '*=smtp:relay.example.net:587' --credentials credentials",
  ],
  run: runServe,
};

/** Milliseconds between two looks at the certificates' files. */
const POLL = 60_000;

/** A station that runs, and what it was made from that may change meanwhile. */
interface Station {
  readonly mta: Mta;
  readonly directory: FileDirectory;
  readonly certificates: CertificateFiles;
  /** Where the queue is asked for; `null` without one. */
  readonly control: ControlServer | null;
}

async function runServe(line: CommandLine, words: readonly string[]): Promise<ExitCode> {
  const options = readServeOptions(line);
  const log = new EventLog(Deno.stdout, chooseFormatter(line, options.mail));
  checkPermissions(options, words);
  await checkPaths(options);
  using signals = new StopSignals();
  const station = await startStation(options, log);
  const { mta } = station;
  const stopWatching = watch(station, options.certificates.length > 0);
  say(`Yizhan ${VERSION} serves as ${options.hostname}`);
  mta.addresses.forEach((address, index) => {
    say(`  ${options.listeners[index]!.role} on ${formatSocketAddress(address)}`);
  });
  await signals.first;
  say("stopping: sessions may finish what they are doing (the signal again stops at once)");
  stopWatching();
  await station.control?.stop();
  await mta.stop();
  await log.flush();
  say("stopped");
  return EXIT.ok;
}

function checkPermissions(options: ServeOptions, words: readonly string[]): void {
  const { users, mail, queue, temporary, credentials, nameServers, routes } = options;
  const files = options.certificates.flatMap(({ certificate, key }) => [certificate, key]);
  if (credentials !== undefined) files.push(credentials);
  // Whom to ask for names, where nobody said so.
  if (queue !== null && nameServers.length === 0) files.push("/etc/resolv.conf");
  const others = [queue, temporary].filter((path) => typeof path === "string");
  const folders = [mail, ...others.filter((path) => !isBelow(path, mail))];
  const ways = routes.map((route) => readRoute(route, new Map()).via);
  const programs = ways.flatMap(programOf);
  const sockets = ways.flatMap(socketOf);
  requirePermissions({
    read: [users, ...folders, ...files, ...sockets],
    write: [...folders, ...sockets],
    listen: options.listeners.map(({ address }) => address),
    outward: queue !== null,
    run: programs,
    sys: ["statfs"],
  }, words);
}

function isBelow(path: string, folder: string): boolean {
  return path.startsWith(`${folder.replace(/\/+$/, "")}/`);
}

function programOf(via: ViaOptions): string[] {
  return via.kind === "pipe" ? [via.program] : [];
}

/** The unix socket a way leads to: Deno wants to read and write its path, to connect to it. */
function socketOf(via: ViaOptions): string[] {
  if (via.kind === "hold") return via.then === undefined ? [] : socketOf(via.then);
  return via.kind === "lmtp" && via.address.transport === "unix" ? [via.address.path] : [];
}

/** What must be there before a station can start; to make it is the operator's business. */
async function checkPaths({ users, mail, queue, temporary }: ServeOptions): Promise<void> {
  const usersFile = await lookAt("users", users);
  if (usersFile === null) {
    const advice = `make it with: yizhan user add --users ${users} you@example.org`;
    throw new CommandError(EXIT.noInput, `users file ${users} does not exist; ${advice}`);
  }
  if (usersFile.isDirectory) {
    throw new CommandError(EXIT.noInput, `--users ${users} is a folder; give the file in it`);
  }
  await demandFolder("mail", mail);
  // One that is missing is made, and synced with the folder it lies in, where Deno lets us look into that.
  const mustBeThere = queue !== null && !isBelow(queue, mail) && !mayRead(`${queue}/..`);
  if (mustBeThere) await demandFolder("queue", queue);
  if (temporary !== undefined) await makeTemporary(temporary);
}

async function demandFolder(flag: "mail" | "queue", path: string): Promise<void> {
  const found = await lookAt(flag, path);
  if (found === null) {
    const advice = `make it, for the user this runs as: mkdir -m 700 ${path}`;
    throw new CommandError(EXIT.noInput, `${flag} folder ${path} does not exist; ${advice}`);
  }
  if (!found.isDirectory) throw notAFolder(flag, path);
}

/** Made when missing: here, where it is known which flag named it. */
async function makeTemporary(path: string): Promise<void> {
  const found = await lookAt("temporary", path);
  if (found !== null && !found.isDirectory) throw notAFolder("temporary", path);
  if (found !== null) return;
  try {
    await Deno.mkdir(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    const missing = error instanceof Deno.errors.NotFound;
    const reason = missing ? "nothing can be made there" : describeFileError(error);
    const advice = "give a folder in one where the user this runs as may write";
    throw new CommandError(
      EXIT.cantCreate,
      `--temporary ${path} cannot be made: ${reason}; ${advice}`,
    );
  }
}

function notAFolder(flag: string, path: string): CommandError {
  const advice = "give a folder that belongs to the user this runs as";
  return new CommandError(EXIT.noInput, `--${flag} ${path} is not a folder; ${advice}`);
}

/** What is there, or `null` for nothing. */
async function lookAt(flag: string, path: string): Promise<Deno.FileInfo | null> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw new CommandError(EXIT.noInput, `--${flag} ${path}: ${describeFileError(error)}`);
  }
}

async function startStation(options: ServeOptions, log: EventLog): Promise<Station> {
  const { hostname, addresses, users, mail, temporary, domains, relayFrom, postmaster, maxSize } =
    options;
  const limits = maxSize === undefined ? {} : { limits: { messageSize: maxSize } };
  const certificates = new CertificateFiles(options.certificates);
  const { nameServers, queue } = options;
  const runtime = serverRuntime({ outward: queue !== null, nameServers });
  try {
    const routes = await readRoutes(options);
    const directory = await openFileDirectory({
      ...runtime,
      path: users,
      domains,
      onChange: () => say("users reloaded"),
      onTrouble: (error) => warn(`the users stay as they were: ${describeTrouble(error)}`),
    });
    const mta = await startMta({
      runtime,
      hostname,
      addresses,
      listeners: options.listeners.map((listener) => ({ ...listener, ...limits })),
      directory,
      delivery: { maildirRoot: mail },
      certificates: await certificates.load(Date.now(), warn),
      onEvent: log.record,
      relayFrom,
      ...(queue === null ? {} : { queue: queueOptions(queue, options), routes }),
      ...(temporary === undefined ? {} : { temporary }),
      ...(postmaster === undefined ? {} : { postmaster }),
    });
    try {
      const control = queue === null ? null : await startControl(runtime, queue, mta);
      return { mta, directory, certificates, control };
    } catch (error) {
      await mta.stop({ grace: 0 });
      throw error;
    }
  } catch (error) {
    throw explainFailure("cannot start", error) ?? error;
  }
}

function queueOptions(
  directory: string,
  { retryFor, queueOnly: paused }: ServeOptions,
): QueueOptions {
  const retry = retryFor === undefined ? {} : { retry: { usual: { lifetime: retryFor } } };
  return { directory, pid: Deno.pid, paused, ...retry };
}

/** The routes of the command line; what is said of relay domains is put in. */
async function readRoutes(options: ServeOptions): Promise<RouteOptions[]> {
  const credentials = options.credentials === undefined
    ? new Map()
    : await readCredentials(options.credentials);
  const routes = options.routes.map((text) => readRoute(text, credentials));
  return acceptDomains(routes, options.relayDomains);
}

async function readCredentials(path: string): Promise<Map<string, Credentials>> {
  const found = await lookAt("credentials", path);
  if (found === null) throw new CommandError(EXIT.noInput, `--credentials ${path} does not exist`);
  if (found.mode !== null && (found.mode & 0o077) !== 0) {
    const advice = `others may read the passwords in it; run: chmod 600 ${path}`;
    throw new CommandError(EXIT.config, `--credentials ${path}: ${advice}`);
  }
  return readCredentialLines(await Deno.readTextFile(path), path);
}

/** The socket that `yizhan queue` asks. */
function startControl(runtime: Runtime, queue: string, { queue: control }: Mta) {
  return ControlServer.start({
    network: runtime.network,
    files: runtime.files,
    clock: runtime.clock,
    path: `${queue}/control.sock`,
    commands: queueCommands(control!),
    onFault: (error) => warn(`control socket: ${describeError(error)}`),
  });
}

/** Reloads on SIGHUP, and certificates when their files change; gives what ends that. */
function watch({ mta, directory, certificates }: Station, hasCertificates: boolean): () => void {
  const reloadCertificates = async () => {
    try {
      mta.replaceCertificates(await certificates.load(Date.now(), warn));
      say("certificates reloaded");
    } catch (error) {
      warn(`the certificates stay as they were: ${describeTrouble(error)}`);
    }
  };
  const reloadUsers = async () => {
    try {
      await directory.reload();
      say("users reloaded");
    } catch (error) {
      warn(`the users stay as they were: ${describeTrouble(error)}`);
    }
  };
  const onHangUp = async () => {
    await reloadUsers();
    if (hasCertificates) await reloadCertificates();
  };
  const timer = setInterval(async () => {
    if (hasCertificates && await certificates.changed()) await reloadCertificates();
  }, POLL);
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGHUP", onHangUp);
  return () => {
    clearInterval(timer);
    if (Deno.build.os !== "windows") Deno.removeSignalListener("SIGHUP", onHangUp);
  };
}

function describeTrouble(error: unknown): string {
  return explainFailure("cannot be read", error)?.message ?? describeError(error);
}
