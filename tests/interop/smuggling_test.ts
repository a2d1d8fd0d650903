/**
 * SMTP smuggling beside real servers. A message that holds a whole transaction behind each of many false
 * ends goes through us to Postfix, Exim, OpenSMTPD and Dovecot, by every road into us: each gets one message,
 * with lines that end in CRLF only. And what they hand to us from such content stays one message here.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { DropBox } from "../../src/intake/drop/drop_box.ts";
import { formatDropFile } from "../../src/intake/drop/drop_file.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { latin1, octets } from "../support/feed.ts";
import {
  FALSE_ENDS,
  hasBareNewline,
  mended,
  smugglingBody,
  stuffed,
} from "../support/smuggling.ts";
import { literalOf, startDovecot } from "./dovecot.ts";
import { EXIM, startExim } from "./exim.ts";
import { splitTrace, untilMail } from "./maildir.ts";
import { OPENSMTPD, startOpenSmtpd } from "./opensmtpd.ts";
import { POSTFIX, startPostfix } from "./postfix.ts";
import { ALICE, type RelayStation, startRelayStation } from "./relay_station.ts";
import { PlainClient } from "./smtp_client.ts";
import { assertEnded, interopTest, makeTemporaryFolder, run } from "./support.ts";

const MARK = "outer-mail";

/** The message. It says all a submission may lack, so that nothing is added to it. */
function messageTo(recipient: string, ends: readonly string[]): string {
  const head = [
    `From: ${ALICE}`,
    `To: ${recipient}`,
    `Subject: ${MARK}`,
    "Date: Sun, 22 Nov 2026 10:00:00 +0000",
    "Message-ID: <outer@example.test>",
    "MIME-Version: 1.0",
    "Content-Type: text/plain; charset=utf-8",
    "Content-Transfer-Encoding: 8bit",
  ];
  return `${head.join("\r\n")}\r\n\r\n${smugglingBody(recipient, ends)}`;
}

/** A station that gives all mail to the next one, and takes bare newlines from this machine. */
function stationBefore(
  via: NonNullable<Parameters<typeof startRelayStation>[0]>["routes"],
): Promise<RelayStation> {
  return startRelayStation({
    ...(via !== undefined && { routes: via }),
    relayFrom: ["127.0.0.0/8"],
    listeners: [{
      role: "mx",
      address: { transport: "tcp", hostname: "127.0.0.1", port: 0 },
      newlines: "normalize",
    }],
  });
}

/** Opens a transaction with a server of this machine. */
async function begin(port: number, recipient: string, parameter = ""): Promise<PlainClient> {
  const client = await PlainClient.connect(port);
  client.expect(await client.say(`MAIL FROM:<${ALICE}>${parameter}`), "250");
  client.expect(await client.say(`RCPT TO:<${recipient}>`), "250");
  return client;
}

async function data(port: number, recipient: string, message: string): Promise<void> {
  using client = await begin(port, recipient);
  client.expect(await client.say("DATA"), "354");
  await client.send(octets(`${message}.\r\n`));
  client.expect(await client.reply(), "250");
}

async function bdat(port: number, to: string, message: string, parameter = ""): Promise<void> {
  using client = await begin(port, to, parameter);
  await client.send(octets(`BDAT ${message.length} LAST\r\n${message}`));
  client.expect(await client.reply(), "250");
}

/** A program leaves a file, as `yizhan sendmail` does. */
async function drop({ folder, mta }: RelayStation, to: string, message: string): Promise<void> {
  const taken = Promise.withResolvers<void>();
  const directory = `${folder.path}/drop`;
  const box = await DropBox.start({
    runtime: denoRuntime(),
    directory,
    refused: `${folder.path}/refused`,
    nudge: `${folder.path}/nudge.sock`,
    hostname: "example.test",
    senders: {},
    ownUid: Deno.uid()!,
    interval: 3_600_000,
    sizeLimit: 1_000_000,
    submit: (...submission) => mta.submit(...submission),
    nameOf: () => Promise.resolve("alice"),
    emit: (fact) => {
      if (fact.type === "drop.taken") taken.resolve();
      if (fact.type === "drop.refused") taken.reject(new Error(fact.reason));
    },
  });
  const name = `mail-${crypto.getRandomValues(new Uint8Array(16)).toHex()}`;
  const file = formatDropFile({ sender: ALICE, recipients: [to] }, octets(message));
  await Deno.writeFile(`${directory}/tmp-${name}`, file, { mode: 0o644 });
  await Deno.rename(`${directory}/tmp-${name}`, `${directory}/${name}`);
  box.look();
  await taken.promise;
  await box.stop();
}

/** Every road into us that takes such a message. */
const ROADS: Readonly<
  Record<string, (station: RelayStation, to: string, message: string) => Promise<unknown>>
> = {
  "submit()": (station, to, message) => station.send(to, octets(message)),
  "DATA": ({ port }, to, message) => data(port, to, stuffed(message)),
  "BDAT": ({ port }, to, message) => bdat(port, to, message),
  "BINARYMIME": ({ port }, to, message) => bdat(port, to, message, " BODY=BINARYMIME"),
  "the drop folder": drop,
};

/** NUL is text to us and the end of a text to some: apart from the others, so that those can be compared. */
const WITH_NUL = FALSE_ENDS.filter((end) => end.includes("\0"));
const WITHOUT_NUL = FALSE_ENDS.filter((end) => !end.includes("\0"));

/** Sends the messages by every road and fails unless each came once, as `arrived` tells. */
async function sendAll(
  station: RelayStation,
  to: string,
  arrived: (count: number) => Promise<readonly Uint8Array[]>,
): Promise<void> {
  let sent = 0;
  for (const [road, take] of Object.entries(ROADS)) {
    for (const ends of [WITHOUT_NUL, WITH_NUL]) {
      const message = messageTo(to, ends);
      await take(station, to, message);
      await station.happened("message.done", undefined, ++sent);
      const mails = (await arrived(sent)).map(latin1);
      assertEquals(mails.length, sent, road);
      for (const mail of mails) assertStringIncludes(mail, `\r\nSubject: ${MARK}\r\n`);
      const exact = mails.some((mail) =>
        latin1(splitTrace(octets(mail)).message) === mended(message)
      );
      // What is binary was re-encoded for who does not take such.
      if (ends === WITHOUT_NUL && road !== "BINARYMIME") assert(exact, `${road}: ${mails.at(-1)}`);
    }
  }
  const failed = station.events.filter(({ type }) => type === "delivery.failed");
  assertEquals(failed, []);
}

/** A Maildir's mails as they were on the wire: LF alone there would be the server's own. */
async function wireOf(maildir: string, count: number, log: () => string | Promise<string>) {
  return (await untilMail(maildir, count, log)).map(({ octets }) => octets);
}

for (const chunking of [true, false]) {
  const how = chunking ? "by BDAT" : "by DATA";
  interopTest(`Postfix, ${how}, gets one message from us, whatever is in it`, POSTFIX, async () => {
    const to = "bob@postfix.test";
    const settings = chunking ? [] : ["smtpd_discard_ehlo_keywords = chunking, silent-discard"];
    await using postfix = await startPostfix({ mailboxes: [to], settings });
    const via = { kind: "smarthost", host: "127.0.0.1", port: postfix.port } as const;
    await using station = await stationBefore([{ domains: ["*"], via }]);
    await sendAll(station, to, (count) => wireOf(postfix.maildir(to), count, postfix.log));
  });

  interopTest(`Exim, ${how}, gets one message from us, whatever is in it`, EXIM, async () => {
    const settings = chunking ? [] : ["chunking_advertise_hosts ="];
    await using exim = await startExim({ users: ["bob"], settings });
    const via = { kind: "smarthost", host: "127.0.0.1", port: exim.port } as const;
    await using station = await stationBefore([{ domains: ["*"], via }]);
    const to = "bob@exim.test";
    await sendAll(station, to, (count) => wireOf(exim.maildir("bob"), count, exim.log));
  });
}

interopTest("OpenSMTPD gets one message from us, and hands on one", OPENSMTPD, async () => {
  const to = "bob@b.test";
  await using last = await startRelayStation({ accounts: { [to]: {} } });
  await using smtpd = await startOpenSmtpd({ relays: { "b.test": last.port } });
  const via = { kind: "smarthost", host: "127.0.0.1", port: smtpd.port } as const;
  await using station = await stationBefore([{ domains: ["*"], via }]);
  await sendAll(
    station,
    to,
    async (count) => (await last.mail(to, count)).map(({ octets }) => octets),
  );
});

const DOVECOT = Deno.uid() === 0 ? ["dovecot", "python3"] : ["dovecot", "root"];

interopTest("Dovecot, by LMTP, gets one message from us, whatever is in it", DOVECOT, async () => {
  const to = "bob@box.test";
  await using folder = await makeTemporaryFolder();
  await Deno.mkdir(`${folder.path}/mail`);
  assertEnded(await run("chown", ["65534:65534", `${folder.path}/mail`]));
  await Deno.chmod(folder.path, 0o755);
  await using dovecot = await startDovecot(`${folder.path}/mail`, "100M", {
    lmtp: { [to]: "100M" },
  });
  const address = {
    transport: "tcp",
    hostname: "127.0.0.1",
    port: dovecot.lmtpPort,
  } as const;
  await using station = await stationBefore([{
    domains: ["box.test"],
    via: { kind: "lmtp", address },
  }]);
  await sendAll(station, to, async (count) => {
    const fetches = Array.from({ length: count }, (_, n) => ["fetch", `${n + 1}`, "(BODY.PEEK[])"]);
    const [selected, ...answers] = await dovecot.imap(to, [["select", "INBOX"], ...fetches]);
    assertEquals(selected, [{ octets: btoa(`${count}`) }]);
    return answers.map(literalOf);
  });
});

/** What came to our station from a server that was given such a message. */
async function assertOneAt(last: RelayStation, to: string): Promise<void> {
  const [mail] = await last.mail(to);
  const text = latin1(mail!.octets);
  assertStringIncludes(text, `\r\nSubject: ${MARK}\r\n`);
  assert(!hasBareNewline(text));
  // All of it is there, and so its end was the end of what was sent.
  assertStringIncludes(text, "last line");
  await last.happened("message.accepted"); // told after its copy is there
  const transactions = last.events.filter(({ type }) => type === "message.accepted");
  assertEquals(transactions.length, 1);
}

interopTest("what Postfix hands to us from such a message is one message", POSTFIX, async () => {
  const to = "bob@b.test";
  await using last = await startRelayStation({ accounts: { [to]: {} } });
  const transports = { "b.test": `smtp:[127.0.0.1]:${last.port}` };
  await using postfix = await startPostfix({ transports });
  const message = octets(messageTo(to, FALSE_ENDS));
  await postfix.sendmail(["-f", ALICE, to], message);
  await assertOneAt(last, to);
});

interopTest("what Exim hands to us from such a message is one message", EXIM, async () => {
  const to = "bob@b.test";
  for (const chunking of [true, false]) {
    await using last = await startRelayStation({
      accounts: { [to]: {} },
      listeners: [{
        role: "mx",
        address: { transport: "tcp", hostname: "127.0.0.1", port: 0 },
        extensions: { chunking },
      }],
    });
    await using exim = await startExim({ users: [], relays: { "b.test": last.port } });
    await bdat(exim.port, to, messageTo(to, FALSE_ENDS));
    await assertOneAt(last, to);
  }
});

interopTest(
  "what OpenSMTPD hands to us from such a message is one message",
  OPENSMTPD,
  async () => {
    const to = "bob@b.test";
    for (const newlines of ["strict", "normalize"] as const) {
      await using last = await startRelayStation({
        accounts: { [to]: {} },
        listeners: [{
          role: "mx",
          address: { transport: "tcp", hostname: "127.0.0.1", port: 0 },
          newlines,
        }],
      });
      await using smtpd = await startOpenSmtpd({ relays: { "b.test": last.port } });
      await data(smtpd.port, to, stuffed(messageTo(to, FALSE_ENDS)));
      if (newlines === "normalize") {
        await assertOneAt(last, to);
        continue;
      }
      // It hands on a bare CR as it got it: then nothing of the message is taken, and nothing after it.
      const [refused] = await last.happened("message.refused");
      assertStringIncludes(refused!.reply, "550 5.5.2");
      await last.happened("session.fault"); // told at the true end of the message
      assertEquals(last.events.filter(({ type }) => type === "message.accepted"), []);
      assertEquals(last.events.filter(({ type }) => type === "message.refused").length, 1);
    }
  },
);
