/**
 * What a program leaves behind, it removes: at its end, when it fails, and at Ctrl-C or SIGTERM.
 *
 * @module
 */

/** What is to be done at the end, the last first. A step that fails does not keep the others from running. */
export class CleanUp implements AsyncDisposable {
  readonly #steps: (() => void | Promise<void>)[] = [];
  #running: Promise<void> | null = null;

  /** Registers a step. */
  add(step: () => void | Promise<void>): void {
    this.#steps.push(step);
  }

  /** A temporary folder, removed at the end. Others may pass through it: servers under test have users of their own. */
  async folder(parent?: string): Promise<string> {
    const options = { prefix: "yizhan-bench-", ...(parent === undefined ? {} : { dir: parent }) };
    const folder = await Deno.makeTempDir(options);
    this.add(() => Deno.remove(folder, { recursive: true }));
    await Deno.chmod(folder, 0o711);
    return folder;
  }

  /** A child process, which is told to end, and waited for. */
  process(child: Deno.ChildProcess): void {
    this.add(async () => {
      stop(child);
      await child.status;
    });
  }

  /**
   * Comes back at once, but never while the steps run: for what would go on when a signal has ended its processes.
   */
  async unlessEnding(): Promise<void> {
    if (this.#running !== null) await new Promise(() => {});
  }

  /** Runs the steps; a second call waits for the first. */
  run(): Promise<void> {
    return this.#running ??= this.#run();
  }

  /** As {@link run}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.run();
  }

  async #run(): Promise<void> {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step();
      } catch (error) {
        console.error(`cleaning up: ${error instanceof Error ? error.message : error}`);
      }
    }
  }
}

/** A clean-up that signals run as well; they end the process with 130. */
export function cleanUpOnSignals(): CleanUp {
  const cleanUp = new CleanUp();
  const ended = async () => {
    await cleanUp.run();
    Deno.exit(130);
  };
  Deno.addSignalListener("SIGINT", ended);
  Deno.addSignalListener("SIGTERM", ended);
  cleanUp.add(() => {
    Deno.removeSignalListener("SIGINT", ended);
    Deno.removeSignalListener("SIGTERM", ended);
  });
  return cleanUp;
}

/** Tells a child to end; one that has ended is left alone. */
export function stop(child: Deno.ChildProcess, signal: Deno.Signal = "SIGTERM"): void {
  try {
    child.kill(signal);
  } catch {
    // it has ended by itself
  }
}
