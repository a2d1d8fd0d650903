import { assertEquals, assertRejects } from "@std/assert";
import type { Address } from "../../../src/address.ts";
import { mapDirectory } from "../../../src/directory/map_directory.ts";
import { startMta } from "../../../src/mta.ts";
import { DeliveryError, type LocalDelivery } from "../../../src/queue/local_delivery.ts";
import { MemoryStore } from "../../../src/queue/memory_store.ts";
import { memoryRuntime } from "../../../src/runtime/memory.ts";
import { reply } from "../../../src/smtp/reply.ts";
import { SubmitError } from "../../../src/intake/submit.ts";
import { queueMatcher } from "../../../src/queue/operator/queue_filter.ts";
import { DropStation } from "./station.ts";

const ENVELOPE = { sender: "alice@host.test", recipients: ["far@away.test"] };
const MAIL = "Subject: x\n\nx\n";

Deno.test("submit() under an id that is in the queue changes nothing", async () => {
  await using station = await DropStation.start();
  const options = { id: "job-42", handedIn: 1000 };
  const first = await station.mta.submit(ENVELOPE, MAIL, options);
  const second = await station.mta.submit(ENVELOPE, MAIL, options);
  assertEquals([first.id, second.id], ["job-42.1", "job-42.1"]);
  await station.mta.submit(ENVELOPE, MAIL);
  let count = 0;
  const all = queueMatcher({});
  if ("wrong" in all) throw new Error("all is no filter");
  const { signal } = new AbortController();
  for await (const _ of station.mta.queue!.list(all, signal)) count++;
  assertEquals(count, 2);
});

Deno.test("submit() under an id that is unread in its mailbox makes no second mail", async () => {
  await using station = await DropStation.start();
  const options = { id: "job-43", handedIn: Date.UTC(2026, 0, 1) };
  const envelope = { ...ENVELOPE, recipients: ["bob@host.test"] };
  for (let time = 0; time < 2; time++) await station.mta.submit(envelope, MAIL, options);
  assertEquals((await station.mails("bob")).length, 1);
});

Deno.test("submit() refuses an id that is no file name", async () => {
  await using station = await DropStation.start();
  for (const id of ["", ".hidden", "a/b", "x".repeat(81)]) {
    await assertRejects(() => station.mta.submit(ENVELOPE, MAIL, { id }), TypeError, "id:");
  }
});

Deno.test("submit() tells each recipient that was refused, where it was all of them", async () => {
  await using station = await DropStation.start();
  const recipients = ["x@host.test", "y@host.test"];
  const error = await assertRejects(
    () => station.mta.submit({ ...ENVELOPE, recipients }, MAIL),
    SubmitError,
  );
  assertEquals((error as SubmitError).refused.map(({ recipient }) => recipient), recipients);
});

Deno.test("submit() of what nobody waits for queues what a mailbox has no room for, and puts off the rest", async () => {
  const runtime = memoryRuntime();
  const store = new MemoryStore({ clock: runtime.clock });
  const full = reply(452, "4.2.2", "mailbox full");
  const delivery: LocalDelivery = {
    checkRoom: () => Promise.resolve(full),
    prepare: () => Promise.reject(new DeliveryError(full, "full")),
  };
  const inner = mapDirectory({ accounts: { "alice@host.test": {}, "bob@host.test": {} } });
  let isDown = false;
  const directory = {
    ...inner,
    lookup: (address: Address) =>
      isDown && address.local === "alice"
        ? Promise.reject(new Error("down"))
        : inner.lookup(address),
  };
  const mta = await startMta({
    ...{ runtime, directory, delivery },
    hostname: "host.test",
    temporary: "/tmp",
    queue: { store, paused: true },
    listeners: [{ role: "mx", address: { transport: "tcp", hostname: "192.0.2.1", port: 25 } }],
  });
  const envelope = { sender: null, recipients: ["bob@host.test", "alice@host.test"] };
  const submit = (unattended: boolean) => mta.submit(envelope, MAIL, { unattended });
  const refused = await assertRejects(() => submit(false), SubmitError);
  assertEquals((refused as SubmitError).reply.code, 452);
  assertEquals((await submit(true)).refused, []);
  isDown = true;
  const putOff = await assertRejects(() => submit(true), SubmitError);
  assertEquals((putOff as SubmitError).reply.code, 451);
  const entries = await Array.fromAsync(store.list());
  assertEquals(entries.map(({ recipients }) => recipients.length), [2]);
  await runtime.clock.runUntil(mta.stop());
});
