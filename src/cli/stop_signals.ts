/**
 * The end of a server process: SIGINT or SIGTERM lets it drain, a second signal ends it at once. Made
 * before the first socket is opened, so that there is no moment in which a signal would lose mail.
 *
 * One Ctrl-C may come twice: the terminal sends SIGINT to all processes of the group, and a launcher
 * among them (`deno task`, `npm`) hands its own on. So a second SIGINT counts only after a second.
 *
 * @module
 */

import process from "node:process";

const SIGNALS = [["SIGINT", 2], ["SIGTERM", 15]] as const;

/** A signal, by its name. */
type SignalName = typeof SIGNALS[number][0];

/** Milliseconds within which a second SIGINT is the same press of Ctrl-C. */
const SAME_KEY = 1000;

/** Waits for a signal to stop, from the moment it is made until it is disposed of. */
export class StopSignals implements Disposable {
  /** Resolves at the first signal. */
  readonly first: Promise<void>;
  readonly #handlers: readonly (readonly [SignalName, () => void])[];

  constructor() {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.first = promise;
    let since: number | null = null;
    this.#handlers = SIGNALS.map(([signal, number]) => {
      const handler = () => {
        if (since === null) {
          since = performance.now();
          resolve();
        } else if (signal !== "SIGINT" || performance.now() - since > SAME_KEY) {
          process.exit(128 + number);
        }
      };
      process.on(signal, handler);
      return [signal, handler];
    });
  }

  [Symbol.dispose](): void {
    for (const [signal, handler] of this.#handlers) process.off(signal, handler);
  }
}
