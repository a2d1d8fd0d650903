/**
 * From mail that strangers send to the report that the owner of the domain reads the day after: two whole stations in
 * memory, of which one checks, counts and reports, and the other gets the report and checks it in its turn.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { parseAggregateReport } from "../../../src/admin/dmarc/report.ts";
import { reportParts } from "../../../src/admin/dmarc/mail_reports.ts";
import { unpackReports } from "../../../src/admin/dmarc/unpack.ts";
import { encode } from "../../../src/bytes.ts";
import { DmarcCounts } from "../../../src/delivery/dmarc_reports/counts.ts";
import { DmarcReporter } from "../../../src/delivery/dmarc_reports/reporter.ts";
import { mapDirectory } from "../../../src/directory/map_directory.ts";
import type { DmarcObserver } from "../../../src/mailauth/dmarc/observation.ts";
import { authentication } from "../../../src/policy/mailauth/authentication.ts";
import { dkimSigning } from "../../../src/policy/mailauth/signing.ts";
import { SigningKeys } from "../../../src/policy/mailauth/signing_keys.ts";
import { MemoryStore } from "../../../src/queue/memory_store.ts";
import { type MemoryRuntime, memoryRuntime } from "../../../src/runtime/memory.ts";
import { MemoryStation } from "../../support/memory_station.ts";
import { KEY_RECORD } from "../../policy/mailauth/signed_mail.ts";

const HOUR = 3_600_000;
const FOLDER = "/data/dmarc-reports";
/** RFC 8463 Appendix A.2; its record is KEY_RECORD. */
const PEM = "-----BEGIN PRIVATE KEY-----\n" +
  "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n" +
  "-----END PRIVATE KEY-----\n";
const MAIL = "From: Ann <ann@author.example>\r\nSubject: hi\r\n\r\nHello.\r\n";
/** The author's station, the host the author sends from, and a forger's. */
const STATION = "203.0.113.25";
const AUTHOR = "203.0.113.9";
const FORGER = "198.51.100.66";

function zones({ resolver }: MemoryRuntime): void {
  resolver.set("author.example", {
    mx: ["10 mx.author.example"],
    txt: ["v=spf1 ip4:203.0.113.0/28 -all"],
  });
  resolver.set("mx.author.example", { a: [STATION] });
  resolver.set("_dmarc.author.example", {
    txt: ["v=DMARC1; p=quarantine; rua=mailto:reports@author.example"],
  });
  resolver.set("s._domainkey.example.test", { txt: [KEY_RECORD] });
  resolver.set("example.test", { mx: ["10 mx.example.test"] });
  resolver.set("mx.example.test", { a: ["192.0.2.25"] });
  resolver.set("_dmarc.example.test", {
    txt: ["v=DMARC1; p=reject; rua=mailto:bob@example.test"],
  });
}

function check(authservId: string, { resolver, clock }: MemoryRuntime, observe?: DmarcObserver) {
  const services = { resolver, clock, emit: () => {}, ...(observe && { observe }) };
  return authentication({ authservId }, services);
}

/** What counts for a station, and reports by it. */
class Desk {
  private constructor(readonly own: MemoryRuntime, readonly counts: DmarcCounts) {}

  static async open(own: MemoryRuntime): Promise<Desk> {
    const { clock, files } = own;
    return new Desk(own, await DmarcCounts.open({ clock, files, folder: FOLDER }));
  }

  report({ mta }: MemoryStation, contact: string): DmarcReporter {
    const { clock, files, resolver } = this.own;
    return DmarcReporter.start({
      ...{ clock, files, resolver, folder: FOLDER, generator: "Yizhan" },
      settings: () => ({ contact, organization: "Test" }),
      submit: async ({ id, sender, recipient, message }) => {
        const recipients = [{ address: recipient, notify: ["NEVER"] as const }];
        await mta.submit({ sender, recipients }, message, { id, unattended: true });
      },
    });
  }
}

Deno.test("a day of mail in a domain's name is one report the day after, which is not reported in its turn", async () => {
  const own = memoryRuntime({ address: "192.0.2.25" });
  const others = memoryRuntime({ address: STATION, beside: own });
  zones(own);
  zones(others);
  const { clock } = own;
  const [desk, otherDesk] = [await Desk.open(own), await Desk.open(others)];
  const keys = await SigningKeys.open([{ domain: "example.test", selector: "s", pem: PEM }]);
  await using station = await MemoryStation.start({
    runtime: own,
    policies: [check("mx.example.test", own, desk.counts.observe), dkimSigning({ keys }, own)],
    queue: { store: new MemoryStore({ clock }) },
  });
  await using author = await MemoryStation.start({
    runtime: others,
    hostname: "mx.author.example",
    directory: mapDirectory({ accounts: { "reports@author.example": {} } }),
    policies: [check("mx.author.example", others, otherDesk.counts.observe)],
    queue: { store: new MemoryStore({ clock }) },
  });
  for (const from of [AUTHOR, FORGER, AUTHOR]) {
    const peer = await station.greeted(from);
    await peer.mail({ text: MAIL, sender: "ann@author.example", to: ["bob@example.test"] }, 250);
    await peer.say("QUIT", 221);
  }
  const reporters = [
    desk.report(station, "postmaster@example.test"),
    otherDesk.report(author, "reports@author.example"),
  ];
  await using _all = {
    [Symbol.asyncDispose]: async () => {
      // All on one clock: nobody may sleep when the first of them is looked at.
      const ends = [
        ...[station, author].map(({ mta }) => mta.stop({ grace: 0 })),
        ...reporters.map((reporter) => reporter.stop()),
        ...[desk, otherDesk].map(({ counts }) => counts.close()),
      ];
      await clock.runUntil(Promise.all(ends));
    },
  };
  await clock.runUntil(clock.sleep(30 * HOUR));
  const reports = () => author.mailbox("reports", "author.example");
  const mails = await reports();
  assertEquals(mails.length, 1);
  const [mail] = mails as [string];
  assertMatch(mail, /^Subject: Report Domain: author\.example\r\n Submitter: example\.test\r\n/m);
  assertMatch(mail, /^Authentication-Results: mx\.author\.example;[^]*dkim=pass[^]*dmarc=pass/m);
  const [pack] = reportParts(encode(mail)) as [Uint8Array];
  const read = parseAggregateReport(unpackReports(pack)[0]!);
  assertEquals(
    read.status === "report" &&
      read.report.rows.map(({ source, count, disposition }) => [source, count, disposition]),
    [[AUTHOR, 2, "none"], [FORGER, 1, "quarantine"]],
  );
  // The author's station has counted the report, and the owner of its domain wants reports too.
  assert(await others.files.stat(`${FOLDER}/2026-01-02.json`) !== null);
  await clock.runUntil(clock.sleep(72 * HOUR));
  assertEquals((await reports()).length, 1);
  assertEquals((await station.mailbox("bob")).length, 2);
  assertEquals(await others.files.stat(`${FOLDER}/2026-01-02.json`), null);
});
