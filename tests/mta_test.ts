import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { createMta } from "../mod.ts";
import { catchAllDirectory } from "../src/directory/catch_all.ts";
import { startMta } from "../src/mta.ts";
import type { MtaOptions } from "../src/mta_options.ts";
import type { LocalDelivery } from "../src/queue/local_delivery.ts";
import { MemoryStore } from "../src/queue/memory_store.ts";
import { memoryRuntime } from "../src/runtime/memory.ts";
import { MemoryStation } from "./support/memory_station.ts";
import { newMessage, queuedRecipient } from "./support/queue_entry.ts";

const ADDRESS = { transport: "tcp", hostname: "192.0.2.1", port: 25 } as const;

function options(changes: Partial<MtaOptions> = {}): MtaOptions {
  return {
    runtime: memoryRuntime(),
    hostname: "mx.example.test",
    directory: catchAllDirectory(),
    delivery: { maildirRoot: "/mail" },
    listeners: [{ role: "mx", address: ADDRESS }],
    ...changes,
  };
}

/** Options that are wrong, and what the message must name. */
const WRONG: readonly [Partial<Record<keyof MtaOptions, unknown>>, string][] = [
  [{ hostname: "x y" }, 'hostname: "x y"'],
  [{ addresses: ["mail.example.org"] }, 'addresses: "mail.example.org"'],
  [{ addresses: ["0.0.0.0"] }, 'addresses: "0.0.0.0"'],
  [{ listeners: [] }, "listeners: at least one"],
  [{ listeners: [{ role: "ctcher", address: ADDRESS }] }, 'role "ctcher"'],
  [{ listeners: [{ role: "submission", address: ADDRESS }] }, "needs a certificate"],
  [{ delivery: undefined }, "delivery:"],
  [{ delivery: { checkRoom() {}, prepare() {} } }, "temporary:"],
  [{ relayFrom: ["10.0.0.0/33"] }, "relayFrom: 10.0.0.0/33"],
  [{ relayFrom: ["0.0.0.0/0"] }, "0.0.0.0/0 would relay for everybody"],
  [{ relayFrom: ["::ffff:0:0/96"] }, "::ffff:0:0/96 would relay for everybody"],
  [
    { routes: [{ domains: ["a.example"], via: { kind: "mx" } }] },
    "routes: mail that goes on needs a queue",
  ],
  [{ postmaster: "nobody" }, "postmaster: nobody"],
  [{ bodyMemory: "64 MiB" }, "bodyMemory: 64 MiB"],
  [{ bodyMemory: NaN }, "bodyMemory: NaN"],
  [{ bodyMemory: -1 }, "bodyMemory: -1"],
];

for (const [changes, named] of WRONG) {
  Deno.test(`startMta() names what is wrong: ${named}`, async () => {
    const wrong = options(changes as Partial<MtaOptions>);
    await assertRejects(() => startMta(wrong), TypeError, named);
    // Nothing is left listening.
    const mta = await startMta(options({ runtime: wrong.runtime }));
    await (wrong.runtime as ReturnType<typeof memoryRuntime>).clock.runUntil(mta.stop());
  });
}

Deno.test("startMta() names the address that cannot be had, and closes the others", async () => {
  const runtime = memoryRuntime();
  const other = { ...ADDRESS, port: 2525 };
  const taken = await runtime.network.listen(ADDRESS);
  const listeners = [{ role: "mx", address: other }, { role: "mx", address: ADDRESS }] as const;
  const error = await assertRejects(() => startMta(options({ runtime, listeners })));
  assertStringIncludes((error as Error).message, "cannot listen on 192.0.2.1:25");
  assertEquals((error as { code?: string }).code, "EADDRINUSE");
  taken.close();
  const mta = await startMta(options({ runtime, listeners }));
  assertEquals(mta.addresses, [other, ADDRESS]);
  await runtime.clock.runUntil(mta.stop());
});

Deno.test("stop() begins no delivery while a client holds up its session, and loses no mail of it", async () => {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const { clock } = runtime;
  const store = new MemoryStore({ clock });
  const start = clock.now();
  const begun: number[] = [];
  let published = 0;
  const delivery: LocalDelivery = {
    checkRoom: () => Promise.resolve(null),
    async prepare() {
      begun.push(clock.now() - start);
      await clock.sleep(3000);
      return { publish: () => Promise.resolve(void published++), discard: () => Promise.resolve() };
    },
  };
  const station = await MemoryStation.start({
    runtime,
    delivery,
    temporary: "/incoming",
    queue: { store, limits: { localJobs: 1 } },
    relayFrom: ["198.51.100.0/24"],
  });
  const mailbox = { domain: "example.test", user: "bob" };
  for (const id of ["m1", "m2", "m3", "m4", "m5"]) {
    const recipient = queuedRecipient("bob@example.test", { mailbox });
    await store.add(newMessage([recipient], { id, received: start }));
  }
  const peer = await station.greeted();
  await peer.say("MAIL FROM:<a@client.example>", 250);
  await peer.say("RCPT TO:<x@elsewhere.example>", 250);
  await peer.say("DATA", 354);
  await clock.advance(1000);
  const stopping = station.mta.stop({ grace: 10_000 });
  await clock.advance(8000);
  assertEquals([begun, published], [[0], 1]);
  await peer.say("Subject: late\r\n\r\nJust in time.\r\n.", 250);
  await clock.runUntil(stopping);
  const left = await Array.fromAsync(
    store.list(),
    ({ recipients }) => recipients[0]!.address.domain,
  );
  assertEquals(left.sort(), [...Array(4).fill("example.test"), "elsewhere.example"].sort());
  peer.close();
});

Deno.test("queue.change() removes a message that waits for its turn behind others", async () => {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const { clock } = runtime;
  const store = new MemoryStore({ clock });
  const delivery: LocalDelivery = {
    checkRoom: () => Promise.resolve(null),
    prepare: () => clock.sleep(60_000).then(() => Promise.reject(new Error("not today"))),
  };
  const queue = { store, limits: { localJobs: 1 } };
  const station = await MemoryStation.start({ runtime, delivery, temporary: "/incoming", queue });
  const mailbox = { domain: "example.test", user: "bob" };
  for (const id of ["m1", "m2"]) {
    const recipient = queuedRecipient("bob@example.test", { mailbox });
    await store.add(newMessage([recipient], { id, received: clock.now() }));
  }
  await clock.settle();
  const { signal } = new AbortController();
  const removal = { action: "remove", bounce: false } as const;
  const changes = station.mta.queue!.change({ ids: ["m1", "m2"] }, removal, signal);
  const results = await clock.runUntil(Array.fromAsync(changes));
  assertEquals(results.map(({ id, result }) => `${id} ${result}`), ["m2 changed", "m1 busy"]);
  await clock.runUntil(station.mta.stop({ grace: 0 }));
});

for (
  const [how, onEvent] of [
    ["throws", () => {
      throw new Error("boom");
    }],
    ["rejects", () => Promise.reject(new Error("boom"))],
  ] as const
) {
  Deno.test(`who watches and ${how} loses no mail, and is told so once`, async () => {
    const told: unknown[][] = [];
    const { error } = console;
    console.error = (...words) => void told.push(words);
    try {
      await using station = await MemoryStation.start({ onEvent });
      const peer = await station.greeted();
      await peer.mail({});
      assertEquals((await station.mailbox("alice")).length, 1);
    } finally {
      console.error = error;
    }
    assertEquals(told.length, 1);
    assertStringIncludes(told.flat().join(), "boom");
  });
}

Deno.test("createMta() with a queue needs no listener, and nobody lives there", async () => {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const store = new MemoryStore({ clock: runtime.clock });
  const mta = await createMta({
    runtime,
    delivery: { maildirRoot: "/mail" },
    temporary: "/tmp",
    queue: { store, paused: true },
  });
  const envelope = { sender: null, recipients: ["bob@example.org"] };
  const { id } = await runtime.clock.runUntil(mta.submit(envelope, "Subject: hi\n\n"));
  assertEquals((await store.get(id))?.recipients[0]?.mailbox, undefined);
  await runtime.clock.runUntil(mta.stop({ grace: 0 }));
});
