/**
 * Threads: how the program starts itself as one, and finds out that it is one. A thread runs the same entry file
 * as the process, since in a bundle, and in the single binary, there is no other module to name.
 *
 * What fails: a thread that cannot be started, or that ends by an error nobody caught, is told to `onEnd`, once.
 *
 * @module
 */

/** The URL of the entry file; absent: nobody has said it. */
let entry: string | undefined;

/** Says which file the program began with. */
export function rememberEntry(url: string): void {
  entry = url;
}

/** What of a thread's global scope tells that it is one. */
interface ThreadScope {
  /** Deno has it in threads only. */
  readonly DedicatedWorkerGlobalScope?: unknown;
  readonly Bun?: { readonly isMainThread: boolean };
}

/**
 * Whether this runs in a thread that {@link startThread} began. (`isMainThread` of `node:worker_threads` says yes in
 * every thread of Deno that was not begun by that module.)
 */
export function isThread(): boolean {
  const scope = globalThis as ThreadScope;
  return scope.DedicatedWorkerGlobalScope !== undefined || scope.Bun?.isMainThread === false;
}

/** A thread, as the one who started it sees it. */
export interface Thread {
  /** Sends it something that can be cloned. */
  send(message: unknown): void;
  /** Ends it at once. `onEnd` is not told. */
  end(): void;
}

/** Who hears of a thread. */
export interface ThreadEars {
  readonly onMessage: (message: unknown) => void;
  /** It has ended by itself. */
  readonly onEnd: (why: string) => void;
}

/** Begins threads: {@link startThread}, or another in tests. */
export type ThreadStarter = (name: string, ears: ThreadEars) => Thread;

/** Starts this program again, as a thread. @param name is for debuggers. */
export const startThread: ThreadStarter = (name, { onMessage, onEnd }) => {
  if (entry === undefined) throw new TypeError("the entry file of the program is not known");
  const worker = new Worker(entry, { type: "module", name });
  let ended = false;
  const end = (why: string) => {
    if (ended) return;
    ended = true;
    worker.terminate();
    onEnd(why);
  };
  worker.onmessage = ({ data }) => onMessage(data);
  worker.onmessageerror = () => end("a message could not be read");
  worker.onerror = (event) => {
    // Else it would be the end of the process.
    event.preventDefault();
    end(inOneLine(event.message));
  };
  // Bun tells of an end without an error too.
  worker.addEventListener("close", () => end("it has ended"));
  return {
    send: (message) => worker.postMessage(message),
    end: () => {
      ended = true;
      worker.terminate();
    },
  };
};

/** Bun shows the source too, above a line of what happened. */
function inOneLine(message: string): string {
  const lines = message.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  return lines.find((line) => line.startsWith("error:")) ?? lines[0] ?? "nobody knows why";
}

/** The other end, in the thread itself. @param onMessage is given what is sent to it. */
export function joinStarter(onMessage: (message: unknown) => void): (message: unknown) => void {
  const scope = globalThis as unknown as {
    onmessage: (event: { readonly data: unknown }) => void;
    postMessage: (message: unknown) => void;
  };
  scope.onmessage = ({ data }) => onMessage(data);
  return (message) => scope.postMessage(message);
}
