import { assertEquals } from "@std/assert";
import { ReleasedDomains } from "../../src/delivery/released_domains.ts";

const MINUTE = 60_000;

Deno.test("pass() lets a released domain go until half an hour after its last mail", () => {
  const released = new ReleasedDomains();
  assertEquals(released.pass("example.org", 0), false);
  released.open("example.org", 0);
  assertEquals(released.pass("example.org", 29 * MINUTE), true);
  assertEquals(released.pass("other.example", 29 * MINUTE), false);
  assertEquals(released.pass("example.org", 58 * MINUTE), true);
  assertEquals(released.pass("example.org", 88 * MINUTE), false);
});

Deno.test("pass() ends after six hours, however much goes", () => {
  const released = new ReleasedDomains();
  released.open("@example.org", 0);
  let time = 0;
  while (released.pass("a.example.org", time)) time += 10 * MINUTE;
  assertEquals(time, 360 * MINUTE);
});
