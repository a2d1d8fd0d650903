import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { mapDirectory } from "../../src/directory/map_directory.ts";
import type { Policy, Verdict } from "../../src/policy/policy.ts";
import { memoryRuntime } from "../../src/runtime/memory.ts";
import { reply } from "../../src/smtp/reply.ts";
import { MemoryStation } from "../support/memory_station.ts";

const REJECT: Verdict = { action: "reject", reply: reply(550, "5.7.1", "not this one") };
const DEFER: Verdict = { action: "defer", reply: reply(451, "4.7.1", "not now") };
const DISCARD: Verdict = { action: "discard", reason: "unwanted" };

Deno.test("intake refuses users it does not know and mail that is not for it", async () => {
  await using station = await MemoryStation.start();
  const peer = await station.greeted();
  await peer.say("MAIL FROM:<a@client.example>", 250);
  await peer.say("RCPT TO:<nobody@example.test>", 550, "5.1.1");
  await peer.say("RCPT TO:<x@elsewhere.example>", 550, "5.7.1");
  await peer.say("RCPT TO:<Postmaster>", 250);
  await peer.say("RCPT TO:<alice+tag@example.test>", 250);
  assertEquals(station.of("command.refused").map(({ address }) => address), [
    "nobody@example.test",
    "x@elsewhere.example",
  ]);
});

Deno.test("intake says that it cannot relay yet to those who might", async () => {
  await using station = await MemoryStation.start({ relayFrom: ["198.51.100.0/24"] });
  const peer = await station.greeted();
  await peer.say("MAIL FROM:<a@client.example>", 250);
  await peer.say("RCPT TO:<x@elsewhere.example>", 554, "5.3.3");
  const other = await station.greeted("203.0.113.9");
  await other.say("MAIL FROM:<a@client.example>", 250);
  await other.say("RCPT TO:<x@elsewhere.example>", 550, "5.7.1");
});

Deno.test("intake makes one copy for each mailbox however many recipients lead to it", async () => {
  await using station = await MemoryStation.start();
  const peer = await station.greeted();
  await peer.mail({ to: ["team@example.test", "alice@example.test", "ALICE@example.test"] });
  assertEquals((await station.mailbox("alice")).length, 1);
  assertEquals((await station.mailbox("bob")).length, 1);
  // Several recipients: the trace field names none of them (RFC 5321 §7.6).
  assert(!(await station.mailbox("bob"))[0]!.includes("\tfor <"));
});

Deno.test("intake publishes nothing when one copy cannot be made for now", async () => {
  await using station = await MemoryStation.start();
  const peer = await station.greeted();
  station.runtime.files.fail({ operation: "sync", path: /\/bob\//, code: "EIO" });
  await peer.mail({ to: ["team@example.test"] }, 451, "4.3.0");
  assertEquals(await station.tree("/mail"), []);
  await peer.mail({ to: ["team@example.test"] });
  assertEquals((await station.tree("/mail")).length, 2);
});

Deno.test("intake publishes nothing when the disk is full at delivery", async () => {
  await using station = await MemoryStation.start();
  const peer = await station.greeted();
  station.runtime.files.fail({ operation: "write", path: /\/tmp\//, code: "ENOSPC" });
  await peer.mail({}, 452, "4.3.1");
  assertEquals(await station.tree("/mail"), []);
});

Deno.test("intake has said 250 only to what survives a power cut", async () => {
  const station = await MemoryStation.start();
  const peer = await station.greeted();
  await peer.mail({ to: ["team@example.test"] });
  const after = station.runtime.reboot("lost");
  for (const user of ["alice", "bob"]) {
    let count = 0;
    for await (const _ of after.files.list(`/mail/example.test/${user}/new`)) count++;
    assertEquals(count, 1, user);
  }
});

Deno.test("intake answers 550 5.1.1 before 5.7.1: policies see only recipients that exist", async () => {
  const asked: string[] = [];
  await using station = await MemoryStation.start({
    policies: [{ name: "ears", recipient: (_, { local }) => void asked.push(local) }],
  });
  const peer = await station.greeted();
  await peer.say("MAIL FROM:<a@client.example>", 250);
  await peer.say("RCPT TO:<nobody@example.test>", 550, "5.1.1");
  await peer.say("RCPT TO:<bob@example.test>", 250);
  assertEquals(asked, ["bob"]);
});

Deno.test("intake refuses a mail that went round more than 100 stations", async () => {
  await using station = await MemoryStation.start();
  const peer = await station.greeted();
  const hop = "Received: from a by b; Thu, 01 Jan 2026 00:00:00 +0000\r\n";
  await peer.mail({ text: `${hop.repeat(101)}\r\nround\r\n` }, 554, "5.4.6");
  await peer.mail({ text: `${hop.repeat(100)}\r\nround\r\n` }, 250);
});

Deno.test("intake refuses a head over 256 KiB and goes on", async () => {
  await using station = await MemoryStation.start();
  const peer = await station.greeted();
  await peer.mail(
    { text: `X-Long: ${"a".repeat(70)}\r\n`.repeat(3400) + "\r\nbody\r\n" },
    552,
    "5.3.4",
  );
  await peer.mail({}, 250);
});

Deno.test("intake puts off a mail whose head finds the memory for heads spent", async () => {
  await using station = await MemoryStation.start({ bodyMemory: 400_000 });
  const hog = await station.greeted();
  await hog.begin();
  await hog.send(`X-Long: ${"a".repeat(70)}\r\n`.repeat(1200)); // and no end of it
  const peer = await station.greeted();
  const text = `X-Long: ${"a".repeat(70)}\r\n`.repeat(100);
  await peer.mail({ text: `${text}\r\nbody\r\n` }, 451, "4.3.2");
  hog.close();
  await station.runtime.clock.settle();
  await peer.mail({ text: `${text}\r\nbody\r\n` });
});

Deno.test("intake refuses a BINARYMIME message whose head has bare newlines", async () => {
  await using station = await MemoryStation.start({
    listener: { extensions: { binaryMime: true } },
  });
  const peer = await station.greeted();
  const send = async (text: string, code: number, enhanced: string) => {
    await peer.say("MAIL FROM:<a@client.example> BODY=BINARYMIME", 250);
    await peer.say("RCPT TO:<alice@example.test>", 250);
    await peer.send(`BDAT ${text.length} LAST\r\n${text}`);
    await peer.expect(code, enhanced);
  };
  await send("Subject: a\nBcc: b\r\n\r\nbody", 550, "5.6.0");
  await send("Subject: a\r\n\r\nbo\ndy", 250, "2.0.0");
});

Deno.test("intake refuses a message over the limit, announced or not", async () => {
  await using station = await MemoryStation.start({
    listener: { limits: { messageSize: 10_000 } },
  });
  const peer = await station.greeted();
  await peer.say("MAIL FROM:<a@client.example> SIZE=10001", 552, "5.3.4");
  await peer.mail({ text: `\r\n${"x".repeat(70)}\r\n`.repeat(200) }, 552, "5.3.4");
  await peer.mail({}, 250);
  assertEquals(
    station.of("message.refused").map(({ sender, reply }) => [sender, reply.slice(0, 9)]),
    [
      ["a@client.example", "552 5.3.4"],
    ],
  );
});

Deno.test("intake keeps bodies of any size and all octets", async () => {
  await using station = await MemoryStation.start();
  const peer = await station.greeted();
  for (const size of [0, 1, 4095, 4096, 262_143, 262_144, 262_145, 700_000]) {
    const body = "y".repeat(size);
    await peer.mail({ text: `Subject: ${size}\r\n\r\n${body}\r\n` });
  }
  const sizes = (await station.mailbox("alice"))
    .map((mail) => mail.slice(mail.indexOf("\r\n\r\n") + 4).length - 2)
    .sort((a, b) => a - b);
  assertEquals(sizes, [0, 1, 4095, 4096, 262_143, 262_144, 262_145, 700_000]);
  assertEquals(await station.tree("/mail/.incoming"), []);
});

/** Each stage, how a policy takes part in it, and the reply it decides. */
const STAGES: readonly { readonly stage: string; policy(verdict: Verdict): Policy }[] = [
  { stage: "sender", policy: (verdict) => ({ name: "p", sender: () => verdict }) },
  { stage: "recipient", policy: (verdict) => ({ name: "p", recipient: () => verdict }) },
  { stage: "message", policy: (verdict) => ({ name: "p", message: () => verdict }) },
  {
    stage: "body",
    policy: (verdict) => ({ name: "p", body: () => ({ write() {}, end: () => verdict }) }),
  },
];

/** Sends one mail and gives the replies to MAIL, RCPT and the end of DATA, as far as it came. */
async function attempt(policy: Policy): Promise<{ codes: string[]; station: MemoryStation }> {
  const station = await MemoryStation.start({ policies: [policy] });
  const peer = await station.greeted();
  const codes: string[] = [];
  const text = "Subject: hi\r\n\r\nHello.\r\n.";
  for (const line of ["MAIL FROM:<a@b.example>", "RCPT TO:<alice@example.test>", "DATA", text]) {
    await peer.send(`${line}\r\n`);
    const given = (await peer.reply())!;
    codes.push(given.slice(0, 3));
    if (given[0]! > "3") break;
  }
  return { codes, station };
}

for (const { stage, policy } of STAGES) {
  const passed = { sender: [], recipient: ["250"] }[stage] ?? ["250", "250", "354"];
  Deno.test(`a policy rejects and defers at ${stage}`, async () => {
    for (const [verdict, code] of [[REJECT, "550"], [DEFER, "451"]] as const) {
      const { codes, station } = await attempt(policy(verdict));
      await using _ = station;
      assertEquals(codes, [...passed, code]);
      assertEquals(await station.mailbox("alice"), []);
    }
  });

  Deno.test(`a policy discards at ${stage}: 250, and nothing is kept`, async () => {
    const { codes, station } = await attempt(policy(DISCARD));
    await using _ = station;
    assertEquals(codes, ["250", "250", "354", "250"]);
    assertEquals(await station.mailbox("alice"), []);
  });

  Deno.test(`a policy annotates at ${stage}`, async () => {
    const { station } = await attempt(policy({
      action: "annotate",
      changes: [
        { change: "add-field", name: "X-Seen", value: stage },
        { change: "remove-field", name: "Subject" },
      ],
    }));
    await using _ = station;
    const [mail] = await station.mailbox("alice");
    assertStringIncludes(mail!, `\r\nX-Seen: ${stage}\r\n`);
    assert(!mail!.includes("Subject:"));
  });

  Deno.test(`a policy that throws at ${stage} is answered 451 4.3.0, with an event`, async () => {
    const broken = policy(REJECT);
    const throwing = () => {
      throw new Error("boom");
    };
    const { codes, station } = await attempt({
      ...broken,
      [stage]: stage === "body" ? () => ({ write() {}, end: throwing }) : throwing,
    });
    await using _ = station;
    assertEquals(codes, [...passed, "451"]);
    const [failed] = station.of("policy.failed");
    assertEquals([failed?.policy, failed?.stage, failed?.error], ["p", stage, "Error: boom"]);
  });
}

Deno.test("a policy that takes too long is answered 451 4.3.0, with an event", async () => {
  await using station = await MemoryStation.start({
    policies: [{ name: "sleepy", timeout: 5000, sender: () => new Promise(() => {}) }],
  });
  const peer = await station.greeted();
  const start = station.runtime.clock.now();
  await peer.say("MAIL FROM:<a@b.example>", 451, "4.3.0");
  assertEquals(station.runtime.clock.now() - start, 5000);
  assertEquals(station.of("policy.failed").map(({ policy }) => policy), ["sleepy"]);
});

Deno.test("policies hear nothing of a session after its end, though one before them still thinks", async () => {
  const heard: string[] = [];
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const hour = 60 * 60_000;
  const slow: Policy = {
    ...{ name: "slow", timeout: hour },
    sender: () => runtime.clock.sleep(hour / 2).then(() => undefined),
  };
  const next: Policy = {
    name: "next",
    sender: () => void heard.push("sender"),
    refused: () => void heard.push("refused"),
    close: () => void heard.push("close"),
  };
  await using station = await MemoryStation.start({ runtime, policies: [slow, next] });
  const peer = await station.greeted();
  await peer.say("MAIL FROM:<a@b.example>", 421, "4.3.0");
  await runtime.clock.advance(hour);
  assertEquals(heard, ["close"]);
});

Deno.test("policies hear nothing of a session after its end, though the disk was asked before it", async () => {
  const heard: string[] = [];
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const hour = 60 * 60_000;
  const policy: Policy = {
    name: "first",
    sender: () => void heard.push("sender"),
    close: () => void heard.push("close"),
  };
  await using station = await MemoryStation.start({ runtime, policies: [policy] });
  const peer = await station.greeted();
  const space = runtime.files.space.bind(runtime.files);
  runtime.files.space = (path) => runtime.clock.sleep(hour / 2).then(() => space(path));
  await peer.say("MAIL FROM:<a@b.example>", 421, "4.3.0");
  await runtime.clock.advance(hour);
  assertEquals(heard, ["close"]);
});

Deno.test("policies hear once of a message that is refused, also while it still comes", async () => {
  const heard: string[] = [];
  const listening: Policy = {
    name: "listening",
    refused: (_session, { stage, reply }) => void heard.push(`${stage} ${reply.code}`),
  };
  await using station = await MemoryStation.start({
    policies: [listening],
    listener: { limits: { messageSize: 300_000 } },
  });
  const peer = await station.greeted();
  await peer.mail({ text: `Subject: x\r\n${" y\r\n".repeat(70_000)}\r\n` }, 552, "5.3.4");
  await peer.mail({ text: `Subject: much\r\n\r\n${"0123456789\r\n".repeat(30_000)}` }, 552);
  await peer.mail({ text: "Subject: a bare newline\r\n\r\none\ntwo\r\n" }, 550);
  assertEquals(heard, ["message 552", "message 552", "message 550"]);
  assertEquals(station.of("message.refused").length, 3);
});

Deno.test("a policy that fails may be passed over when it says so", async () => {
  await using station = await MemoryStation.start({
    policies: [{
      name: "optional",
      onFailure: { action: "accept" },
      message() {
        throw new Error("boom");
      },
    }],
  });
  const peer = await station.greeted();
  await peer.mail({});
});

Deno.test("an observer that throws while the body streams counts against its policy", async () => {
  await using station = await MemoryStation.start({
    policies: [{
      name: "broken",
      body: () => ({
        write() {
          throw new Error("boom");
        },
        end() {},
      }),
    }],
  });
  const peer = await station.greeted();
  await peer.mail({}, 451, "4.3.0");
  assertEquals(await station.mailbox("alice"), []);
});

Deno.test("a policy is shown the bodies of a session only if it watches it, and asked at each message", async () => {
  const seen: string[] = [];
  let asked = 0;
  await using station = await MemoryStation.start({
    policies: [{
      name: "choosy",
      watches: () => ++asked > 1,
      body(_, fields) {
        seen.push(fields.map(({ name }) => name).join());
        return undefined;
      },
    }, {
      name: "broken",
      watches: ({ hello }) => {
        if (asked === 3) throw new Error("boom");
        return hello === "nobody";
      },
      body: () => seen.push("nobody") as never,
    }],
  });
  const peer = await station.greeted();
  await peer.mail({ text: "Subject: first\r\n\r\n" });
  await peer.mail({ text: "To: second\r\n\r\n" });
  assertEquals(seen, ["To"]);
  await peer.mail({}, 451, "4.3.0");
  assertEquals(station.of("policy.failed").map(({ policy }) => policy), ["broken"]);
});

Deno.test("policies see the body twice: as it streams, and whole", async () => {
  const streamed: string[] = [];
  const whole: string[] = [];
  const text = new TextDecoder();
  await using station = await MemoryStation.start({
    policies: [{
      name: "reader",
      body: () => ({
        write: (chunk) => void streamed.push(text.decode(chunk)),
        end() {},
      }),
      async message({ fields, openBody }) {
        whole.push(fields.map(({ name }) => name).join(","));
        for await (const chunk of openBody()) whole.push(text.decode(chunk));
      },
    }],
  });
  const peer = await station.greeted();
  await peer.mail({ text: "Subject: hi\r\nTo: x\r\n\r\nHello.\r\n" });
  assertEquals(streamed.join(""), "Hello.\r\n");
  assertEquals(whole, ["Received,Subject,To", "Hello.\r\n"]);
});

Deno.test("intake answers 451 when the directory is down, and 454 at a login", async () => {
  const down = () => Promise.reject(new Error("no connection"));
  const directory = mapDirectory({ accounts: { "alice@example.test": { password: "x" } } });
  await using station = await MemoryStation.start({
    listener: { role: "catcher" },
    directory: {
      isLocalDomain: () => true,
      lookup: down,
      verify: down,
      maySendAs: (account, address) => directory.maySendAs(account, address),
    },
  });
  const peer = await station.greeted();
  await peer.say(`AUTH PLAIN ${btoa("\0alice@example.test\0x")}`, 454, "4.7.0");
  await peer.say("MAIL FROM:<a@b.example>", 250);
  await peer.say("RCPT TO:<alice@example.test>", 451, "4.3.0");
});

Deno.test("a submitted mail must be from an address of the account", async () => {
  await using station = await MemoryStation.start({ listener: { role: "submission" } });
  const peer = await station.greeted();
  await peer.startTls();
  await peer.say("EHLO client.example", 250);
  await peer.say(`AUTH PLAIN ${btoa("\0alice@example.test\0wonderland")}`, 235);
  await peer.say("MAIL FROM:<bob@example.test>", 550, "5.7.1");
  const to = ["bob@example.test"];
  await peer.mail({ sender: "sales@example.test", to, text: "From: sales@example.test\r\n\r\n" });
  const text = "From: Bob <bob@example.test>\r\n\r\n";
  await peer.mail({ sender: "alice@example.test", to, text }, 550, "5.7.1");
});

Deno.test("what is no verdict is answered 451 4.3.0, with an event", async () => {
  const answers: unknown[] = [
    { action: "reject" },
    { action: "annotate" },
    { action: "annotate", changes: [{ change: "add-field", name: "no good", value: "x" }] },
    { action: "reject", reply: { code: 550, lines: [42] } },
    { action: "reject", reply: { code: NaN, lines: ["x"] } },
    { action: "reject", reply: { code: 550, enhanced: "5.7.1 x\r\n250 2.1.0", lines: ["x"] } },
    { action: "explode" },
    "reject",
  ];
  for (const answer of answers) {
    const { codes, station } = await attempt({ name: "p", message: () => answer as Verdict });
    await using _ = station;
    assertEquals(codes.at(-1), "451", JSON.stringify(answer));
    assertEquals(station.of("policy.failed").length, 1, JSON.stringify(answer));
  }
});

Deno.test("a policy's time-out holds for a thenable that is no promise", async () => {
  await using station = await MemoryStation.start({
    policies: [{ name: "p", timeout: 5000, sender: () => ({ then() {} }) as never }],
  });
  const peer = await station.greeted();
  await peer.say("MAIL FROM:<a@b.example>", 451, "4.3.0");
});

Deno.test("a body hook that gives a promise counts against its policy", async () => {
  const { codes, station } = await attempt({
    name: "p",
    body: (() => Promise.reject(new Error("later"))) as never,
  });
  await using _ = station;
  assertEquals(codes.at(-1), "451");
});

Deno.test("policies cannot change a session or a message by what they are shown", async () => {
  const { codes, station } = await attempt({
    name: "p",
    message: ({ session, fields }) => {
      (fields as unknown[]).length = 0;
      (session as { identity: string }).identity = "root"; // throws: it is frozen
    },
    onFailure: { action: "accept" },
  });
  await using _ = station;
  assertEquals(codes.at(-1), "250");
  assertStringIncludes((await station.mailbox("alice"))[0]!, "Received: from client.example");
  assertEquals(station.of("policy.failed").length, 1);
});

Deno.test("a policy that hangs in the body of a large message holds no file open", async () => {
  await using station = await MemoryStation.start({
    policies: [{
      name: "scanner",
      timeout: 5000,
      onFailure: { action: "accept" },
      async message({ openBody }) {
        for await (const _ of openBody()) await new Promise(() => {});
      },
    }],
  });
  const peer = await station.greeted();
  await peer.mail({ text: "Subject: big\r\n\r\n" + "x".repeat(2_400_000) + "\r\n" });
  assertEquals(await station.tree("/mail/.incoming"), []);
});

Deno.test("intake tells of copies that a policy had dropped", async () => {
  const { codes, station } = await attempt({ name: "p", recipient: () => DISCARD });
  await using _ = station;
  assertEquals(codes.at(-1), "250");
  assertEquals(
    station.of("message.discarded").map(({ policy, recipients }) => [policy, recipients]),
    [["p", ["alice@example.test"]]],
  );
});

Deno.test("intake refuses a head of more than 2,000 fields", async () => {
  await using station = await MemoryStation.start();
  const peer = await station.greeted();
  await peer.mail({ text: "a:\r\n".repeat(2001) + "\r\nhi\r\n" }, 552, "5.3.4");
  await peer.mail({ text: "a:\r\n".repeat(2000) + "\r\nhi\r\n" });
});

Deno.test("intake bounds the mailboxes one message may go to", async () => {
  const members = Array.from({ length: 3000 }, (_, i) => `user${i}@example.test`);
  await using station = await MemoryStation.start({
    directory: mapDirectory({
      accounts: Object.fromEntries(members.map((each) => [each, {}])),
      aliases: { "all@example.test": members },
    }),
  });
  const peer = await station.greeted();
  await peer.say("MAIL FROM:<a@b.example>", 250);
  for (let i = 0; i < 3; i++) await peer.say("RCPT TO:<all@example.test>", 250);
  await peer.say("RCPT TO:<all@example.test>", 452, "4.5.3");
});

Deno.test("one full mailbox behind an alias puts the mail off; when all are full it is refused", async () => {
  const quota = { messages: 1 };
  await using station = await MemoryStation.start({
    directory: mapDirectory({
      accounts: { "full@example.test": { quota }, "bob@example.test": { quota: { messages: 2 } } },
      aliases: { "team@example.test": ["full@example.test", "bob@example.test"] },
    }),
  });
  const peer = await station.greeted();
  await peer.mail({ to: ["team@example.test"] });
  await peer.say("MAIL FROM:<a@b.example>", 250);
  await peer.say("RCPT TO:<full@example.test>", 552, "5.2.2");
  await peer.say("RCPT TO:<team@example.test>", 452, "4.2.2");
  await peer.say("RSET", 250);
  await peer.mail({ to: ["bob@example.test"] });
  await peer.say("MAIL FROM:<a@b.example>", 250);
  await peer.say("RCPT TO:<team@example.test>", 552, "5.2.2");
});

Deno.test("LMTP makes one copy for a mailbox that several recipients lead to", async () => {
  await using station = await MemoryStation.start({ listener: { role: "lmtp" } });
  const peer = await station.connect();
  await peer.expect(220);
  await peer.say("LHLO mta.example", 250);
  await peer.say("MAIL FROM:<>", 250);
  for (const to of ["alice", "alice", "team"]) await peer.say(`RCPT TO:<${to}@example.test>`, 250);
  await peer.say("DATA", 354);
  await peer.say("Subject: one\r\n\r\nhi\r\n.", 250);
  await peer.expect(250);
  await peer.expect(250);
  assertEquals((await station.mailbox("alice")).length, 1);
  assertEquals((await station.mailbox("bob")).length, 1);
});

Deno.test("a station is not started with a postmaster elsewhere", async () => {
  await assertRejects(
    () => MemoryStation.start({ postmaster: "admin@elsewhere.example" }),
    TypeError,
    "admin@elsewhere.example",
  );
});

Deno.test("octets that a policy did not give back in time never show those of another client", async () => {
  const kept: Uint8Array[] = [];
  await using station = await MemoryStation.start({
    policies: [{
      name: "slow",
      timeout: 1000,
      onFailure: { action: "accept" },
      body: ({ client }) => ({
        write(chunk) {
          if (client !== "198.51.100.7") return;
          kept.push(chunk);
          return new Promise(() => {});
        },
        end() {},
      }),
    }],
  });
  const first = await station.greeted("198.51.100.7");
  await first.mail({ text: `Subject: a\r\n\r\n${"a".repeat(3000)}\r\n` });
  const second = await station.greeted("203.0.113.5");
  await second.mail({ text: `Subject: b\r\n\r\n${"SECRET".repeat(500)}\r\n` });
  assertEquals(kept.length, 1);
  assert(!new TextDecoder().decode(kept[0]).includes("SECRET"));
});
