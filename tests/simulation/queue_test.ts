/**
 * Days of the queue in virtual time: hosts that are down and come back, messages that are put off until
 * they go or end, and runners that die at any step of their work.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { MemoryStore } from "../../src/queue/memory_store.ts";
import type { QueueStore } from "../../src/queue/store.ts";
import { MemoryClock } from "../../src/runtime/memory_clock.ts";
import { MemoryRandom } from "../../src/runtime/memory_random.ts";
import {
  type Answers,
  type BenchSetup,
  LATER,
  NEVER,
  OK,
  QueueBench,
  type SeenAttempt,
  throughWire,
} from "../support/queue_bench.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** The sender's own host always takes what it is told. */
const forOthers = (answers: Answers): Answers => (name, time) =>
  name === "alice@example.com" ? OK : answers(name, time);

/** What was told of messages to their senders, as `message kind`. */
const toldBy = (bench: QueueBench) =>
  bench.told.map(({ message, notice }) => `${message} ${notice.kind}`);

Deno.test("a greylisted message goes with its first retry, after five to seven minutes", async () => {
  const bench = new QueueBench({ answers: (_, time) => time < 5 * MINUTE ? LATER : OK });
  for (let i = 0; i < 50; i++) await bench.add(`m${i}`, `u@d${i}.example`);
  await bench.clock.advance(HOUR);
  assertEquals(bench.attempts.length, 100);
  const times = bench.attempts.slice(50).map(({ time }) => time / MINUTE);
  assert(Math.min(...times) >= 5 && Math.max(...times) <= 7);
  assert(new Set(times).size > 25, "they do not all come back together");
  assertEquals(await bench.entries(), new Map());
  await bench.stop();
});

Deno.test("a message that nobody ever takes ends after five days: one warning, one failure notice", async () => {
  const bench = new QueueBench({ answers: forOthers(() => LATER) });
  await bench.add("m1", "bob@x.example");
  await bench.clock.advance(6 * DAY);
  assertEquals(toldBy(bench), ["m1 delayed", "m1 failed"]);
  const [delayed, failed] = bench.told;
  assert(delayed!.time >= 4 * HOUR && delayed!.time < 8 * HOUR);
  assertEquals(failed!.time, 5 * DAY);
  const attempts = bench.attempts.filter(({ message }) => message === "m1").map(({ time }) => time);
  assert(attempts.length > 30 && attempts.length < 45, `${attempts.length}`);
  assertEquals(attempts.at(-1), 5 * DAY);
  for (let i = 1; i < attempts.length - 1; i++) {
    const wait = attempts[i]! - attempts[i - 1]!;
    assert(wait >= 5 * MINUTE && wait <= 4 * HOUR * 7 / 6, `${wait}`);
  }
  const [last] = bench.eventsOf("delivery.failed");
  assertEquals(
    last?.reply,
    "451 4.4.7 could not be delivered within 5 days; the last answer was: 451 4.7.1 later",
  );
  assertEquals(await bench.entries(), new Map());
  await bench.stop();
});

Deno.test("a message to twenty hosts that never take it stays together: one warning, one notice", async () => {
  const random = new MemoryRandom(7);
  const bench: QueueBench = new QueueBench({
    answers: forOthers(async () => {
      // Each takes its time to say no.
      await bench.clock.sleep(random.float() * 5 * MINUTE);
      return LATER;
    }),
  });
  const recipients = Array.from({ length: 20 }, (_, i) => `u@d${i}.example`);
  await bench.add("m1", ...recipients);
  await bench.clock.advance(6 * DAY);
  assertEquals(toldBy(bench), ["m1 delayed", "m1 failed"]);
  assertEquals(bench.told.map(({ notice }) => notice.recipients.length), [20, 20]);
  await bench.stop();
});

Deno.test("a host that is down for a day is asked little, and gets all its mail soon after", async () => {
  const back = DAY;
  let taken = 0;
  const bench = new QueueBench({
    answers: forOthers((_, time) => {
      if (time < back) return null;
      taken++;
      return OK;
    }),
  });
  for (let i = 0; i < 300; i++) await bench.add(`m${i}`, `u${i}@down.example`);
  await bench.clock.advance(back);
  const isKnock = ({ recipients }: SeenAttempt) => recipients[0] !== "alice@example.com";
  const knocks = bench.attempts.filter(isKnock).length;
  // Every half hour one, and a few to find it down: not three hundred messages times eleven attempts.
  assert(knocks > 24 && knocks < 90, `${knocks}`);
  await bench.clock.advance(4 * HOUR * 7 / 6 + 30 * MINUTE);
  assertEquals(taken, 300);
  assertEquals(await bench.entries(), new Map());
  assertEquals(bench.eventsOf("delivery.failed"), []);
  // One warning each: nobody is left in the dark because another message was the one that knocked.
  assertEquals(new Set(toldBy(bench)).size, toldBy(bench).length);
  assertEquals(toldBy(bench).filter((told) => told.endsWith("delayed")).length, 300);
  await bench.stop();
});

Deno.test("a host that comes back after ten minutes has its mail within half an hour", async () => {
  const bench = new QueueBench({ answers: (_, time) => time < 10 * MINUTE ? null : OK });
  for (let i = 0; i < 100; i++) await bench.add(`m${i}`, `u${i}@down.example`);
  await bench.clock.advance(30 * MINUTE);
  assertEquals(await bench.entries(), new Map());
  await bench.stop();
});

Deno.test("mail for hosts that hang does not hold fresh mail for others up", async () => {
  const bench: QueueBench = new QueueBench({
    limits: { concurrency: 20, window: 200 },
    answers: async (name) => {
      if (!name.endsWith("hangs.example")) return OK;
      await bench.clock.sleep(5 * MINUTE);
      return null;
    },
  });
  for (let i = 0; i < 100; i++) await bench.add(`h${i}`, `u@d${i % 10}.hangs.example`);
  await bench.clock.advance(HOUR);
  const waits: number[] = [];
  for (let i = 0; i < 60; i++) {
    const since = bench.clock.now();
    await bench.add(`f${i}`, `u@f${i}.example`);
    await bench.clock.advance(MINUTE);
    const done = bench.eventsOf("message.done").find(({ message }) => message === `f${i}`);
    waits.push(done === undefined ? Infinity : done.time - since);
  }
  assertEquals(Math.max(...waits), 0);
  await bench.stop();
});

/** A store whose runner dies at one of its calls: `2n` before the work of call `n`, `2n + 1` after it. */
function dyingAt(step: number, inner: QueueStore): { store: QueueStore; dead: () => boolean } {
  let at = 0;
  let dead = false;
  const wait = () => {
    if (at++ === step) dead = true;
    return dead ? new Promise(() => {}) : undefined;
  };
  const isWork = (method: keyof QueueStore) => method !== "wait";
  const wired = throughWire(inner, {
    before: (method) => isWork(method) ? wait() : undefined,
    after: (method) => isWork(method) ? wait() : dead ? new Promise(() => {}) : undefined,
  });
  const store = new Proxy(wired, {
    get: (target, name) => {
      if (dead && name === "renew") return () => false;
      if (dead && name === "release") return () => {};
      return Reflect.get(target, name);
    },
  });
  return { store, dead: () => dead };
}

/** A bench whose runner dies at a step, and is followed by another over the same store. */
class Succession {
  readonly clock = new MemoryClock(0);
  readonly store = new MemoryStore({ clock: this.clock });
  readonly taken = new Map<string, number>();
  readonly told: string[] = [];
  #benches: { bench: QueueBench; dead: () => boolean }[] = [];

  constructor(readonly answers: Answers) {}

  /** A new runner, that dies at a step. */
  async rise(step: number): Promise<QueueBench> {
    const { store, dead } = dyingAt(step, this.store);
    const setup: BenchSetup = {
      clock: this.clock,
      store: this.store,
      wire: () => store,
      answers: async (name, time) => {
        // What a dead process hears is heard by nobody, but the other side has said it.
        if (dead()) return await new Promise(() => {});
        const answer = await this.answers(name, time);
        if (answer?.code === 250) this.taken.set(name, (this.taken.get(name) ?? 0) + 1);
        return dead() ? await new Promise(() => {}) : answer;
      },
    };
    const bench = new QueueBench(setup);
    this.#benches.push({ bench, dead });
    await this.clock.settle();
    return bench;
  }

  /** What any of the runners has told, as `message kind`. */
  tellings(): string[] {
    return this.#benches.flatMap(({ bench }) => toldBy(bench));
  }

  async end(): Promise<void> {
    for (const { bench, dead } of this.#benches) if (!dead()) await bench.stop();
  }
}

/** A message to a host that takes it, one that has no such user, one that says later first. */
const THREE: Answers = (name, time) =>
  name.startsWith("gone") ? NEVER : name.startsWith("slow") && time < 20 * MINUTE ? LATER : OK;

Deno.test("a runner that dies at any step loses nothing, and its successor tells what it did not", async () => {
  let steps = 0;
  for (let step = 0;; step++) {
    const succession = new Succession(THREE);
    const first = await succession.rise(step);
    await first.add("m1", "bob@a.example", "gone@b.example", "slow@c.example");
    await first.add("m2", "gone@b.example");
    await succession.clock.advance(MINUTE);
    const second = await succession.rise(Infinity);
    await succession.clock.advance(2 * HOUR);
    const where = `death at step ${step}`;
    assertEquals(await second.entries(), new Map(), where);
    for (const name of ["bob@a.example", "slow@c.example"]) {
      const copies = succession.taken.get(name) ?? 0;
      assert(copies === 1 || copies === 2, `${where}: ${copies} copies for ${name}`);
    }
    // Of each failure a notice has arrived.
    const notices = succession.taken.get("alice@example.com") ?? 0;
    assert(notices >= 2 && notices <= 4, `${where}: ${notices} notices`);
    const told = new Set(succession.tellings());
    assert(told.has("m1 failed") && told.has("m2 failed"), where);
    await succession.end();
    steps = step;
    if (first.eventsOf("message.done").length >= 4) break; // it lived to the end
  }
  assert(steps > 15, `${steps} steps`);
});

Deno.test("a new runner takes up what a dead one had claimed when its lease is over, not before", async () => {
  const succession = new Succession(() => OK);
  // The first call is the claim of nothing; it dies when it has claimed the message.
  const first = await succession.rise(3);
  await first.add("m1", "bob@x.example");
  await succession.clock.advance(MINUTE);
  assertEquals(succession.taken.size, 0);
  const second = await succession.rise(Infinity);
  await succession.clock.advance(3 * MINUTE);
  assertEquals(second.attempts, []);
  await succession.clock.advance(2 * MINUTE);
  assertEquals(second.attempts.length, 1);
  assertEquals(await second.entries(), new Map());
  await succession.end();
});

Deno.test("two runners over one store deliver each message once", async () => {
  const clock = new MemoryClock(0);
  const store = new MemoryStore({ clock });
  const random = new MemoryRandom(3);
  const answers: Answers = async () => {
    await clock.sleep(random.float() * 10 * MINUTE);
    return OK;
  };
  const benches = [1, 2].map(() => new QueueBench({ clock, store, answers }));
  for (let i = 0; i < 100; i++) await benches[0]!.add(`m${i}`, `u@d${i % 7}.example`);
  await clock.advance(6 * HOUR);
  const messages = benches.flatMap(({ attempts }) => attempts.map(({ message }) => message));
  assertEquals([messages.length, new Set(messages).size], [100, 100]);
  for (const bench of benches) await bench.stop();
});

Deno.test("whatever hosts say and whenever runners die, every message comes to an end that is told", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer(),
      fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 4 }),
      async (seed, deaths) => {
        const random = new MemoryRandom(seed);
        const succession = new Succession(forOthers(async (name) => {
          await succession.clock.sleep(random.below(3 * MINUTE));
          const chance = random.float();
          if (name.includes("@dead")) return null;
          return chance < 0.3 ? OK : chance < 0.4 ? NEVER : chance < 0.7 ? null : LATER;
        }));
        const last = await succession.rise(deaths[0] ?? Infinity);
        const hopeless: string[] = [];
        const names = ["u@a", "v@a", "u@b", "u@c", "u@dead"].map((name) => `${name}.example`);
        for (let i = 0; i < 8; i++) {
          const some = names.filter(() => random.float() < 0.5);
          const chosen = some.length === 0 ? names : some;
          if (chosen.includes("u@dead.example")) hopeless.push(`m${i}`);
          await last.add(`m${i}`, ...chosen);
        }
        await succession.clock.advance(HOUR);
        for (const step of [...deaths.slice(1), Infinity]) {
          await succession.rise(step);
          await succession.clock.advance(HOUR);
        }
        await succession.clock.advance(6 * DAY);
        const left = await last.entries();
        assertEquals([...left.keys()], []);
        const told = succession.tellings();
        for (const message of hopeless) assert(told.includes(`${message} failed`), message);
        await succession.end();
      },
    ),
    { numRuns: 8 },
  );
});
