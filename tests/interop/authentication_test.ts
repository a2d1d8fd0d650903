/**
 * Mail of strangers, signed by OpenDKIM and dkimpy and sent by swaks, to a station that asks Knot DNS: what it says of
 * it, what it refuses, and what Dovecot shows in the folder Junk.
 *
 * @module
 */

import { assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import type { MtaEvent } from "../../src/events.ts";
import { startDovecot, textOf } from "./dovecot.ts";
import { type Knot, startKnot } from "./knot.ts";
import { makeMail } from "./mail.ts";
import { readMaildir } from "./maildir.ts";
import { makeSigningKey, type SigningKey, startOpenDkim } from "./opendkim.ts";
import { type Server, startStation } from "./server.ts";
import {
  assertEnded,
  interopTest,
  octets,
  type Ran,
  run,
  type TemporaryFolder,
} from "./support.ts";

const TO = "alice@example.test";

/** Domains of authors, by what they ask for; SPF lets nobody send their mail. */
async function startNames(key: SigningKey): Promise<Knot> {
  const author = (name: string, policy: string) =>
    `${name} MX 10 mx.${name}\nmx.${name} A 192.0.2.7\n${name} TXT "v=spf1 ip4:192.0.2.7 -all"\n` +
    `_dmarc.${name} TXT "v=DMARC1; p=${policy}; rua=mailto:dmarc@${name}.example"\n` +
    `${key.selector}._domainkey.${name} TXT "${key.record}"\n`;
  const zone = ["reject", "quarantine", "none"].map((policy) => author(policy, policy)).join("");
  return await startKnot({
    example: `${zone}friendly MX 10 mx.reject\nfriendly TXT "v=spf1 ip4:127.0.0.1 -all"\n`,
  });
}

/** A station to which the tests are strangers. */
function startChecking(knot: Knot): Promise<Server> {
  const { address, port } = knot.server;
  return startStation({
    users: { [TO]: "correct horse battery staple" },
    listeners: ["mx"],
    relay: { nameServers: [`${address}:${port}`] },
    more: () => ({ abuse: { exempt: [] } }),
  });
}

function mailFrom(domain: string): Uint8Array {
  const made = new TextDecoder().decode(makeMail("a subject", "Hello, Alice.\r\n\r\n Bob \r\n"));
  return octets(made.replace(/^From: .*\r\n/m, `From: Bob <bob@${domain}>\r\n`));
}

/** Sends it from `bob@domain`, by swaks. */
async function send(server: Server, domain: string, mail: Uint8Array): Promise<Ran> {
  const text = new TextDecoder().decode(mail).replaceAll("\r\n", "\n").replace(/\n$/, "");
  const file = await server.folder.write("mail.eml", text);
  const { address } = server.endpoint("mx");
  const envelope = ["--to", TO, "--from", `bob@${domain}`, "--helo", "client.example"];
  return await run("swaks", ["--server", address, ...envelope, "--data", `@${file}`]);
}

/** The first Authentication-Results field of the only mail in a folder, unfolded. */
async function resultsIn(folder: string): Promise<string> {
  const mails = await readMaildir(folder);
  assertEquals(mails.length, 1);
  const head = new TextDecoder().decode(mails[0]!.octets).split("\r\n\r\n")[0]!;
  return /^Authentication-Results: (.*)$/m.exec(head.replace(/\r\n[ \t]+/g, " "))![1]!;
}

function checked(events: readonly MtaEvent[]) {
  const found = events.find(({ type }) => type === "message.authenticated");
  return found?.type === "message.authenticated" ? found : undefined;
}

/** Mail that dkimpy signs. */
async function signByDkimpy(key: SigningKey, mail: Uint8Array, folder: TemporaryFolder) {
  const file = await folder.write("key.pem", key.pem, 0o600);
  const made = await run("dkimsign", [key.selector, key.domain, file], { input: mail });
  assertEnded(made);
  return made.stdout;
}

/** Mail that OpenDKIM signs, as the milter of another station, in whose Maildir it lies then. */
async function signByOpenDkim(key: SigningKey, mail: Uint8Array) {
  await using signer = await startOpenDkim("sign", key, "relaxed/relaxed");
  await using station = await startStation({
    users: { [TO]: "correct horse battery staple" },
    listeners: ["mx"],
    relay: { enabled: false },
    filters: [{ kind: "milter", address: `127.0.0.1:${signer.port}` }],
  });
  assertEnded(await send(station, key.domain, mail));
  const [stored] = await readMaildir(station.maildir(TO));
  return stored!.octets;
}

const SIGNERS = { dkimsign: signByDkimpy, opendkim: signByOpenDkim };

for (const [signer, sign] of Object.entries(SIGNERS)) {
  interopTest(
    `mail that ${signer} has signed passes DMARC`,
    ["knotd", "swaks", signer],
    async () => {
      const key = await makeSigningKey("reject.example");
      await using knot = await startNames(key);
      await using server = await startChecking(knot);
      const mail = await sign(key, mailFrom("reject.example"), server.folder);
      assertEnded(await send(server, "reject.example", mail));
      const results = await resultsIn(server.maildir(TO));
      assertMatch(
        results,
        /^mx\.example\.test; spf=fail \(-all\) smtp\.mailfrom=bob@reject\.example; /,
      );
      assertMatch(
        results,
        /; dkim=pass header\.d=reject\.example header\.s=test header\.a=rsa-sha256 /,
      );
      assertMatch(results, /; dmarc=pass \(p=reject\) header\.from=reject\.example$/);
    },
  );
}

interopTest(
  "a signature by SHA-1 is none (RFC 8301)",
  ["knotd", "swaks", "opendkim-testmsg"],
  async () => {
    const key = await makeSigningKey("reject.example");
    await using knot = await startNames(key);
    await using server = await startChecking(knot);
    const file = await server.folder.write("key.pem", key.pem, 0o600);
    const words = ["-s", key.selector, "-d", key.domain, "-k", file];
    const made = await run("opendkim-testmsg", words, { input: mailFrom(key.domain) });
    assertEnded(made);
    const ran = await send(server, key.domain, made.stdout);
    assertMatch(
      ran.text,
      /550-5\.7\.26 SPF: fail for reject\.example; DKIM: no valid signature of 1/,
    );
  },
);

interopTest("forged mail of a domain with p=reject is refused, and swaks sees why", [
  "knotd",
  "swaks",
], async () => {
  await using knot = await startNames(await makeSigningKey("none.example"));
  await using server = await startChecking(knot);
  const ran = await send(server, "reject.example", mailFrom("reject.example"));
  assertEquals(ran.code, 26); // swaks: the DATA was refused
  assertMatch(ran.text, /550-5\.7\.26 DMARC: .*reject\.example/);
  assertEquals((await readMaildir(server.maildir(TO)).catch(() => [])).length, 0);
  assertEquals(checked(server.events)?.disposition, "reject");
});

interopTest(
  "a sender that SPF knows does not vouch for another author",
  ["knotd", "swaks"],
  async () => {
    await using knot = await startNames(await makeSigningKey("none.example"));
    await using server = await startChecking(knot);
    const ran = await send(server, "friendly.example", mailFrom("reject.example"));
    assertMatch(ran.text, /550-5\.7\.1 DMARC: /);
    assertMatch(ran.text, /SPF: pass for friendly\.example; DKIM: no signature/);
  },
);

interopTest("mail of a domain with p=none is taken, and told of", ["knotd", "swaks"], async () => {
  await using knot = await startNames(await makeSigningKey("none.example"));
  await using server = await startChecking(knot);
  assertEnded(await send(server, "none.example", mailFrom("none.example")));
  assertMatch(
    await resultsIn(server.maildir(TO)),
    /; dkim=none; dmarc=fail \(p=none\) header\.from=none\.example /,
  );
  const { from, spf, dkim, dmarc, policy } = checked(server.events)!;
  assertEquals({ from, spf, dkim, dmarc, policy }, {
    ...{ from: ["none.example"], spf: "fail", dkim: "none", dmarc: "fail", policy: "none" },
  });
});

interopTest("forged mail of a domain with p=quarantine lies in Junk, where Dovecot shows it", [
  "knotd",
  "swaks",
  "dovecot",
  "python3",
], async () => {
  await using knot = await startNames(await makeSigningKey("none.example"));
  await using server = await startChecking(knot);
  assertEnded(await send(server, "quarantine.example", mailFrom("quarantine.example")));
  assertMatch(await resultsIn(`${server.maildir(TO)}/.Junk`), /; dmarc=fail \(p=quarantine\) /);
  await using dovecot = await startDovecot(`${server.folder.path}/mail`, "100M");
  const [folders, inbox, junk, fetched, quota] = await dovecot.imap(TO, [
    ["list"],
    ["select", "INBOX"],
    ["select", "Junk"],
    ["fetch", "1", "(BODY.PEEK[HEADER.FIELDS (FROM)])"],
    ["getquotaroot", "INBOX"],
  ]);
  assertMatch(textOf(folders), /\bJunk$/m);
  assertEquals([textOf(inbox), textOf(junk)], ["0", "1"]);
  assertMatch(textOf(fetched), /bob@quarantine\.example/);
  assertMatch(textOf(quota), /STORAGE [1-9]/);
  assertNotMatch(await dovecot.log(), /Error|Warning|Panic|Fatal/);
});
