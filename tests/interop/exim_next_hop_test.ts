/**
 * Exim as the next station: it takes our mail by BDAT (RFC 3030) and hands some back to us by BDAT.
 *
 * @module
 */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { findFreePort } from "../support/free_port.ts";
import { EXIM, type Exim, startExim } from "./exim.ts";
import { DOTS, EIGHT_BIT, LONG_LINES, makeLargeBody, makeMail } from "./mail.ts";
import { splitTrace, type StoredMail, traceField, untilMail } from "./maildir.ts";
import { ALICE, type RelayStation, startRelayStation } from "./relay_station.ts";
import { assertSameOctets, interopTest } from "./support.ts";

const BOB = "bob@exim.test";
const CAROL = "carol@exim.test";
const BODIES = [DOTS, EIGHT_BIT, LONG_LINES, "", makeLargeBody(3)];
const MAILS = BODIES.map((body, n) => makeMail(`number ${n}.`, body, [], ALICE));

/** A station that gives everything to an Exim. */
function stationBefore(port: number): Promise<RelayStation> {
  const via = { kind: "smarthost", host: "127.0.0.1", port } as const;
  return startRelayStation({ routes: [{ domains: ["*"], via }] });
}

/** Fails unless these are the mails above, each once; gives their traces. */
function assertAllThere(stored: readonly StoredMail[]): (readonly string[])[] {
  const numbers = new Set<number>();
  const traces = stored.map(({ octets }) => {
    const { trace, message } = splitTrace(octets);
    const head = new TextDecoder().decode(message.subarray(0, 1000));
    const number = Number(head.match(/^Subject: number (\d)/m)?.[1]);
    assertSameOctets(message, MAILS[number]!, `number ${number}`);
    numbers.add(number);
    return trace;
  });
  assertEquals([numbers.size, stored.length], [MAILS.length, MAILS.length]);
  return traces;
}

async function sendAll(station: RelayStation, exim: Exim): Promise<void> {
  for (const mail of MAILS) {
    await station.happened("delivery.done", await station.send([BOB, CAROL], mail), 2);
  }
  for (const user of ["bob", "carol"]) {
    const stored = await untilMail(exim.maildir(user), MAILS.length, exim.log);
    for (const trace of assertAllThere(stored)) {
      assertMatch(traceField(trace, "Received"), /^from \[127\.0\.0\.1\].* with esmtps /);
    }
  }
}

interopTest("Exim takes bodies of all kinds from us by BDAT, over STARTTLS", EXIM, async () => {
  await using exim = await startExim({ users: ["bob", "carol"] });
  await using station = await stationBefore(exim.port);
  await sendAll(station, exim);
  // "K" in Exim's log says that CHUNKING was used.
  const arrivals = (await exim.log()).split("\n").filter((line) => line.includes(" <= "));
  assertEquals(arrivals.length, MAILS.length);
  for (const line of arrivals) assertMatch(line, /P=esmtps .* K S=\d/);
});

interopTest("Exim without CHUNKING takes them by DATA", EXIM, async () => {
  const settings = ["chunking_advertise_hosts ="];
  await using exim = await startExim({ users: ["bob", "carol"], settings });
  await using station = await stationBefore(exim.port);
  await sendAll(station, exim);
  assertEquals(/ <= .* K /.test(await exim.log()), false);
});

interopTest("Exim hands back to us what was for one of ours", EXIM, async () => {
  const port = findFreePort();
  await using last = await startRelayStation({ accounts: { "bob@b.test": {} } });
  await using first = await stationBefore(port);
  await using exim = await startExim({ users: [], port, relays: { "b.test": last.port } });
  for (const mail of MAILS) await first.send("bob@b.test", mail);
  assertAllThere(await last.mail("bob@b.test", MAILS.length));
  assertMatch(await exim.log(), / => bob@b\.test .* K C="250 2\.0\.0 /);
});

interopTest("Exim's answer about an unknown user comes back in a notice", EXIM, async () => {
  await using exim = await startExim({ users: ["bob"] });
  await using station = await stationBefore(exim.port);
  const id = await station.send([BOB, "nobody@exim.test"], MAILS[0]!);
  const [done] = await station.happened("message.done", id);
  assertEquals([done?.delivered, done?.failed], [1, 1]);
  const [notice] = await station.mail(ALICE);
  const text = new TextDecoder().decode(notice!.octets);
  assertStringIncludes(text, "Final-Recipient: rfc822; nobody@exim.test\r\nAction: failed\r\n");
  assertMatch(text, /^Diagnostic-Code: smtp; 550 (5\.1\.1 )?No such user here/m);
});

interopTest("Exim is handed on NOTIFY and reports itself", EXIM, async () => {
  const port = findFreePort();
  await using station = await stationBefore(port);
  await using exim = await startExim({
    users: ["bob"],
    port,
    relays: { "example.test": station.port },
  });
  const recipients = [{ address: BOB, notify: ["SUCCESS"] as const }];
  const envelope = { sender: ALICE, recipients, dsnEnvelopeId: "QQ314159" };
  await station.mta.submit(envelope, MAILS[0]!);
  const [notice] = await station.mail(ALICE);
  const text = new TextDecoder().decode(notice!.octets);
  assertMatch(text, /^Reporting-MTA: dns; exim\.test\r$/m);
  assertMatch(text, /^Original-Envelope-ID: QQ314159\r$/mi);
  assertMatch(text, /^Action: delivered\r$/m);
  await untilMail(exim.maildir("bob"), 1, exim.log);
});
