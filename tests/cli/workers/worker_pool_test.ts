import { assertEquals, assertRejects } from "@std/assert";
import { CommandServer } from "../../../src/admin/command_port.ts";
import { ControlError } from "../../../src/admin/control_protocol.ts";
import type { ControlCommand } from "../../../src/admin/control_server.ts";
import { type PlanMaker, WorkerPool } from "../../../src/cli/workers/worker_pool.ts";
import type {
  MemberMetrics,
  MemberPlan,
  MemberStart,
  ToThread,
} from "../../../src/cli/workers/messages.ts";
import type { Thread, ThreadEars } from "../../../src/cli/workers/thread.ts";
import { MemoryLedger } from "../../../src/policy/ledger/memory_ledger.ts";
import { memoryRuntime } from "../../../src/runtime/memory.ts";

/** A plan that is only its name. */
const planNamed = (name: string) => name as unknown as MemberPlan;

/** So many mails. */
function counted(value: number): MemberMetrics {
  const mails = { name: "mails", type: "counter", help: "Mails." } as const;
  return {
    families: [{ ...mails, samples: [{ labels: {}, value }] }],
    heap: 1,
    droppedLogLines: value,
  };
}

/** A thread that is none: goes by the plan it was told, and notes what it was asked. */
class FakeThread implements Thread {
  readonly asked: string[] = [];
  readonly ears: ThreadEars;
  plan: unknown;
  /** Whether what it is told from here on is never done. */
  hanging = false;
  /** The commands that fail. */
  readonly #refuses: readonly string[];
  readonly #server: CommandServer;
  #prepared: unknown;
  /** Grows each time it is asked. */
  #counts = 0;

  constructor(ears: ThreadEars, refuses: readonly string[]) {
    this.ears = ears;
    this.#refuses = refuses;
    const names = [
      ...["start", "prepare", "adopt", "discard", "turn", "status", "metrics", "stop"],
      ...["keys", "certificates"],
    ];
    const commands = Object.fromEntries(names.map((name) => [name, this.#command(name)]));
    this.#server = new CommandServer(() => commands, (answer) => ears.onMessage(answer));
    queueMicrotask(() => ears.onMessage({ type: "ready" }));
  }

  send(message: unknown): void {
    const to = message as ToThread;
    if (to.type !== "written" && to.type !== "ledger") this.#server.receive(to);
  }

  end(): void {
    this.asked.push("end");
  }

  #command(name: string): ControlCommand {
    // deno-lint-ignore no-this-alias
    const thread = this;
    return async function* (request) {
      thread.asked.push(name);
      if (thread.hanging) await new Promise(() => {});
      if (thread.#refuses.includes(name)) throw new ControlError("failed", `${name} fails`);
      if (name === "start") thread.plan = (request as unknown as MemberStart).plan;
      if (name === "prepare") thread.#prepared = request.plan;
      if (name === "adopt") thread.plan = thread.#prepared;
      if (name === "metrics") yield { type: "metrics", ...counted(++thread.#counts) };
      if (name === "status") yield { type: "status", listeners: [{ connections: 3 }], queue: null };
      return {};
    };
  }
}

/** Three threads. @param refuses what each of them fails to do, by its place. */
async function pool(...refuses: readonly (readonly string[])[]) {
  return await poolOf(() => Promise.resolve(planNamed("first")), refuses);
}

/** The same, each with a plan that is made for it. */
async function poolOf(plan: PlanMaker, refuses: readonly (readonly string[])[] = []) {
  const runtime = memoryRuntime();
  const threads: FakeThread[] = [];
  const started = WorkerPool.start({
    ...{ threads: 3, leftovers: [], runtime },
    plan,
    starter: (_, ears) => {
      const thread = new FakeThread(ears, refuses[threads.length] ?? []);
      threads.push(thread);
      return thread;
    },
    network: { outward: false, nameServers: [] },
    ledger: new MemoryLedger(runtime.clock),
    onEvent: () => {},
    output: { write: (octets) => Promise.resolve(octets.length) },
    onTurn: () => {},
    onSaid: () => {},
  });
  return { pool: await started, threads, clock: runtime.clock };
}

const plansOf = (threads: readonly FakeThread[]) => threads.map(({ plan }) => plan);

Deno.test("prepare() and adopt() give all of them another plan", async () => {
  const { pool: workers, threads } = await pool();
  assertEquals(plansOf(threads), ["first", "first", "first"]);
  const prepared = await workers.prepare(() => Promise.resolve(planNamed("second")));
  assertEquals(plansOf(threads), ["first", "first", "first"]);
  await prepared.adopt();
  assertEquals(plansOf(threads), ["second", "second", "second"]);
});

Deno.test("prepare() that one refuses leaves all as they were", async () => {
  const { pool: workers, threads } = await pool([], ["prepare"], []);
  await assertRejects(
    () => workers.prepare(() => Promise.resolve(planNamed("second"))),
    ControlError,
    "prepare fails",
  );
  assertEquals(plansOf(threads), ["first", "first", "first"]);
  assertEquals(threads.map(({ asked }) => asked.slice(1)), [
    ["prepare", "discard"],
    ["prepare"],
    ["prepare", "discard"],
  ]);
});

Deno.test("prepare() fails where one hangs, and that one is started anew", async () => {
  const { pool: workers, threads, clock } = await pool();
  threads[1]!.hanging = true;
  await assertRejects(
    () => clock.runUntil(workers.prepare(() => Promise.resolve(planNamed("second")))),
    ControlError,
    "worker 2 has ended (it has not answered for 60 seconds)",
  );
  assertEquals(threads[1]!.asked.at(-1), "end");
  await clock.runUntil(clock.sleep(2000));
  const { workers: states } = await workers.status();
  assertEquals(states.map(({ state }) => state), ["running", "running", "running"]);
  assertEquals(plansOf([threads[0]!, threads[2]!, threads[3]!]), ["first", "first", "first"]);
});

Deno.test("one that hangs is started anew, though nobody asks it for anything", async () => {
  const { pool: workers, threads, clock } = await pool();
  await clock.runUntil(clock.sleep(600_000));
  assertEquals(threads.length, 3);
  threads[1]!.hanging = true;
  await clock.runUntil(clock.sleep(75_000));
  assertEquals(threads[1]!.asked.at(-1), "end");
  assertEquals(threads.length, 4);
  const { workers: states } = await workers.status();
  assertEquals(states.map(({ state }) => state), ["running", "running", "running"]);
  await workers.stop(0);
});

Deno.test("adopt() starts anew who cannot, and who was started meanwhile begins with what is in force", async () => {
  const { pool: workers, threads, clock } = await pool([], ["adopt"]);
  const prepared = await workers.prepare(() => Promise.resolve(planNamed("second")));
  threads[2]!.ears.onEnd("boom");
  await prepared.adopt();
  await clock.runUntil((async () => {
    while (threads.length < 5) await clock.sleep(100);
    await clock.sleep(100);
  })());
  const [first, , , ...again] = threads;
  assertEquals(plansOf([first!, ...again]), ["second", "second", "second"]);
  const { workers: states } = await workers.status();
  assertEquals(states.map(({ name, state }) => [name, state]), [
    ["worker 1", "running"],
    ["worker 2", "running"],
    ["worker 3", "running"],
  ]);
});

Deno.test("status() tells of those that run and of those that do not", async () => {
  const { pool: workers, threads } = await pool();
  threads[1]!.ears.onEnd("boom");
  const { known, workers: states } = await workers.status();
  assertEquals(known.length, 2);
  assertEquals(states.map(({ state, connections }) => [state, connections]), [
    ["running", 3],
    ["restarting", 0],
    ["running", 3],
  ]);
});

Deno.test("metrics() never count back, though a thread ends and the next begins anew", async () => {
  const { pool: workers, threads, clock } = await pool();
  const count = async () => {
    const { families, heap, droppedLogLines } = (await workers.metrics())[1]!;
    return { families, heap, droppedLogLines };
  };
  assertEquals(await count(), counted(1));
  assertEquals(await count(), counted(2));
  threads[1]!.ears.onEnd("boom");
  assertEquals(await count(), counted(2));
  await clock.runUntil(clock.sleep(2000));
  assertEquals(await count(), counted(2 + 1));
  assertEquals(await count(), counted(2 + 2));
});

Deno.test("start() of which one fails ends all", async () => {
  const ended: string[] = [];
  const runtime = memoryRuntime();
  let count = 0;
  await assertRejects(
    () =>
      WorkerPool.start({
        ...{ threads: 2, leftovers: [], runtime },
        plan: () => Promise.resolve(planNamed("first")),
        starter: (name, ears) => {
          const thread = new FakeThread(ears, count++ === 1 ? ["start"] : []);
          return { send: (message) => thread.send(message), end: () => ended.push(name) };
        },
        ledger: new MemoryLedger({ now: () => 0 }),
        network: { outward: false, nameServers: [] },
        onEvent: () => {},
        output: { write: (octets) => Promise.resolve(octets.length) },
        onTurn: () => {},
        onSaid: () => {},
      }),
    Error,
    "worker 2: start fails",
  );
  assertEquals(ended.sort(), ["worker 1", "worker 2"]);
});

Deno.test("turn() is told to all", async () => {
  const { pool: workers, threads } = await pool();
  await workers.turn("a.test");
  assertEquals(threads.map(({ asked }) => asked.at(-1)), ["turn", "turn", "turn"]);
});

for (const replaced of ["keys", "certificates"] as const) {
  Deno.test(`replacing ${replaced} reaches who is just being started, too`, async () => {
    let inForce = "old";
    const late = Promise.withResolvers<void>();
    const waits: Promise<void>[] = [];
    const { pool: workers, threads, clock } = await poolOf(async () => {
      const plan = planNamed(inForce);
      await waits.shift();
      return plan;
    });
    waits.push(late.promise);
    threads[2]!.ears.onEnd("boom");
    await clock.runUntil(clock.sleep(2000));
    assertEquals([threads.length, waits.length], [3, 0]);
    // The plan of the next one is made, and it has not begun by it yet.
    inForce = "new";
    if (replaced === "keys") await workers.replaceKeys([]);
    else await workers.replaceCertificates([]);
    assertEquals(threads.slice(0, 2).map(({ asked }) => asked.at(-1)), [replaced, replaced]);
    late.resolve();
    await clock.runUntil(clock.sleep(100));
    const { workers: states } = await workers.status();
    assertEquals(states.map(({ state }) => state), ["running", "running", "running"]);
    assertEquals(threads.at(-1)!.plan, "new");
    await workers.stop(0);
  });
}
