import { assertEquals, assertRejects } from "@std/assert";
import { BusyError, Gate } from "../src/gate.ts";

/** Pieces of work that end when told to. */
function pieces(count: number) {
  return Array.from({ length: count }, () => Promise.withResolvers<void>());
}

Deno.test("Gate.run() lets so many in at once, the rest in order", async () => {
  const gate = new Gate(2, 10);
  const ends = pieces(4);
  const begun: number[] = [];
  const runs = ends.map((end, index) =>
    gate.run(() => {
      begun.push(index);
      return end.promise;
    })
  );
  assertEquals(begun, [0, 1]);
  ends[1]!.resolve();
  await runs[1];
  assertEquals(begun, [0, 1, 2]);
  ends[0]!.resolve();
  await runs[0];
  assertEquals(begun, [0, 1, 2, 3]);
  ends[2]!.resolve();
  ends[3]!.resolve();
  await Promise.all(runs);
});

Deno.test("Gate.run() turns away at once who finds the line full, and nobody later", async () => {
  const gate = new Gate(1, 1);
  const [first, second] = pieces(2);
  const runs = [gate.run(() => first!.promise), gate.run(() => second!.promise)];
  await assertRejects(() => gate.run(() => Promise.resolve()), BusyError);
  first!.resolve();
  second!.resolve();
  await Promise.all(runs);
  assertEquals(await gate.run(() => Promise.resolve("in")), "in");
});

Deno.test("Gate.run() fails as the work fails, and lets the next in", async () => {
  const gate = new Gate(1, 1);
  const failing = gate.run(() => Promise.reject(new RangeError("no")));
  const next = gate.run(() => Promise.resolve("in"));
  await assertRejects(() => failing, RangeError, "no");
  assertEquals(await next, "in");
});
