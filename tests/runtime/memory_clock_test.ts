import { assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { MemoryClock } from "../../src/runtime/memory_clock.ts";

Deno.test("advance() wakes sleepers by time, then by the order they lay down", async () => {
  const clock = new MemoryClock(0);
  const woken: string[] = [];
  for (const [name, ms] of [["c", 20], ["a", 10], ["b", 10], ["d", 30]] as const) {
    clock.sleep(ms).then(() => woken.push(`${name} ${clock.now()}`));
  }
  await clock.advance(20);
  assertEquals(woken, ["a 10", "b 10", "c 20"]);
  assertEquals(clock.now(), 20);
  await clock.advance(5);
  assertEquals(woken.length, 3);
  await clock.advance(5);
  assertEquals(woken.at(-1), "d 30");
});

Deno.test("advance() wakes everybody in order, whatever lay down or was aborted", async () => {
  const sleepers = fc.array(fc.tuple(fc.nat(50), fc.boolean()), { maxLength: 60 });
  await fc.assert(fc.asyncProperty(sleepers, async (list) => {
    const clock = new MemoryClock(0);
    const giveUp = new AbortController();
    const woken: number[] = [];
    list.forEach(([ms, aborted], index) => {
      clock.sleep(ms, aborted ? giveUp.signal : undefined).then(
        () => woken.push(index),
        () => {},
      );
    });
    giveUp.abort();
    await clock.advance(50);
    const expected = [...list.entries()]
      .filter(([, [, aborted]]) => !aborted)
      .sort(([i, [a]], [j, [b]]) => a - b || i - j)
      .map(([index]) => index);
    assertEquals(woken, expected);
    assertEquals(clock.sleepers, 0);
  }));
});

Deno.test("a sleeper that lies down again is woken again in the same advance()", async () => {
  const clock = new MemoryClock(1000);
  const times: number[] = [];
  (async () => {
    for (let i = 0; i < 3; i++) {
      await clock.sleep(7);
      times.push(clock.now());
    }
  })();
  await clock.advance(100);
  assertEquals(times, [1007, 1014, 1021]);
  assertEquals(clock.now(), 1100);
});

Deno.test("step() goes to the next sleeper and no further", async () => {
  const clock = new MemoryClock(0);
  let woken = 0;
  for (const ms of [5, 6]) clock.sleep(ms).then(() => woken++);
  assertEquals([await clock.step(), clock.now(), woken], [true, 5, 1]);
  assertEquals([await clock.step(), clock.now(), woken], [true, 6, 2]);
  assertEquals([await clock.step(), clock.now()], [false, 6]);
});

Deno.test("runUntil() gives the outcome as soon as there is one", async () => {
  const clock = new MemoryClock(0);
  const week = 7 * 24 * 3_600_000;
  clock.sleep(2 * week);
  assertEquals(await clock.runUntil(clock.sleep(week).then(() => "done")), "done");
  assertEquals(clock.now(), week);
  await assertRejects(
    () => clock.runUntil(clock.sleep(5).then(() => Promise.reject(new Error("bad")))),
    Error,
    "bad",
  );
});

Deno.test("runUntil() tells of a wait that never ends", async () => {
  const clock = new MemoryClock(0);
  const never = new Promise(() => {});
  await assertRejects(() => clock.runUntil(never), Error, "nobody sleeps");
  clock.sleep(100);
  await assertRejects(() => clock.runUntil(never, 99), Error, "not after 99 ms");
});

Deno.test("runUntilIdle() ends when nobody sleeps, or at its limit", async () => {
  const clock = new MemoryClock(0);
  clock.sleep(10).then(() => clock.sleep(10));
  await clock.runUntilIdle();
  assertEquals(clock.now(), 20);
  const giveUp = new AbortController();
  (async () => {
    for (;;) await clock.sleep(1000, giveUp.signal);
  })().catch(() => {});
  await assertRejects(() => clock.runUntilIdle(60_000), Error, "not idle after 60000 ms");
  giveUp.abort();
  await clock.runUntilIdle();
});

Deno.test("hold() stops time while the real machine works", async () => {
  const clock = new MemoryClock(0);
  const order: string[] = [];
  clock.sleep(1).then(() => order.push("slept"));
  const digest = crypto.subtle.digest("SHA-256", new Uint8Array(100_000));
  clock.hold(digest).then(() => order.push("hashed"));
  await clock.advance(1);
  assertEquals(order, ["hashed", "slept"]);
  await assertRejects(() => clock.hold(Promise.reject(new Error("failed"))), Error, "failed");
  assertEquals(await clock.step(), false);
});
