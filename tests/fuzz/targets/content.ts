/**
 * Fuzzing of what is read of a message, and of what is written about it: header sections, MIME, trace fields,
 * notices; and of DNS messages.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { concat, decode, encode, equal } from "../../../src/bytes.ts";
import { formatDsn } from "../../../src/message/dsn.ts";
import { HeadCollector } from "../../../src/message/head_collector.ts";
import { fieldValue, formatFields, makeField, parseFields } from "../../../src/message/header.ts";
import { formatReceived } from "../../../src/message/received.ts";
import { parseContentType } from "../../../src/message/mime_fields.ts";
import { transcode } from "../../../src/message/transcode.ts";
import { readDnsAnswer } from "../../../src/runtime/dns_answer.ts";
import { decodeDnsMessage, encodeDnsMessage } from "../../../src/runtime/dns_message.ts";
import { type Chance, piecesOf } from "../engine/chance.ts";
import type { FuzzTarget } from "../engine/target.ts";

const HEADS = [
  ...[
    "From: a@b.c\r\n",
    "Subject: x\r\n folded\r\n",
    "\r\n",
    "X:\r\n",
    " \r\n",
    "no field\r\n",
    "A\n",
  ],
  ...[
    "Content-Type: multipart/mixed; boundary=b\r\n",
    'Content-Type: multipart/mixed; boundary="b b"\r\n',
  ],
  ...["Content-Type: text/plain; charset=utf-8\r\n", "Content-Transfer-Encoding: binary\r\n"],
  ...[
    "MIME-Version: 1.0\r\n",
    "Content-Type: message/rfc822\r\n",
    "é: 1\r\n",
    "Content-Type: multipart/signed\r\n",
  ],
];
const BODIES = [
  "--b\r\n",
  "--b--\r\n",
  "text\r\n",
  "ü\r\n",
  "\r\n",
  "x".repeat(999),
  "\0",
  "=3D",
  "From \r\n",
  ".\r\n",
];

const generateMessage = (chance: Chance): Uint8Array =>
  encode(
    chance.many(0, 5, () => chance.pick(HEADS)) + "\r\n" +
      chance.many(0, 8, () => chance.pick([...BODIES, ...HEADS])),
  );

async function read(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part.slice());
  return concat(parts);
}

function collect(pieces: readonly Uint8Array[]): { head: Uint8Array; body: Uint8Array } {
  const collector = new HeadCollector();
  const parts = pieces.map((piece) => {
    const given = piece.slice();
    const body = collector.write(given)?.slice() ?? new Uint8Array();
    given.fill(0xaa);
    return body;
  });
  return { body: concat([...parts, collector.end()]), head: collector.head };
}

const head: FuzzTarget = {
  name: "head",
  about:
    "header sections: fields make up the head again, in any split; a field made of any value is one field",
  words: [...HEADS, ...BODIES, ":", "\r", "\n", "\r\n "],
  generate: generateMessage,
  run(input) {
    const fields = parseFields(input);
    assert(equal(formatFields(fields), input), "fields make another head");
    for (const field of fields) assert(!/[\r\n]/.test(fieldValue(field)));
    const whole = collect([input]);
    const cut = collect(piecesOf(input));
    assert(
      equal(cut.head, whole.head) && equal(cut.body, whole.body),
      "the split makes a difference",
    );
    const { raw } = makeField("X-Any", decode(input));
    assertEquals(parseFields(raw).map(({ name }) => name), ["X-Any"]);
    for (const line of decode(raw).split("\r\n")) {
      assert(encode(line).length <= 998 && !/[\r\n\0]/.test(line), JSON.stringify(line));
    }
    parseContentType(decode(input));
  },
};

const mime: FuzzTarget = {
  name: "mime",
  about:
    "re-encoding for a station that takes 7-bit only: the result is 7-bit, stays so, in any split",
  words: [...HEADS, ...BODIES],
  longest: 16_384,
  generate: generateMessage,
  async run(input) {
    const { head, body } = collect([input]);
    const results: string[] = [];
    for (const pieces of [[body], piecesOf(body)]) {
      const openBody = async function* () {
        for (const piece of pieces) yield piece.slice();
      };
      const made = await transcode({ head, openBody }, "7bit");
      if (made === null) {
        results.push("none");
        continue;
      }
      const text = await read(made.openBody());
      assertEquals(text.length, made.bodySize);
      assert(text.length <= 4 * body.length + 4096, "much larger than it was");
      assert(!text.some((octet) => octet > 127), "not 7-bit");
      if (text.some((octet) => octet === 0)) throw new Error("a NUL is left");
      for (const line of decode(text).split("\r\n")) assert(line.length <= 998, "a line too long");
      const again = await transcode({ head: made.head, openBody: made.openBody }, "7bit");
      assert(again !== null, "cannot be done again");
      assert(equal(await read(again.openBody()), text), "changes again");
      results.push(`${decode(made.head)}\r\n${decode(text)}`);
    }
    assertEquals(results[0], results[1]);
  },
};

const notice: FuzzTarget = {
  name: "notice",
  about:
    "notices and Received fields made of hostile words: whole lines, no field more, no line too long",
  words: [
    "\r\n",
    "\r\n\r\n",
    "\n",
    "\r",
    "--",
    "(",
    ")",
    "\\",
    '"',
    "\u202e",
    ";",
    "\r\nBcc: x@y\r\n",
    "é",
    "x".repeat(1100),
    "ü ".repeat(400),
    " ".repeat(1000),
  ],
  generate: (chance) =>
    encode(chance.many(1, 8, () => chance.pick([...(notice.words as string[]), "word"]), "|")),
  run(input) {
    const texts = decode(input).split("|");
    const text = (index: number) => texts[index % texts.length]!;
    const address = (index: number) => ({ local: text(index), domain: text(index + 1) });
    const { head, body, eightBit } = formatDsn({
      ...{ kind: "failed", id: "dsn-1", hostname: "mx.example.org", time: 1709633472000 },
      ...{ to: { local: "a", domain: "b.c" }, audience: "sender", arrived: 1709633472000 },
      sender: address(0),
      envelopeId: text(1),
      subject: text(2),
      messageId: text(3),
      smtputf8: input.length % 2 === 0,
      head: encode(`Subject: ${text(4).replace(/[\r\n]/g, "")}\r\n${text(6).length}: x\r\n`),
      body: input.length % 3 === 0 ? null : encode(`${text(5).replace(/[\r\n]+/g, "\r\n")}\r\n`),
      recipients: [{
        address: address(2),
        originalRecipient: { type: "rfc822", address: text(0) },
        reply: { code: 550, enhanced: "5.1.1", lines: [text(1), text(5)] },
        host: text(3),
      }],
    });
    const names = parseFields(head).map(({ name }) => name.toLowerCase());
    assertEquals(new Set(names).size, names.length, "a field twice");
    assert(!names.includes("bcc"), "a field was brought in");
    for (const part of [head, body]) {
      assert(!/\r(?!\n)|(?<!\r)\n/.test(decode(part)), "a bare newline");
      for (const line of decode(part).split("\r\n")) assert(encode(line).length <= 998, "too long");
    }
    assertEquals(eightBit, body.some((octet) => octet > 127));
    const boundaries = decode(body).split("\r\n").filter((line) => /^--.*dsn-1/.test(line));
    assert(boundaries.length <= 4, "a part more");
    const received = formatReceived({
      ...{ hello: text(0), client: text(1), clientName: text(2), by: "mx", protocol: "ESMTP" },
      ...{ id: "s1", recipient: address(0), time: 1709633472000 },
      tls: { protocol: text(3), cipher: text(4) } as never,
    });
    assertEquals(parseFields(received.raw).map(({ name }) => name), ["Received"]);
  },
};

const question = { name: "mx.example.org", type: "MX" };
const flags = {
  ...{ id: 7, response: true, authoritative: false, truncated: false, rcode: 0 },
  ...{ recursionDesired: true, recursionAvailable: true },
};

/**
 * The most jumps that a name of the message takes whose owner stands where the counts of its header say; by a slow
 * reading, as far as that gets.
 */
function mostJumps(octets: Uint8Array): number {
  let most = 0;
  let at = 12;
  const skipName = () => {
    let after = -1;
    let place = at;
    for (let jumps = 0; place < octets.length; jumps++) {
      while (octets[place]! > 0 && octets[place]! < 0xc0) place += octets[place]! + 1;
      if (!(octets[place]! >= 0xc0)) break;
      if (after === -1) after = place + 2;
      const target = (octets[place]! & 0x3f) << 8 | octets[place + 1]!;
      most = Math.max(most, jumps + 1);
      if (target >= place) break;
      place = target;
    }
    at = after === -1 ? place + 1 : after;
  };
  const count = (place: number) => octets[place]! << 8 | octets[place + 1]!;
  for (let left = count(4); left > 0 && at < octets.length; left--, at += 4) skipName();
  for (let left = count(6) + count(8); left > 0 && at < octets.length; left--) {
    skipName();
    at += 10 + count(at + 8);
  }
  return most;
}

/** An answer whose last record has an owner of so many jumps: a pointer to a pointer to a pointer … to the root. */
function chained(jumps: number): Uint8Array {
  const header = [0, 7, 0x84, 0, 0, 1, 0, 2, 0, 0, 0, 0];
  const question = [1, 0x61, 0, 0, 16, 0, 1];
  const root = header.length + question.length + 12; // where the data of the first record begins
  const data = [0];
  const pointers = Array.from({ length: jumps }, (_, i) => root + Math.max(0, 2 * i - 1))
    .map((target) => [0xc0 | target >> 8, target & 0xff]);
  data.push(...pointers.slice(0, -1).flat());
  const first = [0xc0, 12, 0, 99, 0, 1, 0, 0, 0, 1, data.length >> 8, data.length & 0xff, ...data];
  const second = [...pointers.at(-1)!, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 192, 0, 2, 1];
  return Uint8Array.from([...header, ...question, ...first, ...second]);
}

const dns: FuzzTarget = {
  name: "dns",
  about:
    "DNS answers: a message or none, the same again, and an answer that ends whatever its aliases",
  words: ["\xc0\x0c", "\xc0\x00", "\xff", "\x00\x05\x00\x01", "\x02mx\x07example\x03org\x00"].map((
    text,
  ) => Uint8Array.from(text, (character) => character.charCodeAt(0))),
  generate(chance) {
    if (chance.oneIn(20)) return chained(chance.between(1, 300));
    const name = () => chance.pick(["mx.example.org", "a.example", "", "x.mx.example.org"]);
    const records = Array.from({ length: chance.below(5) }, () => ({
      name: name(),
      ttl: chance.below(9999),
      data: chance.pick([
        { type: "MX" as const, preference: 1, exchange: name() },
        { type: "CNAME" as const, name: name() },
        { type: "A" as const, address: "192.0.2.1" },
        { type: "AAAA" as const, address: "2001:db8::1" },
        { type: "TXT" as const, text: "v=spf1".repeat(chance.below(60)) },
        { type: "SRV" as const, priority: 1, weight: 2, port: 25, target: name() },
        { type: "SOA" as const, minimum: 60 },
      ]),
    }));
    return encodeDnsMessage({ ...flags, question, answers: records, authority: records.slice(2) });
  },
  run(input) {
    const message = decodeDnsMessage(input);
    if (message === null) return;
    // A name has 127 labels at most, and none of them needs more than one jump.
    if (!message.truncated) assert(mostJumps(input) <= 127, "a name of too many jumps");
    assert(message.answers.length + message.authority.length <= input.length / 11);
    readDnsAnswer(message, "mx.example.org", "MX");
    readDnsAnswer(message, "mx.example.org", "A");
    const type = message.question?.type ?? "";
    if (type.startsWith("TYPE")) return;
    const again = decodeDnsMessage(encodeDnsMessage(message));
    if (again?.truncated === message.truncated) assertEquals(again, message);
  },
};

/** All of this file. */
export const targets: readonly FuzzTarget[] = [head, mime, notice, dns];
