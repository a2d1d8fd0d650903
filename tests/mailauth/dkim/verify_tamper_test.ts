/**
 * Whatever octet of what is signed becomes another, the message does not pass: all places, one after another.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { verifyDkim } from "../../../src/mailauth/dkim/verify.ts";
import { parseFields } from "../../../src/message/header.ts";
import { dnsOf, ED25519_KEY, latin1, NOW, RSA_KEY, signByHand, type TestKey } from "./signer.ts";

const HEAD =
  "From: Ann <ann@example.org>\r\nTo: bob@example.net\r\nSubject: a tale\r\n\tof two\r\n";
const BODY = "One.  \r\n\r\nTwo\twords: b=A; c=\xe4.\r\n\r\n";

/** Where a message passes though an octet of it was replaced. */
async function blindSpots(c: string, key: TestKey, replace: (octet: number) => number) {
  const message = latin1(`${signByHand({ head: HEAD, body: BODY, tags: { c }, key })}\r\n${BODY}`);
  const length = message.length - BODY.length;
  const resolver = dnsOf({ "s._domainkey.example.org": key.record });
  const passes = async (octets: Uint8Array) => {
    const fields = parseFields(octets.subarray(0, length - 2));
    const results = await verifyDkim(fields, octets.subarray(length), { resolver, now: NOW });
    return results.some(({ result }) => result === "pass");
  };
  assertEquals(await passes(message), true);
  const spots: number[] = [];
  for (let at = 0; at < message.length; at++) {
    if (at === length - 2 || at === length - 1) continue; // The empty line.
    const octet = replace(message[at]!);
    if (octet === message[at]) continue;
    const changed = message.slice();
    changed[at] = octet;
    if (await passes(changed)) spots.push(at);
  }
  return spots;
}

const REPLACEMENTS: readonly (readonly [string, (octet: number) => number])[] = [
  ["the next one", (octet) => octet ^ 1],
  ["the other case", (octet) => octet ^ 0x20],
  ["the highest bit", (octet) => octet ^ 0x80],
  ["a blank", () => 0x20],
  ["a line feed", () => 0x0a],
  ["a semicolon", () => 0x3b],
  ["nothing", () => 0],
];

for (const [kind, key] of [["RSA", RSA_KEY], ["Ed25519", ED25519_KEY]] as const) {
  Deno.test(`verifyDkim() passes no message of which one octet is another (simple, ${kind})`, async () => {
    for (const [how, replace] of REPLACEMENTS) {
      assertEquals(await blindSpots("simple/simple", key, replace), [], how);
    }
  });
}

Deno.test("verifyDkim() passes no message of which one octet is another word (relaxed)", async () => {
  const isBlank = (octet: number) => octet === 0x20 || octet === 0x09;
  const isEnd = (octet: number) => octet === 0x0d || octet === 0x0a;
  const visible = (octet: number) =>
    isBlank(octet) || isEnd(octet) ? octet : octet === 0x23 ? 0x24 : 0x23;
  assertEquals(await blindSpots("relaxed/relaxed", RSA_KEY, visible), []);
});
