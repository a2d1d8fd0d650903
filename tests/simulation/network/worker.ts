/**
 * A thread that runs seeds: is told `{ first, last }`, tells each outcome, and `null` when it wants more.
 *
 * @module
 */

import { runSeed } from "./run.ts";

/** What a thread has of its surroundings. */
interface Scope {
  onmessage: ((event: MessageEvent<{ first: number; last: number }>) => void) | null;
  postMessage(message: unknown): void;
}

const scope = globalThis as unknown as Scope;

scope.onmessage = async ({ data: { first, last } }) => {
  for (let seed = first; seed <= last; seed++) scope.postMessage(await runSeed(seed));
  scope.postMessage(null);
};
