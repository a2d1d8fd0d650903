/**
 * Milters of others before mail that comes to a station: rspamd, which refuses, marks and rewrites, and OpenDKIM, which
 * signs and verifies.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { Policy, SocketAddress } from "../../mod.ts";
import { milter } from "../../src/policy/milter/milter.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { makeMail } from "./mail.ts";
import { makeSigningKey, type SigningKey, startOpenDkim } from "./opendkim.ts";
import { ALICE, type RelayStation, startRelayStation } from "./relay_station.ts";
import { startRspamd } from "./rspamd.ts";
import { PlainClient } from "./smtp_client.ts";
import { encodeBase64, interopTest, makeTemporaryFolder, octets, runPython } from "./support.ts";

const filter = (address: SocketAddress, name = "milter", connections = 100): Policy =>
  milter({ address, name, connections, hostname: "mx.example.test" }, denoRuntime());

const on = (port: number): SocketAddress => ({ transport: "tcp", hostname: "127.0.0.1", port });

/** Sends a mail; gives the reply to its end. */
async function send(station: RelayStation, mail: Uint8Array): Promise<string> {
  using client = await PlainClient.connect(station.port);
  return await client.mail([ALICE], text(mail));
}

/** The generic test for unsolicited bulk mail, and what rspamd has beside it. */
const gtube = (letter: "X" | "Y" | "Z") =>
  `${letter}JS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n`;

interopTest("rspamd's verdicts and changes reach the mail", ["rspamd"], async () => {
  await using rspamd = await startRspamd();
  const policies = [filter({ transport: "unix", path: rspamd.socket }, "rspamd")];
  await using station = await startRelayStation({ policies });

  assertMatch(await send(station, makeMail("spam", gtube("X"))), /^554 5\.7\.1 /);

  assertMatch(await send(station, makeMail("ham", "Hello.\r\n")), /^250 /);
  const [ham] = await station.mail(ALICE);
  assertMatch(text(ham!.octets), /^X-Spamd-Bar: /m);
  assertEquals(text(ham!.octets).includes("X-Spam: "), false);
  assert(text(ham!.octets).endsWith("\r\n\r\nHello.\r\n"));

  assertMatch(await send(station, makeMail("doubtful", gtube("Y"))), /^250 /);
  const marked = (await station.mail(ALICE, 2)).map((mail) => text(mail.octets));
  assertMatch(marked.find((mail) => mail.includes("Subject: doubtful"))!, /^X-Spam: Yes\r$/m);

  assertMatch(await send(station, makeMail("loud", gtube("Z"))), /^250 /);
  const subjects = (await station.mail(ALICE, 3)).map((mail) =>
    /^Subject: (.*)\r$/m.exec(text(mail.octets))?.[1] ?? ""
  );
  assertEquals(subjects.sort().filter((subject) => subject.includes("loud")), [
    "*** SPAM *** loud",
  ]);
  const log = station.events.filter(({ type }) => type === "policy.failed");
  assertEquals(log, []);
});

interopTest(
  "rspamd that goes away is answered for, and asked again when it is back",
  ["rspamd"],
  async () => {
    const folder = await makeTemporaryFolder();
    await using _ = folder;
    const path = `${folder.path}/link.sock`;
    const policies = [filter({ transport: "unix", path })];
    await using station = await startRelayStation({ policies });
    using client = await PlainClient.connect(station.port);
    assertMatch(await client.say("MAIL FROM:<a@client.test>"), /^451 4\.7\.1 /);
    await using rspamd = await startRspamd();
    await Deno.symlink(rspamd.socket, path);
    assertMatch(await client.mail([ALICE], text(makeMail("x", "Hello.\r\n"))), /^250 /);
  },
);

for (const canonicalization of ["simple/simple", "relaxed/simple"]) {
  interopTest(
    `OpenDKIM's signature (${canonicalization}) verifies, by dkimpy and by OpenDKIM at the next station`,
    ["opendkim", "openssl"],
    async () => {
      const key = await makeSigningKey("sender.test");
      await using signer = await startOpenDkim("sign", key, canonicalization);
      await using verifier = await startOpenDkim("verify", key);
      await using first = await startRelayStation({ policies: [filter(on(signer.port))] });
      await using second = await startRelayStation({ policies: [filter(on(verifier.port))] });

      const body = "Hello.\r\n\r\n.\r\nWith  spaces \t and a long line: ".concat(
        "x".repeat(400),
        "\r\n\r\n",
      );
      const fields = ["X-Folded: one\r\n\ttwo\r\n  three", "X-Long: ".concat("word ".repeat(30))];
      assertMatch(await send(first, makeMail("signed", body, fields)), /^250 /);
      const [stored] = await first.mail(ALICE);
      const signed = afterDelivery(text(stored!.octets));
      assertMatch(signed, /^DKIM-Signature: v=1; a=rsa-sha256; c=/m);
      assert(await verifies(signed, key));
      assertEquals(await verifies(signed.replace("Hello.", "Hallo."), key), false);

      assertMatch(await send(second, octets(signed)), /^250 /);
      const [judged] = await second.mail(ALICE);
      assertMatch(
        text(judged!.octets),
        /^Authentication-Results: mx\.example\.test;\r\n\tdkim=pass [^]*?header\.d=sender\.test/m,
      );

      assertMatch(await send(second, octets(signed.replace("Hello.", "Hallo."))), /^250 /);
      const mails = (await second.mail(ALICE, 2)).map((mail) => text(mail.octets));
      assertMatch(mails.find((mail) => mail.includes("Hallo."))!, /^\tdkim=fail /m);
      const failed = [...first.events, ...second.events].filter(({ type }) =>
        type === "policy.failed"
      );
      assertEquals(failed, []);
    },
  );
}

interopTest(
  "what rspamd has changed is what OpenDKIM signs",
  ["rspamd", "opendkim", "openssl"],
  async () => {
    const key = await makeSigningKey("sender.test");
    await using rspamd = await startRspamd();
    await using signer = await startOpenDkim("sign", key);
    const policies = [
      filter({ transport: "unix", path: rspamd.socket }, "rspamd"),
      filter(on(signer.port), "opendkim"),
    ];
    await using station = await startRelayStation({ policies });
    assertMatch(await send(station, makeMail("loud", gtube("Z"))), /^250 /);
    const [stored] = await station.mail(ALICE);
    const signed = afterDelivery(text(stored!.octets));
    assertStringIncludes(signed, "Subject: *** SPAM *** loud");
    assert(await verifies(signed, key));
  },
);

interopTest(
  "rspamd and OpenDKIM take ESMTP parameters for what they are",
  ["rspamd", "opendkim", "openssl"],
  async () => {
    await using rspamd = await startRspamd();
    await using verifier = await startOpenDkim("verify", await makeSigningKey("sender.test"));
    const policies = [
      filter({ transport: "unix", path: rspamd.socket }, "rspamd"),
      filter(on(verifier.port), "opendkim"),
    ];
    await using station = await startRelayStation({ policies });
    using client = await PlainClient.connect(station.port);
    const envelope = [
      "MAIL FROM:<sender@client.test> SIZE=1000 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb",
      `RCPT TO:<${ALICE}> NOTIFY=FAILURE,DELAY ORCPT=rfc822;first@elsewhere.test`,
      `RCPT TO:<${ALICE}> NOTIFY=FAILURE`,
    ];
    for (const line of envelope) assertMatch(await client.say(line), /^250 /);
    assertMatch(await client.say("DATA"), /^354 /);
    await client.send(makeMail("hi", "Hello.\r\n"));
    assertMatch(await client.say("."), /^250 /);
    const [mail] = await station.mail(ALICE);
    assertMatch(text(mail!.octets), /^X-Spamd-Bar: /m);
    assertMatch(text(mail!.octets), /^Authentication-Results: mx\.example\.test;/m);
    const [logged = ""] = rspamd.output().split("\n").filter((line) => line.includes("rcpts: "));
    assertStringIncludes(logged, "from: <sender@client.test>");
    assertStringIncludes(logged, `rcpts: <${ALICE},${ALICE}>`);
  },
);

interopTest(
  "OpenDKIM stays where a client has a field that is larger than it takes",
  ["opendkim", "openssl"],
  async () => {
    await using verifier = await startOpenDkim("verify", await makeSigningKey("sender.test"));
    await using station = await startRelayStation({ policies: [filter(on(verifier.port))] });
    for (const length of [60_000, 66_000, 200_000]) {
      const field = `X-Long: ${"word\r\n ".repeat(length / 7)}end`;
      assertMatch(await send(station, makeMail(`of ${length}`, "Hello.\r\n", [field])), /^250 /);
    }
    const mails = (await station.mail(ALICE, 3)).map((mail) => text(mail.octets));
    for (const mail of mails) assertMatch(mail, /^Authentication-Results: mx\.example\.test;/m);
    assertEquals(station.events.filter(({ type }) => type === "policy.failed"), []);
  },
);

interopTest(
  "rspamd and OpenDKIM, of one connection each, hear of all mail beside clients that say no more",
  ["rspamd", "opendkim", "openssl"],
  async () => {
    await using rspamd = await startRspamd();
    await using verifier = await startOpenDkim("verify", await makeSigningKey("sender.test"));
    const policies = [
      filter({ transport: "unix", path: rspamd.socket }, "rspamd", 1),
      filter(on(verifier.port), "opendkim", 1),
    ];
    await using station = await startRelayStation({ policies });
    const slow = [];
    try {
      for (let i = 0; i < 3; i++) {
        const client = await PlainClient.connect(station.port);
        slow.push(client);
        client.expect(await client.say("MAIL FROM:<sender@client.test>"), "250");
        client.expect(await client.say(`RCPT TO:<${ALICE}>`), "250");
      }
      // Each has lost its connections by now, and names one more.
      for (const client of slow) {
        client.expect(await client.say(`RCPT TO:<${ALICE.replace("@", "+more@")}>`), "250");
      }
      for (const client of slow) client.expect(await client.say("DATA"), "354");
      assertMatch(await send(station, makeMail("quick", "Hello.\r\n")), /^250 /);
      for (const [i, client] of slow.entries()) {
        await client.send(makeMail(`slow ${i}`, i === 0 ? gtube("X") : "Hello.\r\n"));
        assertMatch(await client.say("."), i === 0 ? /^554 5\.7\.1 / : /^250 /);
      }
    } finally {
      for (const client of slow) client.close();
    }
    const mails = (await station.mail(ALICE, 3)).map((mail) => text(mail.octets));
    assertEquals(mails.map((mail) => /^Subject: (.*)\r$/m.exec(mail)?.[1]).sort(), [
      ...["quick", "slow 1", "slow 2"],
    ]);
    for (const mail of mails) {
      assertMatch(mail, /^X-Spamd-Bar: /m);
      assertMatch(mail, /^Authentication-Results: mx\.example\.test;/m);
    }
    assertEquals(station.events.filter(({ type }) => type === "policy.failed"), []);
  },
);

/** What dkimpy says of the signature. */
async function verifies(mail: string, { selector, domain, record }: SigningKey): Promise<boolean> {
  const name = `${selector}._domainkey.${domain}`;
  const request = { mail: encodeBase64(octets(mail)), name, record };
  return (await runPython<{ valid: boolean }>("dkim_verify.py", request)).valid;
}

/** Without what delivery puts on top. */
function afterDelivery(mail: string): string {
  return mail.replace(/^(?:(?:Return-Path|Delivered-To):.*\r\n)+/, "");
}

function text(bytes: Uint8Array): string {
  return Array.from(bytes, (octet) => String.fromCharCode(octet)).join("");
}
