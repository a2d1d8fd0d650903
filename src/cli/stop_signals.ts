/**
 * The end of a server process: SIGINT or SIGTERM lets it drain, a second signal ends it at once. Made
 * before the first socket is opened, so that there is no moment in which a signal would lose mail.
 *
 * One Ctrl-C may come twice: the terminal sends SIGINT to all processes of the group, and a launcher
 * among them (`deno task`, `npm`) hands its own on. So a second SIGINT counts only after a second.
 *
 * @module
 */

const SIGNALS: readonly (readonly [Deno.Signal, number])[] = Deno.build.os === "windows"
  ? [["SIGINT", 2]]
  : [["SIGINT", 2], ["SIGTERM", 15]];

/** Milliseconds within which a second SIGINT is the same press of Ctrl-C. */
const SAME_KEY = 1000;

/** Waits for a signal to stop, from the moment it is made until it is disposed of. */
export class StopSignals implements Disposable {
  /** Resolves at the first signal. */
  readonly first: Promise<void>;
  readonly #handlers: readonly (readonly [Deno.Signal, () => void])[];

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
          Deno.exit(128 + number);
        }
      };
      Deno.addSignalListener(signal, handler);
      return [signal, handler];
    });
  }

  [Symbol.dispose](): void {
    for (const [signal, handler] of this.#handlers) Deno.removeSignalListener(signal, handler);
  }
}
