/**
 * Whole stations on bad lines, with narrow limits, full disks and neighbours that come and go: mail arrives
 * all the same, and nobody is told that it did not.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { LinkConditions } from "../../src/runtime/memory_wires.ts";
import { fates, readReport } from "./report.ts";
import { DAY, HOUR, MINUTE, SECOND, type Station, type StationOptions, World } from "./world.ts";

/** Sends numbered mails; gives how often each has arrived so far. */
async function sendMany(a: Station, b: Station, count: number, to = "bob@b.example") {
  for (let i = 0; i < count; i++) {
    await a.submit("alice@a.example", to, {
      message: `Number: ${i}.\r\n\r\n${"x".repeat(300)}\r\n`,
    });
  }
  return async () => {
    const counts = new Array<number>(count).fill(0);
    for (const mail of await b.mailbox("bob")) counts[Number(/^Number: (\d+)/m.exec(mail)![1])]!++;
    return counts;
  };
}

for (const kind of ["reset", "silence"] as const) {
  Deno.test(`a line that is hurt at any octet (${kind}) costs no mail, and bounces none`, async () => {
    let hurt = 0;
    for (let after = 0; after < 3000; after += 61) {
      await using world = new World();
      const a = await world.station("a.example");
      const b = await world.station("b.example");
      let connections = 0;
      world.hub.network.wires.conditions = (): LinkConditions =>
        connections++ === 0 ? { delay: 5, fault: { after, kind } } : { delay: 5 };
      const arrived = await sendMany(a, b, 3);
      await world.pass(2 * HOUR);
      for (const count of await arrived()) assert(count === 1 || count === 2, `${after}: ${count}`);
      assertEquals([await a.queued(), await a.mailbox("alice")], [[], []], `after ${after}`);
      if (a.of("relay.trouble").length + a.of("delivery.deferred").length > 0) hurt++;
      assertEquals(a.faults, []);
    }
    assert(hurt > 10, `${hurt} lines`);
  });
}

const NARROW: Record<string, StationOptions> = {
  "few connections": { listener: { connectionsPerClient: 1 } },
  "few connections in all": { listener: { connections: 2 } },
  "few messages in a session": { listener: { limits: { messages: 2 } } },
  "few messages in a session, unsaid": {
    listener: { limits: { messages: 2 }, extensions: { limits: false } },
  },
};

for (const [what, options] of Object.entries(NARROW)) {
  Deno.test(`a hundred mails pass a station that takes ${what}, soon`, async () => {
    await using world = new World();
    world.hub.network.wires.conditions = () => ({ delay: 20 });
    const a = await world.station("a.example");
    const b = await world.station("b.example", options);
    const arrived = await sendMany(a, b, 100);
    await world.pass(HOUR);
    assertEquals(await arrived(), new Array(100).fill(1));
    assertEquals([await a.queued(), await a.mailbox("alice")], [[], []]);
  });
}

for (const limits of [true, false]) {
  Deno.test(`a mail to many goes in parts to a station that takes few recipients (${limits ? "said" : "unsaid"})`, async () => {
    await using world = new World();
    const a = await world.station("a.example");
    const users = Array.from({ length: 10 }, (_, i) => `u${i}`);
    const b = await world.station("b.example", {
      directory: { accounts: Object.fromEntries(users.map((user) => [`${user}@b.example`, {}])) },
      listener: { limits: { recipients: 3 }, extensions: { limits } },
    });
    await a.submit("alice@a.example", [...users, "nobody"].map((user) => `${user}@b.example`));
    await world.pass(MINUTE);
    for (const user of users) assertEquals((await b.mailbox(user)).length, 1, user);
    assertEquals((await a.mailbox("alice")).map(readReport).flatMap(fates), [
      "nobody@b.example failed 5.1.1",
    ]);
    assertEquals(await a.queued(), []);
  });
}

Deno.test("a station whose disk is full is waited for (452)", async () => {
  await using world = new World();
  const a = await world.station("a.example");
  const b = await world.station("b.example");
  b.runtime.files.disk.capacity = 1000;
  await world.pass(2 * SECOND);
  const arrived = await sendMany(a, b, 5);
  await world.pass(HOUR);
  assertEquals(await arrived(), [0, 0, 0, 0, 0]);
  b.runtime.files.disk.capacity = Infinity;
  await world.pass(2 * HOUR);
  assertEquals(await arrived(), [1, 1, 1, 1, 1]);
  assertEquals(await a.mailbox("alice"), []);
});

Deno.test("mail that is in the queue leaves a station whose disk is full", async () => {
  await using world = new World();
  const a = await world.station("a.example");
  const b = await world.station("b.example");
  await b.stop();
  const arrived = await sendMany(a, b, 5);
  await world.pass(MINUTE);
  a.runtime.files.disk.capacity = 0;
  await b.start();
  await world.pass(2 * HOUR);
  assertEquals((await arrived()).every((count) => count >= 1), true);
  a.runtime.files.disk.capacity = Infinity;
  await world.pass(2 * HOUR);
  assertEquals([await a.queued(), await a.mailbox("alice")], [[], []]);
});

Deno.test("a connection that rested while its station started again costs nothing", async () => {
  await using world = new World();
  const a = await world.station("a.example");
  const b = await world.station("b.example");
  await a.submit("alice@a.example", "bob@b.example");
  await world.pass(SECOND);
  await world.clock.runUntil(b.stop(100));
  await b.start();
  await a.submit("alice@a.example", "bob@b.example");
  await world.pass(SECOND);
  assertEquals((await b.mailbox("bob")).length, 2);
  assertEquals(a.of("delivery.deferred"), []);
});

Deno.test("a station that is cut off and comes back while a connection rests costs nothing", async () => {
  await using world = new World();
  const a = await world.station("a.example");
  const b = await world.station("b.example");
  await a.submit("alice@a.example", "bob@b.example");
  await world.pass(SECOND);
  b.crash("lost");
  await b.start();
  await a.submit("alice@a.example", "bob@b.example");
  await world.pass(SECOND);
  assertEquals((await b.mailbox("bob")).length, 2);
  assertEquals(a.of("delivery.deferred"), []);
});

Deno.test("a station that is started again and again while it is handed mail gets all of it", async () => {
  for (let moment = 5; moment < 400; moment += 29) {
    await using world = new World();
    world.hub.network.wires.conditions = () => ({ delay: 10 });
    const a = await world.station("a.example");
    const b = await world.station("b.example");
    const arrived = await sendMany(a, b, 20);
    for (const grace of [0, 50, SECOND]) {
      await world.pass(moment);
      await world.clock.runUntil(b.stop(grace));
      await world.pass(moment);
      await b.start();
    }
    await world.pass(3 * HOUR);
    for (const count of await arrived()) assert(count >= 1 && count <= 2, `${moment}: ${count}`);
    assertEquals([await a.queued(), await a.mailbox("alice")], [[], []]);
  }
});

Deno.test("mail for a host that is never there ends in time: each told of once as late, once as lost", async () => {
  await using world = new World();
  const a = await world.station("a.example");
  world.host("b.example", "mx.b.example", "192.0.2.200");
  for (let i = 0; i < 12; i++) await a.submit("alice@a.example", `u${i}@b.example`);
  await world.pass(6 * DAY);
  const told = (await a.mailbox("alice")).map(readReport).flatMap(fates);
  const of = (kind: string) => told.filter((fate) => fate.includes(` ${kind} `));
  assertEquals([of("delayed").length, of("failed").length, told.length], [12, 12, 24]);
  assertEquals(new Set(told).size, 24);
  assertEquals(await a.queued(), []);
});

Deno.test("a mailbox that cannot be written to keeps nobody else waiting, and gets its mail once", async () => {
  await using world = new World();
  const a = await world.station("a.example");
  const b = await world.station("b.example");
  for (let i = 0; i < 3; i++) {
    a.runtime.files.fail({ operation: "open", path: /\/bob\/tmp\//, code: "EIO" });
  }
  await a.submit("alice@a.example", ["bob@a.example", "alice@a.example", "bob@b.example"]);
  await world.pass(SECOND);
  assertEquals([(await a.mailbox("bob")).length, (await b.mailbox("bob")).length], [0, 1]);
  assertEquals((await a.mailbox("alice")).length, 1);
  await world.pass(4 * HOUR);
  assertEquals([(await a.mailbox("bob")).length, (await a.mailbox("alice")).length], [1, 1]);
  assertEquals((await b.mailbox("bob")).length, 1);
});

Deno.test("a mailbox that becomes full while its mail waits is told of (5.2.2)", async () => {
  await using world = new World();
  const accounts = { "alice@a.example": {}, "bob@a.example": { quota: { bytes: 1500 } } };
  const a = await world.station("a.example", { directory: { accounts } });
  const b = await world.station("b.example");
  const message = `Subject: hi\r\n\r\n${"x".repeat(900)}\r\n`;
  // Both pass RCPT before either is delivered: a second recipient makes them take the queue.
  const taking = [1, 2].map(() =>
    a.mta.submit({
      sender: "alice@a.example",
      recipients: ["bob@a.example", "bob@b.example"],
    }, message)
  );
  await world.clock.runUntil(Promise.all(taking));
  await world.pass(DAY);
  assertEquals([(await a.mailbox("bob")).length, (await b.mailbox("bob")).length], [1, 2]);
  await world.pass(5 * DAY);
  const told = (await a.mailbox("alice")).map(readReport).flatMap(fates);
  assertEquals(told.filter((fate) => fate.includes(" failed ")).length, 1, told.join());
  assertEquals(await a.queued(), []);
});

Deno.test("a mail to hundreds at one station is told of in one notice, and each mailbox has it once", async () => {
  await using world = new World();
  world.hub.network.wires.conditions = () => ({ delay: 5 });
  const a = await world.station("a.example");
  const users = Array.from({ length: 150 }, (_, i) => `u${i}`);
  const b = await world.station("b.example", {
    directory: { accounts: Object.fromEntries(users.map((user) => [`${user}@b.example`, {}])) },
  });
  const ghosts = users.map((user) => `no-${user}`);
  await a.submit("alice@a.example", [...users, ...ghosts].map((user) => `${user}@b.example`));
  await world.pass(HOUR);
  for (const user of users) assertEquals((await b.mailbox(user)).length, 1, user);
  const told = (await a.mailbox("alice")).map(readReport).flatMap(fates);
  assertEquals(
    told.sort(),
    ghosts.map((user) => `${user}@b.example failed 5.1.1`).sort(),
  );
  assertEquals((await a.mailbox("alice")).length, 1);
  assertEquals(await a.queued(), []);
});

Deno.test("stop() ends also while a host does not answer, and the mail is there at the next start", async () => {
  await using world = new World();
  const a = await world.station("a.example");
  const b = await world.station("b.example");
  world.hub.network.wires.conditions = () => ({ connect: "ignore" });
  await a.submit("alice@a.example", "bob@b.example");
  await world.pass(SECOND);
  const begin = world.clock.now();
  await world.clock.runUntil(a.stop(2 * SECOND));
  assert(world.clock.now() - begin < 10 * SECOND);
  world.hub.network.wires.conditions = () => ({});
  await a.start();
  await world.pass(10 * MINUTE);
  assertEquals((await b.mailbox("bob")).length, 1);
});

Deno.test("a station that DNS leads back to itself by another name ends the loop, with one notice", async () => {
  await using world = new World();
  const a = await world.station("a.example");
  const backup = await world.station("backup.example", {
    routes: [{ domains: ["b.example"], via: { kind: "mx" }, accept: true }],
  });
  world.host("b.example", "disguised.example", backup.address);
  await a.submit("alice@a.example", "bob@b.example");
  await world.pass(HOUR);
  const told = (await a.mailbox("alice")).map(readReport).flatMap(fates);
  assertEquals(told, ["bob@b.example failed 5.4.6"]);
  assertEquals(await backup.queued(), []);
  // Not one lap: it has seen to whom it would be talking.
  assertEquals(backup.of("message.accepted").length, 1);
});
