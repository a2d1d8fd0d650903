/**
 * A Postfix that has had enough of us: connections, recipients, errors. What it puts off goes later, what
 * it refuses comes back, and nobody gets a mail twice.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { DOTS, makeMail } from "./mail.ts";
import { untilMail } from "./maildir.ts";
import { LISTENING, POSTFIX, type Postfix, startPostfix } from "./postfix.ts";
import { ALICE, type RelayStation, startRelayStation } from "./relay_station.ts";
import { encodeBase64, interopTest, runPython } from "./support.ts";

const BOB = "bob@postfix.test";

/** A station that gives everything to Postfix. */
function stationBefore({ port }: Postfix): Promise<RelayStation> {
  const via = { kind: "smarthost", host: "127.0.0.1", port } as const;
  return startRelayStation({ routes: [{ domains: ["*"], via }] });
}

interopTest("Postfix takes two connections at once, and all of sixty mails", POSTFIX, async () => {
  const settings = [
    "smtpd_client_event_limit_exceptions =",
    "smtpd_client_connection_count_limit = 2",
  ];
  await using postfix = await startPostfix({ mailboxes: [BOB], settings });
  await using station = await stationBefore(postfix);
  const mails = Array.from({ length: 60 }, (_, n) => makeMail(`number ${n}`, DOTS, [], ALICE));
  const ids = await Promise.all(mails.map((mail) => station.send(BOB, mail)));
  for (const id of ids) await station.happened("message.done", id);
  const stored = await untilMail(postfix.maildir(BOB), mails.length, postfix.log);
  assertEquals(stored.length, mails.length);
  assertMatch(await postfix.log(), /too many connections|Connection concurrency limit exceeded/);
});

interopTest("Postfix takes five recipients at once, and all of seventeen", POSTFIX, async () => {
  const users = Array.from({ length: 17 }, (_, n) => `user${n}@postfix.test`);
  const settings = ["smtpd_recipient_limit = 5", "smtpd_recipient_overshoot_limit = 1000"];
  await using postfix = await startPostfix({ mailboxes: users, settings });
  await using station = await stationBefore(postfix);
  const id = await station.send(users, makeMail("to many", DOTS, [], ALICE));
  const [done] = await station.happened("message.done", id);
  assertEquals([done?.delivered, done?.failed], [17, 0]);
  for (const user of users) {
    assertEquals((await untilMail(postfix.maildir(user), 1, postfix.log)).length, 1, user);
  }
});

interopTest(
  "Postfix hangs up after five errors, and every unknown user is told of",
  POSTFIX,
  async () => {
    const unknown = Array.from({ length: 12 }, (_, n) => `unknown${n}@postfix.test`);
    const settings = ["smtpd_hard_error_limit = 5", "smtpd_soft_error_limit = 3", ...LISTENING];
    await using postfix = await startPostfix({ mailboxes: [BOB], settings });
    await using station = await stationBefore(postfix);
    const id = await station.send([...unknown, BOB], makeMail("to many", DOTS, [], ALICE));
    const [done] = await station.happened("message.done", id);
    assertEquals([done?.delivered, done?.failed], [1, 12]);
    assertMatch(await postfix.log(), /too many errors/);
    assertEquals((await untilMail(postfix.maildir(BOB), 1, postfix.log)).length, 1);
    const notices = (await station.mail(ALICE)).map(({ octets }) => encodeBase64(octets));
    const read = await runPython<{ permanent: string[] }[]>("bounces.py", { messages: notices });
    const failed = read.flatMap(({ permanent }) => permanent).sort();
    assertEquals(failed, unknown.toSorted());
  },
);
