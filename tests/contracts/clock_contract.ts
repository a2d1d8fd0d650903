/**
 * What every {@link Clock} and {@link Random} does.
 *
 * @module
 */

import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { hasSettled } from "../support/connections.ts";
import { type Adapter, contractTest } from "./adapter.ts";

/** Registers the tests. */
export function clockContract(adapter: Adapter): void {
  contractTest(adapter, "now() is milliseconds since the epoch", ({ runtime }) => {
    const now = runtime.clock.now();
    assert(now > Date.UTC(2020, 0, 1) && now < Date.UTC(2120, 0, 1));
    return Promise.resolve();
  });

  contractTest(adapter, "sleep() rejects with the reason of its signal", async ({ runtime }) => {
    const reason = new Error("enough");
    const giveUp = new AbortController();
    const sleeping = runtime.clock.sleep(3_600_000, giveUp.signal);
    giveUp.abort(reason);
    assertEquals(await assertRejects(() => sleeping), reason);
    assertEquals(await assertRejects(() => runtime.clock.sleep(0, giveUp.signal)), reason);
  });

  // A timer of more than 2^31 milliseconds fires at once in every JavaScript engine.
  contractTest(adapter, "sleep() takes any length of time", async ({ runtime }) => {
    for (const length of [2 ** 31, 2 ** 40, Infinity]) {
      const giveUp = new AbortController();
      const sleeping = runtime.clock.sleep(length, giveUp.signal);
      assertEquals(await hasSettled(sleeping), false);
      giveUp.abort();
      await assertRejects(() => sleeping);
    }
  });

  contractTest(adapter, "bytes() gives as many octets as asked for", ({ runtime }) => {
    for (const length of [0, 1, 20, 200_000]) {
      assertEquals(runtime.random.bytes(length).length, length);
    }
    assertNotEquals(runtime.random.bytes(16), runtime.random.bytes(16));
    // The last octets of a large request are filled too.
    assert(runtime.random.bytes(200_000).subarray(-100).some((octet) => octet !== 0));
    return Promise.resolve();
  });

  contractTest(adapter, "float() is spread over [0, 1)", ({ runtime }) => {
    const buckets = new Array(10).fill(0);
    for (let i = 0; i < 10_000; i++) {
      const value = runtime.random.float();
      assert(value >= 0 && value < 1);
      buckets[Math.floor(value * 10)]++;
    }
    // 1000 each are expected, with a deviation of 30; 800 is less likely than 1 in 10^10.
    assert(Math.min(...buckets) > 800);
    return Promise.resolve();
  });
}
