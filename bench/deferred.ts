/**
 * What a queue of 100,000 deferred messages costs: memory, the time until the spool is open, until the first entry is
 * listed, and to claim what is due.
 *
 * The messages are made by the spool's own code in a temporary folder, with syncs left out, so that making them
 * does not take half an hour. They are measured by a fresh process, which knows nothing of their making. Most wait
 * for their time in the next four hours, one in a hundred is overdue. The program fails where a message is missing.
 *
 *     deno run --no-prompt -A bench/deferred.ts [--quick] [--json]
 *
 * @module
 */

import { encode } from "../src/bytes.ts";
import type { QueueEntry } from "../src/queue/entry.ts";
import { MessageFiles } from "../src/queue/spool/message_files.ts";
import { openSpool } from "../src/queue/spool/open_spool.ts";
import { denoRuntime } from "../src/runtime/deno.ts";
import type { Files } from "../src/runtime/files.ts";
import { commandLine } from "./support/command_line.ts";
import { type Figure, figureOf, formatFigure, formatFigures } from "./support/figure.ts";
import { formatMachine, thisMachine } from "./support/machine.ts";

const HOUR = 3_600_000;
const BODY = encode("A small body.\r\n".repeat(40));
const HEAD = encode(
  "Received: from mail.example.org ([192.0.2.7]) by mx.example.net with ESMTPS\r\n" +
    "From: Alice <alice@example.org>\r\nTo: Bob <bob@example.net>\r\nSubject: deferred\r\n",
);

/** What a fresh process found. Times in milliseconds, memory in MB (10^6 octets). */
interface Findings {
  readonly open: number;
  readonly openRss: number;
  readonly firstListed: number;
  readonly listed: number;
  readonly listRss: number;
  readonly claimed: number;
  readonly claimRss: number;
}

function deferred(index: number, now: number): QueueEntry {
  const overdue = index % 100 === 0;
  const next = overdue ? now - HOUR - index : now + 60_000 + (index * 7919) % (4 * HOUR);
  return {
    id: `${index.toString(36).padStart(6, "0")}.${(index * 2654435761 % 2 ** 32).toString(36)}`,
    received: now - 5 * HOUR,
    sender: { local: "alice", domain: "example.org" },
    recipients: [{
      address: { local: `bob${index}`, domain: "example.net" },
      status: "waiting",
      next,
      attempts: 1,
      history: [{
        time: now - HOUR,
        host: "mx.example.net [192.0.2.25]:25",
        reply: { code: 451, enhanced: "4.7.1", lines: ["Greylisted, please come again"] },
      }],
    }],
    body: "8BITMIME",
    smtputf8: false,
    requireTls: false,
    headSize: HEAD.length,
    bodySize: BODY.length,
    origin: { kind: "session", session: "bench", client: "198.51.100.7" },
  };
}

/** Files whose syncs do nothing. */
function withoutSync(files: Files): Files {
  return new Proxy(files, {
    get(target, name: keyof Files) {
      if (name === "syncDirectory") return () => Promise.resolve();
      if (name !== "open") return target[name].bind(target);
      return async (...call: Parameters<Files["open"]>) => {
        const file = await target.open(...call);
        file.sync = () => Promise.resolve();
        return file;
      };
    },
  });
}

async function make(directory: string, count: number): Promise<void> {
  const { files, clock } = denoRuntime();
  const spool = new MessageFiles({ files: withoutSync(files), clock, directory, events: () => {} });
  await spool.prepare();
  const source = {
    head: HEAD,
    bodySize: BODY.length,
    async *openBody() {
      yield BODY;
    },
  };
  const now = clock.now();
  for (let i = 0; i < count; i++) await spool.put({ entry: deferred(i, now), source });
  await spool.close();
}

/** The memory of this process, in MB. */
function rss(): number {
  return Math.round(Deno.memoryUsage().rss / 1e6);
}

/** In a process of its own. */
async function measure(directory: string, count: number): Promise<Findings> {
  const { files, network, clock, random } = denoRuntime();
  const emit = ({ type }: { type: string }) => {
    if (type !== "queue.opened") throw new Error(type);
  };
  const start = performance.now();
  const since = () => Math.round(performance.now() - start);
  const spool = await openSpool({ files, network, clock, random, directory, emit });
  const open = since();
  const openRss = rss();

  const claims = [];
  for (let some; (some = await spool.claim(clock.now(), 100)).length > 0;) claims.push(...some);
  if (claims.length !== Math.ceil(count / 100)) throw new Error(`${claims.length} were due`);
  const claimed = since() - open;
  const claimRss = rss();

  let seen = 0;
  let firstListed = 0;
  for await (const _ of spool.list()) {
    if (seen++ === 0) firstListed = since() - open - claimed;
  }
  if (seen !== count) throw new Error(`${seen} of ${count} were listed`);
  const listed = since() - open - claimed;
  const listRss = rss();
  await spool.close();
  return { open, openRss, claimed, claimRss, firstListed, listed, listRss };
}

async function measureElsewhere(directory: string, count: number): Promise<Findings> {
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "-A", import.meta.url, "--measure", directory, `${count}`],
    stderr: "inherit",
  }).output();
  if (code !== 0) throw new Error(`exit code ${code}`);
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** What was found, figure by figure. */
function figuresOf(found: Findings): Figure[] {
  const figure = (name: string, unit: string, value: number) =>
    figureOf("deferred", name, unit, [value]);
  return [
    figure("open the spool", "ms", found.open),
    figure("claim all that are overdue", "ms", found.claimed),
    figure("list, until the first is there", "ms", found.firstListed),
    figure("list, all of them", "ms", found.listed),
    figure("memory after opening", "MB", found.openRss),
    figure("memory after claiming", "MB", found.claimRss),
    figure("memory after listing", "MB", found.listRss),
  ];
}

if (Deno.args[0] === "--measure") {
  console.log(JSON.stringify(await measure(Deno.args[1]!, Number(Deno.args[2]))));
} else {
  const { flags } = commandLine({
    program: "bench/deferred.ts",
    about: "Time and memory of a fresh process over a queue of 100,000 deferred messages.",
    flags: { quick: "5,000 messages", json: "Print a line of JSON for each figure" },
  });
  const count = flags.quick ? 5_000 : 100_000;
  const directory = await Deno.makeTempDir({ prefix: "yizhan-deferred-" });
  try {
    await make(`${directory}/spool`, count);
    const figures = figuresOf(await measureElsewhere(`${directory}/spool`, count));
    if (flags.json) {
      for (const figure of figures) console.log(formatFigure(figure));
    } else {
      console.log(`${count} deferred messages`);
      console.log(`${formatMachine(thisMachine())}\n`);
      console.log(formatFigures(figures));
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}
