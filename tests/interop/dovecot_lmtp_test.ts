/**
 * Dovecot as the end of the road: we hand mail to its LMTP server, and it has an answer for each recipient
 * (RFC 2033 §4.2).
 *
 * @module
 */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { SocketAddress } from "../../src/runtime/network.ts";
import { type Dovecot, literalOf, startDovecot } from "./dovecot.ts";
import { DOTS, EIGHT_BIT, LONG_LINES, makeLargeBody, makeMail } from "./mail.ts";
import { splitTrace } from "./maildir.ts";
import { ALICE, startRelayStation } from "./relay_station.ts";
import { assertEnded, assertSameOctets, interopTest, makeTemporaryFolder } from "./support.ts";
import { run, type TemporaryFolder } from "./support.ts";

const NEEDS = Deno.uid() === 0 ? ["dovecot", "python3"] : ["dovecot", "root"];
const BOB = "bob@box.test";
const FULL = "full@box.test";
const NOBODY = "nobody@box.test";

/** A folder of mail in which Dovecot may write. */
async function makeMailFolder(): Promise<TemporaryFolder> {
  const folder = await makeTemporaryFolder();
  await Deno.mkdir(`${folder.path}/mail`);
  assertEnded(await run("chown", ["65534:65534", `${folder.path}/mail`]));
  await Deno.chmod(folder.path, 0o755);
  return folder;
}

const WAYS: Record<string, (dovecot: Dovecot) => SocketAddress> = {
  "TCP": ({ lmtpPort }) => ({ transport: "tcp", hostname: "127.0.0.1", port: lmtpPort }),
  "a unix socket": ({ lmtp }) => ({ transport: "unix", path: lmtp }),
};

for (const [what, addressOf] of Object.entries(WAYS)) {
  interopTest(
    `Dovecot takes mail from us by LMTP over ${what}, for whom it may`,
    NEEDS,
    async () => {
      await using folder = await makeMailFolder();
      const lmtp = { [BOB]: "100M", [FULL]: "1k" };
      await using dovecot = await startDovecot(`${folder.path}/mail`, "100M", { lmtp });
      const via = { kind: "lmtp", address: addressOf(dovecot) } as const;
      await using station = await startRelayStation({ routes: [{ domains: ["box.test"], via }] });

      const bodies = [DOTS, EIGHT_BIT, LONG_LINES, makeLargeBody(2)];
      const mails = bodies.map((body, n) => makeMail(`number ${n}`, body, [], ALICE));
      for (const mail of mails) {
        await station.happened("delivery.done", await station.send(BOB, mail));
      }
      const fetches = mails.map((_, index) => ["fetch", String(index + 1), "(BODY.PEEK[])"]);
      const answers = await dovecot.imap(BOB, [["select", "INBOX"], ...fetches]);
      for (const [index, mail] of mails.entries()) {
        const served = splitTrace(literalOf(answers[index + 1])).message;
        assertSameOctets(served, mail, `number ${index}`);
      }

      const id = await station.send([BOB, FULL, NOBODY], makeMail("three", LONG_LINES, [], ALICE));
      const failures = await station.happened("delivery.failed", id, 2);
      const replies = Object.fromEntries(failures.map((one) => [one.recipient, one.reply]));
      assertMatch(replies[FULL]!, /^552 5\.2\.2 /);
      assertMatch(replies[NOBODY]!, /^550 5\.1\.1 /);
      const [done] = await station.happened("message.done", id);
      assertEquals([done?.delivered, done?.failed], [1, 2]);
      assertEquals((await dovecot.imap(BOB, [["select", "INBOX"]]))[0], [octetsOf("5")]);
      const [notice] = await station.mail(ALICE);
      const text = new TextDecoder().decode(notice!.octets);
      assertStringIncludes(
        text,
        `Final-Recipient: rfc822; ${FULL}\r\nAction: failed\r\nStatus: 5.2.2`,
      );
      assertStringIncludes(
        text,
        `Final-Recipient: rfc822; ${NOBODY}\r\nAction: failed\r\nStatus: 5.1.1`,
      );
    },
  );
}

/** As the program that speaks IMAP gives octets. */
function octetsOf(text: string): { octets: string } {
  return { octets: btoa(text) };
}
