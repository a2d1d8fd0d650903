import { assertEquals, assertRejects } from "@std/assert";
import { Turns } from "../../../src/queue/spool/turns.ts";

Deno.test("run() does work of one key in order, of others at once, also after a failure", async () => {
  const turns = new Turns();
  const log: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = turns.run("a", async () => {
    log.push("a1");
    await gate.promise;
    log.push("a1 end");
    throw new Error("no");
  });
  const second = turns.run("a", () => Promise.resolve(void log.push("a2")));
  await turns.run("b", () => Promise.resolve(void log.push("b")));
  gate.resolve();
  await assertRejects(() => first, Error, "no");
  await second;
  assertEquals(log, ["a1", "b", "a1 end", "a2"]);
});

Deno.test("runAll() of the same keys in another order waits, and does not lock up", async () => {
  const turns = new Turns();
  let inside = 0;
  const work = async () => {
    assertEquals(++inside, 1);
    await Promise.resolve();
    inside--;
  };
  const keys = [["a", "b", "c"], ["c", "a"], ["b", "a", "b"], ["c", "b", "a"]];
  await Promise.all(keys.map((some) => turns.runAll(some, work)));
  await turns.idle();
  assertEquals(await turns.runAll([], () => Promise.resolve(42)), 42);
});

Deno.test("idle() waits for all that is under way", async () => {
  const turns = new Turns();
  let done = 0;
  for (const key of ["a", "a", "b"]) {
    turns.run(key, () => Promise.resolve().then(() => void done++));
  }
  await turns.idle();
  assertEquals(done, 3);
});
