import { assert, assertEquals, assertRejects } from "@std/assert";
import { Gate } from "../../../src/delivery/maildir/gate.ts";

Deno.test("Gate lets a bounded number through at once and all in the end", async () => {
  const gate = new Gate(3);
  let inside = 0;
  let most = 0;
  const order: number[] = [];
  await Promise.all(Array.from({ length: 20 }, (_, index) =>
    gate.run(async () => {
      most = Math.max(most, ++inside);
      await Promise.resolve();
      order.push(index);
      inside--;
    })));
  assertEquals(most, 3);
  assertEquals(order, [...order].sort((a, b) => a - b));
  assertEquals(order.length, 20);
});

Deno.test("Gate gives the place of failed work to the next", async () => {
  const gate = new Gate(1);
  let ran = false;
  await Promise.all([
    assertRejects(() => gate.run(() => Promise.reject(new Error("no"))), Error, "no"),
    gate.run(() => {
      ran = true;
      return Promise.resolve();
    }),
  ]);
  assert(ran);
});
