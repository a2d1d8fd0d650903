import { assertEquals } from "@std/assert";
import { DnsCache } from "../../src/runtime/dns_cache.ts";

Deno.test("get() gives a value until its time is over", () => {
  const cache = new DnsCache<string>(10);
  cache.set("mx a.test", "value", 1000);
  assertEquals(cache.get("mx a.test", 999), "value");
  assertEquals(cache.get("mx a.test", 1000), undefined);
  assertEquals(cache.size, 0);
  assertEquals(cache.get("mx b.test", 0), undefined);
});

Deno.test("set() makes room by what was not used for longest", () => {
  const cache = new DnsCache<number>(3);
  for (const [value, key] of ["a", "b", "c"].entries()) cache.set(key, value, 100);
  cache.get("a", 0);
  cache.set("b", 10, 100);
  cache.set("d", 3, 100);
  assertEquals(["a", "b", "c", "d"].map((key) => cache.get(key, 0)), [0, 10, undefined, 3]);
  for (let i = 0; i < 1000; i++) cache.set(`${i}`, i, 100);
  assertEquals(cache.size, 3);
});
