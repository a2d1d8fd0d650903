import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { Feedback } from "../../src/delivery/destination.ts";
import { Scheduler, type SchedulerLimits, type Started } from "../../src/delivery/scheduler.ts";
import { reply } from "../../src/smtp/reply.ts";

const MINUTE = 60_000;
const REACHED: Feedback = { kind: "reached" };
const REFUSED = reply(451, "4.4.1", "connection refused");
const UNREACHABLE: Feedback = { kind: "unreachable", reply: REFUSED, host: "mx.a.example" };

/** A scheduler of words, and its time. */
class Bench {
  readonly scheduler: Scheduler<string>;
  now = 0;

  constructor(limits: Partial<SchedulerLimits> = {}) {
    this.scheduler = new Scheduler(limits);
  }

  enter(job: string, destination = job[0]!, { limit = 20, fresh = true } = {}) {
    return this.scheduler.enter(job, { destination, limit, fresh }, this.now);
  }

  /** Enters so many; gives how many were let in. */
  fill(count: number, destination: string, options = {}): number {
    let entered = 0;
    for (let i = 0; i < count; i++) {
      if (this.enter(`${destination}${i}`, destination, options) === null) entered++;
    }
    return entered;
  }

  /** Starts all that may start. */
  start(): Started<string>[] {
    const started: Started<string>[] = [];
    for (let s = this.scheduler.next(this.now); s !== null; s = this.scheduler.next(this.now)) {
      started.push(s);
    }
    return started;
  }

  finish(started: readonly Started<string>[], feedback: Feedback): string[] {
    return started.flatMap((s) => [...this.scheduler.finish(s, feedback, this.now)]);
  }

  /** Has a new destination found down: five jobs that cannot reach it. */
  bringDown(destination: string): void {
    this.fill(5, destination);
    this.finish(this.start(), UNREACHABLE);
  }
}

const jobs = (started: readonly Started<string>[]) => started.map(({ job }) => job);

Deno.test("next() gives a new destination five jobs at once", () => {
  const bench = new Bench();
  bench.fill(9, "a");
  assertEquals(jobs(bench.start()), ["a0", "a1", "a2", "a3", "a4"]);
  assertEquals([bench.scheduler.size, bench.scheduler.running], [9, 5]);
});

Deno.test("next() gives no more at once than the route allows", () => {
  const bench = new Bench();
  bench.fill(9, "a", { limit: 2 });
  assertEquals(bench.start().length, 2);
});

Deno.test("a cohort that reached its destination makes it wider by one, up to the limit", () => {
  const bench = new Bench();
  bench.fill(200, "a", { limit: 8 });
  const widths: number[] = [];
  for (let i = 0; i < 6; i++) {
    const started = bench.start();
    widths.push(started.length);
    bench.finish(started, REACHED);
  }
  assertEquals(widths, [5, 5, 6, 7, 8, 8]);
});

Deno.test("jobs that did not reach their destination make it narrower", () => {
  const bench = new Bench();
  bench.fill(20, "a");
  const started = bench.start();
  bench.finish(started.slice(0, 2), UNREACHABLE);
  bench.finish(started.slice(2), { kind: "unknown" });
  assertEquals(bench.start().length, 4);
});

Deno.test("a destination is down after a whole cohort failed, and its jobs leave with the reason", () => {
  const bench = new Bench();
  bench.fill(8, "a");
  const started = bench.start();
  assertEquals(bench.finish(started.slice(0, 4), UNREACHABLE), []);
  const rest = bench.finish(started.slice(4), UNREACHABLE);
  assertEquals(rest, ["a5", "a6", "a7"]);
  assertEquals(bench.scheduler.size, 0);
  const refusal = bench.enter("a9");
  assertEquals([refusal?.reply, refusal?.host], [REFUSED, "mx.a.example"]);
  assert(refusal!.until >= MINUTE);
  assertEquals([...bench.scheduler.down(0)], [
    { destination: "a", until: MINUTE, reply: REFUSED, host: "mx.a.example" },
  ]);
  assertEquals(bench.enter("b0"), null);
});

Deno.test("one success between failures keeps a destination up", () => {
  const bench = new Bench();
  bench.fill(40, "a");
  for (let i = 0; i < 6; i++) {
    const started = bench.start();
    assertEquals(bench.finish(started.slice(0, 1), UNREACHABLE), []);
    assertEquals(bench.finish(started.slice(1, 2), REACHED), []);
    bench.finish(started.slice(2), { kind: "unknown" });
  }
});

Deno.test("after its time one job goes ahead; when it fails too the time doubles, to half an hour", () => {
  const bench = new Bench();
  bench.bringDown("a");
  const times: number[] = [];
  for (let i = 0; i < 7; i++) {
    const { until } = [...bench.scheduler.down(bench.now)][0]!;
    times.push((until - bench.now) / MINUTE);
    bench.now = until;
    assertEquals(bench.fill(3, "a"), 3);
    const started = bench.start();
    assertEquals(started.length, 1);
    assertEquals(bench.finish(started, UNREACHABLE).length, 2);
  }
  assertEquals(times, [1, 2, 4, 8, 16, 30, 30]);
});

Deno.test("a job that gets through opens the way for all", () => {
  const bench = new Bench();
  bench.bringDown("a");
  bench.now = MINUTE;
  bench.fill(9, "a");
  bench.finish(bench.start(), REACHED);
  assertEquals(bench.start().length, 5);
});

Deno.test("jobs begun before a destination was found down do not count against it afterwards", () => {
  const bench = new Bench({ startWidth: 8 });
  bench.fill(8, "a");
  const started = bench.start();
  bench.fill(1, "a", { limit: 2 }); // a reload that allows less
  bench.finish(started.slice(0, 2), UNREACHABLE);
  const { until } = [...bench.scheduler.down(bench.now)][0]!;
  bench.now = until + 1;
  bench.finish(started.slice(2), UNREACHABLE);
  assertEquals([...bench.scheduler.down(bench.now)], []);
});

Deno.test("forget() lets a destination be tried at once", () => {
  const bench = new Bench();
  bench.bringDown("a");
  bench.bringDown("b");
  bench.scheduler.forget("a");
  assertEquals(bench.enter("a0"), null);
  assert(bench.enter("b0") !== null);
  bench.scheduler.forget();
  assertEquals(bench.enter("b0"), null);
  assertEquals(bench.start().length, 2);
});

Deno.test("next() takes destinations in turn, however many wait for one", () => {
  const bench = new Bench({ concurrency: 6 });
  bench.fill(100, "a");
  bench.fill(2, "b");
  bench.fill(3, "c");
  assertEquals(jobs(bench.start()), ["a0", "b0", "c0", "a1", "b1", "c1"]);
});

Deno.test("next() takes fresh mail first, and a retry after four of it", () => {
  const bench = new Bench({ concurrency: 12, startWidth: 20 });
  bench.fill(4, "r", { fresh: false });
  bench.fill(20, "f");
  assertEquals(
    jobs(bench.start()).map((job) => job[0]).join(""),
    "ffffrffffrff",
  );
});

Deno.test("next() leaves a quarter of all places to fresh mail", () => {
  const bench = new Bench({ concurrency: 8 });
  for (const name of "abcdefgh") bench.fill(5, name, { fresh: false });
  assertEquals(bench.start().length, 6);
  bench.fill(5, "z");
  assertEquals(jobs(bench.start()), ["z0", "z1"]);
});

Deno.test("enter() gives one destination half of the window, and some to every other", () => {
  const bench = new Bench({ window: 1000 });
  assertEquals(bench.fill(100_000, "a"), 500);
  assertEquals(bench.fill(100_000, "b"), 250);
  assertEquals(bench.fill(100_000, "c"), 125);
  assertEquals(bench.fill(1, "d"), 1);
  assertEquals(bench.scheduler.room(0), 1000 - 876);
  assertEquals(bench.scheduler.room(990), 10);
});

Deno.test("enter() tells those that find no place to come when there should be one, spread over time", () => {
  const bench = new Bench({ window: 100 });
  bench.fill(50, "a", { limit: 10 });
  // Jobs take a second each, ten at once: ten a second.
  for (let i = 0; i < 60; i++) {
    const started = bench.start();
    bench.now += 1000;
    bench.finish(started, REACHED);
    bench.fill(started.length, "a", { limit: 10 });
  }
  const times = Array.from({ length: 100 }, () => {
    const refusal = bench.enter("a", "a", { limit: 10 });
    assertEquals(refusal?.reply, undefined);
    return refusal!.until - bench.now;
  });
  // The line before them is of 50: five seconds, less a fifth.
  assert(times[0]! > 3000 && times[0]! < 5000, `${times[0]}`);
  assert(times[99]! - times[0]! > 8000 && times[99]! - times[0]! < 12_000, `${times[99]}`);
});

Deno.test("enter() never sends anybody away for more than a quarter of an hour when nothing is down", () => {
  const bench = new Bench({ window: 10 });
  bench.fill(5, "a");
  for (let i = 0; i < 4; i++) {
    const started = bench.start();
    bench.now += 60_000;
    bench.finish(started, REACHED);
    bench.fill(5, "a");
  }
  const times = Array.from({ length: 5000 }, () => bench.enter("a")!.until - bench.now);
  const drain = 5 * MINUTE;
  for (const time of times) assert(time > 0 && time <= 15 * MINUTE + drain, `${time}`);
  assert(new Set(times).size > 10);
});

Deno.test("withdraw() takes out what was not started", () => {
  const bench = new Bench();
  bench.fill(7, "a");
  bench.fill(1, "b");
  bench.start();
  assertEquals(bench.scheduler.withdraw(), ["a5", "a6"]);
  assertEquals([bench.scheduler.size, bench.scheduler.running], [6, 6]);
});

Deno.test("succeed() starts the next job of a destination in the place of one that is about to be over", () => {
  const bench = new Bench({ concurrency: 3 });
  bench.fill(4, "a", { limit: 2 });
  const [a0, a1] = bench.start();
  const a2 = bench.scheduler.succeed(a0!, bench.now)!;
  assertEquals([a2.job, bench.scheduler.running, bench.scheduler.size], ["a2", 2, 4]);
  assertEquals(bench.scheduler.succeed(a0!, bench.now), null, "the place is gone");
  bench.finish([a0!], REACHED);
  assertEquals([bench.start().length, bench.scheduler.running], [0, 2]);
  const a3 = bench.scheduler.succeed(a2, bench.now)!;
  assertEquals(a3.job, "a3");
  // One that is over before the one whose place it took gives it back.
  bench.finish([a3], REACHED);
  assertEquals([bench.scheduler.running, bench.scheduler.size], [2, 2]);
  bench.finish([a2, a1!], REACHED);
  assertEquals([bench.scheduler.running, bench.scheduler.size], [0, 0]);
});

Deno.test("succeed(): a place is free when the last of those who had it is over, in whatever order", () => {
  for (const order of [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]) {
    const bench = new Bench();
    bench.fill(4, "a", { limit: 1 });
    const [first] = bench.start();
    const second = bench.scheduler.succeed(first!, bench.now)!;
    const third = bench.scheduler.succeed(second, bench.now)!;
    const all = [first!, second, third];
    for (const [over, index] of order.entries()) {
      bench.finish([all[index]!], REACHED);
      const started = bench.start().map(({ job }) => job);
      assertEquals(started, over < 2 ? [] : ["a3"], `${order}`);
    }
  }
});

Deno.test("succeed() gives nothing where others may have a better right to the place", () => {
  const full = new Bench({ concurrency: 2 });
  full.fill(3, "a");
  full.fill(1, "b");
  const [first] = full.start();
  assertEquals(full.scheduler.succeed(first!, full.now), null, "another destination waits");

  const mixed = new Bench();
  mixed.fill(2, "a", { limit: 1 });
  mixed.enter("a-retry", "a", { limit: 1, fresh: false });
  assertEquals(mixed.scheduler.succeed(mixed.start()[0]!, mixed.now), null, "a retry waits");

  const alone = new Bench();
  alone.fill(1, "a");
  assertEquals(alone.scheduler.succeed(alone.start()[0]!, alone.now), null, "nobody waits");

  const narrow = new Bench();
  narrow.fill(6, "a");
  const started = narrow.start();
  narrow.enter("a-last", "a", { limit: 2 });
  assertEquals(narrow.scheduler.succeed(started[0]!, narrow.now), null, "it has become narrower");
});

Deno.test("whatever comes, limits hold, nothing is lost, and all is done in the end", () => {
  fc.assert(fc.property(
    fc.array(
      fc.record({
        destination: fc.constantFrom("a", "b", "c", "d"),
        count: fc.nat(30),
        fresh: fc.boolean(),
        limit: fc.integer({ min: 1, max: 9 }),
        feedback: fc.constantFrom<Feedback>(REACHED, REACHED, UNREACHABLE, { kind: "unknown" }),
        finish: fc.nat(20),
        succeed: fc.nat(5),
        newestFirst: fc.boolean(),
        pause: fc.nat(5 * MINUTE),
      }),
      { maxLength: 30 },
    ),
    (steps) => {
      const bench = new Bench({ window: 60, concurrency: 7 });
      const inside = new Set<string>();
      const running: Started<string>[] = [];
      let serial = 0;
      const finish = (started: Started<string>, feedback: Feedback) => {
        assert(inside.delete(started.job));
        for (const job of bench.scheduler.finish(started, feedback, bench.now)) {
          assert(inside.delete(job));
        }
      };
      const startAll = () => {
        running.push(...bench.start());
        const places = running.filter(({ holds }) => holds);
        assert(places.length <= 7);
        assert(places.filter(({ fresh }) => !fresh).length <= 6);
        assertEquals(bench.scheduler.running, places.length);
        assertEquals(bench.scheduler.size, inside.size);
      };
      const succeedSome = (count: number) => {
        for (const started of running.slice(0, count)) {
          const successor = bench.scheduler.succeed(started, bench.now);
          if (successor !== null) running.push(successor);
        }
      };
      for (const step of steps) {
        const { destination, count, fresh, limit, feedback, finish: ends, pause } = step;
        bench.now += pause;
        for (let i = 0; i < count; i++) {
          const job = `${destination}${serial++}`;
          const refusal = bench.enter(job, destination, { limit, fresh });
          if (refusal === null) inside.add(job);
          else assert(refusal.until > bench.now);
        }
        startAll();
        succeedSome(step.succeed);
        const over = step.newestFirst
          ? running.splice(Math.max(0, running.length - ends)).reverse()
          : running.splice(0, ends);
        for (const started of over) finish(started, feedback);
        startAll();
      }
      while (running.length > 0) {
        for (const started of running.splice(0)) finish(started, REACHED);
        startAll();
      }
      assertEquals([inside.size, bench.scheduler.size], [0, 0]);
    },
  ));
});
