/**
 * @module
 */

import { assertEquals } from "@std/assert";
import { concat, decode, encode } from "../../src/bytes.ts";
import { OutgoingMessage, type TakenForms } from "../../src/delivery/outgoing_message.ts";
import type { QueueEntry } from "../../src/queue/entry.ts";

const ALL: TakenForms = { eightBitMime: true, binaryMime: true, chunking: true, smtputf8: true };
const SEVEN: TakenForms = { ...ALL, eightBitMime: false, binaryMime: false };

function message(
  text: string,
  body: QueueEntry["body"],
  smtputf8 = false,
  kind: QueueEntry["origin"]["kind"] = "submit",
): OutgoingMessage {
  const split = text.indexOf("\r\n\r\n") + 2;
  const head = encode(text.slice(0, split));
  const rest = encode(text.slice(split + 2));
  const entry: QueueEntry = {
    id: "1",
    received: 0,
    headSize: head.length,
    bodySize: rest.length,
    sender: null,
    recipients: [],
    body,
    smtputf8,
    requireTls: false,
    origin: { kind },
  };
  return new OutgoingMessage(entry, {
    head,
    bodySize: rest.length,
    async *openBody() {
      await Promise.resolve();
      // in pieces that are no multiple of anything
      for (let at = 0; at < rest.length; at += 5) yield rest.subarray(at, at + 5);
    },
  });
}

/** What is announced, and the whole text. */
async function fitted(outgoing: OutgoingMessage, forms: TakenForms) {
  const fit = await outgoing.fit(forms);
  if ("code" in fit) return [fit.code, fit.enhanced];
  const body = concat((await Array.fromAsync(fit.source.openBody())).map((part) => part.slice()));
  return [fit.body, fit.smtputf8, decode(fit.source.head), decode(body)];
}

const ASCII = "Subject: a\r\n\r\nplain\r\n";
const UMLAUT = "Subject: a\r\n\r\nplain, and ü\r\n";

for (const body of ["7BIT", "8BITMIME"] as const) {
  Deno.test(`OutgoingMessage says 8BITMIME of what is 8-bit and was marked ${body}`, async () => {
    const expected = ["8BITMIME", false, "Subject: a\r\n", "plain, and ü\r\n"];
    assertEquals(await fitted(message(UMLAUT, body), ALL), expected);
  });

  Deno.test(`OutgoingMessage re-encodes what is 8-bit and was marked ${body} for 7-bit`, async () => {
    const [announced, , head, text] = await fitted(message(UMLAUT, body), SEVEN);
    assertEquals(announced, "7BIT");
    // RFC 2045 §6.7: u-umlaut in UTF-8 is C3 BC.
    assertEquals(text, "plain, and =C3=BC\r\n");
    assertEquals(/^Content-Transfer-Encoding: quoted-printable\r$/im.test(`${head}`), true);
  });

  Deno.test(`OutgoingMessage leaves ASCII that was marked ${body} alone`, async () => {
    const expected = ["7BIT", false, "Subject: a\r\n", "plain\r\n"];
    assertEquals(await fitted(message(ASCII, body), SEVEN), expected);
  });
}

Deno.test("OutgoingMessage sees one 8-bit octet wherever it stands", async () => {
  for (let at = 0; at < 40; at++) {
    const text = "x".repeat(at) + "ü" + "x".repeat(39 - at);
    const [announced] = await fitted(message(`Subject: a\r\n\r\n${text}`, "7BIT"), ALL);
    assertEquals(announced, "8BITMIME", `at ${at}`);
  }
});

Deno.test("OutgoingMessage bounces a UTF-8 head where the station takes none (5.6.9)", async () => {
  const outgoing = message("Subject: ü\r\n\r\nx\r\n", "8BITMIME", true);
  assertEquals(await fitted(outgoing, { ...ALL, smtputf8: false }), [554, "5.6.9"]);
  assertEquals((await fitted(outgoing, ALL)).slice(0, 2), ["8BITMIME", true]);
});

for (const name of ["DKIM-Signature", "dkim-signature", "ARC-Message-Signature"]) {
  Deno.test(`OutgoingMessage bounces 8-bit mail with ${name} where the station takes none (5.6.3)`, async () => {
    const signed = (body: string) => `Subject: a\r\n${name}: v=1; b=AAAA\r\n\r\n${body}\r\n`;
    for (const marked of ["7BIT", "8BITMIME"] as const) {
      const outgoing = message(signed("plain, and ü"), marked);
      assertEquals(await fitted(outgoing, SEVEN), [554, "5.6.3"]);
      // Asked again it says the same, and another station may still have it.
      assertEquals(await fitted(outgoing, SEVEN), [554, "5.6.3"]);
      assertEquals((await fitted(outgoing, ALL))[0], "8BITMIME");
      // What needs no conversion goes anywhere.
      assertEquals((await fitted(message(signed("plain"), marked), SEVEN))[0], "7BIT");
    }
  });

  Deno.test(`OutgoingMessage bounces binary mail with ${name} where the station takes lines (5.6.3)`, async () => {
    const text = `${name}: v=1; b=AAAA\r\n\r\nnul \0 octets\r\n`;
    const forms = { ...ALL, binaryMime: false };
    assertEquals(await fitted(message(text, "BINARYMIME"), forms), [554, "5.6.3"]);
    // Marked as binary, and not so: lines that nothing has to be done to.
    const lines = `${name}: v=1; b=AAAA\r\n\r\nplain, and ü\r\n`;
    assertEquals((await fitted(message(lines, "BINARYMIME"), forms))[0], "8BITMIME");
  });
}

const SET = "ARC-Seal: i=1; b=AAAA\r\nARC-Message-Signature: i=1; b=AAAA\r\n" +
  "ARC-Authentication-Results: i=1; mx.example.org; spf=pass\r\n";
const RECEIVED = "Received: from a by mx.example.org; Sun, 22 Nov 2026 12:00:00 +0000\r\n";

Deno.test("OutgoingMessage takes the seal of this station out where it re-encodes, and only there", async () => {
  const text = `${SET}Authentication-Results: mx.example.org; spf=pass\r\n${RECEIVED}${UMLAUT}`;
  for (const marked of ["7BIT", "8BITMIME"] as const) {
    const outgoing = message(text, marked);
    const [announced, , head, body] = await fitted(outgoing, SEVEN);
    assertEquals([announced, body], ["7BIT", "plain, and =C3=BC\r\n"]);
    assertEquals(`${head}`.match(/^[\w-]+(?=:)/gm)?.slice(0, 3), [
      "Authentication-Results",
      "Received",
      "Subject",
    ]);
    assertEquals((await fitted(outgoing, ALL)).slice(2).join("\r\n"), text);
  }
  const binary = message(text.replace("plain", "nul \0"), "BINARYMIME");
  assertEquals((await fitted(binary, { ...ALL, binaryMime: false }))[0], "8BITMIME");
});

Deno.test("OutgoingMessage keeps what others have signed or sealed, beneath a seal of ours too (5.6.3)", async () => {
  for (
    const below of [
      `${RECEIVED}${SET}`,
      `${SET}${RECEIVED}${SET}`,
      `${SET}${RECEIVED}DKIM-Signature: v=1; b=AAAA\r\n`,
      `DKIM-Signature: v=1; b=AAAA\r\n${SET}${RECEIVED}`,
    ]
  ) {
    assertEquals(await fitted(message(`${below}${UMLAUT}`, "7BIT"), SEVEN), [554, "5.6.3"], below);
  }
});

Deno.test("OutgoingMessage re-encodes a notice of ours without its signature: nobody would hear of its return", async () => {
  const signed = `DKIM-Signature: v=1; b=AAAA\r\ndkim-signature: v=1; b=AAAA\r\n${UMLAUT}`;
  const [announced, , head] = await fitted(message(signed, "8BITMIME", false, "notice"), SEVEN);
  assertEquals([announced, /^Subject: a\r\n/.test(`${head}`)], ["7BIT", true]);
  const kept = await fitted(message(signed, "8BITMIME", false, "notice"), ALL);
  assertEquals(kept[2], signed.split("\r\n\r\n")[0] + "\r\n");
});
