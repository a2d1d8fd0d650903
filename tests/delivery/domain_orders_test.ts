import { assert, assertEquals, assertRejects } from "@std/assert";
import { DomainOrders } from "../../src/delivery/domain_orders.ts";
import { MemoryClock } from "../../src/runtime/memory_clock.ts";

/** Orders over a look that takes a second, and what each look was for, of the domains asked about. */
function begin(domains: readonly string[]) {
  const clock = new MemoryClock(0);
  const stopping = new AbortController();
  const looks: { readonly time: number; readonly meant: readonly string[] }[] = [];
  let running = 0;
  const orders = new DomainOrders(clock, stopping.signal, async (isMeant) => {
    assertEquals(++running, 1);
    looks.push({ time: clock.now(), meant: domains.filter(isMeant) });
    await clock.sleep(1000);
    running--;
    return looks.length;
  });
  return { clock, stopping, looks, orders };
}

Deno.test("order() takes one look at a time, for all that was asked for, and rests after it", async () => {
  const domains = Array.from({ length: 500 }, (_, number) => `a${number}.example`);
  const { clock, stopping, looks, orders } = begin(domains);
  const counts: Promise<number>[] = [];
  for (const domain of domains) {
    counts.push(orders.order(domain), orders.order(domain));
    await clock.advance(1);
  }
  await clock.advance(60_000);
  assertEquals(looks, [
    { time: 0, meant: ["a0.example"] },
    { time: 11_000, meant: domains.slice(1) },
  ]);
  assertEquals(new Set(await Promise.all(counts)), new Set([1, 2]));
  stopping.abort();
  await clock.settle();
  assertEquals(clock.sleepers, 0);
});

Deno.test("order() knows all below a domain, and however many are asked for forgets none it took", async () => {
  const { clock, stopping, looks, orders } = begin(["in.x.example", "y.example", "z.example"]);
  orders.order("@X.example");
  orders.order("y.example");
  for (let number = 0; number < 2000; number++) orders.order(`b${number}.example`);
  orders.order("z.example");
  await clock.advance(0);
  assertEquals(looks.map(({ meant }) => meant), [["in.x.example", "y.example"]]);
  stopping.abort();
  await clock.advance(1000);
});

Deno.test("order() gives what the look throws, and looks again afterwards", async () => {
  const clock = new MemoryClock(0);
  const stopping = new AbortController();
  let looks = 0;
  const orders = new DomainOrders(clock, stopping.signal, () => {
    return ++looks === 1 ? Promise.reject(new Error("EIO")) : Promise.resolve(7);
  });
  await assertRejects(() => orders.order("a.example"), Error, "EIO");
  const again = orders.order("a.example");
  await clock.advance(9_999);
  assertEquals(looks, 1);
  await clock.advance(1);
  assertEquals(await again, 7);
  stopping.abort();
  await clock.settle();
  assert(clock.sleepers === 0);
});
