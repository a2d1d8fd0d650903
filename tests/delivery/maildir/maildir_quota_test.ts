import { assert, assertEquals, assertRejects } from "@std/assert";
import { decode } from "../../../src/bytes.ts";
import { DeliveryError } from "../../../src/queue/local_delivery.ts";
import { memoryRuntime } from "../../../src/runtime/memory.ts";
import { agent, ALICE, deliver, mailbox, names, recipient, source, stored } from "./support.ts";

/** Octets of a message of {@link source} in a mailbox, and with CRLF line ends. */
const SIZE = stored().length;
const WIRE_SIZE = SIZE + 5;

Deno.test("checkRoom() has nothing against a mailbox without quota, at no cost", async () => {
  const { files, ...runtime } = memoryRuntime();
  const delivery = agent({ files, ...runtime });
  assertEquals(await delivery.checkRoom(mailbox(), 1e15), null);
  assertEquals(await delivery.checkRoom(mailbox("alice", {}), 1e15), null);
  assertEquals(files.calls, 0);
  await deliver(delivery, recipient());
  assertEquals(await names(files, ALICE), ["cur", "new", "tmp"]);
});

Deno.test("checkRoom() makes no folder for a mailbox that has no mail yet", async () => {
  const { files, ...runtime } = memoryRuntime();
  const delivery = agent({ files, ...runtime });
  assertEquals(await delivery.checkRoom(mailbox("alice", { bytes: 100 }), 100), null);
  assertEquals((await delivery.checkRoom(mailbox("alice", { bytes: 100 }), 101))?.code, 552);
  assertEquals(await files.stat("/srv"), null);
});

Deno.test("checkRoom() says a mailbox is full, as the option has it", async () => {
  const cases = [["reject", 552, "5.2.2"], ["defer", 452, "4.2.2"]] as const;
  for (const [overQuota, code, enhanced] of cases) {
    const delivery = agent(memoryRuntime(), { overQuota });
    const quota = { bytes: 2 * WIRE_SIZE, messages: 2 };
    await deliver(delivery, recipient("m1", "alice", quota));
    assertEquals(await delivery.checkRoom(mailbox("alice", quota), WIRE_SIZE), null);
    await deliver(delivery, recipient("m2", "alice", quota));
    // Also when the client does not say how much is to come.
    for (const size of [0, 1, WIRE_SIZE]) {
      const reply = await delivery.checkRoom(mailbox("alice", quota), size);
      assertEquals([reply?.code, reply?.enhanced], [code, enhanced]);
    }
    const error = await assertRejects(
      () => delivery.prepare(source(), recipient("m3", "alice", quota)),
      DeliveryError,
    );
    assertEquals([error.reply.code, error.reply.enhanced], [code, enhanced]);
  }
});

Deno.test("the quota holds however many sessions deliver at once", async () => {
  for (const quota of [{ bytes: 5 * WIRE_SIZE }, { messages: 5 }]) {
    const { files, ...runtime } = memoryRuntime();
    const delivery = agent({ files, ...runtime });
    const outcomes = await Promise.allSettled(
      Array.from({ length: 40 }, (_, i) => deliver(delivery, recipient(`m${i}`, "alice", quota))),
    );
    assertEquals(outcomes.filter(({ status }) => status === "fulfilled").length, 5);
    assertEquals((await names(files, `${ALICE}/new`)).length, 5);
    assertEquals(await names(files, `${ALICE}/tmp`), []);
  }
});

Deno.test("room that is reserved is free again after discard()", async () => {
  const quota = { messages: 1 };
  const delivery = agent(memoryRuntime());
  const first = await delivery.prepare(source(), recipient("m1", "alice", quota));
  assertEquals((await delivery.checkRoom(mailbox("alice", quota), 1))?.code, 552);
  await first.discard();
  assertEquals(await delivery.checkRoom(mailbox("alice", quota), 1), null);

  const second = await delivery.prepare(source(), recipient("m2", "alice", quota));
  await second.publish();
  assertEquals((await delivery.checkRoom(mailbox("alice", quota), 1))?.code, 552);
  await second.discard();
  assertEquals(await delivery.checkRoom(mailbox("alice", quota), 1), null);
});

Deno.test("room of one delivery is free again while another goes on", async () => {
  const quota = { bytes: 2 * WIRE_SIZE, messages: 2 };
  const runtime = memoryRuntime();
  const delivery = agent(runtime);
  const other = await delivery.prepare(source(), recipient("m1", "alice", quota));
  for (let i = 0; i < 3; i++) {
    runtime.files.fail({ operation: "write", code: "EIO" });
    await assertRejects(() => deliver(delivery, recipient("m2", "alice", quota)), DeliveryError);
  }
  for (let i = 0; i < 3; i++) {
    await (await delivery.prepare(source(), recipient("m3", "alice", quota))).discard();
  }
  await deliver(delivery, recipient("m4", "alice", quota));
  await assertRejects(() => deliver(delivery, recipient("m5", "alice", quota)), DeliveryError);
  await other.publish();
  assertEquals((await names(runtime.files, `${ALICE}/new`)).length, 2);
});

Deno.test("checkRoom() sees a mailbox that is full to the octet", async () => {
  const runtime = memoryRuntime();
  const delivery = agent(runtime);
  await deliver(delivery, recipient());
  assertEquals((await delivery.checkRoom(mailbox("alice", { bytes: SIZE }), 0))?.code, 552);
  assertEquals(await delivery.checkRoom(mailbox("alice", { bytes: SIZE + 1 }), 0), null);
});

Deno.test("publish() and discard() keep maildirsize, a twin is counted once", async () => {
  const quota = { bytes: 100_000, messages: 100 };
  const { files, ...runtime } = memoryRuntime();
  const delivery = agent({ files, ...runtime });
  const message = { ...source(), received: 1_767_000_000_000 };
  const read = async () => decode(await files.readFile(`${ALICE}/maildirsize`));
  await deliver(delivery, recipient("m1", "alice", quota), message);
  assertEquals(await read(), `100000S,100C\n0 0\n${SIZE} 1\n`);
  await deliver(delivery, recipient("m1", "alice", quota), message);
  assertEquals(await read(), `100000S,100C\n0 0\n${SIZE} 1\n`);
  const third = await delivery.prepare(message, recipient("m3", "alice", quota));
  await third.publish();
  await third.discard();
  assertEquals(await read(), `100000S,100C\n0 0\n${SIZE} 1\n${SIZE} 1\n-${SIZE} -1\n`);
});

Deno.test("room freed by another program is found", async () => {
  const quota = { messages: 2 };
  const { files, ...runtime } = memoryRuntime();
  const delivery = agent({ files, ...runtime });
  await deliver(delivery, recipient("m1", "alice", quota));
  await deliver(delivery, recipient("m2", "alice", quota));
  const [name] = await names(files, `${ALICE}/new`);
  await files.remove(`${ALICE}/new/${name}`);
  assertEquals(await delivery.checkRoom(mailbox("alice", quota), 1), null);
});

Deno.test("checkRoom() tells trouble with the disk as a DeliveryError", async () => {
  const runtime = memoryRuntime();
  const quota = { messages: 2 };
  const delivery = agent(runtime);
  await deliver(delivery, recipient("m1", "alice", quota));
  runtime.files.fail({ operation: "stat", code: "EIO" });
  const error = await assertRejects(
    async () => await delivery.checkRoom(mailbox("alice", quota), 1),
    DeliveryError,
  );
  assertEquals(error.reply.code, 451);
  assert(error.message.includes(ALICE));
});

Deno.test("a quota that keeps growing files is counted anew and stays right", async () => {
  const quota = { messages: 3000 };
  const { files, ...runtime } = memoryRuntime();
  const delivery = agent({ files, ...runtime });
  for (let i = 0; i < 1000; i++) await deliver(delivery, recipient(`m${i}`, "alice", quota));
  const text = decode(await files.readFile(`${ALICE}/maildirsize`));
  assert(text.length < 5200);
  const counts = text.trim().split("\n").slice(1).map((line) => Number(line.split(" ")[1]));
  assertEquals(counts.reduce((sum, count) => sum + count, 0), 1000);
});
