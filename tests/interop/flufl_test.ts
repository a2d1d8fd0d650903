/**
 * Notices read by others: flufl.bounce, which Mailman unsubscribes people by, must find who failed, for
 * good or for now; Python's email package must find nothing to complain of.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { type Address, formatAddress } from "../../src/address.ts";
import { concat, encode } from "../../src/bytes.ts";
import { transcode } from "../../src/message/transcode.ts";
import type { NoticeKind } from "../../src/queue/entry.ts";
import { reply } from "../../src/smtp/reply.ts";
import { at, entryOf, fated, makeNotices, MESSAGE } from "../delivery/notices.ts";
import { encodeBase64, interopTest, runPython } from "./support.ts";

interface Failures {
  readonly temporary: readonly string[];
  readonly permanent: readonly string[];
}

interface Read {
  readonly children: readonly string[];
  readonly headers: readonly (readonly [string, string])[];
  readonly defects: readonly string[];
}

const ADDRESSES: Record<string, readonly Address[]> = {
  "one address": [at("bob")],
  "several addresses": [at("bob"), at("carol", "example.com"), at("d.e+f", "sub.example.com")],
  "long addresses": [at("l".repeat(64), `${"d".repeat(60)}.${"e".repeat(60)}.example.net`)],
  "quoted addresses": [at("a b"), at("semi;colon"), at("paren(thesis)"), at("com,ma")],
  "two hundred addresses": Array.from({ length: 200 }, (_, n) => at(`user${n}`)),
};

/** Not for flufl: `email.utils.parseaddr`, which it asks, knows no literals in Debian's Python. */
const LITERALS = [at("bob", "[192.0.2.1]"), at("bob", "[IPv6:2001:db8::1]")];

const ANSWERS = {
  "a plain answer": reply(550, "5.1.1", "no such user"),
  "an answer without enhanced code": reply(550, undefined, "no such user"),
  "an answer of many lines": reply(550, "5.7.1", "line one\nline two\n\n--x\nFinal-Recipient: x\n"),
  "a hostile answer": reply(
    550,
    "5.7.1",
    "x\r\n\r\n--=_boundary\r\nContent-Type: text/html\r\n\r\nAction: delivered \u0000\u001b[2J \u2028 ü",
  ),
  "a long answer": reply(554, "5.0.0", "word ".repeat(400) + "x".repeat(3000)),
};

/** One octet string for each notice, all read by one Python. */
async function noticesFor(kind: NoticeKind, addresses: readonly Address[]): Promise<Uint8Array[]> {
  const made: Uint8Array[] = [];
  for (const [what, answer] of Object.entries(ANSWERS)) {
    for (const host of ["mx.example.net [192.0.2.7]:25", "[192.0.2.7]:25", "/run/lmtp", null]) {
      const given = kind === "delayed" ? { ...answer, code: 450, enhanced: "4.0.0" } : answer;
      const entry = entryOf(addresses.map((one) => fated(one, kind, { answer: given, host })), {
        dsnEnvelopeId: "QQ314159 Bcc: x",
        dsnReturn: host === null ? "FULL" : "HDRS",
      });
      const { texts } = await makeNotices(entry, kind);
      assertEquals(texts.length, 1, what);
      made.push(...texts);
    }
  }
  return made;
}

for (const [what, addresses] of Object.entries(ADDRESSES)) {
  interopTest(`flufl.bounce finds ${what} in notices of failure and delay, none in others`, [
    "python3",
  ], async () => {
    const expected = addresses.map(formatAddress).sort();
    const nobody = { temporary: [], permanent: [] };
    for (
      const [kind, failures] of [
        ["failed", { temporary: [], permanent: expected }],
        ["delayed", { temporary: expected, permanent: [] }],
        ["delivered", nobody],
        ["relayed", nobody],
      ] as const
    ) {
      const messages = (await noticesFor(kind, addresses)).map(encodeBase64);
      const found = await runPython<Failures[]>("bounces.py", { messages });
      for (const one of found) assertEquals(one, failures, kind);
    }
  });
}

interopTest(
  "Python's email finds no defect in a notice, and three parts",
  ["python3"],
  async () => {
    const messages: Uint8Array[] = [];
    for (const kind of ["failed", "delayed", "delivered", "relayed"] as const) {
      for (const addresses of [...Object.values(ADDRESSES), LITERALS]) {
        messages.push(...await noticesFor(kind, addresses));
      }
    }
    const read = await runPython<Read[]>("mime_parts.py", {
      messages: messages.map(encodeBase64),
      strict: true,
    });
    assertEquals(read.length, messages.length);
    for (const { defects, headers, children } of read) {
      assertEquals(defects, []);
      const names = headers.map(([name]) => name);
      assertEquals(names.filter((name) => name === "Bcc" || name === "Final-Recipient"), []);
      assertEquals(children.slice(0, 2), ["text/plain", "message/delivery-status"]);
      assertEquals(children.length, 3);
      assert(children[2] === "text/rfc822-headers" || children[2] === "message/rfc822");
    }
  },
);

interopTest(
  "Python's email reads an internationalised notice, also as 7-bit",
  ["python3"],
  async () => {
    const recipient = at("用户", "例子.example");
    const entry = entryOf([fated(recipient, "failed")], {
      sender: at("jürgen", "example.org"),
      smtputf8: true,
      dsnReturn: "FULL",
      body: "8BITMIME",
    });
    const message = { head: `Subject: Grüße\r\n${MESSAGE.head}`, body: "Liebe Grüße\r\n" };
    const { messages: [made], texts } = await makeNotices(entry, "failed", { message });
    assert(made !== undefined);
    const sevenBit = await transcode(made.source, "7bit");
    assert(sevenBit !== null && sevenBit.headIs8bit);
    const chunks = [sevenBit.head, encode("\r\n")];
    for await (const chunk of sevenBit.openBody()) chunks.push(chunk.slice());
    const read = await runPython<Read[]>("mime_parts.py", {
      messages: [...texts, concat(chunks)].map(encodeBase64),
      strict: false,
    });
    for (const { children, defects } of read) {
      assertEquals(defects, []);
      assertEquals(children, ["text/plain", "message/global-delivery-status", "message/global"]);
    }
  },
);
