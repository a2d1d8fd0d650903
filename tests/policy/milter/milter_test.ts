import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { concat, encode } from "../../../src/bytes.ts";
import { STEPS } from "../../../src/policy/milter/negotiation.ts";
import type { Policy } from "../../../src/policy/policy.ts";
import { reply } from "../../../src/smtp/reply.ts";
import type { SmtpPeer } from "../../support/memory_station.ts";
import { type Answer, filtered, longs, packet } from "./scripted_milter.ts";

/** A script that answers one command in its own way. */
const on = (kind: string, ...answer: Uint8Array[]) => ({
  answer: (given: string): Answer => given === kind ? answer : undefined,
});
/** A script that wants changes, and then says `last`. */
const atEnd = (...edits: Uint8Array[]) => on("E", ...edits, packet("c"));
const refusal = packet("y", "550 5.7.13 in its own words\0");

Deno.test("milter() tells the filter of all of a session, in the order libmilter wants", async () => {
  await using world = await filtered({});
  const { station, filter } = world;
  const peer = await station.greeted();
  await peer.mail({
    to: ["alice@example.test", "bob@example.test"],
    text: "Subject: a\r\n\tb\r\nX-None:  two\r\n\r\nHello.\r\n",
  });
  await peer.say("QUIT", 221);
  await station.runtime.clock.settle();
  const port = Number(filter.macros.C!["{client_port}"]);
  const octets = new TextDecoder().decode(Uint8Array.of(port >> 8, port & 255));
  assertEquals(filter.heard.slice(1), [
    `C[198.51.100.7]|4${octets.replace("\0", "|")}198.51.100.7|`,
    "Hclient.example|",
    "M<a@client.example>|",
    "R<alice@example.test>|",
    "R<bob@example.test>|",
    "T",
    // Our Received is not shown; one space goes.
    "LSubject|a\n\tb|",
    "LX-None| two|",
    "N",
    "BHello.\r\n",
    "E",
    "Q",
  ]);
  const { C, M, R, E } = filter.macros;
  assertEquals([C!.j, C!._, C!["{daemon_name}"], C!["{client_addr}"], C!["{client_name}"]], [
    "mx.example.test",
    "[198.51.100.7] [198.51.100.7]",
    "mx",
    "198.51.100.7",
    "[198.51.100.7]",
  ]);
  assertEquals(M, { "{mail_addr}": "a@client.example", "{mail_host}": "client.example" });
  assertEquals(R, { "{rcpt_addr}": "bob@example.test", "{rcpt_host}": "example.test" });
  assertEquals(E, { i: station.of("message.accepted")[0]!.message });
  assertEquals((await station.mailbox("alice")).length, 1);
});

Deno.test("milter() tells the name of a client where DNS is sure of it, and who has logged in", async () => {
  const script = { negotiate: concat([longs(6, 0x1ff, 0, 1), encode("cipher {client_name} i\0")]) };
  await using world = await filtered(script, { listener: { role: "submissions" } });
  const { station, filter } = world;
  const { resolver } = station.runtime;
  resolver.set("7.100.51.198.in-addr.arpa", { ptr: ["client.example"] });
  resolver.set("client.example", { a: ["198.51.100.7"] });
  const peer = await station.connect();
  await peer.secure();
  await peer.expect(220);
  await peer.say("EHLO client.example", 250);
  await peer.say(`AUTH PLAIN ${btoa("\0alice@example.test\0wonderland")}`, 235);
  await peer.say("MAIL FROM:<alice@example.test>", 250);
  assertMatch(filter.heard[1]!, /^Cclient\.example\|4/);
  assertEquals(filter.macros.C!["{client_ptr}"], "client.example");
  // What it wants to be told of at this stage, and no more.
  assertEquals(Object.keys(filter.macros.H!), ["{cipher}", "{client_name}"]);
  assertEquals(filter.macros.M, {
    ...{ "{auth_type}": "PLAIN", "{auth_authen}": "alice@example.test" },
    ...{ "{auth_author}": "alice@example.test" },
    ...{ "{mail_addr}": "alice@example.test", "{mail_host}": "example.test" },
  });
});

Deno.test("milter() says HELO again to the filter when the client is secured", async () => {
  await using world = await filtered({});
  const peer = await world.station.greeted();
  await peer.mail({});
  assertEquals(world.filter.macros.H, {});
  await peer.startTls();
  await peer.say("EHLO client.example", 250);
  await peer.mail({});
  assertEquals(world.filter.kinds, "CHMRTLNBEHMRTLNBE");
  assertEquals(world.filter.macros.H!["{tls_version}"], "TLSv1.3");
});

Deno.test("milter() leaves out what the filter does not want to hear", async () => {
  const off = STEPS.noConnect | STEPS.noHello | STEPS.noMail | STEPS.noRecipient | STEPS.noData |
    STEPS.noHeaders | STEPS.noEndOfHeaders | STEPS.noBody;
  await using world = await filtered({ negotiate: longs(6, 0, off) });
  const peer = await world.station.greeted();
  await peer.mail({});
  assertEquals(world.filter.kinds, "E");
  // Macros hold from their stage on.
  assertEquals(world.filter.macros.H, {});
  assertEquals(world.filter.macros.R!["{rcpt_addr}"], "alice@example.test");
});

Deno.test("milter() waits for no answer where the filter gives none", async () => {
  const mute = STEPS.silentConnect | STEPS.silentHello | STEPS.silentMail | STEPS.silentRecipient |
    STEPS.silentData | STEPS.silentHeader | STEPS.silentEndOfHeaders | STEPS.silentBody;
  await using world = await filtered({
    negotiate: longs(6, 0x1ff, mute),
    answer: (kind) => kind === "E" ? packet("r") : kind === "O" ? undefined : "hang",
  });
  const peer = await world.station.greeted();
  await peer.mail({}, 550, "5.7.1");
  assertEquals(world.filter.kinds, "CHMRTLNBE");
});

Deno.test("milter() gives field values with their white space where the filter wants it", async () => {
  await using world = await filtered({
    negotiate: longs(6, 0x1ff, STEPS.leadingSpace),
    ...on("E", packet("h", "X-A\0\tone\n\ttwo\0"), packet("h", "X-B\0none\0"), packet("c")),
  });
  const peer = await world.station.greeted();
  await peer.mail({ text: "Subject:  hi\r\nX-C:x\r\n\r\n" });
  assertEquals(world.filter.heard.filter(([kind]) => kind === "L"), [
    "LSubject|  hi|",
    "LX-C|x|",
  ]);
  const [mail] = await world.station.mailbox("alice");
  assertStringIncludes(mail!, "\r\nX-C:x\r\nX-A:\tone\r\n\ttwo\r\nX-B:none\r\n\r\n");
});

Deno.test("milter() sends a body in chunks of 65,535 octets, and stops where the filter has seen enough", async () => {
  const body = `${"x".repeat(98)}\r\n`.repeat(1500);
  for (const enough of [false, true]) {
    await using world = await filtered({
      negotiate: longs(6, 0x1ff, STEPS.skip),
      answer: (kind) => kind === "B" && enough ? packet("s") : undefined,
    });
    const peer = await world.station.greeted();
    await peer.mail({ text: `Subject: x\r\n\r\n${body}` });
    const chunks = world.filter.heard.filter(([kind]) => kind === "B");
    const wanted = [65_535, 65_535, 150_000 - 2 * 65_535];
    assertEquals(chunks.map((chunk) => chunk.length - 1), enough ? [65_535] : wanted);
    if (!enough) assertEquals(chunks.map((chunk) => chunk.slice(1)).join(""), body);
    assertEquals(world.filter.kinds.at(-1), "E");
  }
});

/** Says everything up to the first refusal; gives the stage and the reply. */
async function said(peer: SmtpPeer): Promise<string> {
  const wanted: [string, string, number][] = [
    ["connect", "", 220],
    ["hello", "EHLO client.example\r\n", 250],
    ["mail", "MAIL FROM:<a@client.example>\r\n", 250],
    ["rcpt", "RCPT TO:<alice@example.test>\r\n", 250],
    ["data", "DATA\r\n", 354],
    ["end", "Subject: x\r\n\r\nx\r\n.\r\n", 250],
  ];
  for (const [stage, line, code] of wanted) {
    if (line !== "") await peer.send(line);
    const given = await peer.reply();
    if (!given?.startsWith(`${code}`)) return `${stage}: ${given}`;
  }
  return "taken";
}

const VERDICTS: [kind: string, answer: Uint8Array, wanted: RegExp, mails: number][] = [
  // Of a client that only connects and says its name the filter does not hear.
  ["C", packet("r"), /^mail: 554 /, 0],
  ["C", packet("t"), /^mail: 451 /, 0],
  ["C", refusal, /^mail: 550 5\.7\.13 in its own words/, 0],
  ["C", packet("f"), /^mail: 421 /, 0],
  ["C", packet("a"), /^taken/, 1],
  ["H", packet("r"), /^mail: 550 /, 0],
  ["H", packet("t"), /^mail: 451 /, 0],
  ["H", refusal, /^mail: 550 5\.7\.13 in its own words/, 0],
  ["H", packet("a"), /^taken/, 1],
  ["M", packet("r"), /^mail: 550 5\.7\.1/, 0],
  ["M", packet("t"), /^mail: 451 4\.7\.1/, 0],
  [
    "M",
    packet("y", "450-4.7.9 one\r\n450 4.7.9 two\0"),
    /^mail: 450-4\.7\.9 one\r\n450 4\.7\.9 two/,
    0,
  ],
  ["M", packet("a"), /^taken/, 1],
  ["M", packet("d"), /^taken/, 0],
  ["M", packet("4"), /^mail: 421 4\.7\.1/, 0],
  ["R", packet("r"), /^rcpt: 550 5\.7\.1/, 0],
  ["R", packet("t"), /^rcpt: 451 4\.7\.1/, 0],
  ["R", refusal, /^rcpt: 550 5\.7\.13/, 0],
  ["R", packet("a"), /^taken/, 1],
  ["R", packet("d"), /^taken/, 0],
  ...["T", "L", "N", "B", "E"].flatMap((kind): typeof VERDICTS => [
    [kind, packet("r"), /^end: 550 5\.7\.1/, 0],
    [kind, packet("t"), /^end: 451 4\.7\.1/, 0],
    [kind, refusal, /^end: 550 5\.7\.13/, 0],
    [kind, packet("d"), /^taken/, 0],
    [kind, packet("a"), /^taken/, 1],
    [kind, packet("4"), /^end: 421 4\.7\.1/, 0],
  ]),
];

for (const [kind, answer, wanted, mails] of VERDICTS) {
  const name = String.fromCharCode(answer[4]!);
  Deno.test(`milter() does what the filter says: ${name} to ${kind}`, async () => {
    await using world = await filtered(on(kind, answer));
    assertMatch(await said(await world.station.connect()), wanted);
    assertEquals((await world.station.mailbox("alice")).length, mails);
    assertEquals(world.station.of("policy.failed"), []);
    // It hears no more of what it has said its last word about.
    assertEquals(world.filter.kinds.replace("Q", "").at(-1), kind);
  });
}

Deno.test("milter() refuses one recipient, and not the others", async () => {
  await using world = await filtered({
    answer: (kind, data) => kind === "R" && data.includes("bob") ? packet("r") : undefined,
  });
  const peer = await world.station.greeted();
  await peer.say("MAIL FROM:<a@client.example>", 250);
  await peer.say("RCPT TO:<bob@example.test>", 550, "5.7.1");
  await peer.say("RCPT TO:<alice@example.test>", 250);
  await peer.say("DATA", 354);
  await peer.say("Subject: x\r\n\r\nx\r\n.", 250);
  assertEquals((await world.station.mailbox("alice")).length, 1);
});

Deno.test("milter() that has accepted a message hears of the next one", async () => {
  let first = true;
  await using world = await filtered({
    answer: (kind) => {
      if (kind !== "M" || !first) return undefined;
      first = false;
      return packet("a");
    },
  });
  const peer = await world.station.greeted();
  await peer.mail({});
  await peer.mail({});
  await peer.say("MAIL FROM:<a@client.example>", 250);
  await peer.say("RSET", 250);
  await peer.say("EHLO again.example", 250);
  await peer.say("MAIL FROM:<a@client.example>", 250);
  assertEquals(world.filter.kinds, "CHMAMRTLNBEMAHM");
});

Deno.test("milter() keeps nothing of a message for one that a policy before drops", async () => {
  let count = 0;
  const before: Policy = {
    name: "before",
    sender: () => ++count === 2 ? { action: "discard", reason: "test" } : undefined,
  };
  await using world = await filtered({
    answer: (kind, _, count) => kind === "E" && count === 1 ? packet("r") : undefined,
  }, { before: [before] });
  const peer = await world.station.greeted();
  await peer.mail({}, 550);
  await peer.mail({ sender: "b@client.example" });
  assertEquals(world.filter.kinds, "CHMRTLNBEMRTLNBE");
  assertEquals(world.filter.heard.filter(([kind]) => kind === "M").at(-1), "M<b@client.example>|");
  assertEquals(await world.station.mailbox("alice"), []);
});

Deno.test("milter() that has rejected a session says no to all that follows", async () => {
  await using world = await filtered(on("H", packet("t")));
  const peer = await world.station.greeted();
  await peer.say("MAIL FROM:<a@client.example>", 451);
  await peer.say("MAIL FROM:<b@client.example>", 451);
  assertEquals(world.filter.kinds, "CHQ");
});

Deno.test("milter() tells of refused recipients where the filter wants it", async () => {
  const after: Policy = {
    name: "after",
    recipient: (_, { local }) =>
      local === "bob" ? { action: "reject", reply: reply(550, "5.7.2", "not bob") } : undefined,
  };
  await using world = await filtered(
    { negotiate: longs(6, 0x1ff, STEPS.refusedRecipients) },
    { after: [after] },
  );
  const peer = await world.station.greeted();
  await peer.say("MAIL FROM:<a@client.example>", 250);
  await peer.say("RCPT TO:<nobody@example.test>", 550, "5.1.1");
  assertEquals(world.filter.heard.at(-1), "R<nobody@example.test>|");
  assertEquals(world.filter.macros.R, {
    ...{ "{rcpt_addr}": "no such user here", "{rcpt_host}": "5.1.1", "{rcpt_mailer}": "error" },
  });
});

Deno.test("milter() carries out every change", async () => {
  const script = atEnd(
    packet("h", "X-End\0last\0"),
    packet("i", "\0\0\0\x01X-Sig\0below Received\n\tfolded\0"),
    packet("i", "\0\0\0\0X-Top\0on top\0"),
    packet("m", "\0\0\0\x02X-A\0second\0"),
    packet("m", "\0\0\0\x01X-A\0\0"),
    packet("m", "\0\0\0\x07X-New\0was not there\0"),
    packet("m", "\0\0\0\x07X-None\0\0"),
    packet("m", "\0\0\0\x01Received\0\0"),
    packet("+", "<bob@example.test>\0"),
    packet("-", "<alice@example.test>\0"),
    packet("e", "<new@client.example>\0"),
    packet("b", "Another "),
    packet("b", "body.\r\n"),
  );
  await using world = await filtered(script);
  const peer = await world.station.greeted();
  const text = "Received: from elsewhere\r\nX-A: 1\r\nX-A: 2\r\nSubject: hi\r\n\r\nHello.\r\n";
  await peer.mail({ text });
  assertEquals(await world.station.mailbox("alice"), []);
  const [mail] = await world.station.mailbox("bob");
  const [head, body] = mail!.split("\r\n\r\n");
  assertEquals(body, "Another body.\r\n");
  assertStringIncludes(head!, "Return-Path: <new@client.example>");
  const fields = head!.slice(head!.indexOf("X-Top"));
  assertEquals(
    fields.replace(/Received: from client[^]*?\r\n(?=\S)/, "Received: ours\r\n"),
    [
      "X-Top: on top",
      "Received: ours",
      "X-Sig: below Received",
      "\tfolded",
      "X-A: second",
      "Subject: hi",
      "X-End: last",
      "X-New: was not there",
    ].join("\r\n"),
  );
});

Deno.test("milter() holds what the filter wants in quarantine", async () => {
  await using world = await filtered(atEnd(packet("q", "looks odd\0")), {
    queue: { directory: "/queue" },
  });
  const peer = await world.station.greeted();
  await peer.mail({});
  await world.station.runtime.clock.advance(3_600_000);
  assertEquals(await world.station.mailbox("alice"), []);
});

Deno.test("milter() is asked after another filter about what that has made of the message", async () => {
  const before: Policy = {
    name: "before",
    message: () => ({
      action: "annotate",
      changes: [
        { change: "replace-field", name: "Subject", occurrence: 1, value: "[list] hi" },
        { change: "replace-body", body: encode("With a footer.\r\n") },
      ],
    }),
  };
  await using world = await filtered(atEnd(packet("m", "\0\0\0\x01Subject\0both\0")), {
    before: [before],
  });
  const peer = await world.station.greeted();
  await peer.mail({});
  const told = world.filter.heard.filter(([kind]) => kind === "L" || kind === "B");
  assertEquals(told, ["LSubject|[list] hi|", "BWith a footer.\r\n"]);
  const [mail] = await world.station.mailbox("alice");
  assertEquals(mail!.match(/^Subject: .*$/gm), ["Subject: both"]);
});

Deno.test("milter() asks only for the roles it is for", async () => {
  await using world = await filtered({}, { options: { roles: ["submission"] } });
  await (await world.station.greeted()).mail({});
  assertEquals(world.filter.connections, 0);
});

Deno.test("milter() sees what the program itself submits", async () => {
  await using world = await filtered(atEnd(packet("h", "X-Seen\0yes\0")));
  const { mta, runtime } = world.station;
  const envelope = { sender: "bob@example.test", recipients: ["alice@example.test"] };
  await runtime.clock.runUntil(mta.submit(envelope, "Subject: hi\n\nHello.\n"));
  assertStringIncludes((await world.station.mailbox("alice"))[0]!, "\r\nX-Seen: yes\r\n");
  assertEquals(world.filter.heard.slice(1, 4), [
    "Clocalhost|4||127.0.0.1|",
    "M<bob@example.test>|BODY=8BITMIME|",
    "R<alice@example.test>|",
  ]);
  await runtime.clock.settle();
  assertEquals(world.filter.kinds.at(-1), "Q");
  assert(world.filter.heard.some((each) => each.startsWith("LMessage-ID|")));
});

Deno.test("milter() tells the ESMTP parameters of MAIL and RCPT, a string each", async () => {
  await using world = await filtered({}, {
    listener: { role: "submission" },
    queue: { directory: "/queue" },
  });
  const peer = await world.station.greeted();
  await peer.startTls();
  await peer.say("EHLO client.example", 250);
  await peer.say(`AUTH PLAIN ${btoa("\0alice@example.test\0wonderland")}`, 235);
  await peer.say(
    "MAIL FROM:<alice@example.test> size=1000 BODY=8bitmime SMTPUTF8 RET=HDRS ENVID=a+2Bb AUTH=<>",
    250,
  );
  await peer.say(
    "RCPT TO:<bob@example.test> NOTIFY=success,Failure ORCPT=rfc822;b+40b.example",
    250,
  );
  await peer.say("RCPT TO:<alice@example.test>", 250);
  assertEquals(world.filter.heard.slice(-3), [
    "M<alice@example.test>|SIZE=1000|BODY=8BITMIME|SMTPUTF8|RET=HDRS|ENVID=a+2Bb|AUTH=<>|",
    "R<bob@example.test>|NOTIFY=SUCCESS,FAILURE|ORCPT=rfc822;b@b.example|",
    "R<alice@example.test>|",
  ]);
});

Deno.test("milter() takes another body of any size, and in any pieces, and keeps it where bodies are kept", async () => {
  // More than a body may have in memory, in one packet, as no libmilter sends it.
  const body = `${"y".repeat(98)}\r\n`.repeat(30_000);
  const text = `Subject: x\r\n\r\n${"x".repeat(98)}\r\n`.concat(
    `${"x".repeat(98)}\r\n`.repeat(20_000),
  );
  await using world = await filtered(
    atEnd(packet("b", body), packet("h", "X-A\0b\0"), packet("b", ""), packet("b", "a\nb\r")),
    { bodyMemory: 1024 * 1024 },
  );
  await (await world.station.greeted()).mail({ text });
  const [mail] = await world.station.mailbox("alice");
  assert(mail!.endsWith(`\r\nX-A: b\r\n\r\n${body}a\r\nb\r\n`));
});
