/**
 * The commands of a control socket over messages, as two threads exchange them: one asks, the other answers,
 * several requests at once. Unlike over the socket a request may hold whatever can be cloned.
 *
 * Whoever answers is at most {@link WINDOW} lines ahead of whoever reads, so a list that nobody reads waits, as
 * it does at a socket.
 *
 * What fails: a command's error is thrown to who asks, with its code. When the other side is gone for good,
 * {@link CommandClient.end} says so to all who wait.
 *
 * @module
 */

import { describeError } from "../events.ts";
import {
  ControlError,
  type ControlErrorCode,
  type ControlLine,
  type JsonObject,
} from "./control_protocol.ts";
import type { ControlCommand } from "./control_server.ts";

/** To whoever answers. */
export type CommandRequest =
  | { readonly type: "ask"; readonly id: number; readonly request: JsonObject }
  /** So many more lines may come. */
  | { readonly type: "more"; readonly id: number; readonly lines: number }
  /** Nobody waits for it any more. */
  | { readonly type: "leave"; readonly id: number };

/** To whoever asks. */
export type CommandAnswer =
  | { readonly type: "line"; readonly id: number; readonly line: ControlLine }
  | { readonly type: "end"; readonly id: number; readonly extra: JsonObject }
  | {
    readonly type: "failed";
    readonly id: number;
    readonly code: ControlErrorCode;
    readonly message: string;
  };

/** Lines that may be under way. */
const WINDOW = 256;

/** The side that asks. */
export class CommandClient {
  readonly #send: (message: CommandRequest) => void;
  readonly #pending = new Map<number, PendingAnswer>();
  #count = 0;
  #ended: ControlError | null = null;

  /** @param send brings a message to the other side. */
  constructor(send: (message: CommandRequest) => void) {
    this.#send = send;
  }

  /** Asks the other side. Aborting the signal leaves. */
  readonly ask: ControlCommand = (request, signal) => this.#ask(request, signal);

  /** Takes a message of the other side. */
  receive(message: CommandAnswer): void {
    this.#pending.get(message.id)?.take(message);
  }

  /** The other side is gone: who waits, and whoever asks from here on, is told so. */
  end(error: ControlError): void {
    this.#ended = error;
    for (const pending of this.#pending.values()) pending.fail(error);
  }

  async *#ask(
    request: JsonObject,
    signal: AbortSignal,
  ): AsyncGenerator<ControlLine, JsonObject, void> {
    signal.throwIfAborted();
    if (this.#ended !== null) throw this.#ended;
    const id = ++this.#count;
    const pending = new PendingAnswer();
    const leave = () => pending.fail(signal.reason);
    signal.addEventListener("abort", leave, { once: true });
    this.#pending.set(id, pending);
    this.#send({ type: "ask", id, request });
    try {
      for (let taken = 1;; taken++) {
        const message = await pending.next();
        if (message.type === "end") return message.extra;
        if (message.type === "failed") throw new ControlError(message.code, message.message);
        if (taken % (WINDOW / 2) === 0) this.#send({ type: "more", id, lines: WINDOW / 2 });
        yield message.line;
      }
    } finally {
      signal.removeEventListener("abort", leave);
      this.#pending.delete(id);
      if (!pending.over) this.#send({ type: "leave", id });
    }
  }
}

/** What has come of one answer. */
class PendingAnswer {
  /** Nothing more comes. */
  over = false;
  readonly #messages: CommandAnswer[] = [];
  #failure: { readonly error: unknown } | null = null;
  #wake: () => void = () => {};

  take(message: CommandAnswer): void {
    this.over ||= message.type !== "line";
    this.#messages.push(message);
    this.#wake();
  }

  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake();
  }

  async next(): Promise<CommandAnswer> {
    for (;;) {
      if (this.#failure !== null) throw this.#failure.error;
      const message = this.#messages.shift();
      if (message !== undefined) return message;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }
}

/** The side that answers. */
export class CommandServer {
  readonly #commands: () => Readonly<Record<string, ControlCommand>>;
  readonly #send: (message: CommandAnswer) => void;
  readonly #running = new Map<number, RunningAnswer>();

  /**
   * Answers by the commands there are when a request comes.
   *
   * @param commands by the name in `do`. @param send brings a message to the other side.
   */
  constructor(
    commands: () => Readonly<Record<string, ControlCommand>>,
    send: (message: CommandAnswer) => void,
  ) {
    this.#commands = commands;
    this.#send = send;
  }

  /** Takes a message of the other side. */
  receive(message: CommandRequest): void {
    const { id } = message;
    if (message.type === "ask") {
      const running = new RunningAnswer();
      this.#running.set(id, running);
      this.#answer(id, message.request, running).finally(() => this.#running.delete(id));
    } else if (message.type === "more") this.#running.get(id)?.allow(message.lines);
    else this.#running.get(id)?.leave();
  }

  /** Never rejects. */
  async #answer(id: number, request: JsonObject, running: RunningAnswer): Promise<void> {
    try {
      const lines = answerBy(this.#commands(), request, running.gone);
      try {
        for (;;) {
          const { done, value } = await lines.next();
          if (done) return this.#send({ type: "end", id, extra: value });
          await running.room();
          this.#send({ type: "line", id, line: value });
        }
      } finally {
        await lines.return({}).catch(() => {});
      }
    } catch (error) {
      if (running.gone.aborted) return;
      const code = error instanceof ControlError ? error.code : "failed";
      const message = error instanceof ControlError ? error.message : describeError(error);
      this.#send({ type: "failed", id, code, message });
    }
  }
}

/** Answers a request by the command it names. @throws {ControlError} where there is none. */
export function answerBy(
  commands: Readonly<Record<string, ControlCommand>>,
  request: JsonObject,
  signal: AbortSignal,
): AsyncGenerator<ControlLine, JsonObject, void> {
  const name = request.do;
  if (typeof name === "string" && Object.hasOwn(commands, name)) {
    return commands[name]!(request, signal);
  }
  throw new ControlError("bad-request", `there is no command ${JSON.stringify(name)}`);
}

/** One answer under way. */
class RunningAnswer {
  readonly #gone = new AbortController();
  #lines = WINDOW;
  #wake: () => void = () => {};

  /** Aborted when nobody waits for it any more. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  leave(): void {
    this.#gone.abort();
    this.#wake();
  }

  allow(lines: number): void {
    this.#lines += lines;
    this.#wake();
  }

  /** Waits until another line may be sent. @throws when nobody waits for it any more. */
  async room(): Promise<void> {
    while (this.#lines === 0 && !this.gone.aborted) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    this.gone.throwIfAborted();
    this.#lines--;
  }
}
