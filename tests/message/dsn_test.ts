import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { decode, encode } from "../../src/bytes.ts";
import { formatDsn } from "../../src/message/dsn.ts";
import type { DsnFacts, DsnKind, DsnRecipient } from "../../src/message/dsn_facts.ts";
import { statusOf } from "../../src/message/dsn_status.ts";
import { reply } from "../../src/smtp/reply.ts";

/** Tue, 05 Mar 2024 10:11:12 +0000. */
const NOW = 1_709_633_472_000;
const HOUR = 3_600_000;

const BOB: DsnRecipient = {
  address: { local: "bob", domain: "example.net" },
  reply: reply(550, "5.1.1", "no such user"),
  host: "mx.example.net [192.0.2.7]:25",
  lastAttempt: NOW - HOUR,
};

const FACTS: DsnFacts = {
  kind: "failed",
  id: "dsn-1",
  hostname: "mail.example.org",
  time: NOW,
  to: { local: "alice", domain: "example.org" },
  audience: "sender",
  postmaster: { local: "postmaster", domain: "example.org" },
  sender: { local: "alice", domain: "example.org" },
  arrived: NOW - 24 * HOUR,
  subject: "Hello",
  messageId: "<1@example.org>",
  smtputf8: false,
  head: encode("Subject: Hello\r\n"),
  body: null,
  recipients: [BOB],
};

/** The whole of a notice and its parts: each header and content, as text. */
function make(more: Partial<DsnFacts>) {
  const dsn = formatDsn({ ...FACTS, ...more });
  const [head, body] = [decode(dsn.head), decode(dsn.body)];
  const boundary = /boundary="([^"]+)"/.exec(head)?.[1] ?? "";
  const delimited = body.split(`\r\n--${boundary}`);
  assertEquals(delimited.at(-1), "--\r\n");
  const parts = delimited.slice(1, -1).map((part) => {
    const blank = part.indexOf("\r\n\r\n");
    return { header: part.slice(2, blank + 2), content: part.slice(blank + 4) };
  });
  assertEquals(parts.length, 3);
  return { ...dsn, head, body, text: parts[0]!, status: parts[1]!, original: parts[2]! };
}

/** The fields of a status part, unfolded, one list for each block. */
function blocksOf(content: string): string[][] {
  assert(content.endsWith("\r\n"));
  return content.slice(0, -2).split("\r\n\r\n").map((block) =>
    block.replace(/\r\n(?=[ \t])/g, "").split("\r\n")
  );
}

Deno.test("formatDsn() writes the head of a report", () => {
  const { head, eightBit, smtputf8 } = make({});
  assertEquals(
    head.replace(/boundary="[^"]+"/, "boundary"),
    "From: Mail Delivery System <MAILER-DAEMON@mail.example.org>\r\n" +
      "To: <alice@example.org>\r\n" +
      "Subject: Your message could not be delivered\r\n" +
      "Date: Tue, 05 Mar 2024 10:11:12 +0000\r\n" +
      "Message-ID: <dsn-1@mail.example.org>\r\n" +
      "In-Reply-To: <1@example.org>\r\n" +
      "References: <1@example.org>\r\n" +
      "Auto-Submitted: auto-replied\r\n" +
      "MIME-Version: 1.0\r\n" +
      "Content-Type: multipart/report; report-type=delivery-status;\r\n boundary\r\n",
  );
  assertEquals([eightBit, smtputf8], [false, false]);
});

Deno.test("formatDsn() tells programs what RFC 3464 says", () => {
  const { status } = make({
    envelopeId: "QQ314159",
    recipients: [
      { ...BOB, originalRecipient: { type: "rfc822", address: "Bob@Example.NET" } },
      { ...BOB, reply: reply(451, "4.4.7", "too late"), host: undefined! },
    ],
  });
  assertEquals(status.header, "Content-Type: message/delivery-status\r\n");
  assertEquals(blocksOf(status.content), [
    [
      "Original-Envelope-Id: QQ314159",
      "Reporting-MTA: dns; mail.example.org",
      "Arrival-Date: Mon, 04 Mar 2024 10:11:12 +0000",
    ],
    [
      "Original-Recipient: rfc822; Bob@Example.NET",
      "Final-Recipient: rfc822; bob@example.net",
      "Action: failed",
      "Status: 5.1.1",
      "Remote-MTA: dns; mx.example.net",
      "Diagnostic-Code: smtp; 550 5.1.1 no such user",
      "Last-Attempt-Date: Tue, 05 Mar 2024 09:11:12 +0000",
    ],
    [
      "Final-Recipient: rfc822; bob@example.net",
      "Action: failed",
      "Status: 4.4.7",
      "Diagnostic-Code: x-yizhan; 451 4.4.7 too late",
      "Last-Attempt-Date: Tue, 05 Mar 2024 09:11:12 +0000",
    ],
  ]);
});

Deno.test("formatDsn() tells of a delay until when it goes on", () => {
  const waiting = {
    ...BOB,
    reply: reply(450, "4.2.0", "come again"),
    nextAttempt: NOW + HOUR,
    retryUntil: NOW + 96 * HOUR,
  };
  const { head, status, text } = make({ kind: "delayed", recipients: [waiting] });
  assertStringIncludes(head, "Subject: Your message is delayed\r\n");
  const fields = blocksOf(status.content)[1];
  assert(fields?.includes("Action: delayed") && fields.includes("Status: 4.2.0"));
  assertEquals(fields?.at(-1), "Will-Retry-Until: Sat, 09 Mar 2024 10:11:12 +0000");
  assertStringIncludes(text.content, "Next attempt: Tue, 05 Mar 2024 11:11:12 +0000.");
  assertStringIncludes(text.content, "Given up after: Sat, 09 Mar 2024 10:11:12 +0000.");
});

Deno.test("formatDsn() tells people who, why and what to do, in lines of 76", () => {
  const words = "your message was judged by a long and winding answer ".repeat(5).trim();
  const { text } = make({ recipients: [{ ...BOB, reply: reply(552, "5.2.2", words) }] });
  assertStringIncludes(text.content, "  Subject: Hello\r\n");
  assertStringIncludes(
    text.content,
    "  <bob@example.net>\r\n    mx.example.net [192.0.2.7]:25 answered:\r\n",
  );
  assertStringIncludes(text.content, "      552 5.2.2 your message was judged by");
  assertStringIncludes(text.content, "    The mailbox is full.");
  assertStringIncludes(text.content, "write to postmaster@example.org");
  assert(text.content.split("\r\n").every((line) => line.length <= 76));
});

Deno.test("formatDsn() does not tell where an alias led", () => {
  const { body } = make({
    recipients: [{ ...BOB, address: { local: "team", domain: "example.org" }, forwarded: true }],
  });
  assertStringIncludes(body, "Final-Recipient: rfc822; team@example.org\r\n");
  assert(!body.includes("example.net"));
});

Deno.test("formatDsn() returns the header section, or the whole message where it may", () => {
  const head = encode("Subject: Hello\r\n");
  assertEquals(make({ head }).original, {
    header: "Content-Type: text/rfc822-headers\r\n",
    content: "Subject: Hello\r\n",
  });
  assertEquals(make({ head, body: encode("Hi\r\n") }).original, {
    header: "Content-Type: message/rfc822\r\n",
    content: "Subject: Hello\r\n\r\nHi\r\n",
  });
  const eightBit = make({ head, body: encode("Grüße\r\n") });
  assertEquals(
    eightBit.original.header,
    "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n",
  );
  assert(eightBit.eightBit && !eightBit.smtputf8);
  assertStringIncludes(eightBit.head, "\r\nContent-Transfer-Encoding: 8bit\r\n");
  // An 8-bit header section without SMTPUTF8: text can be encoded on the way, a message cannot.
  const raw = make({ head: encode("Subject: Grüße\r\n"), body: encode("Hi\r\n") });
  assertEquals(
    raw.original.header,
    "Content-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: 8bit\r\n",
  );
  assertEquals([raw.eightBit, raw.smtputf8], [true, false]);
});

Deno.test("formatDsn() cuts a long header section between fields", () => {
  const field = `X-Field: ${"x".repeat(900)}\r\n`;
  const { original } = make({ head: encode(field.repeat(200)) });
  assertEquals(original.content, field.repeat(Math.floor(64 * 1024 / field.length)));
});

Deno.test("formatDsn() has no line over 998 octets, whatever lines the message has", () => {
  const long = "y".repeat(2000);
  const head = encode(`To: ${"a@b.example, ".repeat(200)}\r\nX: ${long}\r\nY: z\r\n`);
  const text = encode("Hi\r\n");
  const cases = [{ head, body: null }, { head, body: text }, { body: encode(`${long}\r\n`) }];
  for (const more of cases) {
    const { body, original, text } = make(more);
    for (const line of body.split("\r\n")) assert(line.length <= 998, `${line.length} octets`);
    // Not whole: to be encoded is not allowed within message/rfc822 (RFC 2046 §5.2.1).
    assertEquals(original.header, "Content-Type: text/rfc822-headers\r\n");
    assertStringIncludes(text.content, "The header of your message is attached.");
  }
  const { content } = make({ head, body: null }).original;
  assertEquals(content.replace(/\s/g, ""), decode(head).replace(/\s/g, ""));
  assertMatch(content, /\r\nX:(\r\n y+){3}\r\nY: z\r\n$/);
  const whole = {
    head: encode(`X: ${"y".repeat(995)}\r\n`),
    body: encode(`${"z".repeat(998)}\r\n`),
  };
  assertEquals(make(whole).original.header, "Content-Type: message/rfc822\r\n");
});

Deno.test("formatDsn() writes an internationalised notice where addresses are (RFC 6533)", () => {
  const dsn = make({
    to: { local: "jürgen", domain: "example.org" },
    smtputf8: true,
    head: encode("Subject: Grüße\r\n"),
    recipients: [{
      ...BOB,
      address: { local: "用户", domain: "例子.example" },
      originalRecipient: { type: "utf-8", address: "用户@例子.example" },
      reply: reply(550, "5.1.1", "kein solcher Empfänger"),
    }],
  });
  assertStringIncludes(dsn.head, "To: <jürgen@example.org>\r\n");
  assertEquals(
    dsn.status.header,
    "Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n",
  );
  const fields = blocksOf(dsn.status.content)[1];
  assertEquals(fields?.slice(0, 2), [
    "Original-Recipient: utf-8; 用户@例子.example",
    "Final-Recipient: utf-8; 用户@例子.example",
  ]);
  assert(fields?.includes("Diagnostic-Code: smtp; 550 5.1.1 kein solcher Empfänger"));
  assertEquals(
    dsn.original.header,
    "Content-Type: message/global-headers\r\nContent-Transfer-Encoding: 8bit\r\n",
  );
  assertEquals([dsn.eightBit, dsn.smtputf8], [true, true]);
  const full = make({ smtputf8: true, head: encode("Subject: Grüße\r\n"), body: encode("Hi\r\n") });
  assert(full.original.header.startsWith("Content-Type: message/global\r\n"));
});

Deno.test("formatDsn() stays 7-bit where only words are not ASCII", () => {
  const { eightBit, smtputf8, status, text } = make({
    subject: "Grüße",
    recipients: [{
      ...BOB,
      originalRecipient: { type: "utf-8", address: "豪@example.com" },
      reply: reply(550, "5.1.1", "ungültig"),
    }],
  });
  assertEquals([eightBit, smtputf8], [false, false]);
  assertStringIncludes(text.header, "quoted-printable");
  assertStringIncludes(text.content, "Subject: Gr=C3=BC=C3=9Fe\r\n");
  // RFC 6533 §3: utf-8-addr-xtext
  assertStringIncludes(status.content, "Original-Recipient: utf-8; \\x{8C6A}@example.com\r\n");
});

Deno.test("formatDsn() does not let a message hold the boundary", () => {
  const first = /boundary="([^"]+)"/.exec(make({}).head)![1]!;
  const { head, original } = make({ body: encode(`\r\n--${first}--\r\n`) });
  assert(!head.includes(first));
  assertStringIncludes(original.content, first);
});

Deno.test("formatDsn() gives three parts and no field that strangers wrote (property)", () => {
  const piece = fc.oneof(
    fc.constantFrom(
      "\r\n",
      "\n",
      "\r",
      "\r\n\r\n",
      "Action: delivered",
      "Bcc: x@y",
      "--=_",
      ";",
      "\0",
    ),
    fc.constantFrom(
      "\u2028",
      "\u202e",
      "<",
      ">",
      '"',
      "\\",
      "ü",
      "\ud800",
      " ".repeat(80),
      "x".repeat(1200),
    ),
    fc.string(),
  );
  const hostile = fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join(""));
  const recipient = fc.record({
    address: fc.record({ local: hostile, domain: hostile }),
    originalRecipient: fc.record({ type: hostile, address: hostile }),
    reply: fc.record({
      code: fc.integer({ min: 200, max: 599 }),
      enhanced: hostile,
      lines: fc.array(hostile),
    }),
    host: hostile,
    forwarded: fc.boolean(),
  });
  const names = new Set(
    ("original-envelope-id reporting-mta arrival-date original-recipient final-recipient action " +
      "status remote-mta diagnostic-code").split(" "),
  );
  const kinds: DsnKind[] = ["failed", "delayed", "delivered", "relayed"];
  fc.assert(fc.property(
    fc.array(recipient, { minLength: 1, maxLength: 3 }),
    fc.record({
      kind: fc.constantFrom(...kinds),
      envelopeId: hostile,
      subject: hostile,
      messageId: hostile,
    }),
    (recipients, more) => {
      const dsn = make({ ...more, recipients });
      const blocks = blocksOf(dsn.status.content);
      assertEquals(blocks.length, recipients.length + 1);
      for (const field of blocks.flat()) {
        assert(names.has(field.slice(0, field.indexOf(":")).toLowerCase()), field);
      }
      for (const block of blocks.slice(1)) {
        assertEquals(block.filter((f) => f.startsWith("Action:")), [`Action: ${more.kind}`]);
        assertMatch(block.find((f) => f.startsWith("Status:")) ?? "", /^Status: [245]\.\d+\.\d+$/);
      }
      assertEquals(
        dsn.head.match(/^[A-Za-z-]+(?=:)/gm)?.filter((name) => name === "Bcc") ?? [],
        [],
      );
      const lines = `${dsn.head}\r\n${dsn.body}`.split("\r\n");
      assert(lines.every((line) => encode(line).length <= 998 && !/[\r\n\0]/.test(line)));
    },
  ));
});

Deno.test("statusOf() trusts an enhanced code that agrees with the reply code", () => {
  for (
    const [code, enhanced, kind, expected] of [
      [550, "5.1.1", "failed", "5.1.1"],
      [550, "4.1.1", "failed", "5.0.0"],
      [550, "5.1.1.1", "failed", "5.0.0"],
      [550, "5.01.1", "failed", "5.0.0"],
      [550, "5.7.509", "failed", "5.7.509"],
      [451, "4.4.7", "failed", "4.4.7"],
      [421, undefined, "delayed", "4.3.2"], // RFC 5248 §2.4
      [550, "5.1.1", "delayed", "4.0.0"],
      [556, undefined, "failed", "5.1.10"], // RFC 7504 §4
      [521, undefined, "failed", "5.3.2"],
      [250, "2.1.5", "delivered", "2.1.5"],
      [250, undefined, "relayed", "2.0.0"],
      [354, undefined, "failed", "5.0.0"],
    ] as const
  ) {
    const answer = enhanced === undefined ? { code, lines: [] } : { code, enhanced, lines: [] };
    assertEquals(statusOf(answer, kind), expected, `${code} ${enhanced} ${kind}`);
  }
});

Deno.test("formatDsn() speaks of another server only where one has answered", () => {
  const removed = reply(554, "5.7.0", "The administrator removed the message");
  const { host: _, ...own } = BOB;
  const says = (recipient: DsnRecipient) =>
    /other server/.test(make({ recipients: [{ ...recipient, reply: removed }] }).text.content);
  assertEquals([says(own), says(BOB), says({ ...own, forwarded: true })], [false, true, true]);
});
