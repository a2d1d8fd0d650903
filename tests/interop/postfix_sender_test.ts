/**
 * Postfix as the station before us: it gives us mail as an MX, and gets back from us what it asked to hear.
 *
 * @module
 */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { mapDirectory } from "../../mod.ts";
import { findFreePort } from "../support/free_port.ts";
import { DOTS, EIGHT_BIT, LONG_LINES, makeLargeBody, makeMail, withNewlines } from "./mail.ts";
import { splitTrace, traceField, untilMail } from "./maildir.ts";
import { POSTFIX, type Postfix, startPostfix } from "./postfix.ts";
import { ALICE, type RelayStation, startRelayStation } from "./relay_station.ts";
import { type CertificateFiles, makeCertificate } from "./server.ts";
import { SINK, startSink } from "./smtp_sink.ts";
import { assertSameOctets, interopTest, makeTemporaryFolder } from "./support.ts";

const BOB = "bob@postfix.test";
const CAROL = "carol@example.test";
const STATION = "驿站@example.test";

/** A station and a Postfix that hand each other their mail. */
interface Pair extends AsyncDisposable {
  readonly station: RelayStation;
  readonly postfix: Postfix;
}

async function startPair(
  { settings = [], aliases = {} }: {
    readonly settings?: readonly string[];
    readonly aliases?: Record<string, string>;
  } = {},
): Promise<Pair> {
  const folder = await makeTemporaryFolder();
  const port = findFreePort();
  const station = await startRelayStation({
    directory: mapDirectory({ accounts: { [ALICE]: {}, [CAROL]: {}, [STATION]: {} }, aliases }),
    certificates: [await read(await makeCertificate(folder, ["mx.example.test"]))],
    routes: [{ domains: ["*"], via: { kind: "smarthost", host: "127.0.0.1", port } }],
  });
  await folder[Symbol.asyncDispose]();
  try {
    const postfix = await startPostfix({
      port,
      mailboxes: [BOB],
      transports: { "example.test": `smtp:[127.0.0.1]:${station.port}` },
      settings: ["smtp_tls_security_level = encrypt", ...settings],
    });
    return {
      station,
      postfix,
      async [Symbol.asyncDispose]() {
        await postfix[Symbol.asyncDispose]();
        await station[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await station[Symbol.asyncDispose]();
    throw error;
  }
}

async function read({ certificate, key }: CertificateFiles) {
  return { certificate: await Deno.readTextFile(certificate), key: await Deno.readTextFile(key) };
}

interopTest("Postfix hands us bodies of all kinds for two, over STARTTLS", POSTFIX, async () => {
  await using pair = await startPair();
  const { station, postfix } = pair;
  const bodies = [DOTS, EIGHT_BIT, LONG_LINES, "", makeLargeBody(3)];
  const mails = bodies.map((body, n) => makeMail(`number ${n}.`, body, [], BOB));
  for (const mail of mails) {
    await postfix.sendmail(["-f", BOB, ALICE, CAROL], withNewlines(mail));
  }
  for (const to of [ALICE, CAROL]) {
    const stored = await station.mail(to, mails.length);
    assertEquals(stored.length, mails.length);
    for (const { octets } of stored) {
      const { trace, message } = splitTrace(octets);
      const text = new TextDecoder().decode(message.subarray(0, 1000));
      const subject = Number(text.match(/^Subject: number (\d)/m)?.[1]);
      assertSameOctets(message, mails[subject]!, `number ${subject} for ${to}`);
      assertMatch(traceField(trace, "Received"), /^from postfix\.test .*\bwith ESMTPS\b/);
    }
  }
});

interopTest("Postfix asks for a notice of success and gets it from us", POSTFIX, async () => {
  await using pair = await startPair();
  const { postfix } = pair;
  const mail = makeMail("dsn", DOTS, [], BOB);
  const args = ["-N", "success,failure", "-V", "QQ314159", "-R", "hdrs", "-f", BOB, ALICE];
  await postfix.sendmail(args, withNewlines(mail));
  const [notice] = await untilMail(postfix.maildir(BOB), 1, postfix.log);
  const text = new TextDecoder().decode(notice!.octets);
  assertMatch(text, /^Return-Path: <>\r$/m);
  assertMatch(text, /^Reporting-MTA: dns; mx\.example\.test\r$/m);
  assertMatch(text, /^Original-Envelope-Id: QQ314159\r$/m);
  assertMatch(text, /^Original-Recipient: rfc822; ?alice@example\.test\r$/m);
  assertMatch(text, /^Action: delivered\r$/m);
  assertMatch(text, /^Content-Type: text\/rfc822-headers\b/m);
});

interopTest("Postfix hands us mail to and with what is not ASCII (SMTPUTF8)", POSTFIX, async () => {
  await using pair = await startPair();
  const { station, postfix } = pair;
  const mail = makeMail("utf8", EIGHT_BIT, ["X-Greeting: \xe4\xbd\xa0\xe5\xa5\xbd"], BOB);
  await postfix.sendmail(["-f", BOB, "--", STATION], withNewlines(mail));
  const [stored] = await station.mail(STATION);
  const { trace, message } = splitTrace(stored!.octets);
  assertSameOctets(message, mail, STATION);
  assertMatch(traceField(trace, "Received"), /\bwith UTF8SMTPS\b/);
});

interopTest("Postfix tells its sender of whom we do not know", POSTFIX, async () => {
  await using pair = await startPair();
  const { postfix, station } = pair;
  const mail = makeMail("unknown", DOTS, [], BOB);
  await postfix.sendmail(["-f", BOB, "nobody@example.test", ALICE], withNewlines(mail));
  const [bounce] = await untilMail(postfix.maildir(BOB), 1, postfix.log);
  const text = new TextDecoder().decode(bounce!.octets);
  assertMatch(text, /^Final-Recipient: rfc822; nobody@example\.test\r$/m);
  assertMatch(text, /^Status: 5\.1\.1\r$/m);
  assertEquals((await station.mail(ALICE)).length, 1);
});

interopTest("Postfix may not relay through us to others", POSTFIX, async () => {
  await using pair = await startPair();
  const { postfix, station } = pair;
  const relay = `smtp:[127.0.0.1]:${station.port}`;
  await postfix.folder.write("etc/transports", `* ${relay}\n`, 0o644);
  const mail = makeMail("relay", DOTS, [], BOB);
  await postfix.sendmail(["-f", BOB, "victim@elsewhere.test"], withNewlines(mail));
  await postfix.logged(/to=<victim@elsewhere\.test>.* dsn=5\.7\.1, status=bounced/);
});

interopTest("Postfix bounces what we forwarded: it comes back to the first sender", [
  ...POSTFIX,
  ...SINK,
], async () => {
  const aliases = { "forward@example.test": "gone@late.test" };
  await using pair = await startPair({ aliases, settings: ["smtp_tls_security_level = may"] });
  const { postfix, station } = pair;
  // It takes mail for late.test, and finds out only then that it cannot be delivered.
  await using sink = await startSink(["-f", "RCPT"]);
  const ways = { "example.test": station.port, "late.test": sink.port };
  const lines = Object.entries(ways).map(([domain, to]) => `${domain} smtp:[127.0.0.1]:${to}\n`);
  await postfix.folder.write("etc/transports", lines.join(""), 0o644);
  const mail = makeMail("forwarded", DOTS, [], BOB);
  await postfix.sendmail(["-f", BOB, "forward@example.test"], withNewlines(mail));
  const sent = /from=<(SRS0=[^>]+=postfix\.test=bob@example\.test)>/;
  const [, rewritten = ""] = await postfix.logged(sent);
  const [bounce] = await untilMail(postfix.maildir(BOB), 1, postfix.log);
  const text = new TextDecoder().decode(bounce!.octets);
  assertMatch(text, /^Return-Path: <>\r$/m);
  assertMatch(text, /^Reporting-MTA: dns; postfix\.test\r$/m);
  assertMatch(text, /^Final-Recipient: rfc822; gone@late\.test\r$/m);
  assertStringIncludes(await postfix.log(), `to=<${rewritten}>`);
});
