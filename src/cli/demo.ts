/**
 * `yizhan demo`: the journey of one mail, live. Two stations, a name server and a mail program, all in this
 * process and on loopback only, and every line of SMTP shown as it passes, also what TLS hides. Ends by
 * itself; what it wrote is removed.
 *
 * @module
 */

import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { MtaEvent } from "../events.ts";
import type { Mta } from "../mta.ts";
import type { SocketAddress } from "../runtime/network.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { errorCode } from "../runtime/system_error.ts";
import type { TlsCertificate } from "../runtime/tls.ts";
import type { Command, CommandLine } from "./command.ts";
import { Conversation, type Listeners } from "./demo/conversation.ts";
import { EventWatch, NotHappenedError } from "./demo/event_watch.ts";
import { tellJourney } from "./demo/journey.ts";
import { NameServer } from "./demo/name_server.ts";
import { type Check, Narration } from "./demo/narration.ts";
import { noteOn } from "./demo/station_notes.ts";
import { startStationA, startStationB } from "./demo/stations.ts";
import { tapNetwork } from "./demo/tap.ts";
import { CommandError, EXIT, type ExitCode, UsageError } from "./exit.ts";
import { keepLocalCertificate } from "./local_certificate.ts";
import { thisRuntime } from "./machine.ts";
import { isGranted, thisProgram } from "./permissions.ts";
import { StandardOutput } from "./standard_output.ts";
import { StopSignals } from "./stop_signals.ts";
import { isColourful, terminalWidth } from "./terminal.ts";
import { describeFileError, explainFailure } from "./trouble.ts";

/** The command. */
export const demo: Command = {
  name: "demo",
  usage: "[--data DIR]",
  description: [
    "Starts two stations and a name server on loopback, in this process, and sends three mails: one",
    "that arrives, one that comes back, one that has to wait. Every line of SMTP is shown as it passes,",
    "with who says it to whom. Ends by itself after some seconds and removes what it wrote. Exits with 0",
    "only when all of it truly happened. NO_COLOR switches the colours off.",
  ].join("\n"),
  flags: {
    data: {
      value: "DIR",
      help: "Where to work, a folder that is not there yet (default: a temporary one)",
    },
  },
  examples: ["demo", "demo --data demo-data"],
  run: runDemo,
};

async function runDemo(line: CommandLine): Promise<ExitCode> {
  if (line.operands.length > 0) throw new UsageError(`demo takes no ${line.operands[0]}`);
  demandPermissions(line.value("data"));
  const output = new StandardOutput();
  using signals = new StopSignals();
  const folder = await makeFolder(line.value("data"));
  try {
    const stopped = signals.first.then(() => EXIT.temporary);
    return await Promise.race([stopped, perform(folder, output)]);
  } catch (error) {
    if (output.gone) return EXIT.ok;
    throw explainFailure("the demonstration cannot go on", error) ?? error;
  } finally {
    await rm(folder, { recursive: true });
  }
}

/**
 * Asked for before anything is made: a socket that may not be bound ends the process in Deno. All of `sys`,
 * since the roots of trust that Alice's certificate is added to have no name among its kinds.
 */
function demandPermissions(data: string | undefined): void {
  const folder = data ?? "yizhan-demo";
  const socket = `${folder.startsWith("/") ? folder : `$PWD/${folder}`}/a/queue/owner.sock`;
  const files = data ?? temporaryFolder();
  const granted = isGranted(
    { name: "net", host: "127.0.0.1" },
    // Of a folder that has no name yet nobody can name the socket: all sockets.
    data === undefined
      ? { name: "net" }
      : { name: "net", host: `unix:${socket.replace("$PWD", () => process.cwd())}` },
    { name: "read", path: files },
    { name: "write", path: files },
    { name: "sys" },
  );
  if (granted) return;
  throw new CommandError(
    EXIT.noPermission,
    `Deno lacks the permission for this; run: deno run "--allow-net=127.0.0.1,unix:${socket}" ` +
      `--allow-read=${folder} --allow-write=${folder} --allow-sys ${thisProgram()} demo --data ${folder}`,
  );
}

/** Where the environment says, as far as it may be asked. */
function temporaryFolder(): string {
  return isGranted({ name: "env", variable: "TMPDIR" }) ? tmpdir() : "/tmp";
}

async function makeFolder(wanted: string | undefined): Promise<string> {
  if (wanted === undefined) return await mkdtemp(join(temporaryFolder(), "yizhan-demo-"));
  try {
    await mkdir(wanted, { mode: 0o700 });
    return wanted;
  } catch (error) {
    const reason = errorCode(error) === "EEXIST"
      ? "it is there already; remove it, if no other demonstration runs in it"
      : describeFileError(error);
    throw new CommandError(EXIT.cantCreate, `cannot make the folder ${wanted}: ${reason}`);
  }
}

async function perform(folder: string, output: StandardOutput): Promise<ExitCode> {
  const began = Date.now();
  const narration = new Narration(lookOf(output));
  const print = (text: string) => output.print(text);
  print(narration.tell(
    "Two stations, a name server and Alice's mail program, all on loopback. A single bar is plain text; " +
      "a double bar is inside TLS, where nobody but the two could read it.",
  ));
  const tally: Tally = { lines: 0, questions: 0, connections: 0 };
  const checks = await play(folder, narration, print, tally);
  print(narration.heading("In short"));
  print(narration.tell(summarize(checks, tally, (Date.now() - began) / 1000)));
  return checks.every(({ ok }) => ok) ? EXIT.ok : EXIT.software;
}

/** Counts for the summary. */
interface Tally {
  lines: number;
  questions: number;
  connections: number;
}

/** Sets the stage, tells the story, and clears the stage again. */
async function play(
  folder: string,
  narration: Narration,
  print: (text: string) => void,
  tally: Tally,
): Promise<readonly Check[]> {
  const listeners: Listeners = {
    line(spoken) {
      tally.lines++;
      print(narration.speech(spoken));
    },
    tls: (client, server, info) => print(narration.tls(client, server, info)),
  };
  const tapped = (runtime: Runtime, client: string, server: string): Runtime => {
    const network = tapNetwork(runtime.network, () => {
      tally.connections++;
      return new Conversation(client, server, listeners);
    });
    return { ...runtime, network };
  };
  const watching = (station: string) => {
    const watch = new EventWatch();
    const onEvent = (event: MtaEvent) => {
      const note = noteOn(event);
      if (note !== null) print(narration.event(station, note.text, note.good));
      watch.record(event);
    };
    return { watch, onEvent };
  };
  const certificates = await makeCertificates(folder);
  await using names = await NameServer.start(NAMES, (question) => {
    tally.questions++;
    print(narration.question("A", question));
  });
  const runtime = thisRuntime();
  const [a, b] = [watching("A"), watching("B")];
  await using stationB = running(
    await startStationB({
      runtime,
      folder: `${folder}/b`,
      certificate: certificates.b,
      onEvent: b.onEvent,
    }),
  );
  await using stationA = running(
    await startStationA({
      // It vouches for nothing, and answers by UDP, for which a question of our own wants more permissions.
      runtime: tapped(thisRuntime({ nameServers: [names.address], dnssec: "off" }), "A", "B"),
      folder: `${folder}/a`,
      certificate: certificates.a,
      onEvent: a.onEvent,
    }, { port: stationB.port }),
  );
  try {
    return await tellJourney({
      narration,
      print,
      network: tapped(runtime, "Alice", "A").network,
      submission: stationA.address,
      authority: certificates.a.certificate,
      a: a.watch,
      mailbox: (address) => mailboxOf(folder, address),
      now: () => Date.now(),
    });
  } catch (error) {
    if (!(error instanceof NotHappenedError)) throw error;
    const check: Check = { what: error.message, ok: false };
    print(narration.check(check));
    return [check];
  }
}

/** What the name server knows. */
const NAMES = { "b.example": { mx: ["10 mx.b.example"] }, "mx.b.example": { a: ["127.0.0.1"] } };

function summarize(checks: readonly Check[], tally: Tally, seconds: number): string {
  const good = checks.filter(({ ok }) => ok).length;
  const verdict = good === checks.length
    ? `All ${good} checks hold: two letters delivered as they were written, one returned with a notice.`
    : `${checks.length - good} of ${checks.length} checks FAILED.`;
  return `${verdict} ${tally.connections} connections, ${tally.lines} lines and replies of SMTP, ` +
    `${tally.questions} questions to DNS, ${seconds.toFixed(1)} seconds.`;
}

async function makeCertificates(
  folder: string,
): Promise<{ readonly a: TlsCertificate; readonly b: TlsCertificate }> {
  const make = async (station: "a" | "b") =>
    (await keepLocalCertificate(`${folder}/${station}/tls`, [`mx.${station}.example`], Date.now()))
      .pair;
  return { a: await make("a"), b: await make("b") };
}

/** A station that is stopped when its time is over. */
function running(
  mta: Mta,
): AsyncDisposable & { readonly address: SocketAddress; readonly port: number } {
  const [address] = mta.addresses;
  if (address?.transport !== "tcp") throw new TypeError("the station has no port");
  return { address, port: address.port, [Symbol.asyncDispose]: () => mta.stop({ grace: 1000 }) };
}

function mailboxOf(folder: string, address: string): string {
  const [user, domain = ""] = address.split("@");
  return `${folder}/${domain.startsWith("a.") ? "a" : "b"}/mail/${domain}/${user}`;
}

function lookOf({ isTerminal }: StandardOutput): { width: number; colour: boolean } {
  if (!isTerminal) return { width: Infinity, colour: false };
  return { width: terminalWidth(), colour: isColourful("stdout") };
}
