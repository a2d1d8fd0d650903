import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { reply } from "../../src/smtp/reply.ts";
import { DIRECTORY, MemoryStation } from "../support/memory_station.ts";

const MINUTE = 60_000;

Deno.test("a station takes a mail and it lies in the mailbox, whole, with its trace", async () => {
  await using station = await MemoryStation.start();
  const peer = await station.greeted();
  await peer.mail({ text: "From: a@client.example\r\nSubject: hi\r\n\r\n..\r\nHello.\r\n" });
  await peer.say("QUIT", 221);
  assertEquals(await peer.reply(), null);
  const [mail, ...others] = await station.mailbox("alice");
  assertEquals(others, []);
  const [id] = station.of("message.accepted").map(({ message }) => message);
  assertEquals(
    mail,
    "Return-Path: <a@client.example>\r\n" +
      "Delivered-To: alice@example.test\r\n" +
      "Received: from client.example ([198.51.100.7])\r\n" +
      `\tby mx.example.test with ESMTP id ${id}\r\n` +
      "\tfor <alice@example.test>; Thu, 01 Jan 2026 00:00:00 +0000\r\n" +
      "From: a@client.example\r\nSubject: hi\r\n\r\n.\r\nHello.\r\n",
  );
});

Deno.test("a station answers a pipelined group in one write", async () => {
  await using station = await MemoryStation.start();
  const peer = await station.greeted();
  await peer.send(
    "MAIL FROM:<a@client.example>\r\nRCPT TO:<alice@example.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n",
  );
  await peer.expect(250, "2.1.0");
  assertEquals(peer.buffered, 3); // all came together
});

Deno.test("a station says 421 4.4.2 and closes when a client is silent for five minutes", async () => {
  await using station = await MemoryStation.start();
  const peer = await station.greeted();
  await station.runtime.clock.advance(5 * MINUTE - 2000);
  await peer.say("NOOP", 250);
  await station.runtime.clock.advance(5 * MINUTE + 2000);
  await peer.expect(421, "4.4.2");
  assertEquals(await peer.reply(), null);
  assertEquals(station.of("session.closed").map(({ reason }) => reason), ["timeout"]);
});

Deno.test("a station gives up a client that stalls within DATA, and keeps nothing of the mail", async () => {
  await using station = await MemoryStation.start();
  const peer = await station.greeted();
  await peer.begin();
  await peer.send("Subject: half\r\n\r\nhal");
  await station.runtime.clock.advance(3 * MINUTE + 2000);
  await peer.expect(421, "4.4.2");
  assertEquals(await station.mailbox("alice"), []);
});

Deno.test("a station bounds how long one message may take, however steadily it drips", async () => {
  await using station = await MemoryStation.start({
    listener: { limits: { bodyRate: 0, timeouts: { message: 10 * MINUTE } } },
  });
  const peer = await station.greeted();
  await peer.begin();
  for (let minute = 0; minute < 10; minute++) {
    await peer.send("x");
    await station.runtime.clock.advance(MINUTE);
  }
  await station.runtime.clock.advance(2000);
  await peer.expect(421, "4.4.2");
});

Deno.test("a station gives up a TLS handshake that does not come", async () => {
  await using station = await MemoryStation.start();
  const peer = await station.greeted();
  await peer.say("STARTTLS", 220);
  await station.runtime.clock.advance(MINUTE + 2000);
  assertEquals(await peer.reply(), null);
  assertEquals(station.of("tls.failed").length, 1);
});

Deno.test("a station keeps nothing of a mail whose sender vanishes within DATA", async () => {
  await using station = await MemoryStation.start();
  const peer = await station.greeted();
  await peer.begin();
  await peer.send("Subject: big\r\n\r\n" + "x".repeat(2_400_000));
  assertEquals((await station.tree("/mail/.incoming")).length, 1); // over 2 MiB: in a file
  peer.close();
  await station.runtime.clock.settle();
  assertEquals(await station.tree("/mail"), []);
});

Deno.test("a station survives a client that sends and never reads", async () => {
  await using station = await MemoryStation.start();
  station.runtime.network.wires.conditions = () => ({ window: 4096 });
  const peer = await station.connect();
  await peer.expect(220);
  const flood = peer.send("HELP\r\n".repeat(900)).catch(() => {});
  await station.runtime.clock.advance(6 * MINUTE);
  await flood;
  assertEquals(station.of("session.closed").map(({ reason }) => reason), ["timeout"]);
});

Deno.test("stop() says 421 to those who are idle and lets a message under way finish", async () => {
  const station = await MemoryStation.start();
  const idle = await station.greeted();
  const busy = await station.greeted();
  await busy.begin();
  const stopped = station.mta.stop();
  await idle.expect(421, "4.3.2");
  assertEquals(await idle.reply(), null);
  await busy.say("Subject: last\r\n\r\nbye\r\n.", 250);
  await busy.expect(421, "4.3.2");
  await station.runtime.clock.runUntil(stopped);
  assertEquals((await station.mailbox("alice")).length, 1);
});

Deno.test("stop() closes what is left when its grace is over", async () => {
  const station = await MemoryStation.start();
  const busy = await station.greeted();
  await busy.say("MAIL FROM:<a@client.example>", 250);
  await station.runtime.clock.runUntil(station.mta.stop({ grace: 3000 }));
  assertEquals(await busy.reply(), null);
  assertEquals(station.of("session.closed").map(({ reason }) => reason), ["station stopped"]);
});

Deno.test("a station cuts off a client that talks before a slow greeting", async () => {
  await using station = await MemoryStation.start({
    policies: [{ name: "slow", connect: () => station.runtime.clock.sleep(2000) }],
  });
  const peer = await station.connect();
  await peer.send("EHLO early.example\r\n");
  await peer.expect(503, "5.5.0");
  assertEquals(await peer.reply(), null);
  assertEquals(station.of("session.fault").map(({ kind }) => kind), ["early-talk"]);
});

Deno.test("a station cuts off a stranger whose first words are there before a greeting that is not delayed", async () => {
  await using station = await MemoryStation.start();
  const peer = await station.connect();
  await peer.send("EHLO early.example\r\n");
  await peer.expect(503, "5.5.0");
  assertEquals(await peer.reply(), null);
});

Deno.test("a station sends the replies it has when a policy takes longer than 50 ms", async () => {
  await using station = await MemoryStation.start({
    policies: [{
      name: "slow",
      recipient: (_, { local }) => local === "bob" ? station.runtime.clock.sleep(2000) : undefined,
    }],
  });
  const peer = await station.greeted();
  const start = station.runtime.clock.now();
  await peer.send(
    "MAIL FROM:<a@client.example>\r\nRCPT TO:<alice@example.test>\r\nRCPT TO:<bob@example.test>\r\n",
  );
  await peer.expect(250);
  await peer.expect(250);
  assertEquals(station.runtime.clock.now() - start, 50);
  await peer.expect(250);
  assertEquals(station.runtime.clock.now() - start, 2000);
});

Deno.test("a station limits connections in all and from one address", async () => {
  await using station = await MemoryStation.start({
    listener: { connections: 3, connectionsPerClient: 2 },
  });
  const first = await station.greeted();
  await station.greeted();
  const third = await station.connect();
  assertMatch(await third.expect(421, "4.7.0"), /address/);
  await station.greeted("203.0.113.5");
  const fifth = await station.connect("203.0.113.6");
  await fifth.expect(421, "4.7.0");
  assertEquals(station.of("session.refused").length, 2);
  await first.say("QUIT", 221);
  first.close();
  await station.runtime.clock.settle();
  await station.greeted();
});

Deno.test("a station takes STARTTLS from clients that do not say EHLO before it", async () => {
  await using station = await MemoryStation.start();
  const peer = await station.connect();
  await peer.expect(220);
  await peer.startTls();
  await peer.say("EHLO client.example", 250);
});

Deno.test("a station waits two seconds for a client to go after its last words, not longer", async () => {
  await using station = await MemoryStation.start();
  const peer = await station.greeted();
  await peer.send("NOOP\n"); // a bare LF
  await peer.expect(521);
  await station.runtime.clock.advance(1000);
  assertEquals(station.of("session.closed"), []);
  await station.runtime.clock.advance(3000);
  assertEquals(station.of("session.closed").map(({ reason }) => reason), ["cut off"]);
});

Deno.test("a station does not wait for a client that has said QUIT", async () => {
  await using station = await MemoryStation.start();
  const peer = await station.greeted();
  await peer.say("QUIT", 221);
  assertEquals(await peer.reply(), null);
  assertEquals(station.of("session.closed").map(({ reason }) => reason), ["quit"]);
});

Deno.test("a station forgets what was said before TLS, and what was sent in its shadow", async () => {
  await using station = await MemoryStation.start();
  const peer = await station.greeted();
  await peer.send("STARTTLS\r\nMAIL FROM:<evil@client.example>\r\n");
  await peer.expect(220);
  await peer.secure();
  await peer.say("MAIL FROM:<a@client.example>", 503, "5.5.1");
  const offer = await peer.say("EHLO client.example", 250);
  assert(!offer.includes("STARTTLS"));
  assertEquals(station.of("session.fault").map(({ kind }) => kind), [
    "plaintext-after-starttls",
    "refused", // MAIL before EHLO
  ]);
  await peer.mail({});
  assertStringIncludes((await station.mailbox("alice"))[0]!, "with ESMTPS id");
});

Deno.test("a station answers 452 4.3.1 when the disk fills up within a message", async () => {
  await using station = await MemoryStation.start();
  const peer = await station.greeted();
  await peer.begin();
  station.runtime.files.fail({ operation: "write", path: /\.body$/, code: "ENOSPC" });
  await peer.send("Subject: big\r\n\r\n" + "x".repeat(2_400_000));
  await peer.say("\r\n.", 452, "4.3.1");
  await peer.mail({});
  assertEquals((await station.mailbox("alice")).length, 1);
  assertEquals(await station.tree("/mail/.incoming"), []);
});

Deno.test("a station takes no mail while the reserve on the disk is touched", async () => {
  await using station = await MemoryStation.start();
  station.runtime.files.disk.capacity = 1000;
  const peer = await station.greeted();
  await peer.say("MAIL FROM:<a@client.example>", 452, "4.3.1");
});

Deno.test("a station speaks LMTP and answers each recipient for itself", async () => {
  await using station = await MemoryStation.start({ listener: { role: "lmtp" } });
  const peer = await station.connect();
  await peer.expect(220);
  await peer.say("LHLO mta.example", 250);
  await peer.say("MAIL FROM:<>", 250);
  await peer.say("RCPT TO:<alice@example.test>", 250);
  await peer.say("RCPT TO:<nobody@example.test>", 550, "5.1.1");
  await peer.say("RCPT TO:<bob@example.test>", 250);
  await peer.say("DATA", 354);
  station.runtime.files.fail({ operation: "open", path: /\/bob\//, code: "EIO" });
  await peer.say("Subject: two\r\n\r\nhi\r\n.", 250);
  await peer.expect(451, "4.3.0");
  assertEquals((await station.mailbox("alice")).length, 1);
  assertEquals(await station.mailbox("bob"), []);
});

Deno.test("a station logs an account in over TLS by PLAIN, and only over TLS", async () => {
  await using station = await MemoryStation.start({ listener: { role: "submission" } });
  const peer = await station.greeted();
  const plain = btoa("\0alice@example.test\0wonderland");
  await peer.say(`AUTH PLAIN ${plain}`, 538, "5.7.11");
  await peer.say("MAIL FROM:<alice@example.test>", 530, "5.7.0");
  await peer.startTls();
  await peer.say("EHLO client.example", 250);
  await peer.say("MAIL FROM:<alice@example.test>", 530, "5.7.0");
  await peer.say(`AUTH PLAIN ${btoa("\0alice@example.test\0wrong")}`, 535, "5.7.8");
  await peer.say(`AUTH PLAIN ${btoa("bob@example.test\0alice@example.test\0wonderland")}`, 535);
  await peer.say(`AUTH PLAIN ${plain}`, 235, "2.7.0");
  await peer.mail({
    sender: "alice@example.test",
    to: ["bob@example.test"],
    text: "From: Alice <alice@example.test>\r\nBcc: hidden@example.test\r\n\r\nhi\r\n",
  });
  const [mail] = await station.mailbox("bob");
  assertStringIncludes(mail!, "with ESMTPSA id");
  assertStringIncludes(mail!, "\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\n");
  assertMatch(mail!, /\r\nMessage-ID: <[^<>@\s]+@mx\.example\.test>\r\n/);
  assert(!mail!.includes("Bcc"));
});

Deno.test("a connect policy that rejects leaves nothing to do but QUIT", async () => {
  await using station = await MemoryStation.start({
    policies: [{
      name: "closed",
      connect: () => ({ action: "reject", reply: reply(554, "5.7.1", "not from there") }),
    }],
  });
  const peer = await station.connect();
  assertEquals(await peer.expect(554), "554 not from there"); // RFC 2034 §4: no enhanced code
  await peer.say("EHLO client.example", 503);
  await peer.say("QUIT", 221);
  assertEquals(await peer.reply(), null);
});

Deno.test("a station takes its time for an answer without the client's time running out", async () => {
  await using station = await MemoryStation.start({
    listener: { limits: { timeouts: { command: 10_000, data: 10_000 } } },
    policies: [{ name: "slow", message: () => station.runtime.clock.sleep(20_000) }],
  });
  const peer = await station.greeted();
  await peer.send(
    "MAIL FROM:<a@client.example>\r\nRCPT TO:<alice@example.test>\r\nBDAT 4 LAST\r\n\r\n\r\n",
  );
  for (const _ of ["MAIL", "RCPT", "BDAT"]) await peer.expect(250);
  assertEquals((await station.mailbox("alice")).length, 1);
});

Deno.test("a station says 421 when it has no answer itself, and stops all the same", async () => {
  const never = () => new Promise<never>(() => {});
  const station = await MemoryStation.start({
    directory: {
      ...DIRECTORY,
      isLocalDomain: () => true,
      lookup: never,
      verify: never,
      maySendAs: never,
    },
  });
  const peer = await station.greeted();
  await peer.say("MAIL FROM:<a@client.example>", 250);
  await peer.send("RCPT TO:<alice@example.test>\r\n");
  await station.runtime.clock.advance(10 * MINUTE + 2000);
  await peer.expect(421, "4.3.0");
  assertEquals(await peer.reply(), null);
  const other = await station.greeted();
  await other.say("MAIL FROM:<a@client.example>", 250);
  await other.send("RCPT TO:<alice@example.test>\r\n");
  await station.runtime.clock.settle();
  const start = station.runtime.clock.now();
  await station.runtime.clock.runUntil(station.mta.stop({ grace: 3000 }));
  assertEquals(station.runtime.clock.now() - start, 3000);
});

Deno.test("stop() may be called twice; both wait for the last connection", async () => {
  const station = await MemoryStation.start();
  const busy = await station.greeted();
  await busy.say("MAIL FROM:<a@client.example>", 250);
  const both = Promise.all([station.mta.stop({ grace: 1000 }), station.mta.stop({ grace: 1000 })]);
  await station.runtime.clock.runUntil(both);
});

Deno.test("a station bounds the time of what it only reads to its end", async () => {
  await using station = await MemoryStation.start({
    listener: { limits: { bodyRate: 0, timeouts: { message: 5 * MINUTE } } },
  });
  const peer = await station.greeted();
  await peer.begin();
  await peer.send("a bare\nline feed");
  for (let minute = 0; minute < 5; minute++) {
    await peer.send("x");
    await station.runtime.clock.advance(MINUTE);
  }
  await station.runtime.clock.advance(2000);
  await peer.expect(421, "4.4.2");
});

Deno.test("a station closes after a 421 of a policy's", async () => {
  await using station = await MemoryStation.start({
    policies: [{
      name: "away",
      sender: () => ({ action: "defer", reply: reply(421, "4.7.0", "go away") }),
    }],
  });
  const peer = await station.greeted();
  await peer.say("MAIL FROM:<a@client.example>", 421, "4.7.0");
  assertEquals(await peer.reply(), null);
});

Deno.test("a refused EHLO changes nothing: neither the transaction nor the name", async () => {
  await using station = await MemoryStation.start({
    policies: [{
      name: "names",
      hello: ({ hello }) =>
        hello === "bad" ? { action: "reject", reply: reply(550, "5.7.1", "bad name") } : undefined,
    }],
  });
  const peer = await station.greeted();
  await peer.say("MAIL FROM:<a@client.example>", 250);
  await peer.say("EHLO bad", 550);
  await peer.say("LHLO other", 500);
  await peer.say("RCPT TO:<alice@example.test>", 250);
  await peer.say("DATA", 354);
  await peer.say("Subject: hi\r\n\r\nhi\r\n.", 250);
  assertStringIncludes((await station.mailbox("alice"))[0]!, "Received: from client.example (");
});

Deno.test("a BDAT at the wrong moment leaves the transaction as it was", async () => {
  await using station = await MemoryStation.start();
  const peer = await station.greeted();
  await peer.say("MAIL FROM:<a@client.example>", 250);
  await peer.send("BDAT 5\r\nhello");
  await peer.expect(503, "5.5.1");
  await peer.say("RCPT TO:<alice@example.test>", 250);
});

Deno.test("a BDAT body that ends in a bare CR is refused, and nothing of it is held", async () => {
  await using station = await MemoryStation.start();
  const peer = await station.greeted();
  const text = "Subject: big\r\n\r\n" + "x".repeat(400_000) + "\r";
  await peer.say("MAIL FROM:<a@client.example>", 250);
  await peer.say("RCPT TO:<alice@example.test>", 250);
  await peer.send(`BDAT ${text.length} LAST\r\n${text}`);
  await peer.expect(550, "5.5.2");
  assertEquals(await station.tree("/mail/.incoming"), []);
  assertEquals(station.of("message.refused").length, 1);
});

Deno.test("LMTP: a last chunk that is refused is answered for each recipient", async () => {
  await using station = await MemoryStation.start({ listener: { role: "lmtp" }, bodyMemory: 0 });
  const { files } = station.runtime;
  const peer = await station.connect();
  await peer.expect(220);
  await peer.say("LHLO mta.example", 250);
  await peer.say("MAIL FROM:<>", 250);
  await peer.say("RCPT TO:<alice@example.test>", 250);
  await peer.say("RCPT TO:<bob@example.test>", 250);
  files.fail({ operation: "open", path: /\.body$/, code: "ENOSPC" });
  await peer.send("BDAT 6 LAST\r\n\r\nhi\r\nNOOP\r\n");
  await peer.expect(451, "4.3.2");
  await peer.expect(451, "4.3.2");
  await peer.expect(250, "2.0.0");
});

Deno.test("a listener that demands TLS takes no password before it, whatever else it is told", async () => {
  await using station = await MemoryStation.start({
    listener: { role: "submission", authInClear: true },
  });
  const peer = await station.greeted();
  await peer.say(`AUTH PLAIN ${btoa("\0alice@example.test\0wonderland")}`, 538, "5.7.11");
});

Deno.test("an onEvent or close hook that throws ends neither mail nor process", async () => {
  await using station = await MemoryStation.start({
    policies: [{ name: "broken", close: () => Promise.reject(new Error("statsd is down")) }],
    onEvent: (event) => {
      if (event.type !== "policy.failed") throw new Error("disk of the log is full");
      failed.push(event.policy);
    },
  });
  const failed: string[] = [];
  const peer = await station.greeted();
  await peer.mail({});
  await peer.say("QUIT", 221);
  assertEquals(await peer.reply(), null);
  peer.close();
  await station.runtime.clock.settle();
  assertEquals((await station.mailbox("alice")).length, 1);
  assertEquals(failed, ["broken"]);
});

Deno.test("a station gives up an answer that never comes also when the client is gone", async () => {
  const never = () => new Promise<never>(() => {});
  await using station = await MemoryStation.start({
    directory: {
      ...DIRECTORY,
      isLocalDomain: () => true,
      lookup: never,
      verify: never,
      maySendAs: never,
    },
  });
  const peer = await station.greeted();
  await peer.send("MAIL FROM:<a@client.example>\r\nRCPT TO:<alice@example.test>\r\n");
  peer.close();
  await station.runtime.clock.advance(12 * MINUTE);
  assertEquals(station.of("session.closed").length, 1);
});

Deno.test("stop() does not wait for the close hooks of policies", async () => {
  const station = await MemoryStation.start({
    policies: [{ name: "slow", close: () => new Promise(() => {}) }],
  });
  const peer = await station.greeted();
  peer.close();
  const start = station.runtime.clock.now();
  await station.runtime.clock.runUntil(station.mta.stop({ grace: 1000 }));
  assertEquals(station.runtime.clock.now() - start <= 1000, true);
});

Deno.test("LMTP: a station closes after the 421s of a policy's", async () => {
  await using station = await MemoryStation.start({
    listener: { role: "lmtp" },
    policies: [{
      name: "away",
      message: () => ({ action: "defer", reply: reply(421, "4.7.0", "go away") }),
    }],
  });
  const peer = await station.connect();
  await peer.expect(220);
  await peer.say("LHLO mta.example", 250);
  await peer.say("MAIL FROM:<>", 250);
  await peer.say("RCPT TO:<alice@example.test>", 250);
  await peer.say("RCPT TO:<bob@example.test>", 250);
  await peer.say("DATA", 354);
  await peer.say("Subject: hi\r\n\r\nhi\r\n.", 421, "4.7.0");
  await peer.expect(421, "4.7.0");
  assertEquals(await peer.reply(), null);
});
