/**
 * One thread that serves, watched by the process: one that ends by itself is told of and started again, after a
 * pause that grows while it keeps ending. What was safe is in its folder, and is found there by the next.
 *
 * What fails: {@link SupervisedWorker.start} throws why the first start failed. Whoever asks while no thread runs is
 * told `busy`.
 *
 * @module
 */

import { CommandClient } from "../../admin/command_port.ts";
import { ControlError, type ControlLine, type JsonObject } from "../../admin/control_protocol.ts";
import type { ControlCommand } from "../../admin/control_server.ts";
import type { LedgerPort } from "../../policy/ledger/remote_ledger.ts";
import type { Clock } from "../../runtime/runtime.ts";
import type { Output } from "../line_output.ts";
import { describeError } from "../trouble.ts";
import type { FromThread, MemberStart } from "./messages.ts";
import type { Thread, ThreadStarter } from "./thread.ts";

/** What a worker is made of. */
export interface WorkerOptions {
  /** Such as `worker 1`. */
  readonly name: string;
  readonly starter: ThreadStarter;
  readonly clock: Clock;
  /** What a thread that starts now begins with. */
  readonly begin: () => Promise<MemberStart>;
  /** Whether what was begun with last is still what one should begin with. */
  readonly isCurrent: () => boolean;
  /** Takes lines of the log in whole pieces. */
  readonly output: Output;
  /** Answers what its policies ask of the ledger. */
  readonly askLedger: LedgerPort;
  readonly onTurn: (domain: string) => void;
  readonly onSaid: (text: string, warning: boolean) => void;
  /** It has ended, or could not be started again. */
  readonly onTrouble: (error: string) => void;
}

/** Milliseconds before it is started again: the first pause, and the longest. */
const PAUSE = { first: 1000, longest: 60_000 };

/** Milliseconds of work after which it counts as well again. */
const WELL = 600_000;

/** Milliseconds beside its grace after which one that was told to stop hangs. */
const HANGING = 20_000;

/** A thread and its successors. */
export class SupervisedWorker {
  readonly #options: WorkerOptions;
  /** How many threads have served. */
  threads = 0;
  readonly #stopping = new AbortController();
  #serving: { readonly thread: Thread; readonly client: CommandClient } | null = null;
  #pause = PAUSE.first;
  #since = 0;

  constructor(options: WorkerOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.name;
  }

  /** Whether a thread serves. */
  get running(): boolean {
    return this.#serving !== null;
  }

  /** Starts it for the first time. */
  start(): Promise<void> {
    return this.#launch();
  }

  /** Asks it; see `messages.ts`. */
  readonly ask: ControlCommand = (request, signal) => {
    if (this.#serving !== null) return this.#serving.client.ask(request, signal);
    throw new ControlError("busy", `${this.name} is being started again; try again in a moment`);
  };

  /** Asks for something that has at most one line of answer; gives that. */
  async do(request: JsonObject, signal?: AbortSignal): Promise<ControlLine | null> {
    return await lastLine(this.ask(request, signal ?? new AbortController().signal));
  }

  /** Lets it stop, for so many milliseconds, and ends it, also where it hangs. Never rejects. */
  async stop(grace: number): Promise<void> {
    this.#stopping.abort();
    if (this.#serving !== null) await this.#askToStop(grace);
    this.#serving?.thread.end();
    this.#serving = null;
  }

  async #askToStop(grace: number): Promise<void> {
    const { clock, onTrouble } = this.#options;
    const stopped = new AbortController();
    const hangs = clock.sleep(grace + HANGING, stopped.signal).then(
      () => onTrouble("it did not stop, and is ended"),
      () => {},
    );
    await Promise.race([hangs, this.do({ do: "stop", grace }).catch(() => {})]);
    stopped.abort();
  }

  /** Ends it now, to be started again. */
  restart(why: string): void {
    const serving = this.#serving;
    if (serving === null) return;
    serving.thread.end();
    this.#ended(serving.client, why);
  }

  async #launch(): Promise<void> {
    const { name, starter, begin, isCurrent, clock } = this.#options;
    const start = await begin();
    this.#stopping.signal.throwIfAborted();
    const ready = Promise.withResolvers<void>();
    const thread = starter(name, {
      onMessage: (given) => {
        const message = given as FromThread;
        if (message.type === "ready") ready.resolve();
        else this.#hear(thread, client, message);
      },
      onEnd: (why) => {
        ready.reject(new Error(why));
        this.#ended(client, why);
      },
    });
    const client = new CommandClient((message) => thread.send(message));
    try {
      await ready.promise;
      await lastLine(client.ask({ do: "start", ...start }, this.#stopping.signal));
    } catch (error) {
      thread.end();
      throw error;
    }
    if (!isCurrent()) {
      thread.end();
      return await this.#launch();
    }
    this.#serving = { thread, client };
    this.threads++;
    this.#since = clock.now();
  }

  #hear(
    thread: Thread,
    client: CommandClient,
    message: Exclude<FromThread, { type: "ready" }>,
  ): void {
    const { output, askLedger, onTurn, onSaid } = this.#options;
    switch (message.type) {
      case "log": {
        const written = (gone: boolean) => thread.send({ type: "written", gone });
        output.write(message.octets).then(() => written(false), () => written(true));
        return;
      }
      case "ledger": {
        const { id, questions } = message;
        // Where that fails, who asks has its own patience.
        askLedger(questions).then(
          (answers) => thread.send({ type: "ledger", id, answers }),
          () => {},
        );
        return;
      }
      case "turn":
        return onTurn(message.domain);
      case "said":
        return onSaid(message.text, message.warning);
      default:
        client.receive(message);
    }
  }

  #ended(client: CommandClient, why: string): void {
    const { name, onTrouble, clock } = this.#options;
    client.end(new ControlError("busy", `${name} has ended (${why})`));
    // One that ends while it starts is told of by who starts it.
    if (this.#serving?.client !== client) return;
    this.#serving = null;
    if (this.#stopping.signal.aborted) return;
    if (clock.now() - this.#since >= WELL) this.#pause = PAUSE.first;
    onTrouble(`it has ended (${why}), and is started again`);
    this.#startAgain();
  }

  /** Never rejects. */
  async #startAgain(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted && this.#serving === null) {
      try {
        await this.#options.clock.sleep(this.#pause, signal);
        this.#pause = Math.min(2 * this.#pause, PAUSE.longest);
        await this.#launch();
      } catch (error) {
        if (!signal.aborted) this.#options.onTrouble(`it cannot start: ${describeError(error)}`);
      }
    }
  }
}

/** Reads an answer to its end; gives its last line. */
export async function lastLine(
  lines: AsyncGenerator<ControlLine, JsonObject, void>,
): Promise<ControlLine | null> {
  let last: ControlLine | null = null;
  for await (const line of lines) last = line;
  return last;
}
