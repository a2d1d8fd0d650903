import { assertEquals } from "@std/assert";
import { parseRawParameters } from "../../src/smtp/command.ts";
import type { Extensions } from "../../src/smtp/extensions.ts";
import {
  formatMailParameters,
  formatRcptParameters,
  type MailParameters,
  type Offer,
  parseMailParameters,
  parseRcptParameters,
  type RcptParameters,
} from "../../src/smtp/parameters.ts";

const EVERYTHING: Extensions = {
  pipelining: true,
  size: 1000,
  eightBitMime: true,
  smtputf8: true,
  enhancedStatusCodes: true,
  chunking: true,
  binaryMime: true,
  dsn: true,
  startTls: true,
  auth: ["PLAIN"],
  limits: true,
  requireTls: true,
  etrn: true,
  verify: true,
  expand: true,
};
const NOTHING: Extensions = {
  ...EVERYTHING,
  size: false,
  eightBitMime: false,
  smtputf8: false,
  chunking: false,
  binaryMime: false,
  dsn: false,
  auth: [],
  requireTls: false,
};

function offer(extensions: Partial<Extensions> = {}, more: Partial<Offer> = {}): Offer {
  return { extensions: { ...EVERYTHING, ...extensions }, extended: true, secure: true, ...more };
}

/** The values, or the codes of the refusal. */
function mail(text: string, from = offer()): MailParameters | string {
  const result = parseMailParameters(parseRawParameters(text)!, from);
  return "reply" in result ? `${result.reply.code} ${result.reply.enhanced}` : result;
}

function rcpt(text: string, from = offer()): RcptParameters | string {
  const result = parseRcptParameters(parseRawParameters(text)!, from);
  return "reply" in result ? `${result.reply.code} ${result.reply.enhanced}` : result;
}

Deno.test("parseMailParameters() reads the values of each extension", () => {
  const cases: [string, MailParameters][] = [
    ["", {}],
    ["SIZE=500000", { size: 500000 }], // RFC 1870 §7
    ["SIZE=0", { size: 0 }],
    ["SIZE=99999999999999999999", { size: Number.MAX_SAFE_INTEGER }],
    ["BODY=8BITMIME", { body: "8BITMIME" }], // RFC 6152 §3
    ["body=7bit", { body: "7BIT" }],
    ["BODY=BINARYMIME", { body: "BINARYMIME" }], // RFC 3030 §4.2
    ["SMTPUTF8", { smtputf8: true }],
    ["RET=HDRS ENVID=QQ314159", { dsnReturn: "HDRS", dsnEnvelopeId: "QQ314159" }], // RFC 3461 §10
    ["RET=full", { dsnReturn: "FULL" }],
    ["ENVID=a+20+2B+3D", { dsnEnvelopeId: "a +=" }],
    [`ENVID=${"x".repeat(100)}`, { dsnEnvelopeId: "x".repeat(100) }],
    ["AUTH=e+3Dmc2@example.com", { auth: "e=mc2@example.com" }], // RFC 4954 §5
    ["AUTH=<>", { auth: "<>" }],
    ["REQUIRETLS", { requireTls: true }], // RFC 8689 §4.1
    ["SIZE=1 BODY=8BITMIME SMTPUTF8", { size: 1, body: "8BITMIME", smtputf8: true }],
  ];
  for (const [text, expected] of cases) assertEquals(mail(text), expected, text);
});

Deno.test("parseMailParameters() refuses malformed values with 501 5.5.4", () => {
  const cases = [
    "SIZE",
    "SIZE=abc",
    "SIZE=-1",
    "SIZE=1.5",
    "SIZE=0x10",
    "SIZE=999999999999999999999",
    "BODY",
    "BODY=9BIT",
    "SMTPUTF8=yes",
    "RET",
    "RET=SOME",
    "ENVID",
    "ENVID=a+2",
    "ENVID=a+0D+0A",
    "ENVID=a+7F",
    "ENVID=+C3+BC",
    `ENVID=${"x".repeat(101)}`,
    "AUTH",
    "AUTH=a",
    "AUTH=a+40b+0D+0Ac",
    "AUTH=a@b+",
    `AUTH=${"x".repeat(600)}`,
    "REQUIRETLS=1",
  ];
  for (const text of cases) assertEquals(mail(text), "501 5.5.4", text);
});

Deno.test("parseMailParameters() refuses what is not offered with 555 5.5.4", () => {
  const all = [
    "SIZE=1",
    "BODY=8BITMIME",
    "BODY=7BIT",
    "BODY=BINARYMIME",
    "SMTPUTF8",
    "RET=HDRS",
    "ENVID=x",
    "AUTH=<>",
    "REQUIRETLS",
  ];
  for (const text of all) {
    assertEquals(mail(text, offer(NOTHING)), "555 5.5.4", text);
    assertEquals(mail(text, offer({}, { extended: false })), "555 5.5.4", `${text} after HELO`);
  }
  for (const text of ["XSTRANGE", "XSTRANGE=1", "NOTIFY=NEVER", "CONSTRUCTOR"]) {
    assertEquals(mail(text), "555 5.5.4", text);
  }
  assertEquals(mail("REQUIRETLS", offer({}, { secure: false })), "555 5.5.4");
  assertEquals(mail("BODY=BINARYMIME", offer({ binaryMime: false })), "555 5.5.4");
  assertEquals(mail("BODY=BINARYMIME", offer({ chunking: false })), "555 5.5.4");
  assertEquals(mail("BODY=8BITMIME", offer({ binaryMime: false })), { body: "8BITMIME" });
});

Deno.test("parseRcptParameters() reads the requests of RFC 3461 §10", () => {
  const original = (address: string) => ({ type: "rfc822", address });
  const cases: [string, RcptParameters][] = [
    ["NOTIFY=SUCCESS ORCPT=rfc822;Bob@Example.COM", {
      notify: ["SUCCESS"],
      originalRecipient: original("Bob@Example.COM"),
    }],
    ["NOTIFY=FAILURE ORCPT=rfc822;Carol@Ivory.EDU", {
      notify: ["FAILURE"],
      originalRecipient: original("Carol@Ivory.EDU"),
    }],
    ["NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Dana@Ivory.EDU", {
      notify: ["SUCCESS", "FAILURE"],
      originalRecipient: original("Dana@Ivory.EDU"),
    }],
    ["NOTIFY=NEVER", { notify: ["NEVER"] }],
    ["notify=never", { notify: ["NEVER"] }],
    ["NOTIFY=delay,DELAY", { notify: ["DELAY"] }],
    ["ORCPT=rfc822;a+2Bb@c", { originalRecipient: original("a+b@c") }],
    ["ORCPT=x400;/C+3Dx", { originalRecipient: { type: "x400", address: "/C=x" } }],
  ];
  for (const [text, expected] of cases) assertEquals(rcpt(text), expected, text);
});

Deno.test("parseRcptParameters() reads the utf-8 addresses of RFC 6533 §3", () => {
  const wanted = { originalRecipient: { type: "utf-8", address: "用户@example.com" } };
  assertEquals(rcpt("ORCPT=utf-8;\\x{7528}\\x{6237}@example.com"), wanted);
  assertEquals(rcpt("ORCPT=utf-8;用户@example.com"), wanted);
  const ascii = offer({ smtputf8: false });
  assertEquals(rcpt("ORCPT=utf-8;\\x{7528}\\x{6237}@example.com", ascii), wanted);
  assertEquals(rcpt("ORCPT=utf-8;用户@example.com", ascii), "501 5.5.4");
  assertEquals(rcpt("ORCPT=rfc822;用户@example.com"), "501 5.5.4");
});

Deno.test("parseRcptParameters() refuses malformed values with 501 5.5.4", () => {
  const cases = [
    "NOTIFY",
    "NOTIFY=SOMETIMES",
    "NOTIFY=NEVER,SUCCESS",
    "NOTIFY=SUCCESS,NEVER",
    "NOTIFY=NEVER,NEVER",
    "NOTIFY=,",
    "NOTIFY=SUCCESS,",
    "ORCPT",
    "ORCPT=a@b",
    "ORCPT=;a@b",
    "ORCPT=rfc822;",
    "ORCPT=rfc822;a+4",
    "ORCPT=rfc822;a+0D+0ABcc:+20x", // would be a field of its own in a notice
    "ORCPT=rfc822;a+00",
    "ORCPT=rfc822;a+C2+85",
    "ORCPT=utf-8;a\\x{0D}b",
    "ORCPT=utf-8;a\\x{2028}b",
    "ORCPT=utf-8;a+2Bb",
    `ORCPT=rfc822;${"x".repeat(494)}`,
  ];
  for (const text of cases) assertEquals(rcpt(text), "501 5.5.4", text);
});

Deno.test("parseRcptParameters() refuses what is not offered with 555 5.5.4", () => {
  for (const text of ["NOTIFY=NEVER", "ORCPT=rfc822;a@b", "SIZE=1", "XSTRANGE"]) {
    assertEquals(rcpt(text, offer(NOTHING)), "555 5.5.4", text);
  }
  assertEquals(rcpt("NOTIFY=NEVER", offer({}, { extended: false })), "555 5.5.4");
});

Deno.test("formatMailParameters() and formatRcptParameters() write what reads back as the same", () => {
  const mails = [
    "",
    "SIZE=1000 BODY=BINARYMIME SMTPUTF8 RET=FULL ENVID=a+2Bb+20c AUTH=e+3Dmc2@example.com REQUIRETLS",
    "BODY=7BIT RET=HDRS AUTH=<>",
  ];
  for (const text of mails) {
    assertEquals(formatMailParameters(mail(text) as MailParameters).join(" "), text);
  }
  const rcpts = [
    "",
    "NOTIFY=NEVER",
    "NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+2Bb@b.example",
    "ORCPT=utf-8;\\x{8C6A}@example.com",
  ];
  for (const text of rcpts) {
    assertEquals(formatRcptParameters(rcpt(text) as RcptParameters).join(" "), text);
  }
});
