/**
 * The life of a server process: it runs until SIGINT or SIGTERM, then drains; a second signal ends it
 * at once.
 *
 * @module
 */

import { EXIT, type ExitCode } from "./exit.ts";

const SIGNALS = Deno.build.os === "windows"
  ? [["SIGINT", 2]] as const
  : [["SIGINT", 2], ["SIGTERM", 15]] as const;

/**
 * Waits for a signal, then for `stop`.
 *
 * @param stop drains: lets what is under way come to its end.
 * @param say gets a line for the operator.
 */
export async function runUntilStopped(
  stop: () => Promise<void>,
  say: (line: string) => void,
): Promise<ExitCode> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let stopping = false;
  const handlers = SIGNALS.map(([signal, number]) => {
    const handler = () => {
      if (stopping) Deno.exit(128 + number);
      stopping = true;
      resolve();
    };
    Deno.addSignalListener(signal, handler);
    return { signal, handler };
  });
  try {
    await promise;
    say("stopping: sessions may finish what they are doing (the signal again stops at once)");
    await stop();
    say("stopped");
    return EXIT.ok;
  } finally {
    for (const { signal, handler } of handlers) Deno.removeSignalListener(signal, handler);
  }
}
