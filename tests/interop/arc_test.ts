/**
 * Chains of ARC whose stations are Yizhan and others: what we sealed is verified by others, what they sealed by us, and
 * all of them go on from each other's sets.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { generateKeyPairSync } from "node:crypto";
import { concat, encode } from "../../src/bytes.ts";
import { ownResults } from "../../src/mailauth/arc/own_results.ts";
import { sealArc } from "../../src/mailauth/arc/seal.ts";
import { type ArcResult, verifyArc } from "../../src/mailauth/arc/verify.ts";
import { BodyHashes } from "../../src/mailauth/dkim/body_hashes.ts";
import { openSigningKey } from "../../src/mailauth/dkim/signing_key.ts";
import { formatFields, parseFields } from "../../src/message/header.ts";
import type { DnsAnswer } from "../../src/runtime/resolver.ts";
import { type ArcPeer, arcPeers, type Sealer } from "./arc_peers.ts";
import { interopTest, octets } from "./support.ts";

const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const PEM = privateKey.export({ type: "pkcs1", format: "pem" }) as string;
const RECORD = `v=DKIM1; k=rsa; p=${
  new Uint8Array(publicKey.export({ type: "spki", format: "der" })).toBase64()
}`;
const DOMAINS = ["one.example", "two.example", "three.example", "four.example"];
const RECORDS = Object.fromEntries(DOMAINS.map((name) => [`s1._domainkey.${name}`, RECORD]));
const NOW = Date.now();

/** Mails by what is odd about them. */
const MAILS: Readonly<Record<string, string>> = {
  "a plain mail": "From: Ann <ann@author.example>\r\nTo: bob@list.example\r\n" +
    "Subject: Is  dinner\t ready?\r\nDate: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n" +
    "Message-ID: <1@author.example>\r\n\r\nHi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n",
  "one with much in its head": "Received: from a by b;\r\n\tFri, 11 Jul 2003 21:01:54 -0700\r\n" +
    "DKIM-Signature: v=1; a=rsa-sha256; d=author.example; s=x; h=from; bh=AA==;\r\n b=AA==\r\n" +
    'FROM:  "Ann  A."\r\n\t<ann@author.example> \r\nTo: bob@list.example,\r\n \t other@x.example\r\n' +
    `References: ${"<1234567890@author.example> ".repeat(30)}\r\nList-Id: <list.example>\r\n` +
    "MIME-Version: 1.0\r\nContent-Type: text/plain;\r\n  charset=utf-8\r\nSubject:x\r\n" +
    "Date: Fri, 11 Jul 2003 21:00:37 -0700\r\n\r\na \r\nb\t\r\n\r\n \tgr\xfc\xdfe, \xe2\x82\xac\r\n\r\n\r\n",
  "one with an empty body": "From: ann@author.example\r\nSubject: nothing\r\n\r\n",
};

function split(mail: Uint8Array) {
  const text = new TextDecoder("latin1").decode(mail);
  const end = text.indexOf("\r\n\r\n") + 2;
  return { fields: parseFields(mail.subarray(0, end)), body: mail.subarray(end + 2) };
}

function verified(mail: Uint8Array): Promise<ArcResult> {
  const { fields, body } = split(mail);
  const resolver = {
    txt: (name: string): Promise<DnsAnswer<string>> =>
      Promise.resolve(
        name in RECORDS
          ? { status: "found", records: [RECORDS[name]!] }
          : { status: "none", reason: "nxdomain" },
      ),
  };
  return verifyArc(fields, body, { resolver, now: NOW });
}

/** As a station has it that has looked at a mail, and found its chain to be so. */
function received(mail: Uint8Array, id: string, arc: string): Uint8Array {
  const field = `Authentication-Results: ${id};\r\n arc=${arc};\r\n` +
    " spf=pass (b is allowed; by record) smtp.mailfrom=ann@author.example;\r\n" +
    " dmarc=pass header.from=author.example\r\n";
  return concat([encode(field), mail]);
}

/** Sealed by us. */
async function sealed(mail: Uint8Array, domain: string, cv: "none" | "pass"): Promise<Uint8Array> {
  const arrived = received(mail, `mx.${domain}`, cv);
  const { fields, body } = split(arrived);
  const hashes = new BodyHashes();
  const hash = hashes.want("relaxed", null);
  hashes.write(body);
  hashes.end();
  const opened = await openSigningKey(PEM);
  if (opened.status !== "key") throw new Error(opened.reason);
  const results = ownResults(fields, `mx.${domain}`)!.value;
  const options = { results, domain, selector: "s1", key: opened.key, cv, now: NOW };
  return concat([formatFields(await sealArc(fields, hash, options)), arrived]);
}

/** Sealed by another. */
async function sealedBy(
  seal: NonNullable<ArcPeer["seal"]>,
  mails: readonly Uint8Array[],
  domain: string,
  cv: "none" | "pass",
): Promise<Uint8Array[]> {
  const id = `mx.${domain}`;
  const arrived = mails.map((mail) => received(mail, id, cv));
  const sealer: Sealer = { domain, selector: "s1", key: PEM, id };
  const sets = await seal(arrived, sealer);
  return sets.map((set, index) => concat([set, arrived[index]!]));
}

function changed(mail: Uint8Array, edit: (text: string) => string): Uint8Array {
  return octets(edit(new TextDecoder("latin1").decode(mail)));
}

for (const peer of arcPeers) {
  interopTest(
    `${peer.name} passes chains that Yizhan sealed, and no others`,
    peer.tools,
    async () => {
      const plain = Object.values(MAILS).map(octets);
      const once = await Promise.all(plain.map((mail) => sealed(mail, "one.example", "none")));
      const listed = once.map((mail) => changed(mail, (text) => `${text}-- \r\na footer\r\n`));
      // A list that changed the mail says what it saw before it did.
      const twice = await Promise.all(listed.map((mail) => sealed(mail, "two.example", "pass")));
      const thrice = await Promise.all(twice.map((mail) => sealed(mail, "three.example", "pass")));
      const good = [...once, ...twice, ...thrice];
      const bad = [
        ...listed,
        changed(thrice[0]!, (text) => text.replace("Is  dinner", "No dinner")),
        changed(thrice[0]!, (text) => text.replace("i=1; mx.one.example", "i=1; mx.two.example")),
        changed(thrice[0]!, (text) => text.replace("cv=none", "cv=pass")),
      ];
      const results = await peer.verify([...good, ...bad, ...plain], RECORDS);
      assertEquals(results, [
        ...good.map(() => "pass"),
        ...bad.map(() => "fail"),
        ...plain.map(() => "none"),
      ]);
      for (const mail of bad) assertEquals((await verified(mail)).result, "fail");
    },
  );

  const { seal } = peer;
  if (seal === undefined) continue;
  interopTest(
    `Yizhan passes chains that ${peer.name} sealed, and goes on from them`,
    peer.tools,
    async () => {
      const plain = Object.values(MAILS).map(octets);
      const once = await sealedBy(seal, plain, "one.example", "none");
      const twice = await Promise.all(once.map((mail) => sealed(mail, "two.example", "pass")));
      const thrice = await sealedBy(seal, twice, "three.example", "pass");
      const last = await Promise.all(thrice.map((mail) => sealed(mail, "four.example", "pass")));
      for (const [count, mails] of [once, twice, thrice, last].entries()) {
        for (const mail of mails) {
          const { result, reason, sets, oldestPass } = await verified(mail);
          assertEquals([result, reason], ["pass", undefined]);
          assertEquals(sets.map(({ domain }) => domain), DOMAINS.slice(0, count + 1));
          assertEquals(oldestPass, 0);
          const changedSince = changed(mail, (text) => `${text}x\r\n`);
          assertEquals((await verified(changedSince)).result, "fail");
        }
      }
      assertEquals(await peer.verify(last, RECORDS), last.map(() => "pass"));
    },
  );
}
