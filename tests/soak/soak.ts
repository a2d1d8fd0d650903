/**
 * A soak: the server under a mixed load for a while, good mail and bad clients, reloads, a next host that puts off
 * or goes away, a disk that fills up and is freed. In the end all that was acknowledged has arrived, as it was sent,
 * once; memory is what it was after the start; and nothing is left open.
 *
 *     deno task soak --minutes=30
 *
 * @module
 */

import { Ledger, numberOf, SeededRandom } from "../interop/numbered_mail.ts";
import { readMaildir } from "../interop/maildir.ts";
import { RecordingSink } from "../interop/recording_sink.ts";
import { SmallDisk } from "../interop/small_disk.ts";
import { brokenClient, honestClient, type Replies, sleep } from "./clients.ts";
import { SoakServer, type VitalSigns } from "./server.ts";

/** In seconds. */
const HALF_MINUTE = 30;

/** What a soak is like. */
export interface SoakOptions {
  /** Seconds of load. */
  readonly seconds: number;
  readonly seed: number;
  readonly workers: number;
  /** Clients at once that send good mail, and as many that do not. */
  readonly clients: number;
  /** Is told of each half minute. */
  readonly progress?: (text: string) => void;
}

/** What came of it. */
export interface SoakReport {
  readonly seconds: number;
  readonly acknowledged: number;
  readonly deliveries: number;
  readonly deferredAtDot: number;
  readonly sessionsBroken: number;
  readonly reloads: number;
  readonly disksFilled: number;
  readonly storms: number;
  /** Recipients of acknowledged mail that never came. */
  readonly lost: readonly string[];
  /** Came more often than once. */
  readonly repeated: number;
  /** Octets: the median of the second fifth of the time, that of the last, and the highest of all. */
  readonly memory: { readonly before: number; readonly after: number; readonly highest: number };
  /** Open files and sockets before the load, and after it, when all clients are gone. */
  readonly handles: { readonly before: number; readonly after: number };
  readonly exitCode: number;
  /** Events that tell of a fault, the first of them. */
  readonly alarms: readonly string[];
  readonly events: Readonly<Record<string, number>>;
}

/** Runs one. Needs root, for the disk. */
export async function soak(options: SoakOptions): Promise<SoakReport> {
  const { seconds, seed, workers, clients, progress = () => {} } = options;
  const random = new SeededRandom(seed);
  const ledger = new Ledger();
  const weather = { defers: false };
  const folder = await Deno.makeTempDir({ prefix: "soak-" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const disk = stack.use(await SmallDisk.mount(`${folder}/data`, "600m"));
  await Deno.chmod(disk.path, 0o711);
  const sink = stack.use(
    new RecordingSink({
      onMessage: ({ octets, recipients }) => ledger.arrived(octets, recipients, 0),
      defers: () => weather.defers,
    }),
  );
  const server = stack.use(
    await SoakServer.start({ smarthost: sink.port, data: disk.path, workers }),
  );
  const end = new AbortController();
  const replies: Replies = { taken: 0, deferred: 0, broken: 0 };
  const scene = { random, ledger, ports: server.ports, end: end.signal };
  await sleep(1000);
  const before = server.signs();
  const people = Array.from({ length: clients }, () => [
    honestClient(scene, 150, replies),
    brokenClient(scene, 300),
  ]).flat();
  const reader = readMail(disk.path, ledger, end.signal);

  const samples: VitalSigns[] = [];
  const count = { disks: 0, storms: 0 };
  const started = Date.now();
  const at = () => (Date.now() - started) / 1000;
  const tell = () => {
    const { memory, handles } = server.signs();
    const mebibytes = Math.round(memory / 2 ** 20);
    progress(
      `${Math.round(at())} s: ${replies.taken} mails, ${mebibytes} MiB, ${handles} handles`,
    );
  };
  const storm = () => {
    count.storms++;
    weather.defers = true;
  };
  const fillDisk = async () => {
    count.disks++;
    await disk.fill();
    await sleep(3000);
    await disk.clear();
  };
  // What happens in each half minute, and when: quiet, a storm at the next host, a full disk, quiet.
  const acts: readonly [second: number, act: () => unknown][] = [
    [0, tell],
    [5, () => server.reload()],
    [8, storm],
    [14, () => weather.defers = false],
    [15, () => server.reload()],
    [18, fillDisk],
    [25, () => server.reload()],
  ];
  for (let next = 0; at() < seconds;) {
    // A machine that is busy is late with it, and leaves nothing out.
    for (;; next++) {
      const [second, act] = acts[next % acts.length]!;
      if (at() < HALF_MINUTE * Math.floor(next / acts.length) + second) break;
      await act();
    }
    samples.push(server.signs());
    await sleep(1000 - (Date.now() - started) % 1000);
  }
  weather.defers = false;
  end.abort();
  await Promise.all(people);
  await drained(server, ledger);
  await reader;
  await collect(disk.path, ledger);
  await sleep(11_000); // the last who never hung up are timed out
  const after = server.signs();
  const exitCode = await server.stop();
  return {
    seconds,
    acknowledged: ledger.acknowledged,
    deliveries: ledger.deliveries,
    deferredAtDot: replies.deferred,
    sessionsBroken: replies.broken,
    reloads: server.reloads,
    disksFilled: count.disks,
    storms: count.storms,
    lost: ledger.lost(),
    repeated: ledger.repetitions().length,
    memory: memoryOf(samples),
    handles: { before: before.handles, after: after.handles },
    exitCode,
    alarms: server.alarms,
    events: Object.fromEntries([...server.events].sort()),
  };
}

/** Until nothing waits in the queue. */
async function drained(server: SoakServer, ledger: Ledger): Promise<void> {
  for (let round = 0; round < 60; round++) {
    if (await server.queued() === 0) return;
    await server.retry();
    await sleep(1000);
  }
  throw new Error(`the queue did not empty; ${ledger.lost().length} deliveries are missing`);
}

/** Reads mail and removes it, as its owners would, so that the disk does not fill up by itself. */
async function readMail(root: string, ledger: Ledger, end: AbortSignal): Promise<void> {
  while (!end.aborted) {
    await collect(root, ledger);
    await sleep(1000);
  }
}

async function collect(root: string, ledger: Ledger): Promise<void> {
  for (const name of ["alice", "bob", "carol", "dave"]) {
    for (const { path, octets } of await readMaildir(`${root}/mail/example.test/${name}`)) {
      // What the broken ones sent by chance is nobody's.
      if (numberOf(octets) !== null) ledger.arrived(octets, [`${name}@example.test`], 1);
      await Deno.remove(path);
    }
  }
}

function memoryOf(samples: readonly VitalSigns[]): SoakReport["memory"] {
  const fifth = Math.floor(samples.length / 5);
  const median = (from: number) =>
    samples.slice(from, from + fifth).map(({ memory }) => memory).sort((a, b) => a - b)
      .at(fifth >> 1)!;
  return {
    before: median(fifth),
    after: median(samples.length - fifth),
    highest: Math.max(...samples.map(({ memory }) => memory)),
  };
}
