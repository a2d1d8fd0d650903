import { assertEquals } from "@std/assert";
import { QueueSampler, type QueueSamplerOptions } from "../../src/observe/queue_sample.ts";
import type { QueueSummary } from "../../src/queue/operator/queue_view.ts";
import { memoryRuntime } from "../../src/runtime/memory.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const MESSAGE: Omit<QueueSummary, "received"> = {
  id: "m",
  state: "waiting",
  size: 1000,
  sender: "a@a.test",
  recipients: ["bob@b.test"],
  recipientCount: 1,
  next: null,
  kept: false,
  attempts: 1,
  reason: null,
};

/** What a sampler tells of these messages after its first look; each as old as it says, in milliseconds. */
async function look(
  messages: readonly (Partial<QueueSummary> & { readonly age?: number })[],
  options: Partial<QueueSamplerOptions> = {},
) {
  const { clock } = memoryRuntime();
  await clock.advance(10 * 24 * HOUR);
  let lists = 0;
  const queue = {
    async *list() {
      lists++;
      await Promise.resolve();
      for (const { age = 0, ...message } of messages) {
        yield { ...MESSAGE, received: new Date(clock.now() - age).toISOString(), ...message };
      }
    },
  };
  const sampler = new QueueSampler({ queue, clock, ...options });
  const ending = new AbortController();
  const running = sampler.run(ending.signal);
  await clock.advance(5000);
  const families = sampler.families();
  await clock.advance(3 * MINUTE);
  ending.abort();
  await clock.runUntil(running);
  assertEquals(clock.sleepers, 0);
  const numbers = (name: string) =>
    Object.fromEntries(
      families.find((family) => family.name === `yizhan_queue_${name}`)!.samples
        .map(({ labels, value }) => [Object.values(labels)[0] ?? "", value as number]),
    );
  return { numbers, lists };
}

Deno.test("QueueSampler counts messages by state and age", async () => {
  const { numbers, lists } = await look([
    { attempts: 0, age: 1000 },
    { attempts: 3, age: 5 * MINUTE },
    { attempts: 3, age: 25 * HOUR },
    { attempts: 0, kept: true, age: 2 * HOUR },
    { state: "held", age: 5 * HOUR },
    { state: "active", age: 0 },
  ]);
  assertEquals(numbers("messages"), { fresh: 1, deferred: 2, active: 1, kept: 1, held: 1 });
  assertEquals(numbers("age_messages"), {
    ...{ under_5m: 2, "5m_to_1h": 1, "1h_to_4h": 1 },
    ...{ "4h_to_1d": 1, over_1d: 1 },
  });
  assertEquals(numbers("oldest_age_seconds"), { "": 25 * 3600 });
  assertEquals(numbers("size_bytes"), { "": 6000 });
  assertEquals(numbers("sample_complete"), { "": 1 });
  assertEquals(lists, 4);
});

Deno.test("QueueSampler says so where the queue is empty", async () => {
  const { numbers } = await look([]);
  assertEquals(numbers("messages"), { fresh: 0, deferred: 0, active: 0, kept: 0, held: 0 });
  assertEquals(numbers("destination_messages"), { other: 0 });
});

Deno.test("QueueSampler counts a message once for each domain, and names those with most", async () => {
  const to = (...domains: string[]) => ({ recipients: domains.map((domain) => `x@${domain}`) });
  const { numbers } = await look([
    to("b.test", "B.TEST", "c.test"),
    to("b.test"),
    to("c.test"),
    to("d.test"),
    to("e.test"),
    to("other"),
  ], { named: 2 });
  assertEquals(numbers("destination_messages"), { "b.test": 2, "c.test": 2, other: 3 });
});

Deno.test("QueueSampler stops at its limit and says that there are more", async () => {
  const messages = Array.from({ length: 1200 }, () => ({}));
  const { numbers } = await look(messages, { limit: 1000 });
  assertEquals(numbers("messages").deferred, 1000);
  assertEquals(numbers("sample_complete"), { "": 0 });
  const { numbers: all } = await look(messages, { limit: 1200 });
  assertEquals(all("sample_complete"), { "": 1 });
});

Deno.test("QueueSampler tells of a queue it cannot read, and keeps what it knew", async () => {
  const { clock } = memoryRuntime();
  const faults: unknown[] = [];
  let broken = false;
  const queue = {
    async *list() {
      await Promise.resolve();
      if (broken) throw new Error("EIO");
      yield { ...MESSAGE, received: new Date(clock.now()).toISOString() };
    },
  };
  const sampler = new QueueSampler({ queue, clock, onFault: (error) => faults.push(error) });
  const ending = new AbortController();
  const running = sampler.run(ending.signal);
  await clock.advance(1000);
  broken = true;
  await clock.advance(MINUTE);
  assertEquals(faults.map(String), ["Error: EIO"]);
  const { samples } = sampler.families().find(({ name }) => name.endsWith("_size_bytes"))!;
  assertEquals(samples, [{ labels: {}, value: 1000 }]);
  ending.abort();
  await clock.runUntil(running);
});
