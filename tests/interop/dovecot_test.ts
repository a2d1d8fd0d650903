/**
 * Dovecot serves over IMAP what we delivered: every octet, the flags it keeps in our names, the quota
 * it reads from the file we both write; and we go on delivering where it has been.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { type Dovecot, literalOf, startDovecot, textOf } from "./dovecot.ts";
import { DOTS, EIGHT_BIT, LONG_LINES, makeLargeBody, makeMail } from "./mail.ts";
import { readMaildir, splitTrace } from "./maildir.ts";
import { type Server, startCatcher, startStation } from "./server.ts";
import { assertSameOctets, encodeBase64, interopTest, runPython } from "./support.ts";

const TO = "alice@example.test";
const PASSWORD = "correct horse battery staple";

/** Sends a mail to alice; gives the error, if any. */
async function send(server: Server, listener: string | undefined, mail: Uint8Array) {
  const { host, port } = server.endpoint(listener);
  const envelope = { sender: "bob@sender.test", recipients: [TO], message: encodeBase64(mail) };
  const request = { kind: listener === "lmtp" ? "lmtp" : "smtp", host, port, ...envelope };
  const sent = await runPython<{ error: { text: string } | null }>("smtp_client.py", request);
  return sent.error;
}

/** Delivers mails one after the other. */
async function deliver(server: Server, listener: string | undefined, ...mails: Uint8Array[]) {
  for (const mail of mails) assertEquals(await send(server, listener, mail), null);
}

/** Fails when Dovecot complained about anything. */
async function assertContent(dovecot: Dovecot): Promise<void> {
  assertNotMatch(await dovecot.log(), /Error|Warning|Panic|Fatal/);
}

interopTest("Dovecot serves every octet of what was delivered", [
  "dovecot",
  "python3",
], async () => {
  await using server = await startCatcher();
  const bodies = [DOTS, EIGHT_BIT, LONG_LINES, "\r\n", "", makeLargeBody(5)];
  const mails = bodies.map((body, i) => makeMail(`body ${i}`, body));
  await deliver(server, undefined, ...mails);
  await using dovecot = await startDovecot(`${server.folder.path}/mail`, "100M");
  const files = await readMaildir(server.maildir(TO));
  assertEquals(files.length, mails.length);
  const fetches = mails.map((_, i) => ["fetch", String(i + 1), "(BODY.PEEK[])"]);
  const answers = await dovecot.imap(TO, [["select", "INBOX"], ...fetches]);
  for (const [i, mail] of mails.entries()) {
    const served = literalOf(answers[i + 1]);
    assertSameOctets(splitTrace(served).message, mail, `served mail ${i}`);
    const file = files.find(({ octets }) => octets.length === served.length);
    assert(file, `no file as long as mail ${i}`);
    assertSameOctets(served, file.octets, `served and stored mail ${i}`);
  }
  await assertContent(dovecot);
});

interopTest("Dovecot finds sizes, dates and fields as they are in the files", [
  "dovecot",
  "python3",
], async () => {
  await using server = await startCatcher();
  await deliver(server, undefined, makeMail("a subject", "Hello.\r\n"));
  const [stored] = await readMaildir(server.maildir(TO));
  await using dovecot = await startDovecot(`${server.folder.path}/mail`, "100M");
  const items = "(RFC822.SIZE ENVELOPE BODYSTRUCTURE FLAGS)";
  const answers = await dovecot.imap(TO, [["select", "INBOX"], ["fetch", "1", items]]);
  const text = textOf(answers[1]);
  assertMatch(text, new RegExp(`RFC822\\.SIZE ${stored?.octets.length}\\b`));
  assertMatch(text, /ENVELOPE \("Sun, 22 Nov 2026 10:00:00 \+0000" "a subject" /);
  assertMatch(text, /FLAGS \(\\Recent\)|FLAGS \(\)/);
  await assertContent(dovecot);
});

interopTest("Dovecot flags, moves and expunges mail, and deliveries go on between", [
  "dovecot",
  "python3",
], async () => {
  await using server = await startCatcher();
  const [first, second] = [makeMail("first", "One.\r\n"), makeMail("second", "Two.\r\n")];
  await deliver(server, undefined, first);
  await using dovecot = await startDovecot(`${server.folder.path}/mail`, "100M");
  await dovecot.imap(TO, [["select", "INBOX"], ["store", "1", "+FLAGS", "(\\Seen \\Flagged)"]]);
  const [flagged] = await readMaildir(server.maildir(TO));
  assertEquals(flagged?.folder, "cur");
  const sizes = `,S=${flagged?.file.length},W=${flagged?.octets.length}`;
  assertMatch(flagged?.name ?? "", new RegExp(`${sizes}:2,FS$`));

  await deliver(server, undefined, second);
  const both = await readMaildir(server.maildir(TO));
  assertEquals(both.map(({ folder }) => folder).sort(), ["cur", "new"]);
  assert(both.some(({ name }) => name === flagged?.name), "the flags of the first mail are gone");
  const answers = await dovecot.imap(TO, [
    ["select", "INBOX"],
    ["fetch", "1:2", "(FLAGS)"],
    ["fetch", "2", "(BODY.PEEK[])"],
    ["store", "1", "+FLAGS", "(\\Deleted)"],
    ["expunge"],
  ]);
  assertMatch(textOf(answers[1]), /1 \(FLAGS \([^)]*\\Flagged \\Seen[^)]*\)\)/);
  assertSameOctets(splitTrace(literalOf(answers[2])).message, second, "the second mail");
  assertEquals((await readMaildir(server.maildir(TO))).length, 1);

  await deliver(server, undefined, makeMail("third", "Three.\r\n"));
  const [selected] = await dovecot.imap(TO, [["select", "INBOX"]]);
  assertEquals(textOf(selected), "2");
  await assertContent(dovecot);
});

interopTest("Dovecot and we keep one account of the quota", ["dovecot", "python3"], async () => {
  await using server = await startStation({
    users: { [TO]: PASSWORD },
    quota: 4 * 1024 * 1024,
    listeners: ["mx"],
  });
  const mail = makeMail("quota", makeLargeBody(1));
  await deliver(server, "mx", mail);
  await using dovecot = await startDovecot(`${server.folder.path}/mail`, "4M");
  assertEquals(await readUsage(dovecot), await countKiB(server));
  await deliver(server, "mx", mail, mail);
  assertEquals(await readUsage(dovecot), await countKiB(server));

  await deliver(server, "mx", mail);
  assertMatch((await send(server, "mx", mail))?.text ?? "", /^[45]\.2\.2 /);
  const remove = [["select", "INBOX"], ["store", "1:3", "+FLAGS", "(\\Deleted)"], ["expunge"]];
  await dovecot.imap(TO, remove);
  await deliver(server, "mx", mail, mail);
  assertEquals(await readUsage(dovecot), await countKiB(server));
  await assertContent(dovecot);
});

/** The usage Dovecot tells, in units of 1024 octets (RFC 2087 §3), rounded up. */
async function readUsage(dovecot: Dovecot): Promise<number> {
  const [answer] = await dovecot.imap(TO, [["getquotaroot", "INBOX"]]);
  return Number(textOf(answer).match(/STORAGE (\d+) /)?.[1]);
}

async function countKiB(server: Server): Promise<number> {
  const mails = await readMaildir(server.maildir(TO));
  assert(mails.length > 0);
  return Math.ceil(mails.reduce((sum, { file }) => sum + file.length, 0) / 1024);
}

interopTest("Dovecot serves what came in over LMTP to a real mailbox", [
  "dovecot",
  "python3",
], async () => {
  await using server = await startStation({ users: { [TO]: PASSWORD }, listeners: ["lmtp"] });
  const mail = makeMail("lmtp", DOTS);
  await deliver(server, "lmtp", mail);
  await using dovecot = await startDovecot(`${server.folder.path}/mail`, "100M");
  const answers = await dovecot.imap(TO, [["select", "INBOX"], ["fetch", "1", "(BODY.PEEK[])"]]);
  assertSameOctets(splitTrace(literalOf(answers[1])).message, mail, "served");
  await assertContent(dovecot);
});
