/**
 * What it costs to make a message safe: `add()` of the spool with 50 senders at once and messages of 10 KB, beside
 * the way of most queues in the same run, a file of its own for each message (create, write, fdatasync, rename,
 * and the folder synced by whoever comes, shared). Then the same messages claimed, read and settled, and how long
 * a start takes with 100,000 messages in segments.
 *
 * Both take turns, each in a fresh folder of the same disk; after each run all messages must be there.
 *
 *     deno run --no-prompt --allow-read --allow-write --allow-net bench/spool.ts [--quick] [--json] [--dir=DIR]
 *
 * @module
 */

import { encode } from "../src/bytes.ts";
import type { QueueEntry } from "../src/queue/entry.ts";
import { formatEntry } from "../src/queue/spool/entry_text.ts";
import { Folders } from "../src/queue/spool/folders.ts";
import { openSpool } from "../src/queue/spool/spool_store.ts";
import type { NewMessage, QueueStore } from "../src/queue/store.ts";
import { denoRuntime } from "../src/runtime/deno.ts";

const SENDERS = 50;
const HEAD = encode(
  "Received: from a.example by b.example; Thu, 1 Jan 2026 00:00:00 +0000\r\n".repeat(6),
);
const BODY = encode("A line of a body as it is in most of them, with its end.....\r\n".repeat(155));

const quick = Deno.args.includes("--quick");
const json = Deno.args.includes("--json");
const parent = Deno.args.find((arg) => arg.startsWith("--dir="))?.slice("--dir=".length);
const [total, runs, left] = quick ? [2_000, 3, 5_000] : [20_000, 5, 100_000];

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

/** Calls a second of `work`, `SENDERS` at once. */
async function rate(count: number, work: (index: number) => Promise<void>): Promise<number> {
  let next = 0;
  const sender = async () => {
    while (next < count) await work(next++);
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: SENDERS }, sender));
  return Math.round(count / (performance.now() - start) * 1000);
}

async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await Deno.makeTempDir(parent === undefined ? {} : { dir: parent });
  try {
    return await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Messages a second into the spool, and out again. */
function spool(): Promise<readonly [added: number, settled: number]> {
  return inFolder(async (folder) => {
    const store = await open(`${folder}/spool`);
    const added = await rate(total, (index) => store.add(message(`m${index}`)));
    const claims = await store.claim(clock.now(), total);
    if (claims.length !== total) throw new Error(`${claims.length} messages, not ${total}`);
    const settled = await rate(total, async (index) => {
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
function filesEach(): Promise<number> {
  return inFolder(async (folder) => {
    const folders = new Folders(files);
    const added = await rate(total, async (index) => {
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
    await rate(count, (index) => before.add(message(`m${index}`, body)));
    await before.close();
    const begin = performance.now();
    const after = await open(`${folder}/spool`);
    const duration = Math.round(performance.now() - begin);
    const found = (await after.claim(clock.now(), count)).length;
    await after.close();
    if (found !== count) throw new Error(`${found} messages, not ${count}`);
    return duration;
  });
}

function summarise(rates: readonly number[]) {
  const sorted = rates.toSorted((a, b) => a - b);
  return { median: sorted[sorted.length >> 1]!, lowest: sorted[0]!, highest: sorted.at(-1)! };
}

const added: number[] = [];
const settled: number[] = [];
const each: number[] = [];
for (let run = -1; run < runs; run++) { // the first warms the compiler up
  const [into, out] = await spool();
  const peer = await filesEach();
  if (run < 0) continue;
  added.push(into);
  settled.push(out);
  each.push(peer);
}
const rates = {
  add: summarise(added),
  "a file each": summarise(each),
  "read and settle": summarise(settled),
};
const ratio = Number((rates.add.median / rates["a file each"].median).toFixed(1));
const opened = await start(left);
if (json) {
  console.log(JSON.stringify({ bench: "spool", unit: "messages/s", rates, ratio }));
  console.log(JSON.stringify({ bench: "spool start", unit: "ms", messages: left, opened }));
} else {
  console.log(
    `Messages of ${HEAD.length + BODY.length} octets, ${SENDERS} senders at once, durable; ` +
      `messages/s: median (lowest-highest) of ${runs} runs of ${total}`,
  );
  console.log(`Deno ${Deno.version.deno}\n`);
  for (const [name, { median, lowest, highest }] of Object.entries(rates)) {
    console.log(`${name.padEnd(18)}${median} (${lowest}-${highest})`);
  }
  console.log(`${"ratio".padEnd(18)}${ratio}`);
  console.log(`\na start with ${left} messages of 4.4 KB in segments: ${opened} ms`);
}
