/**
 * What a thread of `yizhan serve` does: it waits to be told what to serve, serves it, and answers what it is asked.
 * It counts its events itself, writes them as lines of the log itself, and hands the lines over in pieces: so the
 * thread that has the log spends nothing on them.
 *
 * What fails: whatever throws beside a command ends the thread, and its starter hears of it.
 *
 * @module
 */

import process from "node:process";
import { CommandServer } from "../../admin/command_port.ts";
import type { ControlCommand } from "../../admin/control_server.ts";
import type { EventSink, MtaEvent } from "../../events.ts";
import { Metrics } from "../../observe/metrics.ts";
import { type LedgerPort, RemoteLedger } from "../../policy/ledger/remote_ledger.ts";
import { tameEnvironment } from "../environment.ts";
import type { Output } from "../line_output.ts";
import { EventLog, formatterOf } from "../log_output.ts";
import { serverRuntime } from "../machine.ts";
import { startTelemetry, type Telemetry } from "../telemetry.ts";
import { LedgerEnd } from "./ledger_end.ts";
import { doing, MemberStation } from "./member_station.ts";
import type { FromThread, MemberMetrics, MemberStart, ToThread } from "./messages.ts";
import { joinStarter } from "./thread.ts";

/** Serves as a thread, until it is ended. */
export function runWorker(): void {
  tameEnvironment();
  const output = new StarterOutput((octets) => send({ type: "log", octets }));
  const ledger = new LedgerEnd((message) => send(message));
  const worker = new ThreadedStation({
    output,
    askLedger: ledger.ask,
    send: (message) => send(message),
  });
  const server = new CommandServer(() => worker.commands, (answer) => send(answer));
  const sendAnything = joinStarter((given) => {
    const message = given as ToThread;
    if (message.type === "written") output.written(message.gone);
    else if (message.type === "ledger") ledger.answered(message.id, message.answers);
    else server.receive(message);
  });
  const send = (message: FromThread) => sendAnything(message);
  send({ type: "ready" });
}

/** What every one of several stations would say alike: the first does. */
const SAID_ONCE: ReadonlySet<MtaEvent["type"]> = new Set([
  "station.reloaded",
  "station.reload-failed",
  "listener.started",
  "listener.stopped",
]);

interface WorkerEnds {
  readonly output: Output;
  readonly askLedger: LedgerPort;
  readonly send: (message: FromThread) => void;
}

/** The thread's part in serving. */
class ThreadedStation {
  /** What it can be asked now. */
  commands: Readonly<Record<string, ControlCommand>>;
  readonly #ends: WorkerEnds;
  readonly #metrics = new Metrics();

  constructor(ends: WorkerEnds) {
    this.#ends = ends;
    this.commands = {
      start: doing((request) => this.#start(request as unknown as MemberStart)),
    };
  }

  async #start({ plan, outward, nameServers, dnssec }: MemberStart): Promise<void> {
    const { output, askLedger, send } = this.#ends;
    const say = (text: string, warning: boolean) => send({ type: "said", text, warning });
    const log = new EventLog(output, formatterOf(plan.log));
    const telemetry = await startTelemetry(() => {});
    const runtime = serverRuntime({
      ...{ outward, nameServers, shared: "joining" },
      ...(dnssec !== undefined && { dnssec }),
    });
    const station = await MemberStation.start(plan, {
      runtime,
      ledger: new RemoteLedger({
        clock: runtime.clock,
        ask: askLedger,
        onTrouble: (text) => say(text, true),
      }),
      onEvent: this.#watchers(log.record, telemetry),
      onTurn: (domain) => send({ type: "turn", domain }),
      say,
      onReload: (next) => log.use(formatterOf(next.log)),
    });
    const commands = station.commands();
    const metrics = (): MemberMetrics => ({
      families: this.#metrics.families(),
      heap: process.memoryUsage().heapUsed,
      droppedLogLines: log.dropped,
    });
    this.commands = {
      ...commands,
      async *metrics() {
        yield { type: "metrics", ...metrics() };
        return {};
      },
      async *stop(request, signal) {
        yield* commands.stop!(request, signal);
        telemetry?.stop();
        await log.flush();
        return {};
      },
    };
  }

  #watchers(record: EventSink, telemetry: Telemetry | null): EventSink {
    return (event) => {
      if (SAID_ONCE.has(event.type)) return;
      record(event);
      this.#metrics.record(event);
      telemetry?.record(event);
    };
  }
}

/** The log of the process, as a thread has it: one piece is under way at a time. */
class StarterOutput implements Output {
  readonly #send: (octets: Uint8Array) => void;
  #settle: ((gone: boolean) => void) | null = null;

  constructor(send: (octets: Uint8Array) => void) {
    this.#send = send;
  }

  write(bytes: Uint8Array): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#settle = (gone) => gone ? reject(new Error("the log is gone")) : resolve(bytes.length);
      this.#send(bytes);
    });
  }

  written(gone: boolean): void {
    this.#settle?.(gone);
    this.#settle = null;
  }
}
