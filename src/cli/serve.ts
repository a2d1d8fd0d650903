/**
 * `yizhan serve`: the station of real domains with real users, told all it must know on the command
 * line. SIGHUP, or a change of their files, brings new certificates and users without a restart; wrong
 * ones leave those in force alone.
 *
 * @module
 */

import { type FileDirectory, openFileDirectory } from "../directory/file_directory.ts";
import { type Mta, startMta } from "../mta.ts";
import { formatSocketAddress } from "../runtime/runtime.ts";
import { CertificateFiles } from "./certificate_files.ts";
import type { Command, CommandLine } from "./command.ts";
import { CommandError, EXIT, type ExitCode } from "./exit.ts";
import { chooseFormatter, EventLog } from "./log_output.ts";
import { serverRuntime } from "./machine.ts";
import { requirePermissions } from "./permissions.ts";
import { StopSignals } from "./stop_signals.ts";
import { readServeOptions, SERVE_FLAGS, type ServeOptions } from "./serve_options.ts";
import { say, warn } from "./terminal.ts";
import { describeError, describeFileError, explainFailure } from "./trouble.ts";
import { VERSION } from "./version.ts";

/** The command. */
export const serve: Command = {
  name: "serve",
  summary: "run a mail server for real users",
  usage: "--hostname NAME --users FILE --mail DIR --mx ADDR:PORT [FLAGS]",
  description: [
    "Takes mail for the users in FILE (lines of domain, user, alias, catch-all: see help user) and",
    "delivers it into Maildirs under DIR. A change of FILE is seen within a second or two, one of the",
    "certificates within a minute, both at once on SIGHUP; what is wrong with them is reported and",
    "those in force stay. SIGTERM and SIGINT drain: sessions may finish what they are doing.",
  ].join("\n"),
  flags: SERVE_FLAGS,
  examples: [
    "serve --hostname mx.example.org --users users --mail /var/mail/yizhan --mx 0.0.0.0:25",
    "serve --hostname mx.example.org --users users --mail mail --mx [::]:25 \\\n" +
    "      --submissions [::]:465 --certificate chain.pem --key key.pem",
    "serve --hostname localhost --users users --mail mail --lmtp unix:/run/yizhan/lmtp.sock",
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
  await mta.stop();
  await log.flush();
  say("stopped");
  return EXIT.ok;
}

function checkPermissions(options: ServeOptions, words: readonly string[]): void {
  const files = options.certificates.flatMap(({ certificate, key }) => [certificate, key]);
  const folders = [options.mail, ...options.temporary === undefined ? [] : [options.temporary]];
  requirePermissions({
    read: [options.users, ...folders, ...files],
    write: folders,
    listen: options.listeners.map(({ address }) => address),
    sys: ["statfs"],
  }, words);
}

/** What must be there before a station can start; to make it is the operator's business. */
async function checkPaths({ users, mail, temporary }: ServeOptions): Promise<void> {
  const usersFile = await lookAt("users", users);
  if (usersFile === null) {
    const advice = `make it with: yizhan user add --users ${users} you@example.org`;
    throw new CommandError(EXIT.noInput, `users file ${users} does not exist; ${advice}`);
  }
  if (usersFile.isDirectory) {
    throw new CommandError(EXIT.noInput, `--users ${users} is a folder; give the file in it`);
  }
  const mailFolder = await lookAt("mail", mail);
  if (mailFolder === null) {
    const advice = `make it, for the user this runs as: mkdir -m 700 ${mail}`;
    throw new CommandError(EXIT.noInput, `mail folder ${mail} does not exist; ${advice}`);
  }
  if (!mailFolder.isDirectory) throw notAFolder("mail", mail);
  if (temporary !== undefined) await makeTemporary(temporary);
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
  const { hostname, users, mail, temporary, domains, relayFrom, postmaster, maxSize } = options;
  const limits = maxSize === undefined ? {} : { limits: { messageSize: maxSize } };
  const certificates = new CertificateFiles(options.certificates);
  const runtime = serverRuntime({ outward: true });
  try {
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
      listeners: options.listeners.map((listener) => ({ ...listener, ...limits })),
      directory,
      delivery: { maildirRoot: mail },
      certificates: await certificates.load(Date.now(), warn),
      onEvent: log.record,
      relayFrom,
      ...(temporary === undefined ? {} : { temporary }),
      ...(postmaster === undefined ? {} : { postmaster }),
    });
    return { mta, directory, certificates };
  } catch (error) {
    throw explainFailure("cannot start", error) ?? error;
  }
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
