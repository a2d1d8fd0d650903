/**
 * Postfix as the next station: what we relay arrives as it was, with all that SMTP can say about it; what
 * it refuses comes back as a notice.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { findFreePort } from "../support/free_port.ts";
import { startKnot } from "./knot.ts";
import { DOTS, EIGHT_BIT, LONG_LINES, makeLargeBody, makeMail } from "./mail.ts";
import { splitTrace, traceField, untilMail } from "./maildir.ts";
import { LISTENING, POSTFIX, type Postfix, startPostfix } from "./postfix.ts";
import { ALICE, type RelayStation, startRelayStation } from "./relay_station.ts";
import { assertSameOctets, encodeBase64, interopTest, runPython } from "./support.ts";

const BOB = "bob@postfix.test";
const CAROL = "carol@postfix.test";

/** A station that gives everything to Postfix. */
function stationBefore({ port }: { readonly port: number }): Promise<RelayStation> {
  const via = { kind: "smarthost", host: "127.0.0.1", port } as const;
  return startRelayStation({ routes: [{ domains: ["*"], via }] });
}

/** Fails unless the only mail of a mailbox at Postfix is the one that was sent; gives its trace. */
async function assertArrived(
  postfix: Postfix,
  address: string,
  mail: Uint8Array,
): Promise<readonly string[]> {
  const stored = await untilMail(postfix.maildir(address), 1, postfix.log);
  assertEquals(stored.length, 1);
  const { trace, message } = splitTrace(stored[0]!.octets);
  assertSameOctets(message, mail, address);
  return trace;
}

/** The text of the only mail that Alice got back, once it is there. */
async function noticeOf(station: RelayStation): Promise<string> {
  const mails = await station.mail(ALICE);
  assertEquals(mails.length, 1);
  return new TextDecoder().decode(mails[0]!.octets);
}

interopTest(
  "Postfix takes bodies of all kinds from us, over STARTTLS and by BDAT",
  POSTFIX,
  async () => {
    const mailboxes = [BOB, CAROL];
    await using postfix = await startPostfix({
      mailboxes,
      tls: "postfix.test",
      settings: LISTENING,
    });
    await using station = await stationBefore(postfix);
    const bodies = [DOTS, EIGHT_BIT, LONG_LINES, "", "no line end", makeLargeBody(3)];
    const mails = bodies.map((body, n) =>
      makeMail(`body ${n}`, body, ["MIME-Version: 1.0"], ALICE)
    );
    for (const mail of mails) {
      await station.happened("message.done", await station.send([BOB, CAROL], mail));
    }
    for (const to of mailboxes) {
      const stored = await untilMail(postfix.maildir(to), mails.length, postfix.log);
      for (const mail of mails) {
        const subject = new TextDecoder().decode(mail).match(/^Subject: .*$/m)![0];
        const one = stored.find(({ octets }) => new TextDecoder().decode(octets).includes(subject));
        assert(one !== undefined, `${subject} for ${to}`);
        const { trace, message } = splitTrace(one.octets);
        // A message by SMTP ends with CRLF.
        const whole = mail.at(-1) === 10 ? mail : new Uint8Array([...mail, 13, 10]);
        assertSameOctets(message, whole, subject);
        assertMatch(traceField(trace, "Received"), /using TLSv1\.3 .*with ESMTPS id/);
      }
    }
    const heard = await postfix.heard();
    assertEquals(heard.filter((line) => line.startsWith("DATA")), []);
    const sizes = heard.flatMap((line) => line.match(/^MAIL FROM:.* SIZE=(\d+)/)?.[1] ?? []);
    assertEquals(sizes.length, mails.length);
    assertEquals(heard.filter((line) => /^BDAT \d+ LAST$/.test(line)).length, mails.length);
    assertEquals(heard.filter((line) => line.startsWith("STARTTLS")).length, 1, "one connection");
  },
);

interopTest(
  "Postfix without PIPELINING and CHUNKING is not sent ahead of its answers",
  POSTFIX,
  async () => {
    const settings = [
      ...LISTENING,
      "smtpd_discard_ehlo_keywords = pipelining, chunking, silent-discard",
      "smtpd_recipient_restrictions = reject_unauth_pipelining, permit",
      "smtpd_data_restrictions = reject_unauth_pipelining, permit",
      "smtpd_end_of_data_restrictions = reject_unauth_pipelining, permit",
    ];
    await using postfix = await startPostfix({ mailboxes: [BOB, CAROL], settings });
    await using station = await stationBefore(postfix);
    const mail = makeMail("one by one", DOTS + EIGHT_BIT, [], ALICE);
    const id = await station.send([BOB, CAROL], mail);
    const [done] = await station.happened("message.done", id);
    assertEquals([done?.delivered, done?.failed], [2, 0]);
    for (const to of [BOB, CAROL]) await assertArrived(postfix, to, mail);
    assert((await postfix.heard()).includes("DATA"));
  },
);

interopTest("Postfix is found by the MX records of its domain", [...POSTFIX, "knotd"], async () => {
  const records = "@ MX 10 mx\nmx A 127.0.0.1\n";
  await using knot = await startKnot({ "postfix.test": records });
  await using postfix = await startPostfix({ mailboxes: [BOB] });
  const via = { kind: "mx", port: postfix.port, allowAddresses: ["127.0.0.0/8"] } as const;
  await using station = await startRelayStation({
    runtime: denoRuntime({ nameServers: [`${knot.server.address}:${knot.server.port}`] }),
    routes: [{ domains: ["*"], via }],
  });
  const mail = makeMail("by MX", DOTS, [], ALICE);
  const [done] = await station.happened("delivery.done", await station.send(BOB, mail));
  assertMatch(done!.destination, /^smtp:mx\.postfix\.test \[127\.0\.0\.1\]:\d+$/);
  await assertArrived(postfix, BOB, mail);
  // Nobody answers for a domain that Knot has no zone for: that says nothing of the domain.
  const id = await station.send("bob@elsewhere.test", mail);
  const [deferred] = await station.happened("delivery.deferred", id);
  assertMatch(deferred!.reply, /^451 4\.4\.3 /);
});

interopTest("Postfix's answer about an unknown user comes back in a notice", POSTFIX, async () => {
  await using postfix = await startPostfix({ mailboxes: [BOB] });
  await using station = await stationBefore(postfix);
  const nobody = "nobody@postfix.test";
  const mail = makeMail("two of whom one", DOTS, [], ALICE);
  const id = await station.send([BOB, nobody], mail);
  const [done] = await station.happened("message.done", id);
  assertEquals([done?.delivered, done?.failed], [1, 1]);
  await assertArrived(postfix, BOB, mail);
  const notice = await noticeOf(station);
  assertStringIncludes(
    notice,
    `Final-Recipient: rfc822; ${nobody}\r\nAction: failed\r\nStatus: 5.1.1\r\n`,
  );
  assertMatch(
    notice,
    /^Diagnostic-Code: smtp; 550 5\.1\.1 <nobody@postfix\.test>: Recipient address/m,
  );
  const messages = [encodeBase64(new TextEncoder().encode(notice))];
  assertEquals(await runPython("bounces.py", { messages }), [{
    temporary: [],
    permanent: [nobody],
  }]);
});

interopTest("Postfix refuses a mail by its SIZE and gets none of it", POSTFIX, async () => {
  const settings = ["message_size_limit = 100000", ...LISTENING];
  await using postfix = await startPostfix({ mailboxes: [BOB], settings });
  await using station = await stationBefore(postfix);
  await station.send(BOB, makeMail("large", makeLargeBody(1), [], ALICE));
  assertMatch(await noticeOf(station), /^Status: 5\.3\.4\r$/m);
  assertEquals((await postfix.heard()).filter((line) => /^(DATA|BDAT)/.test(line)), []);
});

interopTest(
  "Postfix is handed on NOTIFY, ORCPT, RET and ENVID, and reports itself",
  POSTFIX,
  async () => {
    const port = findFreePort();
    await using station = await stationBefore({ port });
    const transports = { "example.test": `smtp:[127.0.0.1]:${station.port}` };
    await using postfix = await startPostfix({
      mailboxes: [BOB, CAROL],
      port,
      transports,
      settings: LISTENING,
    });
    const mail = makeMail("dsn", DOTS, [], ALICE);
    const { id } = await station.mta.submit({
      sender: ALICE,
      recipients: [
        { address: BOB, notify: ["SUCCESS", "FAILURE"] },
        { address: CAROL, notify: ["NEVER"] },
      ],
      dsnReturn: "HDRS",
      dsnEnvelopeId: "QQ+314=159",
    }, mail);
    await station.happened("message.done", id);
    await assertArrived(postfix, CAROL, mail);
    const notice = await noticeOf(station);
    assertMatch(notice, /^Reporting-MTA: dns; postfix\.test\r$/m);
    assertMatch(notice, /^Original-Envelope-Id: QQ\+314=159\r$/m);
    assertMatch(notice, /^Original-Recipient: rfc822; ?bob@postfix\.test\r$/m);
    assertMatch(notice, /^Action: delivered\r$/m);
    assertEquals(notice.includes(CAROL), false, "NOTIFY=NEVER");
    const heard = await postfix.heard();
    assertMatch(
      heard.find((line) => line.startsWith("MAIL"))!,
      / RET=HDRS ENVID=QQ\+2B314\+3D159\b/,
    );
    assertMatch(heard.find((line) => line.includes(BOB))!, / NOTIFY=SUCCESS,FAILURE\b/);
    assertMatch(heard.find((line) => line.includes(CAROL))!, / NOTIFY=NEVER\b/);
  },
);

interopTest(
  "Postfix without DSN: that the mail was relayed is reported by us",
  POSTFIX,
  async () => {
    const settings = ["smtpd_discard_ehlo_keywords = dsn, silent-discard"];
    await using postfix = await startPostfix({ mailboxes: [BOB], settings });
    await using station = await stationBefore(postfix);
    const recipients = [{ address: BOB, notify: ["SUCCESS"] as const }];
    await station.mta.submit({ sender: ALICE, recipients }, makeMail("relayed", DOTS, [], ALICE));
    const notice = await noticeOf(station);
    assertMatch(notice, /^Reporting-MTA: dns; mx\.example\.test\r$/m);
    assertMatch(notice, /^Action: relayed\r$/m);
  },
);

interopTest("Postfix takes mail to and with what is not ASCII (SMTPUTF8)", POSTFIX, async () => {
  const to = "驿站@postfix.test";
  await using postfix = await startPostfix({ mailboxes: [to], settings: LISTENING });
  await using station = await stationBefore(postfix);
  const mail = makeMail("utf8", EIGHT_BIT, ["X-Greeting: \xe4\xbd\xa0\xe5\xa5\xbd"], ALICE);
  await station.happened("delivery.done", await station.send(to, mail));
  await assertArrived(postfix, to, mail);
  assertMatch((await postfix.heard()).find((line) => line.startsWith("MAIL"))!, / SMTPUTF8\b/);
});

interopTest(
  "Postfix without SMTPUTF8: mail to an address not in ASCII comes back",
  POSTFIX,
  async () => {
    await using postfix = await startPostfix({
      mailboxes: [BOB],
      settings: ["smtputf8_enable = no", ...LISTENING],
    });
    await using station = await stationBefore(postfix);
    const mail = makeMail("utf8", DOTS, [], ALICE);
    await station.send(["驿站@postfix.test", BOB], mail);
    assertMatch(await noticeOf(station), /^Status: 5\.6\.7\r$/m);
    await assertArrived(postfix, BOB, mail);
  },
);
