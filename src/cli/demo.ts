/**
 * `yizhan demo`: the journey of one mail, live. Two stations, a name server and a mail program, all in this
 * process and on loopback only, and every line of SMTP shown as it passes, also what TLS hides. Ends by
 * itself; what it wrote is removed.
 *
 * @module
 */

import type { Mta } from "../mta.ts";
import { denoRuntime } from "../runtime/deno.ts";
import type { Network, Runtime, SocketAddress, TlsCertificate } from "../runtime/runtime.ts";
import type { Command, CommandLine } from "./command.ts";
import { Conversation, type Listeners } from "./demo/conversation.ts";
import { EventWatch, NotHappenedError } from "./demo/event_watch.ts";
import { tellJourney } from "./demo/journey.ts";
import { NameServer } from "./demo/name_server.ts";
import { type Check, Narration } from "./demo/narration.ts";
import { startStationA, startStationB } from "./demo/stations.ts";
import { tapNetwork } from "./demo/tap.ts";
import { CommandError, EXIT, type ExitCode, UsageError } from "./exit.ts";
import { keepLocalCertificate } from "./local_certificate.ts";
import { StandardOutput } from "./standard_output.ts";
import { describeFileError, explainFailure } from "./trouble.ts";

/** The command. */
export const demo: Command = {
  name: "demo",
  summary: "watch a mail travel from station to station",
  usage: "[--data DIR]",
  description: [
    "Starts two stations and a name server on loopback, in this process, and sends three mails: one that",
    "arrives, one that comes back, one that has to wait. Every line of SMTP is shown as it passes, with who",
    "says it to whom. Ends by itself after some seconds and removes what it wrote. Exits with 0 only when all",
    "of it truly happened. NO_COLOR switches the colours off.",
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

/** Counts for the summary. */
interface Counts {
  lines: number;
  questions: number;
}

async function runDemo(line: CommandLine): Promise<ExitCode> {
  if (line.operands.length > 0) throw new UsageError(`demo takes no ${line.operands[0]}`);
  const output = new StandardOutput();
  const folder = await makeFolder(line.value("data"));
  try {
    return await perform(folder, output);
  } catch (error) {
    if (output.gone) return EXIT.ok;
    throw explainFailure("the demonstration cannot go on", error) ?? error;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function makeFolder(wanted: string | undefined): Promise<string> {
  if (wanted === undefined) return await Deno.makeTempDir({ prefix: "yizhan-demo-" });
  try {
    await Deno.mkdir(wanted, { mode: 0o700 });
    return wanted;
  } catch (error) {
    const reason = error instanceof Deno.errors.AlreadyExists
      ? "it is there already; remove it, if no other demonstration runs in it"
      : describeFileError(error);
    throw new CommandError(EXIT.cantCreate, `cannot make the folder ${wanted}: ${reason}`);
  }
}

async function perform(folder: string, output: StandardOutput): Promise<ExitCode> {
  const began = Date.now();
  const narration = new Narration(lookOf(output));
  const print = (text: string) => output.print(text);
  const counts: Counts = { lines: 0, questions: 0 };
  const listeners: Listeners = {
    line(spoken) {
      counts.lines++;
      print(narration.speech(spoken));
    },
    tls: (client, server, info) => print(narration.tls(client, server, info)),
  };
  print(narration.tell(
    "Two stations, a name server and Alice's mail program, all on loopback. A single bar is plain text; " +
      "a double bar is inside TLS, where nobody but the two could read it.",
  ));
  const certificates = await makeCertificates(folder);
  await using names = await NameServer.start({
    "b.example": { mx: ["10 mx.b.example"] },
    "mx.b.example": { a: ["127.0.0.1"] },
  }, (question) => {
    counts.questions++;
    print(narration.question("A", question));
  });
  const [a, b] = [new EventWatch(), new EventWatch()];
  const plain = denoRuntime();
  const stationB = await startStationB({
    runtime: plain,
    folder: `${folder}/b`,
    certificate: certificates.b,
    onEvent: b.record,
  });
  await using _b = stopping(stationB);
  const stationA = await startStationA({
    runtime: tapped(withNameServers({ nameServers: [names.address] }), "A", "B", listeners),
    folder: `${folder}/a`,
    certificate: certificates.a,
    onEvent: a.record,
  }, { port: portOf(stationB) });
  await using _a = stopping(stationA);
  const checks = await tellJourney({
    narration,
    print,
    network: tapped(plain, "Alice", "A", listeners).network,
    submission: stationA.addresses[0]!,
    authority: certificates.a.certificate,
    a,
    b,
    mailbox: (address) => mailboxOf(folder, address),
    now: () => Date.now(),
  }).catch((error) => {
    if (!(error instanceof NotHappenedError)) throw error;
    const check = { what: error.message, ok: false };
    print(narration.check(check));
    return [check];
  });
  print(narration.heading("In short"));
  print(narration.tell(summarize(checks, counts, (Date.now() - began) / 1000)));
  return checks.every(({ ok }) => ok) ? EXIT.ok : EXIT.software;
}

function summarize(
  checks: readonly Check[],
  { lines, questions }: Counts,
  seconds: number,
): string {
  const good = checks.filter(({ ok }) => ok).length;
  return `${good} of ${checks.length} things that should happen did: three letters sent, two delivered as they ` +
    `were written, one returned with a notice. ${lines} lines of SMTP, ${questions} questions to DNS, ` +
    `${seconds.toFixed(1)} seconds.`;
}

async function makeCertificates(
  folder: string,
): Promise<{ readonly a: TlsCertificate; readonly b: TlsCertificate }> {
  const make = async (station: "a" | "b") =>
    (await keepLocalCertificate(`${folder}/${station}/tls`, [`mx.${station}.example`], Date.now()))
      .pair;
  return { a: await make("a"), b: await make("b") };
}

/** A machine whose outgoing conversations are overheard. */
function tapped(runtime: Runtime, client: string, server: string, listeners: Listeners): Runtime {
  const network: Network = tapNetwork(
    runtime.network,
    () => new Conversation(client, server, listeners),
  );
  return { ...runtime, network };
}

function stopping(mta: Mta): AsyncDisposable {
  return { [Symbol.asyncDispose]: () => mta.stop({ grace: 1000 }) };
}

function portOf(mta: Mta): number {
  const [address]: readonly SocketAddress[] = mta.addresses;
  if (address?.transport !== "tcp") {
    throw new TypeError("a station of the demonstration has no port");
  }
  return address.port;
}

function mailboxOf(folder: string, address: string): string {
  const [user, domain = ""] = address.split("@");
  return `${folder}/${domain.startsWith("a.") ? "a" : "b"}/mail/${domain}/${user}`;
}

function lookOf({ isTerminal }: StandardOutput): { width: number; colour: boolean } {
  if (!isTerminal) return { width: Infinity, colour: false };
  let width = 80;
  try {
    width = Deno.consoleSize().columns;
  } catch {
    // No terminal tells.
  }
  return { width, colour: !Deno.noColor };
}

/** Until the runtime's own signature says so. */
const withNameServers = denoRuntime as (options: { nameServers: readonly string[] }) => Runtime;
