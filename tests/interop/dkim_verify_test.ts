/**
 * What others sign by DKIM, verified by us: heads and bodies of every odd form that mail can have, in every
 * canonicalization that a signer knows; and what is changed on its way no longer passes.
 *
 * @module
 */

import { assertEquals, assertGreater } from "@std/assert";
import { concat } from "../../src/bytes.ts";
import { verifyDkim } from "../../src/mailauth/dkim/verify.ts";
import { parseFields } from "../../src/message/header.ts";
import { rfc8463Ed25519Key, rfc8463Records, rfc8463RsaKey } from "../mailauth/dkim/rfc_examples.ts";
import { dkimSigners, type SignRequest } from "./dkim_signers.ts";
import { interopTest, octets } from "./support.ts";

/** UTF-8 as text of one octet a character. */
const utf8 = (text: string) => String.fromCharCode(...new TextEncoder().encode(text));

const HEADS: Readonly<Record<string, string>> = {
  "a plain head":
    "From: Ann <ann@football.example.com>\r\nTo: bob@example.net\r\nSubject: hello\r\n" +
    "Date: Fri, 11 Jul 2003 21:00:37 -0700\r\nMessage-ID: <1@football.example.com>\r\n",
  "folding and white space": 'FROM: "Joe  SixPack"\r\n\t<joe@football.example.com>\r\n' +
    "To: Suzie Q <suzie@shopping.example.net>,\r\n \t other@example.net\r\n" +
    "subject: Is  dinner\t ready?\r\n  \r\n\tsoon\r\nDate: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n",
  "names that come again":
    "Received: from c by d\r\nReceived: from b by c\r\nReceived: from a by b\r\n" +
    "From: ann@football.example.com\r\nTo: a@example.net\r\nCc: b@example.net\r\nTo: c@example.net\r\n" +
    "X-Tag: 1\r\nX-Tag: 2\r\nSubject: twice\r\nX-Tag: 3\r\nDate: Fri, 11 Jul 2003 21:00:37 -0700\r\n",
  "UTF-8": utf8(
    "From: 安 <ann@football.example.com>\r\nTo: bøb@example.net\r\nSubject: 驿站 — ünd\r\n\tmehr\r\n" +
      "Date: Fri, 11 Jul 2003 21:00:37 -0700\r\n",
  ),
  "long and many": "From: ann@football.example.com\r\nTo: b@example.net\r\nSubject: refs\r\n" +
    "Date: Fri, 11 Jul 2003 21:00:37 -0700\r\n" +
    `References:${"\r\n <1234567890.1234567890@example.net>".repeat(60)}\r\n` +
    Array.from({ length: 80 }, (_, index) => `X-${index}: ${"y".repeat(index * 7)}\r\n`).join(""),
};

const BODIES: Readonly<Record<string, string>> = {
  "a plain text": "Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n",
  "no body": "",
  "one empty line": "\r\n",
  "many empty lines at both ends": `\r\n\r\n\r\nx${"\r\n".repeat(500)}`,
  "white space at the ends of lines": "a \r\nb\t\r\nc \t \r\n \r\nd\r\n",
  "lines of white space at the end": "a\r\n \r\n\t\t\r\n  \t\r\n",
  "tabs, and runs of both": "\ta\tb \t c\r\n    indented\r\n",
  "Latin-1 and UTF-8": "gr\xfc\xdfe, \xe2\x82\xac, \xa0\xa0 \xff\r\n",
  "the longest lines": `${"x ".repeat(499)}\r\n${"y".repeat(998)}\r\n`,
  "dots and dashes": ".\r\n..\r\n-- \r\n--\r\nFrom x\r\n>From y\r\n",
  "a large body": "0123456789 abcdef  ghijkl\r\n".repeat(8000),
};

const FORMS = ["simple", "relaxed"] as const;
const DOMAIN = "football.example.com";
const ED25519_SEED = atob(rfc8463Ed25519Key.split("\n")[1]!).slice(-32);

/** Requests by what they are. */
function* requests(): Generator<readonly [what: string, request: SignRequest]> {
  const usual = { domain: DOMAIN, names: null, identity: null, length: false } as const;
  const keys = [
    { selector: "test", key: rfc8463RsaKey, ed25519: false },
    { selector: "brisbane", key: btoa(ED25519_SEED), ed25519: true },
  ];
  const plainHead = HEADS["a plain head"]!;
  const plainBody = BODIES["a plain text"]!;
  for (const key of keys) {
    for (const head of FORMS) {
      for (const body of FORMS) {
        const of = (headText: string, bodyText: string, more: Partial<SignRequest> = {}) => {
          const mail = octets(`${headText}\r\n${bodyText}`);
          return { ...usual, ...key, head, body, mail, ...more };
        };
        const form = `${key.ed25519 ? "Ed25519" : "RSA"}, ${head}/${body}`;
        for (const [what, text] of Object.entries(HEADS)) {
          yield [`${what}; ${form}`, of(text, plainBody)];
        }
        for (const [what, text] of Object.entries(BODIES)) {
          yield [`${what}; ${form}`, of(plainHead, text)];
        }
        yield [`l=; ${form}`, of(plainHead, plainBody, { length: true })];
        yield [`i=; ${form}`, of(plainHead, plainBody, { identity: `joe@sub.${DOMAIN}` })];
        const names = ["from", "to", "to", "subject", "X-Tag", "x-tag", "cc", "cc", "date"];
        const again = HEADS["names that come again"]!;
        yield [`names twice; ${form}`, of(again, plainBody, { names })];
      }
    }
  }
}

const verify = async (mail: Uint8Array) => {
  const text = new TextDecoder("latin1").decode(mail);
  const end = text.indexOf("\r\n\r\n") + 2;
  const resolver = {
    txt: (name: string) =>
      Promise.resolve({ status: "found", records: [rfc8463Records[name]!] } as const),
  };
  const fields = parseFields(mail.subarray(0, end));
  const results = await verifyDkim(fields, mail.subarray(end + 2), { resolver, now: Date.now() });
  return results.map(({ result, reason }) =>
    reason === undefined ? result : `${result}: ${reason}`
  );
};

for (const signer of dkimSigners) {
  interopTest(
    `what ${signer.name} signs passes, and no longer when it is changed`,
    signer.tools,
    async () => {
      const wanted = [...requests()].filter(([, request]) => signer.can(request));
      assertGreater(wanted.length, 10);
      const fields = await signer.sign(wanted.map(([, request]) => request));
      for (const [index, [what, { mail, length }]] of wanted.entries()) {
        const signed = concat([fields[index]!, mail]);
        assertEquals(await verify(signed), ["pass"], what);
        assertEquals(
          (await verify(changed(signed, "Subject: ", "Subject: [list] ")))[0]?.slice(0, 4),
          "fail",
          what,
        );
        const footed = await verify(concat([signed, octets("--\r\nA mailing list.\r\n")]));
        const expected = length
          ? "policy: the end of the body is not signed (l=)"
          : "fail: the body is not the one that was signed";
        assertEquals(footed, [expected], what);
        assertEquals(await verify(concat([octets("Received: by us\r\n"), signed])), ["pass"], what);
      }
    },
  );
}

interopTest("a mail that all of them sign passes for each, whatever is on top", [
  "python3",
  "/usr/bin/perl",
  "deno",
], async () => {
  let mail = octets(`${HEADS["a plain head"]}\r\n${BODIES["a plain text"]}`);
  const [usual] = [...requests()].filter(([what]) => what === "a plain text; RSA, relaxed/relaxed");
  for (const signer of dkimSigners) {
    const request = { ...usual![1], mail };
    const form = signer.can(request)
      ? request
      : { ...request, head: "simple", body: "simple" } as const;
    const [field] = await signer.sign([form]);
    mail = new Uint8Array(concat([field!, mail]));
  }
  assertEquals(await verify(mail), dkimSigners.map(() => "pass"));
});

/** The mail with another text in its head, whatever the case. */
function changed(mail: Uint8Array, from: string, to: string): Uint8Array {
  const text = new TextDecoder("latin1").decode(mail);
  const at = new RegExp(`^${from}`, "im").exec(text)!.index;
  return concat([mail.subarray(0, at), octets(to), mail.subarray(at + from.length)]);
}
