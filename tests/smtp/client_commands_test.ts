import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { Address } from "../../src/address.ts";
import { encode } from "../../src/bytes.ts";
import { mailCommand, rcptCommand, refuseRecipient } from "../../src/smtp/client_commands.ts";
import type { TransactionRecipient } from "../../src/smtp/client_event.ts";
import { parseCommand } from "../../src/smtp/command.ts";
import { parsePeerExtensions } from "../../src/smtp/peer_extensions.ts";
import { parsePath } from "../../src/smtp/path.ts";
import { transactionTo } from "../support/client_dialogue.ts";

function peer(...keywords: string[]) {
  return parsePeerExtensions({ code: 250, lines: ["mx", ...keywords] }, { secure: true });
}

const ALL = peer("SIZE", "8BITMIME", "SMTPUTF8", "DSN", "REQUIRETLS", "CHUNKING", "BINARYMIME");
const NONE = peer();

function mail(more: Parameters<typeof transactionTo>[1], offer = ALL): string {
  return mailCommand(transactionTo(1, more), offer).replace("MAIL FROM:<a@a.example>", "");
}

Deno.test("mailCommand() writes the parameters that are offered", () => {
  assertEquals(mailCommand(transactionTo(1, { sender: null }), ALL), "MAIL FROM:<>");
  assertEquals(mail({}), "");
  assertEquals(mail({ size: 500 }), " SIZE=500"); // RFC 1870 §8
  assertEquals(mail({ size: 500 }, NONE), "");
  assertEquals(mail({ size: 0.5 }), " SIZE=1");
  assertEquals(mail({ body: "BINARYMIME" }), " BODY=BINARYMIME");
  assertEquals(mail({ smtputf8: true, requireTls: true }), " SMTPUTF8 REQUIRETLS");
  // RFC 3461 §10: MAIL FROM:<Alice@Example.ORG> RET=HDRS ENVID=QQ314159
  assertEquals(mail({ dsnReturn: "HDRS", dsnEnvelopeId: "QQ314159" }), " RET=HDRS ENVID=QQ314159");
  assertEquals(mail({ dsnReturn: "HDRS", dsnEnvelopeId: "QQ314159" }, NONE), "");
  assertEquals(mail({ dsnEnvelopeId: "a b+c=d" }), " ENVID=a+20b+2Bc+3Dd");
  for (const bad of ["", "a\r\nb", "用户", "x".repeat(101), "=".repeat(34)]) {
    assertEquals(mail({ dsnEnvelopeId: bad }), "", bad);
  }
});

function rcpt(more: Partial<TransactionRecipient>, offer = ALL): string {
  const address = { local: "Bob", domain: "example.com" };
  return rcptCommand({ address, ...more }, offer).replace("RCPT TO:<Bob@example.com>", "");
}

Deno.test("rcptCommand() writes NOTIFY and ORCPT where DSN is offered", () => {
  const originalRecipient = { type: "rfc822", address: "Bob@Example.COM" };
  assertEquals(rcpt({}), "");
  // RFC 3461 §10: RCPT TO:<Bob@Example.COM> NOTIFY=SUCCESS ORCPT=rfc822;Bob@Example.COM
  assertEquals(
    rcpt({ notify: ["SUCCESS"], originalRecipient }),
    " NOTIFY=SUCCESS ORCPT=rfc822;Bob@Example.COM",
  );
  assertEquals(rcpt({ notify: ["SUCCESS"], originalRecipient }, NONE), "");
  assertEquals(rcpt({ notify: ["FAILURE", "DELAY"] }), " NOTIFY=FAILURE,DELAY");
  assertEquals(rcpt({ notify: [] }), "");
  const original = (type: string, address: string) =>
    rcpt({ originalRecipient: { type, address } });
  assertEquals(original("rfc822", "a+b=c@d"), " ORCPT=rfc822;a+2Bb+3Dc@d");
  // RFC 6533 §3: utf-8-addr-xtext
  assertEquals(original("utf-8", "豪@example.com"), " ORCPT=utf-8;\\x{8C6A}@example.com");
  for (const [type, address] of [["rfc 822", "a"], ["rfc822", ""], ["rfc822", "a\r\nb"]] as const) {
    assertEquals(original(type, address), "");
  }
  assertEquals(original("rfc822", "x".repeat(494)), "");
  assertEquals(original("rfc822", "x".repeat(493)).length, " ORCPT=".length + 500);
});

Deno.test("an address goes out whole or not at all: nothing in it ends its line or its path", () => {
  const nasty = fc.string({
    unit: fc.constantFrom(...'ab.@<>"\\ \r\n\0\t,;:()[]=用\u0085\u2028'),
    maxLength: 12,
  });
  let letPass = 0;
  const holds = (address: Address) => {
    if (refuseRecipient(address, true) !== null) return;
    letPass++;
    const line = rcptCommand({ address, notify: ["NEVER"] }, ALL);
    assert(!/[\r\n\0]/.test(line), JSON.stringify(line));
    const read = parsePath(line.slice("RCPT TO:".length), "reverse", { smtputf8: true });
    assert("path" in read);
    assertEquals([read.path?.local, read.rest], [address.local, " NOTIFY=NEVER"]);
    assertEquals(parseCommand(encode(line), { smtputf8: true }).verb, "RCPT");
  };
  fc.assert(fc.property(nasty, nasty, (local, domain) => holds({ local, domain })));
  fc.assert(fc.property(nasty, (local) => holds({ local, domain: "b.example" })));
  assert(letPass > 10, "too few were let pass to show anything");
});

Deno.test("refuseRecipient() lets pass whom others accepted", () => {
  const passing: Address[] = [
    { local: "Postmaster", domain: "" },
    { local: "a b", domain: "example.org" },
    { local: "a", domain: "[192.0.2.1]" },
    { local: "a", domain: "[IPv6:2001:db8::1]" },
    { local: "x".repeat(120), domain: "example.org" }, // a bounce to a rewritten sender
  ];
  for (const address of passing) assertEquals(refuseRecipient(address, false), null);
  assertEquals(refuseRecipient({ local: "x", domain: "" }, false)?.enhanced, "5.1.3");
  assertEquals(refuseRecipient({ local: "x".repeat(250), domain: "b.example" }, false)?.code, 553);
  assertEquals(refuseRecipient({ local: "用户", domain: "b.example" }, false)?.enhanced, "5.6.7");
  assertEquals(refuseRecipient({ local: "用户", domain: "b.example" }, true), null);
});
