import { assertEquals, assertRejects } from "@std/assert";
import { DeliveryError } from "../../../src/queue/local_delivery.ts";
import { memoryRuntime } from "../../../src/runtime/memory.ts";
import { agent, ALICE, deliver, names, recipient, source, stored } from "./support.ts";

const JUNK = `${ALICE}/.Junk`;
const SIZE = stored().length;

Deno.test("what is to be junk lies in the folder .Junk, which is made with its mailbox", async () => {
  const { files, ...runtime } = memoryRuntime();
  const delivery = agent({ files, ...runtime });
  const copy = await delivery.prepare(source(), { ...recipient(), junk: true });
  assertEquals(copy.destination, "maildir:example.org/alice/.Junk");
  await copy.publish();
  assertEquals(await names(files, ALICE), [".Junk", "cur", "new", "tmp"]);
  assertEquals(await names(files, JUNK), ["cur", "maildirfolder", "new", "tmp"]);
  assertEquals((await names(files, `${JUNK}/new`)).length, 1);
  assertEquals(await names(files, `${JUNK}/tmp`), []);
  await deliver(delivery, recipient("m2"));
  assertEquals((await names(files, `${ALICE}/new`)).length, 1);
});

Deno.test("what is to be junk is taken back like all else", async () => {
  const { files, ...runtime } = memoryRuntime();
  const delivery = agent({ files, ...runtime });
  const copy = await delivery.prepare(source(), { ...recipient(), junk: true });
  await copy.publish();
  await copy.discard();
  assertEquals(await names(files, `${JUNK}/new`), []);
});

Deno.test("junk counts for the quota of its mailbox", async () => {
  const { files, ...runtime } = memoryRuntime();
  const delivery = agent({ files, ...runtime });
  const quota = { messages: 2 };
  await deliver(delivery, { ...recipient("m1", "alice", quota), junk: true });
  await deliver(delivery, recipient("m2", "alice", quota));
  const size = new TextDecoder().decode(await files.readFile(`${ALICE}/maildirsize`));
  const sum = size.trim().split("\n").slice(1).reduce(
    (all, line) => all + Number(line.split(" ")[0]),
    0,
  );
  assertEquals(sum, 2 * SIZE);
  await assertRejects(
    () => delivery.prepare(source(), { ...recipient("m3", "alice", quota), junk: true }),
    DeliveryError,
  );
  // Counted anew from the messages, it is the same.
  await files.remove(`${ALICE}/maildirsize`);
  assertEquals((await delivery.checkRoom(recipient("m3", "alice", quota).mailbox, 1))?.code, 552);
  assertEquals(await files.stat(`${JUNK}/maildirsize`), null);
});

Deno.test("a folder that somebody removed is made again, and its mailbox with it", async () => {
  const { files, ...runtime } = memoryRuntime();
  const delivery = agent({ files, ...runtime });
  await deliver(delivery, { ...recipient(), junk: true });
  const remove = async (folder: string): Promise<void> => {
    for (const name of await names(files, folder)) {
      const path = `${folder}/${name}`;
      if ((await files.stat(path))?.kind === "directory") await remove(path);
      else await files.remove(path);
    }
    await files.remove(folder);
  };
  await remove(ALICE);
  await deliver(delivery, { ...recipient("m2"), junk: true });
  assertEquals((await names(files, `${JUNK}/new`)).length, 1);
  assertEquals(await names(files, ALICE), [".Junk", "cur", "new", "tmp"]);
});

Deno.test("a repeated delivery into Junk replaces its twin", async () => {
  const { files, ...runtime } = memoryRuntime();
  const delivery = agent({ files, ...runtime });
  const message = { ...source(), received: 1_700_000_000_000 };
  for (let i = 0; i < 2; i++) await deliver(delivery, { ...recipient(), junk: true }, message);
  assertEquals((await names(files, `${JUNK}/new`)).length, 1);
});

Deno.test("a mailbox named like the folder is another one", async () => {
  const { files, ...runtime } = memoryRuntime();
  const delivery = agent({ files, ...runtime });
  await deliver(delivery, recipient("m1", "alice/.Junk"));
  await deliver(delivery, recipient("m2", ".Junk"));
  assertEquals(await names(files, "/srv/mail/example.org"), ["=2Ejunk", "alice=2F.junk"]);
});
