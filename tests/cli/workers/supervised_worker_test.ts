import { assertEquals, assertRejects } from "@std/assert";
import { CommandServer } from "../../../src/admin/command_port.ts";
import { ControlError } from "../../../src/admin/control_protocol.ts";
import type { ControlCommand } from "../../../src/admin/control_server.ts";
import { LedgerEnd } from "../../../src/cli/workers/ledger_end.ts";
import type { FromThread, MemberStart, ToThread } from "../../../src/cli/workers/messages.ts";
import { SupervisedWorker } from "../../../src/cli/workers/supervised_worker.ts";
import type { Thread, ThreadEars } from "../../../src/cli/workers/thread.ts";
import { memoryRuntime } from "../../../src/runtime/memory.ts";

/** Something to begin with. */
const START = { outward: false, nameServers: [] } as unknown as MemberStart;

// deno-lint-ignore require-yield
const forever: ControlCommand = async function* () {
  await new Promise(() => {});
  return {};
};

/** Threads that are none: what was begun, and what became of it. */
class Threads {
  readonly ears: ThreadEars[] = [];
  readonly ended: number[] = [];
  /** What keeps the next from starting. */
  fault: string | null = null;
  /** Whether the next ones do not stop. */
  hanging = false;
  readonly told: string[] = [];
  /** Whether what the next ones begin with is current when they have started. */
  readonly current: boolean[] = [];

  readonly start = (_: string, ears: ThreadEars): Thread => {
    const index = this.ears.push(ears) - 1;
    const { fault } = this;
    const say = (name: string): ControlCommand =>
      // deno-lint-ignore require-yield
      async function* () {
        if (fault !== null) throw new ControlError("failed", fault);
        return { name };
      };
    const commands = {
      start: say("started"),
      status: say(`thread ${index}`),
      stop: this.hanging ? forever : say("stopped"),
    };
    const server = new CommandServer(() => commands, (answer) => ears.onMessage(answer));
    queueMicrotask(() => ears.onMessage({ type: "ready" }));
    return {
      send: (message) => {
        const to = message as ToThread;
        if (to.type === "written") this.told.push(`written ${to.gone}`);
        else if (to.type === "ledger") this.told.push(`ledger ${to.id} ${to.answers}`);
        else server.receive(to);
      },
      end: () => this.ended.push(index),
    };
  };
}

function supervised(threads: Threads) {
  const runtime = memoryRuntime();
  const troubles: string[] = [];
  const log: string[] = [];
  const worker = new SupervisedWorker({
    name: "worker 1",
    starter: threads.start,
    clock: runtime.clock,
    begin: () => Promise.resolve(START),
    isCurrent: () => threads.current.shift() ?? true,
    output: {
      write: (octets) => {
        const text = new TextDecoder().decode(octets);
        if (text.startsWith("!")) return Promise.reject(new Error("gone"));
        log.push(text);
        return Promise.resolve(octets.length);
      },
    },
    askLedger: (questions) => {
      if (questions.length === 0) return Promise.reject(new Error("no ledger"));
      return Promise.resolve(questions.map((_, index) => index));
    },
    onTurn: (domain) => log.push(`turn ${domain}`),
    onSaid: (text) => log.push(`said ${text}`),
    onTrouble: (error) => troubles.push(error),
  });
  return { ...runtime, worker, troubles, log };
}

const nameOf = async (worker: SupervisedWorker) =>
  (await worker.ask({ do: "status" }, new AbortController().signal).next()).value;

Deno.test("a thread that ends is told of and started again, each time after a longer pause", async () => {
  const threads = new Threads();
  const { worker, troubles, clock } = supervised(threads);
  await worker.start();
  assertEquals(await nameOf(worker), { name: "thread 0" });
  const pauses: number[] = [];
  for (let count = 0; count < 8; count++) {
    const before = clock.now();
    threads.ears.at(-1)!.onEnd("boom");
    assertEquals(worker.running, false);
    await assertRejects(() => nameOf(worker), ControlError, "worker 1 is being started again");
    await clock.runUntil((async () => {
      while (!worker.running) await clock.sleep(100);
    })());
    pauses.push(Math.round((clock.now() - before) / 1000));
  }
  assertEquals(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
  assertEquals(troubles, Array(8).fill("it has ended (boom), and is started again"));
  assertEquals(await nameOf(worker), { name: "thread 8" });

  // Who worked for long is well again.
  await clock.runUntil(clock.sleep(3_600_000));
  const before = clock.now();
  threads.ears.at(-1)!.onEnd("boom");
  await clock.runUntil((async () => {
    while (!worker.running) await clock.sleep(100);
  })());
  assertEquals(Math.round((clock.now() - before) / 1000), 1);
});

Deno.test("a request under way fails when the thread ends", async () => {
  const threads = new Threads();
  const { worker } = supervised(threads);
  await worker.start();
  const asking = nameOf(worker);
  threads.ears[0]!.onEnd("boom");
  await assertRejects(() => asking, ControlError, "worker 1 has ended (boom)");
});

Deno.test("a first start that fails is thrown, a later one is told and tried again", async () => {
  const threads = new Threads();
  const { worker, troubles, clock } = supervised(threads);
  threads.fault = "no such folder";
  await assertRejects(() => worker.start(), ControlError, "no such folder");
  assertEquals(threads.ended, [0]);

  threads.fault = null;
  await worker.start();
  threads.fault = "the disk is full";
  threads.ears.at(-1)!.onEnd("boom");
  await clock.runUntil(clock.sleep(1500));
  assertEquals(troubles.at(-1), "it cannot start: the disk is full");
  threads.fault = null;
  await clock.runUntil((async () => {
    while (!worker.running) await clock.sleep(100);
  })());
});

Deno.test("a thread that began with what has changed meanwhile is started anew at once", async () => {
  const threads = new Threads();
  threads.current.push(false, false);
  const { worker, troubles } = supervised(threads);
  await worker.start();
  assertEquals(await nameOf(worker), { name: "thread 2" });
  assertEquals([threads.ended, troubles], [[0, 1], []]);
});

Deno.test("stop() lets the thread stop, ends it, and starts none again", async () => {
  const threads = new Threads();
  const { worker, troubles, clock } = supervised(threads);
  await worker.start();
  await worker.stop(1000);
  assertEquals([threads.ended, worker.running], [[0], false]);
  threads.ears[0]!.onEnd("it has ended");
  await clock.runUntil(clock.sleep(100_000));
  assertEquals([threads.ears.length, troubles], [1, []]);
});

Deno.test("stop() ends a thread that hangs, some time after its grace", async () => {
  const threads = new Threads();
  threads.hanging = true;
  const { worker, troubles, clock } = supervised(threads);
  await worker.start();
  const begun = clock.now();
  await clock.runUntil(worker.stop(5000));
  assertEquals(clock.now() - begun, 25_000);
  assertEquals([threads.ended, troubles], [[0], ["it did not stop, and is ended"]]);
});

Deno.test("lines of the log are written and acknowledged; what else it says is handed on", async () => {
  const threads = new Threads();
  const { worker, log } = supervised(threads);
  await worker.start();
  const { onMessage } = threads.ears[0]!;
  const octets = (text: string) => new TextEncoder().encode(text);
  onMessage({ type: "log", octets: octets("one\n") });
  onMessage({ type: "turn", domain: "a.test" });
  onMessage({ type: "said", text: "users reloaded", warning: false });
  onMessage({ type: "log", octets: octets("!\n") });
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(log, ["one\n", "turn a.test", "said users reloaded"]);
  assertEquals(threads.told, ["written false", "written true"]);
});

Deno.test("SupervisedWorker answers what a thread asks of the ledger", async () => {
  const threads = new Threads();
  const { worker, clock } = supervised(threads);
  await worker.start();
  const question = { ask: "recall", key: "p:a" } as const;
  threads.ears[0]!.onMessage({ type: "ledger", id: 7, questions: [question, question] });
  threads.ears[0]!.onMessage({ type: "ledger", id: 8, questions: [] });
  await clock.settle();
  assertEquals(threads.told, ["ledger 7 0,1"]);
  await worker.stop(0);
});

Deno.test("LedgerEnd gives each who asks the answers to what was asked", async () => {
  const sent: FromThread[] = [];
  const end = new LedgerEnd((message) => sent.push(message));
  const [first, second] = [end.ask([{ ask: "recall", key: "p:a" }]), end.ask([])];
  end.answered(2, [true]);
  end.answered(1, [null]);
  end.answered(1, [false]);
  assertEquals([await first, await second], [[null], [true]]);
  assertEquals(sent.map((message) => message.type === "ledger" && message.id), [1, 2]);
});
