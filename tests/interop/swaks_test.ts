/**
 * swaks, the tool an operator tries a mail server with: every way in that it knows.
 *
 * @module
 */

import { assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { DOTS, EIGHT_BIT, makeLargeBody, makeMail, withNewlines } from "./mail.ts";
import { assertDelivered, readMaildir, readOnlyMail, traceField } from "./maildir.ts";
import { type Server, startCatcher, startStation } from "./server.ts";
import { assertEnded, assertSameOctets, interopTest, type Ran, run, runPython } from "./support.ts";
import { decodeBase64, encodeBase64 } from "./support.ts";

const TO = "alice@example.test";
const PASSWORD = "correct horse battery staple";

/** A file as swaks wants it: bare LF, and no line end at the end, where it puts one of its own. */
function swaksData(mail: Uint8Array): Uint8Array {
  return withNewlines(mail).subarray(0, -1);
}

/** Sends a mail to alice. */
async function swaks(
  server: Server,
  listener: string | undefined,
  mail: Uint8Array,
  ...args: string[]
): Promise<Ran> {
  const file = await server.folder.write("mail.eml", swaksData(mail));
  const { address } = server.endpoint(listener);
  const to = ["--to", TO, "--from", "bob@sender.test", "--helo", "client.test"];
  return await run("swaks", ["--server", address, ...to, "--data", `@${file}`, ...args]);
}

interopTest("swaks sends in the clear, and what lies in the Maildir is what it sent", [
  "swaks",
], async () => {
  await using server = await startCatcher();
  const mail = makeMail("plain", "Hello, Alice.\r\n\r\nBob\r\n");
  assertEnded(await swaks(server, undefined, mail));
  const stored = await readOnlyMail(server.maildir(TO));
  assertEquals(stored.folder, "new");
  const trace = assertDelivered(stored, mail);
  assertEquals(traceField(trace, "Return-Path"), "<bob@sender.test>");
  assertEquals(traceField(trace, "Delivered-To"), TO);
  assertMatch(traceField(trace, "Received"), /^from client\.test .*\bwith ESMTP\b/);
});

interopTest("swaks tells its own message, with no file, to a new address", ["swaks"], async () => {
  await using server = await startCatcher();
  const { address } = server.endpoint();
  const to = "someone@example.test";
  assertEnded(await run("swaks", ["--to", to, "--from", "a@b.test", "--server", address, "-tls"]));
  const { octets } = await readOnlyMail(server.maildir(to));
  assertMatch(new TextDecoder().decode(octets), /\r\n\r\nThis is a test mailing\r\n/);
});

interopTest("swaks sends after STARTTLS", ["swaks"], async () => {
  await using server = await startCatcher();
  const mail = makeMail("tls", "Hello, Alice.\r\n");
  assertEnded(await swaks(server, undefined, mail, "-tls"));
  const trace = assertDelivered(await readOnlyMail(server.maildir(TO)), mail);
  assertMatch(traceField(trace, "Received"), /\bwith ESMTPS\b/);
});

for (const version of ["tlsv1_2", "tlsv1_3"]) {
  interopTest(`swaks sends over ${version} alone`, ["swaks"], async () => {
    await using server = await startCatcher();
    const mail = makeMail("tls version", "Hello, Alice.\r\n");
    const ran = await swaks(server, undefined, mail, "-tls", "--tls-protocol", version);
    assertEnded(ran);
    assertMatch(ran.text, new RegExp(`TLS started with cipher ${version.replace("_", ".")}`, "i"));
    assertDelivered(await readOnlyMail(server.maildir(TO)), mail);
  });
}

for (const mechanism of ["PLAIN", "LOGIN"]) {
  for (const tls of [[], ["-tls"]]) {
    const when = tls.length > 0 ? "after STARTTLS" : "in the clear";
    interopTest(`swaks logs in to the catcher by ${mechanism} ${when}`, ["swaks"], async () => {
      await using server = await startCatcher();
      const mail = makeMail("auth", "Hello, Alice.\r\n");
      const auth = ["--auth", mechanism, "--auth-user", "anybody", "--auth-password", "anything"];
      assertEnded(await swaks(server, undefined, mail, ...tls, ...auth));
      const trace = assertDelivered(await readOnlyMail(server.maildir(TO)), mail);
      const kind = tls.length > 0 ? /\bwith ESMTPSA\b/ : /\bwith ESMTPA\b/;
      assertMatch(traceField(trace, "Received"), kind);
    });
  }
}

interopTest("swaks is not offered CRAM-MD5", ["swaks"], async () => {
  await using server = await startCatcher();
  const auth = ["--auth", "CRAM-MD5", "--auth-user", "anybody", "--auth-password", "anything"];
  const ran = await swaks(server, undefined, makeMail("cram", "x\r\n"), ...auth);
  assertEnded(ran, 28);
  assertEquals(await readMaildir(server.maildir(TO)), []);
});

interopTest("swaks sends lines of dots", ["swaks"], async () => {
  await using server = await startCatcher();
  const mail = makeMail("dots", `${DOTS}end\r\n`);
  assertEnded(await swaks(server, undefined, mail));
  assertDelivered(await readOnlyMail(server.maildir(TO)), mail);
});

interopTest("swaks sends octets that are not ASCII", ["swaks"], async () => {
  await using server = await startCatcher();
  const mail = makeMail("eight bit", EIGHT_BIT, ["Content-Transfer-Encoding: 8bit"]);
  assertEnded(await swaks(server, undefined, mail));
  assertDelivered(await readOnlyMail(server.maildir(TO)), mail);
});

interopTest("swaks pipelines its commands and its quit", ["swaks"], async () => {
  await using server = await startCatcher();
  const mail = makeMail("pipelining", "Hello, Alice.\r\n");
  const ran = await swaks(server, undefined, mail, "--pipeline");
  assertEnded(ran);
  assertMatch(ran.text, / -> MAIL FROM.*\n -> RCPT TO.*\n -> DATA/);
  assertDelivered(await readOnlyMail(server.maildir(TO)), mail);
});

interopTest("swaks sends to many recipients at once", ["swaks"], async () => {
  await using server = await startCatcher();
  const mail = makeMail("many", "Hello, all.\r\n");
  const more = Array.from({ length: 20 }, (_, i) => `user${i}@domain${i % 3}.test`);
  assertEnded(await swaks(server, undefined, mail, "--to", more.join(","), "--pipeline"));
  for (const to of more) {
    const trace = assertDelivered(await readOnlyMail(server.maildir(to)), mail);
    assertEquals(traceField(trace, "Delivered-To"), to);
  }
});

interopTest("swaks sends a large file, and Python finds the same in the mail", [
  "swaks",
  "python3",
], async () => {
  await using server = await startCatcher();
  const random = new Uint8Array(4 * 1024 * 1024);
  for (let at = 0; at < random.length; at += 65536) {
    crypto.getRandomValues(random.subarray(at, at + 65536));
  }
  const file = await server.folder.write("picture.bin", random);
  const { address } = server.endpoint();
  const args = ["--server", address, "--to", TO, "--from", "bob@sender.test", "-tls"];
  assertEnded(await run("swaks", [...args, "--attach", `@${file}`, "--suppress-data"]));
  const { octets } = await readOnlyMail(server.maildir(TO));
  const parts = await runPython<{ name: string | null; octets: string }[]>("attachments.py", {
    message: encodeBase64(octets),
  });
  assertEquals(parts.map(({ name }) => name), ["picture.bin"]);
  assertSameOctets(decodeBase64(parts[0]?.octets ?? ""), random, "picture.bin");
});

interopTest("swaks sends 10 MB of text octet for octet", ["swaks"], async () => {
  await using server = await startCatcher();
  const mail = makeMail("large", makeLargeBody(10));
  assertEnded(await swaks(server, undefined, mail, "--suppress-data"));
  assertDelivered(await readOnlyMail(server.maildir(TO)), mail);
});

interopTest("swaks leaves in the middle of the mail, and nothing lies anywhere", [
  "swaks",
], async () => {
  await using server = await startCatcher();
  const mail = makeMail("gone", "Hello, Alice.\r\n");
  await swaks(server, undefined, mail, "--drop-after-send", "DATA");
  await swaks(server, undefined, mail, "--drop-after", "RCPT");
  assertEnded(await swaks(server, undefined, makeMail("next", "Still there.\r\n")));
  assertEquals((await readMaildir(server.maildir(TO))).length, 1);
});

interopTest("swaks delivers to the MX, where AUTH is not offered and nothing is relayed", [
  "swaks",
], async () => {
  await using server = await startStation({ users: { [TO]: PASSWORD }, listeners: ["mx"] });
  const mail = makeMail("mx", "Hello, Alice.\r\n");
  const ran = await swaks(server, "mx", mail, "-tls");
  assertEnded(ran);
  assertNotMatch(ran.text, /250[- ]AUTH/);
  const trace = assertDelivered(await readOnlyMail(server.maildir(TO)), mail);
  assertMatch(traceField(trace, "Received"), /by mx\.example\.test .*\bwith ESMTPS\b/);

  const args = ["--server", server.endpoint("mx").address, "--from", "bob@sender.test"];
  const unknown = await run("swaks", [...args, "--to", "nobody@example.test"]);
  assertEnded(unknown, 24);
  assertMatch(unknown.text, /<\*\* 550 5\.1\.1 /);
  const relay = await run("swaks", [...args, "--to", "someone@elsewhere.test"]);
  assertEnded(relay, 24);
  assertMatch(relay.text, /<\*\* 550 5\.7\.1 /);
});

interopTest("swaks is told which of its recipients there is, and the mail reaches that one", [
  "swaks",
], async () => {
  await using server = await startStation({ users: { [TO]: PASSWORD }, listeners: ["mx"] });
  const mail = makeMail("some", "Hello, Alice.\r\n");
  const ran = await swaks(server, "mx", mail, "--to", `nobody@example.test,${TO}`);
  assertMatch(ran.text, /<\*\* 550 5\.1\.1 /);
  assertDelivered(await readOnlyMail(server.maildir(TO)), mail);
});

for (const mechanism of ["PLAIN", "LOGIN"]) {
  interopTest(`swaks submits by AUTH ${mechanism} after STARTTLS`, ["swaks"], async () => {
    await using server = await startStation({
      users: { [TO]: PASSWORD },
      listeners: ["submission"],
    });
    const mail = submission();
    const auth = ["--auth", mechanism, "--auth-user", TO, "--auth-password", PASSWORD];
    assertEnded(await swaks(server, "submission", mail, "-tls", "--from", TO, ...auth));
    const trace = assertDelivered(await readOnlyMail(server.maildir(TO)), mail);
    assertMatch(traceField(trace, "Received"), /\bwith ESMTPSA\b/);
  });
}

/** A submitter may only speak as an address of the account. */
function submission(): Uint8Array {
  return makeMail("submission", "Note to self.\r\n", [], TO);
}

interopTest("swaks submits over implicit TLS", ["swaks"], async () => {
  await using server = await startStation({
    users: { [TO]: PASSWORD },
    listeners: ["submissions"],
  });
  const mail = submission();
  const auth = ["--auth", "PLAIN", "--auth-user", TO, "--auth-password", PASSWORD];
  assertEnded(await swaks(server, "submissions", mail, "--tlsc", "--from", TO, ...auth));
  const trace = assertDelivered(await readOnlyMail(server.maildir(TO)), mail);
  assertMatch(traceField(trace, "Received"), /\bwith ESMTPSA\b/);
});

interopTest("swaks cannot submit with a wrong password, in the clear, or without AUTH", [
  "swaks",
], async () => {
  await using server = await startStation({
    users: { [TO]: PASSWORD },
    listeners: ["submission"],
  });
  const auth = ["--auth", "PLAIN", "--auth-user", TO, "--auth-password"];
  const wrong = await swaks(server, "submission", submission(), "-tls", ...auth, "wrong");
  assertEnded(wrong, 28);
  assertMatch(wrong.text, /<~\* 535 5\.7\.8 /);
  const clear = await swaks(server, "submission", submission(), ...auth, PASSWORD);
  assertEnded(clear, 28);
  assertNotMatch(clear.text, /250[- ]AUTH/);
  const anonymous = await swaks(server, "submission", submission(), "-tls", "--from", TO);
  assertEnded(anonymous, 23);
  assertMatch(anonymous.text, /<~\* 530 5\.7\.0 /);
  assertEquals(await readMaildir(server.maildir(TO)), []);
});

interopTest("swaks cannot submit as somebody else", ["swaks"], async () => {
  await using server = await startStation({
    users: { [TO]: PASSWORD, "carol@example.test": PASSWORD },
    listeners: ["submission"],
  });
  const auth = ["--auth", "PLAIN", "--auth-user", TO, "--auth-password", PASSWORD];
  const ran = await swaks(
    server,
    "submission",
    submission(),
    "-tls",
    "--from",
    "carol@example.test",
    ...auth,
  );
  assertMatch(ran.text, /<~\* 550 5\.7\.1 /);
  assertEquals(await readMaildir(server.maildir(TO)), []);
});

interopTest("swaks delivers by LMTP over TCP, and each recipient has a reply", [
  "swaks",
], async () => {
  const users = { [TO]: PASSWORD, "carol@example.test": PASSWORD };
  await using server = await startStation({ users, listeners: ["lmtp"] });
  const mail = makeMail("lmtp", `${DOTS}end\r\n`);
  const both = Object.keys(users).join(",");
  const ran = await swaks(server, "lmtp", mail, "--protocol", "LMTP", "--to", both);
  assertEnded(ran);
  for (const user of Object.keys(users)) {
    const trace = assertDelivered(await readOnlyMail(server.maildir(user)), mail);
    assertMatch(traceField(trace, "Received"), /\bwith LMTP\b/);
  }
});

interopTest("swaks delivers by LMTP over a unix socket", ["swaks"], async () => {
  await using server = await startStation({ users: { [TO]: PASSWORD }, listeners: ["lmtp-unix"] });
  const mail = makeMail("lmtp unix", "Hello, Alice.\r\n");
  const file = await server.folder.write("mail.eml", swaksData(mail));
  const args = ["--socket", `${server.folder.path}/lmtp.sock`, "--protocol", "LMTP"];
  args.push("--to", TO, "--from", "bob@sender.test", "--data", `@${file}`);
  assertEnded(await run("swaks", args));
  assertDelivered(await readOnlyMail(server.maildir(TO)), mail);
});
