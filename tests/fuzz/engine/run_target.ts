/**
 * Runs one target in a thread and watches over it: an input that never ends ends the thread.
 *
 * @module
 */

import type { Failure, Progress } from "./fuzz.ts";
import { type News, type Order, SHARED_HEADER, SHARED_SIZE } from "./thread.ts";

/** Milliseconds, see {@link TargetRun.never}. */
const NEVER = 15_000;

/** What is wanted, and who is told what comes of it. */
export interface TargetRun extends Omit<Order, "shared"> {
  /** Milliseconds after which an input is taken for one that never ends. Default 15,000. */
  readonly never?: number;
  readonly failed: (failure: Failure) => void;
  readonly found: (input: Uint8Array) => void;
  readonly progress: (progress: Progress) => void;
}

/** Runs a target to its end; gives how it stood. */
export async function runTarget(run: TargetRun): Promise<Progress> {
  const { failed, found, progress, never = NEVER, ...order } = run;
  const shared = new SharedArrayBuffer(SHARED_SIZE);
  const worker = new Worker(new URL("./thread.ts", import.meta.url), { type: "module" });
  let standing: Progress = { inputs: 0, pool: 0, covered: 0, known: 0, failures: 0 };
  const watch = new Watch(shared, never);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setInterval(() => {
    const input = watch.stuckWith();
    if (input === null) return;
    const message = `did not end in ${never / 1000} s`;
    failed({ mark: "never", message, input, after: standing.inputs });
    standing = { ...standing, failures: standing.failures + 1 };
    resolve();
  }, Math.min(500, never / 4));
  worker.onmessage = ({ data }: MessageEvent<News>) => {
    if (data.type === "failure") return failed(data.failure);
    if (data.type === "found") return found(data.input);
    if (data.type === "broken") return reject(new Error(`${run.target}: ${data.message}`));
    standing = data.progress;
    progress(standing);
    if (data.type === "done") resolve();
  };
  worker.onerror = (event) => {
    event.preventDefault();
    reject(new Error(`${run.target}: ${event.message}`));
  };
  worker.postMessage({ ...order, shared } satisfies Order);
  try {
    await promise;
    return standing;
  } finally {
    clearInterval(timer);
    worker.terminate();
  }
}

/** Sees whether inputs come and go. */
class Watch {
  readonly #numbers: Int32Array;
  readonly #octets: Uint8Array;
  #count = 0;
  #since = performance.now();

  constructor(shared: SharedArrayBuffer, readonly never: number) {
    this.#numbers = new Int32Array(shared, 0, 2);
    this.#octets = new Uint8Array(shared, SHARED_HEADER);
  }

  /** The input that never ends; `null` while there is none. */
  stuckWith(): Uint8Array | null {
    const count = Atomics.load(this.#numbers, 0);
    if (count !== this.#count || count === 0) {
      this.#count = count;
      this.#since = performance.now();
    }
    if (performance.now() - this.#since < this.never) return null;
    return this.#octets.slice(0, Math.min(this.#numbers[1]!, this.#octets.length));
  }
}
