/**
 * What a mail may hold, and what the next station takes: 8-bit, binary and internationalised mail between
 * stations (RFC 6152, RFC 3030, RFC 6531).
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { concat, decode, encode } from "../../src/bytes.ts";
import type { SmtpPeer } from "../support/memory_station.ts";
import { fates, readReport } from "./report.ts";
import { SECOND, type Station, type StationOptions, World } from "./world.ts";

const OPEN: StationOptions = { relayFrom: ["198.51.100.0/24"] };

async function session(world: World, station: Station): Promise<SmtpPeer> {
  const peer = await world.client(station);
  await peer.say("EHLO client.example", 250);
  return peer;
}

/** Sends octets by BDAT, in two pieces. */
async function bdat(peer: SmtpPeer, mail: string, to: readonly string[], octets: Uint8Array) {
  await peer.say(mail, 250);
  for (const address of to) await peer.say(`RCPT TO:<${address}>`, 250);
  const half = octets.length >> 1;
  await peer.send(concat([encode(`BDAT ${half}\r\n`), octets.subarray(0, half)]));
  await peer.expect(250);
  const rest = octets.subarray(half);
  await peer.send(concat([encode(`BDAT ${rest.length} LAST\r\n`), rest]));
  await peer.expect(250);
}

/** The octets of the newest mail in a mailbox. */
async function octetsIn(station: Station, user: string): Promise<Uint8Array> {
  const { files } = station.runtime;
  const folder = `/home/mail/${station.domain}/${user}/new`;
  const names = await Array.fromAsync(files.list(folder));
  return await files.readFile(`${folder}/${names.at(-1)!.name}`);
}

/** A body of every octet there is, with line ends of every kind. */
const BINARY = concat([
  encode("MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n"),
  encode("Content-Transfer-Encoding: binary\r\n\r\n"),
  Uint8Array.from({ length: 5000 }, (_, i) => (i * 7919) % 256),
  encode("\r\r\n\n.\r\n..\r\n\0"),
]);

Deno.test("a binary mail goes from station to station as it is (RFC 3030 §3)", async () => {
  await using world = new World();
  const a = await world.station("a.example", OPEN);
  // B hands it on to C.
  await world.station("b.example", {
    directory: { accounts: {}, aliases: { "fwd@b.example": "x@c.example" } },
  });
  const c = await world.peer("c.example", { extensions: ["CHUNKING", "BINARYMIME", "8BITMIME"] });
  const peer = await session(world, a);
  const mail = "MAIL FROM:<alice@a.example> BODY=BINARYMIME";
  await bdat(peer, mail, ["fwd@b.example"], BINARY);
  await world.pass(SECOND);
  const [taken] = c.messages;
  assertMatch(taken!.mail, /BODY=BINARYMIME/);
  const sent = decodeLatin1(BINARY);
  const body = sent.slice(sent.indexOf("\r\n\r\n"));
  assert(taken!.text.endsWith(body), "the body is what it was");
});

function decodeLatin1(octets: Uint8Array): string {
  return Array.from(octets, (octet) => String.fromCharCode(octet)).join("");
}

Deno.test("a binary mail for a mailbox is made lines of, its content the same (RFC 3030 §4)", async () => {
  await using world = new World();
  const a = await world.station("a.example", OPEN);
  const b = await world.station("b.example");
  const peer = await session(world, a);
  const mail = "MAIL FROM:<alice@a.example> BODY=BINARYMIME";
  await bdat(peer, mail, ["bob@a.example", "bob@b.example"], BINARY);
  await world.pass(SECOND);
  for (const station of [a, b]) {
    const text = decode(await octetsIn(station, "bob"));
    assertMatch(text, /^Content-Transfer-Encoding: base64$/im);
    const encoded = text.slice(text.indexOf("\n\n")).replace(/\s/g, "");
    const sent = BINARY.subarray(decodeLatin1(BINARY).indexOf("\r\n\r\n") + 4);
    assertEquals(Uint8Array.fromBase64(encoded), sent);
  }
  assertEquals([a.faults, b.faults], [[], []]);
});

Deno.test("a binary mail to a station without BINARYMIME is encoded on the way", async () => {
  await using world = new World();
  const a = await world.station("a.example", OPEN);
  const c = await world.peer("c.example", { extensions: ["PIPELINING"] });
  const peer = await session(world, a);
  const mail = "MAIL FROM:<alice@a.example> BODY=BINARYMIME";
  await bdat(peer, mail, ["x@c.example"], BINARY);
  await world.pass(SECOND);
  const [{ text, mail: line }] = c.messages as [typeof c.messages[number]];
  assertEquals(line.includes("BODY="), false);
  assertMatch(text, /^Content-Transfer-Encoding: base64\r$/im);
  const encoded = text.slice(text.indexOf("\r\n\r\n")).replace(/\s/g, "");
  const sent = BINARY.subarray(decodeLatin1(BINARY).indexOf("\r\n\r\n") + 4);
  assertEquals(Uint8Array.fromBase64(encoded), sent);
});

const EIGHT_BIT =
  "Subject: hi\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n" +
  "Content-Transfer-Encoding: 8bit\r\n\r\nGrüße, 世界.\r\n";

Deno.test("8-bit mail to a station without 8BITMIME is made 7-bit, its words the same (RFC 6152 §3)", async () => {
  await using world = new World();
  const a = await world.station("a.example");
  const c = await world.peer("c.example", { extensions: ["PIPELINING"] });
  await a.submit("alice@a.example", "x@c.example", { message: EIGHT_BIT });
  await world.pass(SECOND);
  const [{ text }] = c.messages as [typeof c.messages[number]];
  // deno-lint-ignore no-control-regex
  assertMatch(text, /^[\x00-\x7f]*$/);
  assertMatch(text, /^Content-Transfer-Encoding: base64\r$/m);
  const octets = Uint8Array.fromBase64(text.slice(text.indexOf("\r\n\r\n")).replace(/\s/g, ""));
  assertEquals(decode(octets), "Grüße, 世界.\r\n");
});

Deno.test("8-bit mail to a station with 8BITMIME is announced and not touched", async () => {
  await using world = new World();
  const a = await world.station("a.example");
  const b = await world.station("b.example");
  await a.submit("alice@a.example", "bob@b.example", { message: EIGHT_BIT });
  await world.pass(SECOND);
  assertStringIncludes((await b.mailbox("bob"))[0]!, "\r\n\r\nGrüße, 世界.\r\n");
});

Deno.test("8-bit mail is returned where a route says that it must not be changed", async () => {
  await using world = new World();
  const routes = [{ domains: ["*"], via: { kind: "mx", eightBit: "bounce" } }] as const;
  const a = await world.station("a.example", { routes });
  await world.peer("c.example", { extensions: [] });
  await a.submit("alice@a.example", "x@c.example", { message: EIGHT_BIT });
  await world.pass(SECOND);
  assertEquals((await a.mailbox("alice")).map(readReport).flatMap(fates), [
    "x@c.example failed 5.6.3",
  ]);
});

Deno.test("a mail to an address that is not ASCII arrives where SMTPUTF8 is spoken (RFC 6531)", async () => {
  await using world = new World();
  const a = await world.station("a.example", {
    directory: { accounts: { "ålice@a.example": {} } },
  });
  const b = await world.station("b.example", {
    directory: { accounts: { "用户@b.example": {} } },
  });
  await a.submit("ålice@a.example", "用户@b.example", { message: "Subject: 你好\r\n\r\n世界\r\n" });
  await world.pass(SECOND);
  const [mail] = await b.mailbox("用户");
  assertStringIncludes(mail!, "Return-Path: <ålice@a.example>\r\n");
  assertStringIncludes(mail!, "\r\nSubject: 你好\r\n");
  assertMatch(mail!, /with UTF8SMTPS? /);
});

Deno.test("an address that the next station cannot be told comes back, 5.6.7 (RFC 6531 §3.5, RFC 6533)", async () => {
  await using world = new World();
  const a = await world.station("a.example", {
    directory: { accounts: { "ålice@a.example": {} } },
  });
  const c = await world.peer("c.example");
  await a.submit("ålice@a.example", "用户@c.example", { message: "Subject: 你好\r\n\r\n世界\r\n" });
  await world.pass(SECOND);
  const [report, ...more] = (await a.mailbox("ålice")).map(readReport);
  assertEquals(more, []);
  assertEquals(report!.types.slice(0, 2), ["text/plain", "message/global-delivery-status"]);
  assertEquals(report!.recipients[0]!["final-recipient"], "utf-8; 用户@c.example");
  assertMatch(report!.recipients[0]!.status!, /^5\.6\.[79]$/);
  assertEquals(c.messages, []);
});

Deno.test("a domain that is not ASCII is told in A-labels to a station without SMTPUTF8 (RFC 5891)", async () => {
  await using world = new World();
  const a = await world.station("a.example");
  const c = await world.peer("xn--bcher-kva.example");
  await a.submit("alice@a.example", "info@bücher.example");
  await world.pass(SECOND);
  assertEquals(c.messages.map(({ rcpt }) => rcpt), [["<info@xn--bcher-kva.example>"]]);
});

Deno.test("a message too large for the next station comes back, 5.3.4 (RFC 1870 §6.1)", async () => {
  await using world = new World();
  const a = await world.station("a.example");
  const b = await world.station("b.example", {
    listener: { limits: { messageSize: 10_000 } },
  });
  const message = `Subject: big\r\n\r\n${`${"x".repeat(70)}\r\n`.repeat(200)}`;
  await a.submit("alice@a.example", "bob@b.example", { message });
  await a.submit("alice@a.example", "bob@b.example");
  await world.pass(SECOND);
  assertEquals((await a.mailbox("alice")).map(readReport).flatMap(fates), [
    "bob@b.example failed 5.3.4",
  ]);
  assertEquals((await b.mailbox("bob")).length, 1);
});

Deno.test("bodies of every size arrive as they were sent, over a slow line", async () => {
  await using world = new World();
  world.hub.network.wires.conditions = () => ({
    delay: 5,
    window: 3000,
    split: (n) => Math.min(n, 1000),
  });
  const a = await world.station("a.example");
  const b = await world.station("b.example");
  const sizes = [0, 1, 997, 65_535, 262_143, 262_144, 262_145, 700_000];
  const line = `.${"y".repeat(68)}\r\n`;
  const bodies = sizes.map((size) => line.repeat(Math.floor(size / 71)) + "z".repeat(size % 71));
  const known = new Map(bodies.map((body, i) => [`Number: ${i}.`, body]));
  for (const [number, body] of known) {
    await a.submit("alice@a.example", "bob@b.example", { message: `${number}\r\n\r\n${body}\r\n` });
  }
  await world.pass(120 * SECOND);
  const mails = await b.mailbox("bob");
  assertEquals(mails.length, sizes.length);
  for (const mail of mails) {
    const body = known.get(/^Number: \d+\./m.exec(mail)![0])!;
    assert(mail.endsWith(`\r\n\r\n${body}\r\n`), `${body.length} octets`);
  }
});

Deno.test("whatever a message holds, it is the same in a mailbox here and in one two stations on", async () => {
  for (const extensions of [{}, { chunking: false }, { eightBitMime: true, chunking: false }]) {
    await using world = new World();
    const a = await world.station("a.example");
    await world.station("b.example", {
      directory: { accounts: {}, aliases: { "fwd@b.example": "bob@c.example" } },
      listener: { extensions },
    });
    const c = await world.station("c.example", { listener: { extensions } });
    let sent = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(PIECE, { maxLength: 30 }), async (pieces) => {
        const number = `Number: ${sent++}.`;
        const message = concat([encode(`${number}\r\n`), ...pieces, encode("\r\n")]);
        await a.submit("alice@a.example", ["bob@a.example", "fwd@b.example"], { message });
        await world.pass(SECOND);
        const [here, there] = await Promise.all([a, c].map(async (station) => {
          const mails = await station.mailbox("bob");
          return mails.find((mail) => mail.includes(number))!;
        }));
        assertEquals(withoutTrace(there!), withoutTrace(here!));
      }),
      { numRuns: 40 },
    );
    assertEquals(await a.mailbox("alice"), []);
  }
});

/** Parts of messages that may be mistaken for something else. */
const PIECE = fc.oneof(
  fc.constantFrom(
    "\r\n",
    "\n",
    "\r",
    ".",
    "..",
    "\r\n.\r\n",
    "\n.\n",
    "\r\n.",
    "\0",
    "BDAT 0 LAST\r\n",
  )
    .map(encode),
  fc.constantFrom("Subject: x\r\n", " folded\r\n", "No colon\r\n", "From \r\n", ": \r\n").map(
    encode,
  ),
  fc.constantFrom("Received: from x\r\n", "Return-Path: <x@y>\r\n", "Bcc: z\r\n").map(encode),
  fc.integer({ min: 1, max: 3000 }).map((length) => encode("y".repeat(length))),
  fc.uint8Array({ maxLength: 20 }),
);

/** A mail without what stations put on top. */
function withoutTrace(mail: string): string {
  return mail.slice(mail.search(/^Number: /m)).replace(/^Received: .*\r\n(?:[ \t].*\r\n)*/gm, "");
}
