/**
 * What one message costs the whole server: messages a second, CPU time, and instructions where `perf` can count
 * them. It needs no other mail program: load and sink are our own, and take a share of the same processors.
 *
 * Instructions are the figure to go by when something was changed: they vary by a per cent or two while times
 * vary by half. What they do not tell is waiting: for the disk, and for memory.
 *
 *     deno run --no-prompt -A bench/cost.ts [accept] [relay] … [--quick] [--json] [--runs=5] [--tree=DIR]
 *
 * @module
 */

import { type Load, send } from "./load.ts";
import { type CleanUp, cleanUpOnSignals } from "./support/clean_up.ts";
import { commandLine } from "./support/command_line.ts";
import { type Figure, figureOf, formatFigure } from "./support/figure.ts";
import { countInstructions } from "./support/instructions.ts";
import { formatMachine, thisMachine } from "./support/machine.ts";
import { freePorts, untilListening } from "./support/ports.ts";
import { cpuSeconds } from "./support/process_tree.ts";
import { DOMAIN, HERE, type Role, type Server, startServer } from "./support/server.ts";
import { transactionOf } from "./support/smtp_client.ts";
import { summarise } from "./support/statistics.ts";
import { formatNumber, formatTable } from "./support/table.ts";

/** A kind of work. */
interface Work {
  readonly role: Role;
  readonly messages: number;
  readonly sessions: number;
  readonly size: number;
  readonly perSession: number;
  readonly meaning: string;
}

const USUAL = {
  role: "hold",
  messages: 20_000,
  sessions: 50,
  size: 10_000,
  perSession: 0,
} as const;
const WORKS: Readonly<Record<string, Work>> = {
  accept: { ...USUAL, meaning: "10 KB, 50 sessions: accepted and made durable" },
  one: {
    ...USUAL,
    perSession: 1,
    messages: 10_000,
    meaning: "the same, a session for each message",
  },
  single: { ...USUAL, sessions: 1, messages: 6_000, meaning: "the same, one session at a time" },
  large: { ...USUAL, size: 1_000_000, messages: 400, meaning: "the same, 1 MB" },
  maildir: {
    ...USUAL,
    role: "maildir",
    messages: 6_000,
    meaning: "10 KB, 50 sessions: to a Maildir",
  },
  relay: { ...USUAL, role: "relay", messages: 6_000, meaning: "10 KB, 50 sessions: to a sink" },
};

/** What a run gave, for each message. */
interface Cost {
  /** Messages a second, until the last is where it shall be. */
  readonly rate: number;
  /** Of all processors together, in microseconds. */
  readonly cpu: number;
  /** In thousands; `null` where they are not counted. */
  readonly user: number | null;
  readonly kernel: number | null;
}

const { flags, values, words } = commandLine({
  program: "bench/cost.ts",
  about: "What one message costs the server: messages/s, CPU time, and instructions (by perf).",
  words: Object.fromEntries(Object.entries(WORKS).map(([name, { meaning }]) => [name, meaning])),
  values: {
    runs: ["COUNT", "", "Runs of each work; default 5, with --quick 3"],
    dir: ["DIR", "/var/tmp", "The server keeps its mail on the disk of this folder"],
    tree: ["DIR", "", "Start the server of these sources; default those beside this program"],
    workers: ["COUNT", "", "workers: in the server's configuration"],
  },
  flags: {
    quick: "A quarter of the messages",
    json: "Print a line of JSON for each figure",
  },
});
const runs = Number(values.runs || (flags.quick ? 3 : 5));

/** A sink that ends when it has taken so many messages. */
async function startSink(port: number, messages: number, cleanUp: CleanUp) {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--allow-net", `${HERE}/bench/sink.ts`, `${port}`, `${messages}`],
    stdout: "null",
    stderr: "inherit",
  }).spawn();
  cleanUp.process(child);
  await untilListening(port, "the sink");
  return child;
}

/** Waits until so many files are in the mailbox. */
async function untilDelivered(mail: string, messages: number): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (countFiles(`${mail}/${DOMAIN}/foo/new`) < messages) {
    if (performance.now() > deadline) throw new Error("mail does not reach the mailbox");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function countFiles(folder: string): number {
  try {
    return [...Deno.readDirSync(folder)].length;
  } catch {
    return 0; // the first message makes it
  }
}

/** One run; `before` messages were delivered by earlier ones. */
async function measure(
  server: Server,
  work: Work,
  load: Load,
  sink: number,
  before: number,
  cleanUp: CleanUp,
): Promise<Cost> {
  const { messages } = load;
  const sinking = work.role === "relay" ? await startSink(sink, messages, cleanUp) : null;
  const count = await countInstructions(server.pid);
  const cpu = cpuSeconds(server.pid);
  const start = performance.now();
  await send(load);
  await sinking?.status;
  if (work.role === "maildir") await untilDelivered(server.mail, before + messages);
  const seconds = (performance.now() - start) / 1000;
  const used = cpuSeconds(server.pid) - cpu;
  const instructions = await count.end();
  const thousands = (instructions: number) => instructions / messages / 1000;
  return {
    rate: messages / seconds,
    cpu: used / messages * 1e6,
    user: instructions && thousands(instructions.user),
    kernel: instructions && thousands(instructions.kernel),
  };
}

async function measureWork(work: Work, cleanUp: CleanUp): Promise<Cost[]> {
  const port = freePorts(2);
  const server = await startServer({
    folder: await cleanUp.folder(values.dir),
    role: work.role,
    port,
    sink: port + 1,
    ...(values.tree === "" ? {} : { tree: await Deno.realPath(values.tree) }),
    ...(values.workers === "" ? {} : { workers: Number(values.workers) }),
  }, cleanUp);
  const transaction = transactionOf(work.size, `foo@${DOMAIN}`, false);
  const { sessions, perSession } = work;
  let delivered = 0;
  const run = async (messages: number) => {
    const load: Load = { port, sessions, messages, transaction, perSession, rate: 0 };
    const cost = await measure(server, work, load, port + 1, delivered, cleanUp);
    delivered += messages;
    return cost;
  };
  await run(work.messages); // warms the compiler up, which takes its time
  const costs: Cost[] = [];
  while (costs.length < runs) {
    costs.push(await run(flags.quick ? Math.ceil(work.messages / 4) : work.messages));
  }
  await server.stop();
  return costs;
}

function figuresOf(name: string, costs: readonly Cost[]): Figure[] {
  const figure = (what: string, unit: string, of: (cost: Cost) => number | null) => {
    const numbers = costs.map(of).filter((value) => value !== null);
    return numbers.length === 0 ? [] : [figureOf("cost", `${name}, ${what}`, unit, numbers)];
  };
  return [
    ...figure("rate", "messages/s", ({ rate }) => rate),
    ...figure("CPU", "µs/message", ({ cpu }) => cpu),
    ...figure("user instructions", "thousands/message", ({ user }) => user),
    ...figure("kernel instructions", "thousands/message", ({ kernel }) => kernel),
  ];
}

function formatCosts(name: string, costs: readonly Cost[]): string[] {
  const cell = (numbers: readonly (number | null)[]) => {
    const known = numbers.filter((value) => value !== null);
    if (known.length === 0) return "?";
    const { median, lowest, highest } = summarise(known);
    return `${formatNumber(median)} (${formatNumber(lowest)}-${formatNumber(highest)})`;
  };
  return [
    `${name}: ${WORKS[name]!.meaning}`,
    cell(costs.map(({ rate }) => rate)),
    cell(costs.map(({ cpu }) => cpu)),
    cell(costs.map(({ user }) => user)),
    cell(costs.map(({ kernel }) => kernel)),
  ];
}

await using cleanUp = cleanUpOnSignals();
const rows: string[][] = [];
for (const [name, work] of Object.entries(WORKS)) {
  if (words.length > 0 && !words.includes(name)) continue;
  const costs = await measureWork(work, cleanUp);
  rows.push(formatCosts(name, costs));
  if (flags.json) {
    for (const figure of figuresOf(name, costs)) console.log(formatFigure(figure));
  }
}
if (!flags.json) {
  console.log(`What one message costs the server: median (lowest-highest) of ${runs} runs`);
  console.log(`${formatMachine(thisMachine())}; instructions in thousands, by perf\n`);
  const head = ["work", "messages/s", "CPU µs", "user instructions", "kernel instructions"];
  console.log(formatTable(head, rows));
}
