/**
 * What we sign by DKIM, verified by others: by RSA and Ed25519, in every canonicalization, with bodies of every odd
 * form that mail can have.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { concat } from "../../src/bytes.ts";
import { BodyHashes } from "../../src/mailauth/dkim/body_hashes.ts";
import { signDkim, type SignOptions } from "../../src/mailauth/dkim/sign.ts";
import { openSigningKey, type SigningKey } from "../../src/mailauth/dkim/signing_key.ts";
import { formatFields, parseFields } from "../../src/message/header.ts";
import { rfc8463Ed25519Key, rfc8463Records, rfc8463RsaKey } from "../mailauth/dkim/rfc_examples.ts";
import { dkimVerifiers, type OddMail } from "./dkim_verifiers.ts";
import { interopTest, octets } from "./support.ts";

/**
 * Heads by the canonicalization that takes them. OpenDKIM's test mode hands fields on as a milter of old gets them,
 * with one space behind the colon, whatever was there.
 */
const HEADS = {
  simple: "Received: from a by b;\r\n\tFri, 11 Jul 2003 21:01:54 -0700\r\n" +
    'FROM: "Joe  SixPack"\r\n\t<joe@football.example.com>\r\n' +
    "To: Suzie Q <suzie@shopping.example.net>,\r\n \t other@example.net\r\n" +
    "Subject: Is  dinner\t ready?\r\n" +
    "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n",
  relaxed: 'FROM:  "Joe  SixPack"\r\n\t<joe@football.example.com>\r\n' +
    "To: Suzie Q <suzie@shopping.example.net>,\r\n \t other@example.net \r\n" +
    "Subject: \t Is  dinner\t ready?  \r\n" +
    "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n" +
    `References: ${"<1234567890@example.net> ".repeat(35)}\r\n` +
    "Message-ID:<20030712040037.46341.5F8J@football.example.com>\r\n",
} as const;

/** Bodies by what is odd about them. They end in CRLF, as all mail that came by SMTP. */
const BODIES: Readonly<Record<string, string>> = {
  "a plain text": "Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n",
  "no body": "",
  "one empty line": "\r\n",
  "many empty lines": "\r\n".repeat(500),
  "empty lines at both ends": "\r\n\r\n\r\nx\r\n\r\n\r\n\r\n",
  "white space at the ends of lines": "a \r\nb\t\r\nc \t \r\n \r\nd\r\n",
  "lines of white space at the end": "a\r\n \r\n\t\t\r\n  \t\r\n",
  "nothing but white space": " \t \r\n\t\r\n",
  "tabs, and runs of both": "\ta\tb \t c\r\n    indented\r\n",
  "Latin-1 and UTF-8": "gr\xfc\xdfe, \xe2\x82\xac, \xa0\xa0 \xff\r\n",
  "the longest lines": `${"x ".repeat(499)}\r\n${"y".repeat(998)}\r\n`,
  "dots and dashes at the starts of lines": ".\r\n..\r\n-- \r\n--\r\nFrom x\r\n>From y\r\n",
  "a large body": "0123456789 abcdef  ghijkl\r\n".repeat(8000),
};

const CANONICALIZATIONS = ["simple", "relaxed"] as const;

async function open(pem: string): Promise<SigningKey> {
  const opened = await openSigningKey(pem);
  if (opened.status === "bad") throw new Error(opened.reason);
  return opened.key;
}

/** The mail with a signature by each key on top, and with more text behind. */
async function signed(
  body: string,
  [head, ofBody]: readonly ["simple" | "relaxed", "simple" | "relaxed"],
  { length = null as number | null, more = "", ...options }:
    & { readonly length?: number | null; readonly more?: string }
    & Partial<SignOptions> = {},
): Promise<Uint8Array> {
  const hashes = new BodyHashes();
  const hash = hashes.want(ofBody, length);
  for (let at = 0; at < body.length; at += 1000) hashes.write(octets(body.slice(at, at + 1000)));
  hashes.end();
  const fields = parseFields(octets(HEADS[head]));
  const keys = [["brisbane", rfc8463Ed25519Key], ["test", rfc8463RsaKey]] as const;
  const signatures = await Promise.all(keys.map(async ([selector, pem]) =>
    signDkim(fields, hash, {
      domain: "football.example.com",
      selector,
      key: await open(pem),
      now: Date.now(),
      headCanonicalization: head,
      ...options,
    })
  ));
  return concat([formatFields([...signatures, ...fields]), octets(`\r\n${body}${more}`)]);
}

/** A mail that must verify. */
interface GoodMail {
  readonly mail: Uint8Array;
  readonly odd?: OddMail;
}

/** All of them, by what they are. */
async function goodMails(): Promise<Map<string, GoodMail>> {
  const mails = new Map<string, GoodMail>();
  for (const [what, body] of Object.entries(BODIES)) {
    for (const head of CANONICALIZATIONS) {
      for (const ofBody of CANONICALIZATIONS) {
        const isNothing = /^[ \t\r\n]*[ \t][ \t\r\n]*$/.test(body) && ofBody === "relaxed";
        mails.set(`${what}, ${head}/${ofBody}`, {
          mail: await signed(body, [head, ofBody]),
          ...(isNothing ? { odd: "relaxed to nothing" as const } : {}),
        });
      }
    }
  }
  for (const ofBody of CANONICALIZATIONS) {
    const sign = (options: Parameters<typeof signed>[2]) =>
      signed("first  line \r\nsecond\r\n", ["relaxed", ofBody], options);
    const more = { bodyLength: true, more: "More.\r\n" };
    mails.set(`l= and text behind it, ${ofBody}`, { mail: await sign(more) });
    mails.set(`l= within the body, ${ofBody}`, { mail: await sign({ length: 8 }) });
    mails.set(`l=0, ${ofBody}`, { mail: await sign({ length: 0 }), odd: "l=0" });
    const identity = "joe+a;b=c@sub.football.example.com";
    mails.set(`i= and x=, ${ofBody}`, { mail: await sign({ identity, lifetime: 86_400 }) });
  }
  return mails;
}

/** Mails that must not: each is a good one with something done to it. */
async function badMails(): Promise<Map<string, Uint8Array>> {
  const mails = new Map<string, Uint8Array>();
  const text = new TextDecoder("latin1");
  for (const ofBody of CANONICALIZATIONS) {
    const mail = text.decode(await signed(BODIES["a plain text"]!, ["relaxed", ofBody]));
    mails.set(`another word, ${ofBody}`, octets(mail.replace("lost", "won")));
    mails.set(`text behind, ${ofBody}`, octets(`${mail}More.\r\n`));
    mails.set(`another subject, ${ofBody}`, octets(mail.replace("dinner", "supper")));
    mails.set(`a second subject, ${ofBody}`, octets(mail.replace("FROM", "Subject: x\r\nFROM")));
    mails.set(
      `a Reply-To, ${ofBody}`,
      octets(mail.replace("FROM", "Reply-To: x@y.example\r\nFROM")),
    );
  }
  return mails;
}

for (const { name, tools, knowsEd25519, misreads, verify } of dkimVerifiers) {
  interopTest(
    `${name} verifies what we sign, and finds what was changed since`,
    tools,
    async () => {
      const [good, bad] = [await goodMails(), await badMails()];
      const all = [...[...good].map(([what, { mail }]) => [what, mail] as const), ...bad];
      const verdicts = await verify(all.map(([, mail]) => mail), rfc8463Records);
      const found = all.map(([what], index) => [what, ...verdicts[index] ?? []]);
      const wanted = all.map(([what]) => {
        const odd = good.get(what)?.odd;
        const passes = good.has(what) && !(odd !== undefined && misreads.includes(odd));
        const verdict = passes ? "pass" : "fail";
        return [what, knowsEd25519 ? verdict : "invalid", verdict];
      });
      assertEquals(found, wanted);
    },
  );
}
