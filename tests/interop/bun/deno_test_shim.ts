/**
 * As much of `Deno.test` as the contract suites need, for a process of Bun: collects the tests, and runs them
 * one after the other when told to. The summary is as `deno test` writes it.
 *
 * Imported before the suites, since they register while they are loaded.
 *
 * @module
 */

import { inspect } from "node:util";

const tests: { readonly name: string; readonly body: () => Promise<void> }[] = [];

/** Milliseconds after which a test that hangs is failed. */
const LIMIT = 60_000;

Object.assign(globalThis, {
  Deno: {
    inspect: (value: unknown) => inspect(value, { depth: 6 }),
    test: (name: string, body: () => Promise<void>) => void tests.push({ name, body }),
  },
});

/** Runs all that was registered; gives how many failed. */
export async function runTests(): Promise<number> {
  let failed = 0;
  for (const { name, body } of tests) {
    const { promise: late, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => reject(new Error("it hangs")), LIMIT);
    try {
      await Promise.race([body(), late]);
    } catch (error) {
      failed++;
      console.log(`FAILED ${name}\n${error instanceof Error ? error.stack : error}`);
    }
    clearTimeout(timer);
  }
  const word = failed === 0 ? "ok" : "FAILED";
  console.log(`${word} | ${tests.length - failed} passed | ${failed} failed`);
  return failed;
}
