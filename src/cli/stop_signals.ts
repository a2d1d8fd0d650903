/**
 * The end of a server process: SIGINT or SIGTERM lets it drain, a second signal ends it at once. Made
 * before the first socket is opened, so that there is no moment in which a signal would lose mail.
 *
 * @module
 */

const SIGNALS: readonly (readonly [Deno.Signal, number])[] = Deno.build.os === "windows"
  ? [["SIGINT", 2]]
  : [["SIGINT", 2], ["SIGTERM", 15]];

/** Waits for a signal to stop, from the moment it is made until it is disposed of. */
export class StopSignals implements Disposable {
  /** Resolves at the first signal. */
  readonly first: Promise<void>;
  readonly #handlers: readonly (readonly [Deno.Signal, () => void])[];

  constructor() {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.first = promise;
    let stopping = false;
    this.#handlers = SIGNALS.map(([signal, number]) => {
      const handler = () => {
        if (stopping) Deno.exit(128 + number);
        stopping = true;
        resolve();
      };
      Deno.addSignalListener(signal, handler);
      return [signal, handler];
    });
  }

  [Symbol.dispose](): void {
    for (const [signal, handler] of this.#handlers) Deno.removeSignalListener(signal, handler);
  }
}
