import { assertEquals } from "@std/assert";
import { Deadlines } from "../../src/runtime/deadlines.ts";
import { MemoryClock } from "../../src/runtime/memory_clock.ts";

/** A member that notes when it expired. */
function member(clock: MemoryClock, deadline: number) {
  const expired: number[] = [];
  return { deadline, expired, expire: () => void expired.push(clock.now()) };
}

Deno.test("Deadlines expires a member once, at the first sweep after its deadline", async () => {
  const clock = new MemoryClock(0);
  const deadlines = new Deadlines(clock);
  const [early, late, none] = [1500, 3000, Infinity].map((deadline) => member(clock, deadline));
  for (const each of [early!, late!, none!]) deadlines.add(each);
  await clock.advance(60_000);
  assertEquals(early!.expired, [2000]);
  assertEquals(early!.deadline, Infinity);
  assertEquals(late!.expired, [3000]);
  assertEquals(none!.expired, []);
  deadlines.stop();
});

Deno.test("Deadlines looks at a deadline only when it sweeps", async () => {
  const clock = new MemoryClock(0);
  const deadlines = new Deadlines(clock);
  const moving = member(clock, 1500);
  deadlines.add(moving);
  for (let i = 0; i < 100; i++) {
    await clock.advance(1000);
    moving.deadline = clock.now() + 1500;
  }
  assertEquals(moving.expired, []);
  await clock.advance(2000);
  assertEquals(moving.expired, [102_000]);
  moving.deadline = clock.now() + 1;
  await clock.advance(1000);
  assertEquals(moving.expired, [102_000, 103_000]);
  deadlines.stop();
});

Deno.test("Deadlines sweeps only while there are members", async () => {
  const clock = new MemoryClock(0);
  const deadlines = new Deadlines(clock);
  assertEquals(clock.sleepers, 0);
  const one = member(clock, Infinity);
  deadlines.add(one);
  assertEquals(deadlines.size, 1);
  await clock.advance(10_000);
  assertEquals(clock.sleepers, 1);
  deadlines.delete(one);
  deadlines.delete(one);
  await clock.runUntilIdle();
  assertEquals([deadlines.size, clock.sleepers], [0, 0]);

  const two = member(clock, clock.now());
  deadlines.add(two);
  await clock.advance(1000);
  assertEquals(two.expired, [12_000]);
  deadlines.delete(two);
  await clock.runUntilIdle();
});

Deno.test("Deadlines lets an expiry take members away and bring new ones", async () => {
  const clock = new MemoryClock(0);
  const deadlines = new Deadlines(clock);
  const other = member(clock, 500);
  const added = member(clock, 0);
  deadlines.add({
    deadline: 500,
    expire() {
      deadlines.delete(this);
      deadlines.delete(other);
      deadlines.add(added);
    },
  });
  deadlines.add(other);
  await clock.advance(1000);
  assertEquals([other.expired, added.expired], [[], [1000]]);
  deadlines.stop();
});

Deno.test("Deadlines goes on when an expiry throws, and tells of it", async () => {
  const clock = new MemoryClock(0);
  const faults: unknown[] = [];
  const deadlines = new Deadlines(clock, (fault) => faults.push(fault));
  const other = member(clock, 500);
  deadlines.add({
    deadline: 500,
    expire: () => {
      throw "a bug";
    },
  });
  deadlines.add(other);
  await clock.advance(5000);
  assertEquals([faults, other.expired], [["a bug"], [1000]]);
  deadlines.stop();
});

Deno.test("stop() ends the sweep for good", async () => {
  const clock = new MemoryClock(0);
  const deadlines = new Deadlines(clock);
  const one = member(clock, 500);
  deadlines.add(one);
  deadlines.stop();
  assertEquals(clock.sleepers, 0);
  deadlines.add(one);
  await clock.advance(5000);
  assertEquals([one.expired, clock.sleepers], [[], 0]);
});

Deno.test("Deadlines goes back with a clock that is set back, lest a silent peer be borne for as long", async () => {
  const HOUR = 3_600_000;
  const clock = new MemoryClock(10 * HOUR);
  let skew = 0;
  const wall = {
    now: () => clock.now() + skew,
    sleep: (ms: number, signal?: AbortSignal) => clock.sleep(ms, signal),
  };
  const deadlines = new Deadlines(wall);
  const before = member(clock, wall.now() + 300_000);
  deadlines.add(before);
  await clock.advance(10_000);
  skew = -3 * HOUR;
  // This one is set by the clock as it is now, before anybody has seen the change.
  const after = member(clock, wall.now() + 300_000);
  deadlines.add(after);
  await clock.advance(289_000);
  assertEquals([before.expired, after.expired], [[], []]);
  await clock.advance(13_000);
  assertEquals([before.expired, after.expired], [[10 * HOUR + 301_000], [10 * HOUR + 310_000]]);
  deadlines.stop();
});
