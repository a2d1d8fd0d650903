/**
 * What nmap's scripts find at a station as `yizhan serve` starts it: no open relay, no users to be learnt,
 * none of the holes that its scripts know; on the port for strangers and on submission.
 *
 * @module
 */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type Server, startStation } from "./server.ts";
import { assertEnded, interopTest, run } from "./support.ts";

/** Run whatever nmap takes the port for: it is not 25. */
const SCRIPTS = [
  "smtp-open-relay",
  "smtp-commands",
  "smtp-enum-users",
  "smtp-ntlm-info",
  "smtp-vuln-cve2010-4344",
  "smtp-vuln-cve2011-1720",
  "smtp-vuln-cve2011-1764",
].map((name) => `+${name}`).join(",");

const STATION = {
  users: { "admin@example.test": "correct horse", "root@example.test": "battery staple" },
  listeners: ["mx", "submission"],
};

/** What nmap says of a port, looking from and for our own domain, as a spammer who knows it would. */
async function scan(station: Server, listener: string, domain: string): Promise<string> {
  const ran = await run("nmap", [
    ...["-Pn", "-n", "-vv", "-p", `${station.endpoint(listener).port}`, "--script", SCRIPTS],
    "--script-args",
    `smtp.domain=${domain},smtp-enum-users.methods={VRFY,EXPN}`,
    "127.0.0.1",
  ], { limit: 120_000 });
  assertEnded(ran);
  return ran.text;
}

interopTest("nmap finds no open relay and no users", ["nmap", "openssl"], async () => {
  await using station = await startStation(STATION);
  for (const domain of ["example.test", "elsewhere.test"]) {
    const strangers = await scan(station, "mx", domain);
    assertStringIncludes(
      strangers,
      "smtp-open-relay: Server doesn't seem to be an open relay, all tests failed",
    );
    const submission = await scan(station, "submission", domain);
    assertStringIncludes(submission, "Server isn't an open relay, authentication needed");
    for (const text of [strangers, submission]) {
      // By VRFY and EXPN, that is. By RCPT anybody can ask who has a mailbox, as mail for others must be
      // refused before it is taken; what limits that is the count of refused recipients.
      assertMatch(text, /smtp-enum-users: \n\|_? +Couldn't find any accounts/);
      assertStringIncludes(text, "smtp-commands: mx.example.test");
      assertEquals(text.match(/^\|.*(?<!NOT )VULNERABLE/m), null);
      assertEquals(text.match(/^\|[ _]+smtp-ntlm-info/m), null);
    }
  }
  const accepted = station.events.filter(({ type }) => type === "message.accepted");
  assertEquals(accepted, []);
});

interopTest("nmap finds the open relay that an operator makes", ["nmap", "openssl"], async () => {
  await using station = await startStation({ ...STATION, relay: { from: ["127.0.0.0/8"] } });
  assertMatch(
    await scan(station, "mx", "elsewhere.test"),
    /smtp-open-relay: Server is an open relay \(\d+\/16 tests\)/,
  );
});
