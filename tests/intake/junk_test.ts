/**
 * What a policy wants in the folder Junk, on a station in memory: at once, and by way of the queue.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { mapDirectory } from "../../src/directory/map_directory.ts";
import type { Policy } from "../../src/policy/policy.ts";
import { MemoryStore } from "../../src/queue/memory_store.ts";
import { memoryRuntime } from "../../src/runtime/memory.ts";
import { MemoryStation } from "../support/memory_station.ts";

const SORTER: Policy = {
  name: "sorter",
  message: () => ({ action: "annotate", changes: [{ change: "junk", reason: "it looks forged" }] }),
};

const DIRECTORY = mapDirectory({
  accounts: {
    "alice@example.test": { password: "wonderland" },
    "bob@example.test": { password: "builder" },
  },
  aliases: { "mixed@example.test": ["bob@example.test", "bob@elsewhere.example"] },
});

Deno.test("junk lies in Junk of each mailbox", async () => {
  await using station = await MemoryStation.start({ policies: [SORTER] });
  const peer = await station.greeted();
  await peer.mail({ to: ["alice@example.test", "bob@example.test"] });
  for (const name of ["alice", "bob"]) {
    assertEquals((await station.mailbox(name)).length, 0);
    assertEquals((await station.mailbox(`${name}/.Junk`)).length, 1);
  }
  assertEquals(station.of("delivery.done").map(({ destination }) => destination), [
    "maildir:example.test/alice/.Junk",
    "maildir:example.test/bob/.Junk",
  ]);
});

Deno.test("junk that also goes elsewhere lies in Junk when the queue delivers it", async () => {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const store = new MemoryStore({ clock: runtime.clock });
  await using station = await MemoryStation.start({
    directory: DIRECTORY,
    queue: { store },
    policies: [SORTER],
    runtime,
  });
  const peer = await station.greeted("203.0.113.9");
  await peer.mail({ to: ["mixed@example.test"] });
  peer.close();
  await runtime.clock.advance(1000);
  assertEquals(
    station.of("delivery.done").map(({ session, destination }) => [session, destination]),
    [
      [undefined, "maildir:example.test/bob/.Junk"], // no session: the queue delivered it
    ],
  );
  assertEquals((await station.mailbox("bob/.Junk")).length, 1);
  assertEquals(await station.mailbox("bob"), []);
});

Deno.test("the queue knows why a message is junk", async () => {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const store = new MemoryStore({ clock: runtime.clock });
  const queue = { store, paused: true };
  await using station = await MemoryStation.start({
    ...{ directory: DIRECTORY, queue, policies: [SORTER], runtime },
  });
  const peer = await station.greeted("203.0.113.9");
  await peer.mail({ to: ["mixed@example.test"] });
  const [entry] = await Array.fromAsync(store.list());
  assertEquals(entry?.junk, "it looks forged");
  peer.close();
});

Deno.test("junk by LMTP lies in Junk too", async () => {
  await using station = await MemoryStation.start({
    listener: { role: "lmtp" },
    policies: [SORTER],
  });
  const peer = await station.connect();
  await peer.expect(220);
  await peer.say("LHLO client", 250);
  for (
    const line of ["MAIL FROM:<>", "RCPT TO:<alice@example.test>", "RCPT TO:<bob@example.test>"]
  ) {
    await peer.say(line, 250);
  }
  await peer.say("DATA", 354);
  await peer.say("Subject: hi\r\n\r\nHello.\r\n.", 250);
  await peer.expect(250);
  assertEquals((await station.mailbox("bob/.Junk")).length, 1);
  peer.close();
});
