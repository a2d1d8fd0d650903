/**
 * What it costs to make a message safe: `add()` of the spool with 1, 16 and 64 messages of 10 KB in flight, beside
 * the way of most queues in the same run, a file of its own for each message (create, write, fdatasync, rename,
 * and the folder synced by whoever comes, shared). Then the same messages claimed, read and settled, and how long
 * a start takes with 100,000 messages in segments.
 *
 * Both take turns, each in a fresh folder of the same disk; after each run all messages must be there.
 *
 *     deno run --no-prompt -A bench/spool.ts [--quick] [--json] [--dir=DIR]
 *
 * @module
 */

import { encode } from "../src/bytes.ts";
import type { QueueEntry } from "../src/queue/entry.ts";
import { formatEntry } from "../src/queue/spool/entry_text.ts";
import { Folders } from "../src/queue/spool/folders.ts";
import { openSpool } from "../src/queue/spool/open_spool.ts";
import type { NewMessage, QueueStore } from "../src/queue/store.ts";
import { denoRuntime } from "../src/runtime/deno.ts";
import { commandLine } from "./support/command_line.ts";
import { type Figure, figureOf, formatFigure, formatFigures } from "./support/figure.ts";
import { formatMachine, thisMachine } from "./support/machine.ts";
import { formatNumber } from "./support/table.ts";

const HEAD = encode(
  "Received: from a.example by b.example; Thu, 1 Jan 2026 00:00:00 +0000\r\n".repeat(6),
);
const BODY = encode("A line of a body as it is in most of them, with its end.....\r\n".repeat(155));

const { flags, values } = commandLine({
  program: "bench/spool.ts",
  about: "Messages made durable a second, by the spool and in a file each, and what a start takes.",
  flags: { quick: "Fewer messages", json: "Print a line of JSON for each figure" },
  values: { dir: ["DIR", "", "Work on the disk of this folder, else that of temporary files"] },
});

/** In flight at once, and messages of a run: the fewer share a sync, the longer it takes. */
const LOADS: readonly (readonly [inFlight: number, messages: number])[] = flags.quick
  ? [[1, 300], [16, 2_000], [64, 4_000]]
  : [[1, 2_000], [16, 10_000], [64, 20_000]];
const [runs, left] = flags.quick ? [3, 5_000] : [5, 100_000];

const { files, network, clock, random } = denoRuntime();

function message(id: string, body = BODY): NewMessage {
  const entry: QueueEntry = {
    id,
    received: clock.now(),
    sender: { local: "alice", domain: "example.org" },
    recipients: [{
      address: { local: "bob", domain: "example.net" },
      status: "waiting",
      next: 0,
      attempts: 0,
      history: [],
    }],
    body: "8BITMIME",
    smtputf8: false,
    requireTls: false,
    headSize: HEAD.length,
    bodySize: body.length,
    origin: { kind: "session", session: "s1", client: "198.51.100.7" },
  };
  async function* openBody() {
    yield body;
  }
  return { entry, source: { head: HEAD, bodySize: body.length, openBody } };
}

function open(directory: string): Promise<QueueStore> {
  return openSpool({ files, network, clock, random, directory, emit: () => {} });
}

/** Calls a second of `work`, `inFlight` at once. */
async function rate(
  inFlight: number,
  count: number,
  work: (index: number) => Promise<void>,
): Promise<number> {
  let next = 0;
  const sender = async () => {
    while (next < count) await work(next++);
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: inFlight }, sender));
  return count / (performance.now() - start) * 1000;
}

async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await Deno.makeTempDir(values.dir === "" ? {} : { dir: values.dir });
  try {
    return await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Messages a second into the spool, and out again. */
function spool(
  inFlight: number,
  total: number,
): Promise<readonly [added: number, settled: number]> {
  return inFolder(async (folder) => {
    const store = await open(`${folder}/spool`);
    const added = await rate(inFlight, total, (index) => store.add(message(`m${index}`)));
    const claims = await store.claim(clock.now(), total);
    if (claims.length !== total) throw new Error(`${claims.length} messages, not ${total}`);
    const settled = await rate(inFlight, total, async (index) => {
      const claim = claims[index]!;
      let octets = 0;
      for await (const chunk of (await store.open(claim.entry.id)).openBody()) {
        octets += chunk.length;
      }
      if (octets !== BODY.length) throw new Error(`${octets} octets, not ${BODY.length}`);
      await store.settle(claim, null);
    });
    await store.close();
    return [added, settled];
  });
}

/** Messages a second, a file each. */
function filesEach(inFlight: number, total: number): Promise<number> {
  return inFolder(async (folder) => {
    const folders = new Folders(files);
    const added = await rate(inFlight, total, async (index) => {
      const { entry, source } = message(`m${index}`);
      const file = await files.open(`${folder}/${entry.id}.tmp`, { write: true, createNew: true });
      await file.write(encode(`${formatEntry(entry)}\n`));
      await file.write(source.head);
      for await (const chunk of source.openBody()) await file.write(chunk);
      await file.sync();
      file.close();
      await files.rename(`${folder}/${entry.id}.tmp`, `${folder}/${entry.id}`);
      await folders.sync(folder);
    });
    const count = (await Array.fromAsync(Deno.readDir(folder))).length;
    if (count !== total) throw new Error(`${count} files, not ${total}`);
    return added;
  });
}

/** Milliseconds until a spool is open that has `count` messages in its segments. */
function start(count: number): Promise<number> {
  return inFolder(async (folder) => {
    const before = await open(`${folder}/spool`);
    const body = BODY.subarray(0, 4000);
    await rate(64, count, (index) => before.add(message(`m${index}`, body)));
    await before.close();
    const begin = performance.now();
    const after = await open(`${folder}/spool`);
    const duration = performance.now() - begin;
    const found = (await after.claim(clock.now(), count)).length;
    await after.close();
    if (found !== count) throw new Error(`${found} messages, not ${count}`);
    return duration;
  });
}

const figures: Figure[] = [];
for (const [inFlight, messages] of LOADS) {
  const added: number[] = [];
  const settled: number[] = [];
  const each: number[] = [];
  for (let run = -1; run < runs; run++) { // the first warms the compiler up
    const [into, out] = await spool(inFlight, messages);
    const peer = await filesEach(inFlight, messages);
    if (run < 0) continue;
    added.push(into);
    settled.push(out);
    each.push(peer);
  }
  const figure = (name: string, values: readonly number[]) =>
    figureOf("spool", `${name}, ${inFlight} in flight`, "messages/s", values);
  figures.push(figure("made durable", added), figure("a file each", each));
  if (inFlight === 64) figures.push(figure("read and settled", settled));
}
const opened = await start(left);
figures.push(figureOf("spool", `a start with ${formatNumber(left)} messages`, "ms", [opened]));
if (flags.json) {
  for (const figure of figures) console.log(formatFigure(figure));
} else {
  const size = HEAD.length + BODY.length;
  console.log(`Messages of ${formatNumber(size)} octets, durable; ${runs} runs`);
  console.log(`${formatMachine(thisMachine())}\n`);
  console.log(formatFigures(figures));
}
