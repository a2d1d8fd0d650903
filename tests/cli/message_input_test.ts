import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import type { Address } from "../../src/address.ts";
import { concat, decode, encode } from "../../src/bytes.ts";
import { CommandError } from "../../src/cli/exit.ts";
import { DotEnd } from "../../src/cli/message_end.ts";
import { homeOf } from "../../src/cli/home.ts";
import {
  completeHead,
  formatAuthor,
  readMessage,
  recipientsInHead,
} from "../../src/cli/message_input.ts";
import { formatFields, parseFields } from "../../src/message/header.ts";

/** Text in pieces of these lengths, over and over. */
async function* inPieces(text: string, lengths: readonly number[] = [text.length || 1]) {
  const octets = encode(text);
  let turn = 0;
  for (let at = 0; at < octets.length;) {
    const length = lengths[turn++ % lengths.length]!;
    yield octets.subarray(at, at += length);
  }
}

async function read(text: string, ignoreDots = false, lengths?: readonly number[]) {
  const { fields, body } = await readMessage(inPieces(text, lengths), { ignoreDots });
  const parts: Uint8Array[] = [];
  for await (const part of body) parts.push(part.slice());
  return { head: decode(formatFields(fields)), body: decode(concat(parts)) };
}

Deno.test("readMessage() takes LF and CRLF, and ends at a dot alone", async () => {
  assertEquals(await read("Subject: x\n\none\r\n..\n.two\n.\nthree\n"), {
    head: "Subject: x\r\n",
    body: "one\r\n..\r\n.two\r\n",
  });
  assertEquals((await read("\n.\r\nafter\n")).body, "");
  assertEquals((await read("\nlast\n.")).body, "last\r\n");
});

Deno.test("readMessage() goes on after a dot where dots are ignored", async () => {
  assertEquals((await read("\none\n.\ntwo", true)).body, "one\r\n.\r\ntwo");
});

Deno.test("readMessage() drops the first line of an mbox file, and no other", async () => {
  const mbox = "From ann@a.test Thu Jan  1 00:00:00 1970\nSubject: x\n\nFrom here on\n";
  assertEquals(await read(mbox), { head: "Subject: x\r\n", body: "From here on\r\n" });
  assertEquals((await read("From: ann@a.test\n\n")).head, "From: ann@a.test\r\n");
});

Deno.test("readMessage() gives a text without a head as its body, and nothing for nothing", async () => {
  assertEquals(await read("just text\n"), { head: "", body: "just text\r\n" });
  assertEquals(await read(""), { head: "", body: "" });
});

Deno.test("readMessage() reads the same however the input is cut", async () => {
  const line = fc.constantFrom(".", "..", "", "x", ".\r", "Subject: y", "From z", "a\rb");
  await fc.assert(
    fc.asyncProperty(
      fc.array(line, { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 }),
      fc.boolean(),
      async (lines, lengths, ignoreDots) => {
        const text = lines.join("\n");
        assertEquals(await read(text, ignoreDots, lengths), await read(text, ignoreDots));
      },
    ),
  );
});

Deno.test("readMessage() refuses a head that is too large", async () => {
  await assertRejects(() => read(`X: ${"y".repeat(300_000)}\n\n`), CommandError, "256 KiB");
});

Deno.test("DotEnd ends at the first line that is a dot alone, as a search of the whole finds it", () => {
  const text = fc.array(fc.constantFrom(".", "\r", "\n", "x"), { maxLength: 12 });
  fc.assert(fc.property(text, fc.integer({ min: 1, max: 4 }), (characters, length) => {
    const whole = characters.join("");
    const dot = new DotEnd();
    let seen = "";
    for (let at = 0; at < whole.length && !dot.ended; at += length) {
      seen += decode(dot.write(encode(whole.slice(at, at + length))));
    }
    if (!dot.ended) seen += decode(dot.end());
    const found = /(?:^|\n)\.(?:\r?\n|$)/.exec(whole);
    const expected = found === null
      ? whole
      : whole.slice(0, found.index + (found[0].startsWith("\n") ? 1 : 0));
    assertEquals(seen, expected);
  }));
});

const NOW = Date.UTC(2026, 0, 1);
const AUTHOR = { address: { local: "ann", domain: "a.test" }, fullName: "Ann" };
const USER = { local: "ann", domain: "host.test" };
const HOME = homeOf("host.test", "vm");
const COMPLETION = { author: AUTHOR, now: NOW, home: HOME, user: USER };

Deno.test("completeHead() adds Date and From where they are missing, and takes Bcc out", () => {
  const complete = (text: string) =>
    decode(formatFields(completeHead(parseFields(encode(text)), COMPLETION)));
  assertEquals(
    complete("Subject: x\r\nBcc: secret@b.test,\r\n more@b.test\r\n"),
    "Date: Thu, 01 Jan 2026 00:00:00 +0000\r\nFrom: Ann <ann@a.test>\r\nSubject: x\r\n",
  );
  const whole = "From: x@y.test\r\nDate: then\r\n";
  assertEquals(complete(whole), whole);
});

Deno.test("completeHead() gives names of this machine their domain, and nothing else another octet", () => {
  const complete = (text: string, user: Address | null = USER) => {
    const fields = parseFields(encode(`Date: then\r\nFrom: x@y.test\r\n${text}\r\n`));
    return decode(formatFields(completeHead(fields, { ...COMPLETION, user }))).split("\r\n")[2];
  };
  assertEquals(
    complete("To: root, B <bob>,c@c.test"),
    "To: root@host.test, B <bob@host.test>,c@c.test",
  );
  assertEquals(complete('Cc: Us: "a b", <d>;'), 'Cc: Us: "a b"@host.test, <d@host.test>;');
  // What cron writes, by the sources of cronie and of Debian's cron.
  assertEquals(complete("Sender: root (Cron Daemon)"), "Sender: ann@host.test (Cron Daemon)");
  assertEquals(
    complete("Sender: root (Cron Daemon)", null),
    "Sender: root@host.test (Cron Daemon)",
  );
  assertEquals(complete('From: "(Cron Daemon)" <ann>'), 'From: "(Cron Daemon)" <ann@host.test>');
  assertEquals(complete("From: Ann <ann@vm>"), "From: Ann <ann@host.test>");
  assertEquals(complete("To: a@vm.test, b@localhost (x)"), "To: a@vm.test, b@host.test (x)");
  assertEquals(complete("Reply-To: root"), "Reply-To: root@host.test");
  for (const kept of ["To:  root@x.test ", "To: two words", "Subject: root", "Resent-To: (c"]) {
    assertEquals(complete(kept), kept);
  }
});

Deno.test("formatAuthor() quotes and encodes a name as RFC 5322 and RFC 2047 want it", () => {
  const format = (fullName: string) => formatAuthor({ ...AUTHOR, fullName });
  assertEquals(format(""), "ann@a.test");
  assertEquals(format("Ann B"), "Ann B <ann@a.test>");
  assertEquals(format('Ann "B." C\\D'), '"Ann \\"B.\\" C\\\\D" <ann@a.test>');
  assertEquals(format("Jürgen"), "=?UTF-8?B?SsO8cmdlbg==?= <ann@a.test>");
  assertEquals(format("x\r\nBcc: y@z.test").includes("\n"), false);
});

Deno.test("recipientsInHead() reads To, Cc and Bcc, names of this host, and groups", () => {
  const find = (text: string) =>
    recipientsInHead(parseFields(encode(text.replaceAll("\n", "\r\n"))), HOME)
      .map(({ local, domain }) => `${local}@${domain}`);
  assertEquals(
    find(
      'To: Bob <bob@b.test>, root@LocalHost\nCc: Friends: ann@a.test, "x y"@z.test;\nBcc: c@c.test\n',
    ),
    ["bob@b.test", "root@host.test", "ann@a.test", "x y@z.test", "c@c.test"],
  );
  assertEquals(find("To: undisclosed-recipients:;\n"), []);
  // Resent (RFC 5322 §3.6.6): those of the first sending are not meant.
  assertEquals(find("To: bob@b.test\nResent-To: ann@a.test\n"), ["ann@a.test"]);
  const error = assertThrows(() => find("To: bob@b.test <ann@a.test>\n"), CommandError);
  assertStringIncludes((error as Error).message, "To field");
  assertThrows(() => find("Cc: two words\n"), CommandError, "Cc field");
});
