/**
 * Fuzzing of DKIM: key records, and signed mails that were tampered with, whose results are compared with those of
 * another reading of RFC 6376, by regular expressions and node:crypto.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { createHash, createPrivateKey, createPublicKey, verify } from "node:crypto";
import { encode } from "../../../src/bytes.ts";
import { parseKeyRecord } from "../../../src/mailauth/dkim/key_record.ts";
import { type DkimResult, verifyDkim } from "../../../src/mailauth/dkim/verify.ts";
import { verifySignature } from "../../../src/mailauth/dkim/verify_signature.ts";
import { parseFields } from "../../../src/message/header.ts";
import {
  rfc8463Ed25519Key,
  rfc8463Records,
  rfc8463RsaKey,
} from "../../mailauth/dkim/rfc_examples.ts";
import {
  canonicalBody,
  canonicalHead,
  latin1,
  NOW,
  signByHand,
} from "../../mailauth/dkim/signer.ts";
import type { Chance } from "../engine/chance.ts";
import type { FuzzTarget } from "../engine/target.ts";

const RECORDS = Object.values(rfc8463Records);
const DATA = RECORDS.map((record) => record.replace(/.*p=/, ""));
const RECORD_TAGS = [
  ...["v=DKIM1", "v=DKIM2", "k=rsa", "k=ed25519", "k=x", "t=y", "t=s:y", "h=sha1", "h=sha256:x"],
  ...["s=*", "s=email", "s=x", "p=", "n=a note", "p=MAA=", "g=*", ""],
  ...DATA.map((data) => `p=${data}`),
];

const record: FuzzTarget = {
  name: "dkim-key",
  about: "key records of DKIM: a key that is safe to compute with, or a fault",
  words: ["v=DKIM1;", "p=", "k=ed25519;", "MIGf", "AQAB", "DQEBAQUAA4GNADCBiQKBgQ", "\t", "=="],
  generate: (chance) =>
    encode(
      chance.oneIn(3)
        ? chance.pick(RECORDS)
        : chance.many(1, 6, () => chance.pick(RECORD_TAGS), chance.pick([";", "; ", " ;\t"])),
    ),
  run(input) {
    const text = String.fromCharCode(...input);
    const read = parseKeyRecord(text);
    if ("fault" in read) {
      assert(read.fault !== "");
      return;
    }
    const { key } = read;
    if (key.kind === "rsa") {
      assert(key.bits >= 1024 && key.bits <= 8192 && key.modulus >> BigInt(key.bits - 1) === 1n);
      assert(key.exponent % 2n === 1n && key.exponent > 1n && key.modulus % 2n === 1n);
    } else {
      assertEquals(key.octets.length, 32);
    }
    const length = key.kind === "rsa" ? (key.bits + 7) >> 3 : 64;
    const signature = new Uint8Array(length).fill(1);
    assertEquals(verifySignature([input], signature, `${key.kind}-sha256`, key), false);
  },
};

const KEYS = [
  { s: "test", privateKey: createPrivateKey(rfc8463RsaKey), data: "", record: "" },
  { s: "brisbane", privateKey: createPrivateKey(rfc8463Ed25519Key), data: "", record: "" },
];
const FIELDS = [
  ...[
    "From: a@football.example.com",
    "from :b",
    "To: c,\r\n\td",
    "Subject:  x  y ",
    "SUBJECT:\r\n z",
  ],
  ...["X: \r\n ", "x:", "To: \xe4\xf6", "not a field", " ", "DKIM-Signature: v=1; d=x", "X:b=;a"],
];
const LINES = ["", " ", "a", "a  b ", "\t", ".", "b=c;", "\r", "\n", "x\ny", "\xff", "end \t"];

/** A signed mail, perhaps signed twice, from fields and lines of any kind. */
function signedMail(chance: Chance): string {
  const names = ["from", "From", "to", "subject", "x", "X", "dkim-signature", "list-id"];
  let head = chance.many(1, 6, () => `${chance.pick(FIELDS)}\r\n`);
  const body = chance.many(0, 6, () => chance.pick(LINES), "\r\n") +
    chance.pick(["", "\r\n", "\r\n\r\n"]);
  for (let i = chance.between(1, 2); i > 0; i--) {
    const { s, ...key } = chance.pick(KEYS);
    head = signByHand({
      head,
      body,
      key,
      fold: chance.pick([" ", "", "\r\n\t", "\r\n  "]),
      tags: {
        d: "football.example.com",
        s,
        c: chance.pick([
          "simple/simple",
          "simple/relaxed",
          "relaxed/simple",
          "relaxed/relaxed",
          "simple",
        ]),
        h: ["from", ...Array.from({ length: chance.below(5) }, () => chance.pick(names))].join(
          chance.pick([":", " : "]),
        ),
        ...(chance.oneIn(4) ? { l: `${chance.below(12)}` } : {}),
        ...(chance.oneIn(4)
          ? { t: `${NOW / 1000 - chance.below(9)}`, x: `${NOW / 1000 + chance.below(9)}` }
          : {}),
        ...(chance.oneIn(6) ? { i: "a=20b@x.football.example.com" } : {}),
        ...(chance.oneIn(6) ? { z: "b=:b" } : {}),
      },
    });
  }
  return `${head}\r\n${body}`;
}

const mail: FuzzTarget = {
  name: "dkim",
  about:
    "signed mails, whole or changed: the result of each signature is that of another reading of RFC 6376",
  words: [
    "DKIM-Signature: ",
    "\r\n",
    "\r\n\t",
    "; b=",
    ";b\t=",
    "; bh=",
    "l=3;",
    "h=from:x;",
    "c=relaxed;",
    "From: x\r\n",
    "  ",
  ],
  generate: (chance) => latin1(signedMail(chance)),
  async run(input) {
    const text = String.fromCharCode(...input);
    const end = text.indexOf("\r\n\r\n");
    const [head, body] = end < 0 ? [text, ""] : [text.slice(0, end + 2), text.slice(end + 4)];
    const resolver = {
      txt: (name: string) => {
        const found = rfc8463Records[name];
        return Promise.resolve(
          found === undefined
            ? { status: "none", reason: "nxdomain" } as const
            : { status: "found", records: [found] } as const,
        );
      },
    };
    const fields = parseFields(latin1(head));
    const options = { resolver, now: NOW, maxSignatures: 3 };
    const results = await verifyDkim(fields, latin1(body), options);
    const all = head.split(/(?<=\r\n)(?![ \t])/);
    const signatures = all.filter((field) => nameOf(field) === "dkim-signature").slice(0, 3);
    assertEquals(results.length, signatures.length);
    let at = -1;
    for (const [index, result] of results.entries()) {
      at = all.indexOf(signatures[index]!, at + 1);
      agree(result, signatures[index]!, all.filter((_, other) => other !== at), body);
    }
  },
};

const nameOf = (field: string) => /^([!-9;-~]+)[ \t]*:/.exec(field)?.[1]?.toLowerCase();
const trim = (text: string) => text.replace(/^[ \t\r\n]+|[ \t\r\n]+$/g, "");
const squeeze = (text: string) => text.replace(/[ \t\r\n]/g, "");

/** Whether the other reading sees it so too, as far as it sees anything. */
function agree(
  { result, reason, selector }: DkimResult,
  own: string,
  others: string[],
  body: string,
) {
  assertEquals(reason === undefined, result === "pass");
  if (result !== "pass" && result !== "policy" && result !== "fail") return;
  if (reason === "the signature has expired") return;
  const tags = new Map(
    own.slice(own.indexOf(":") + 1).split(";").map((tag) => {
      const at = tag.indexOf("=");
      return [trim(tag.slice(0, at)), trim(tag.slice(at + 1))] as const;
    }),
  );
  const [headForm = "", bodyForm = "simple"] = (tags.get("c") ?? "simple").toLowerCase().split("/")
    .map(trim);
  const whole = canonicalBody(body, bodyForm);
  const signed = tags.has("l") ? whole.slice(0, Number(tags.get("l"))) : whole;
  const isBody = sha256(signed).toString("base64") === squeeze(tags.get("bh")!);
  assertEquals(isBody, reason !== "the body is not the one that was signed");
  if (!isBody) return;
  let input = "";
  for (const name of tags.get("h")!.toLowerCase().split(":").map(trim)) {
    const at = others.findLastIndex((field) => nameOf(field) === name);
    if (at >= 0) input += canonicalHead(line(others.splice(at, 1)[0]!), headForm);
  }
  const bare = line(own).replace(/([:;][ \t\r\n]*b[ \t\r\n]*=)[^;]*?(?=;|\r\n$)/, "$1");
  input += canonicalHead(bare, headForm).slice(0, -2);
  const key = createPublicKey(KEYS.find(({ s }) => s === selector)!.privateKey);
  const signature = latin1(atob(squeeze(tags.get("b")!)));
  const isHead = key.asymmetricKeyType === "rsa"
    ? verify("sha256", latin1(input), key, signature)
    : verify(null, sha256(input), key, signature);
  assertEquals(isHead, result !== "fail");
}

function sha256(text: string) {
  return createHash("sha256").update(latin1(text)).digest();
}

/** The last field of a head may have no line end. */
function line(field: string): string {
  return field.endsWith("\r\n") ? field : `${field}\r\n`;
}

/** All of this file. */
export const targets: readonly FuzzTarget[] = [record, mail];
