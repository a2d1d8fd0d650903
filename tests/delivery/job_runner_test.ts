/**
 * Running the jobs that the scheduler starts, where a queue as a whole does not show it; see `runner_test.ts`.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { type Job, JobRunner } from "../../src/delivery/job_runner.ts";
import { Scheduler } from "../../src/delivery/scheduler.ts";
import type { DeliveryJob } from "../../src/delivery/transport.ts";
import type { Outcome } from "../../src/queue/outcome.ts";
import { memoryRuntime } from "../../src/runtime/memory.ts";
import { reply } from "../../src/smtp/reply.ts";
import { mxRoute } from "./relay_world.ts";

/** Two jobs to one destination that takes one connection, and a transport that answers when it is told to. */
class Jobs {
  readonly scheduler = new Scheduler<Job>();
  readonly begun: DeliveryJob[] = [];
  readonly answers: PromiseWithResolvers<readonly Outcome[]>[] = [];
  readonly faults: string[] = [];
  readonly closed: string[] = [];
  readonly broken = new AbortController();
  mayStart = true;
  readonly runner = new JobRunner({
    scheduler: this.scheduler,
    store: { open: () => Promise.reject(new Error("nobody reads it")) },
    clock: memoryRuntime().clock,
    transports: () => ({
      mx: {
        deliver: (job) => {
          this.begun.push(job);
          this.answers.push(Promise.withResolvers());
          return this.answers.at(-1)!.promise;
        },
      },
    }),
    mayStart: () => this.mayStart,
    onFault: (where) => void this.faults.push(where),
  });

  constructor() {
    for (const id of ["m1", "m2"]) {
      const round = {
        ...{ entry: { id }, lost: false, signal: this.broken.signal },
        ...{ settle() {}, postpone() {}, close: () => void this.closed.push(id) },
      };
      const plan = {
        destination: "mx:example.org",
        recipients: [0],
        route: mxRoute(),
        sender: null,
      };
      const job = { round, plan } as unknown as Job;
      this.scheduler.enter(job, { destination: "mx:example.org", limit: 1, fresh: true }, 0);
    }
  }

  get ids(): string[] {
    return this.begun.map(({ entry }) => entry.id);
  }
}

Deno.test("JobRunner starts what follows where there is room, and not where nothing may start", () => {
  const jobs = new Jobs();
  jobs.runner.pump();
  assertEquals(jobs.ids, ["m1"]);
  jobs.mayStart = false;
  jobs.begun[0]!.onRoom!();
  assertEquals(jobs.ids, ["m1"]);
  jobs.mayStart = true;
  jobs.begun[0]!.onRoom!();
  assertEquals(jobs.begun.map(({ entry, follows }) => [entry.id, follows]), [
    ["m1", false],
    ["m2", true],
  ]);
});

Deno.test("JobRunner holds nothing against a destination for what was broken off by us", async () => {
  for (const broken of [false, true]) {
    const jobs = new Jobs();
    jobs.runner.pump();
    if (broken) jobs.broken.abort();
    const silent = reply(451, "4.4.1", "no answer");
    jobs.answers[0]!.resolve([{
      ...{ recipient: 0, status: "deferred", reply: silent, unreachable: true },
    }]);
    await new Promise((resolve) => setTimeout(resolve));
    assertEquals(jobs.faults, []);
    assertEquals([...jobs.scheduler.down(0)].length, broken ? 0 : 1);
  }
});
