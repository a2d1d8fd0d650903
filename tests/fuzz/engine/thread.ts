/**
 * The thread a target runs in. Each input is left in memory that the main thread sees too, so that one that never
 * ends is known.
 *
 * @module
 */

import { loadTarget } from "../targets.ts";
import { readCorpus } from "./corpus.ts";
import { Coverage } from "./coverage.ts";
import { type Failure, fuzz, type Progress } from "./fuzz.ts";
import { LONGEST } from "./target.ts";

/** What the thread is told. */
export interface Order {
  readonly target: string;
  /** The URL of the module that has it; default: where `targets.ts` finds it. */
  readonly module?: string;
  readonly seed: number;
  /** Inputs to run at least; `null`: until the time is over. */
  readonly runs: number | null;
  /** Milliseconds to run; `null`: until the inputs have run. */
  readonly time: number | null;
  /** The folders of kept inputs. */
  readonly folders: readonly string[];
  /** Two numbers, how many inputs have begun and the length of the last; then its octets. */
  readonly shared: SharedArrayBuffer;
}

/** What the thread tells. */
export type News =
  | { readonly type: "progress"; readonly progress: Progress }
  | { readonly type: "failure"; readonly failure: Failure }
  | { readonly type: "found"; readonly input: Uint8Array }
  | { readonly type: "done"; readonly progress: Progress }
  | { readonly type: "broken"; readonly message: string };

/** Octets before the input in the shared memory. */
export const SHARED_HEADER = 8;
/** Octets of the shared memory: any input fits. */
export const SHARED_SIZE = SHARED_HEADER + 256 * 1024;

interface Thread {
  onmessage: ((event: MessageEvent<Order>) => void) | null;
  postMessage(news: News): void;
}

const thread = globalThis as unknown as Thread;

async function obey(order: Order): Promise<void> {
  const coverage = await Coverage.start();
  const target = await loadTarget(order.target, order.module);
  const kept = await Promise.all(
    order.folders.map((folder) => readCorpus(order.target, new URL(folder))),
  );
  const numbers = new Int32Array(order.shared, 0, 2);
  const octets = new Uint8Array(order.shared, SHARED_HEADER);
  const end = order.time === null ? Infinity : performance.now() + order.time;
  let told = 0;
  const progress = await fuzz({
    target,
    seed: order.seed,
    corpus: kept.flat().map(({ input }) => input.slice(0, target.longest ?? LONGEST)),
    coverage,
    more: (inputs) => performance.now() < end && inputs < (order.runs ?? Infinity),
    before: (input) => {
      octets.set(input.subarray(0, octets.length));
      numbers[1] = input.length;
      Atomics.add(numbers, 0, 1);
    },
    failed: (failure) => thread.postMessage({ type: "failure", failure }),
    found: (input) => thread.postMessage({ type: "found", input }),
    progress: (progress) => {
      if (performance.now() - told < 200) return;
      told = performance.now();
      thread.postMessage({ type: "progress", progress });
    },
  });
  thread.postMessage({ type: "done", progress });
}

if (!import.meta.main || "WorkerGlobalScope" in globalThis) {
  thread.onmessage = ({ data }) => {
    obey(data).catch((error) =>
      thread.postMessage({ type: "broken", message: `${(error as Error)?.stack ?? error}` })
    );
  };
}
