/**
 * Reports of DMARC among others: ours by the schema of RFC 9990 (xmllint) and read by dmarc-cat and Python; those that
 * Mail::DMARC makes read by ours.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { parseAggregateReport } from "../../src/admin/dmarc/report.ts";
import { unpackReports } from "../../src/admin/dmarc/unpack.ts";
import { encode } from "../../src/bytes.ts";
import {
  type DmarcReportFacts,
  dmarcReportFileName,
  formatDmarcReport,
  formatDmarcReportMail,
  packDmarcReport,
} from "../../src/delivery/dmarc_reports/report.ts";
import { countObservation, type DmarcTotals } from "../../src/delivery/dmarc_reports/totals.ts";
import type { AuthResult } from "../../src/mailauth/result.ts";
import { forged, observation } from "../delivery/dmarc_reports/observations.ts";
import { RFC_9990 } from "../admin/dmarc/samples.ts";
import { assertEnded, interopTest, makeTemporaryFolder, run, runPython } from "./support.ts";

const PEERS = new URL("./peers/", import.meta.url).pathname;
const DAY = "2026-11-22";

/** A report with all that can be in one. */
function facts(): DmarcReportFacts {
  const totals: DmarcTotals = new Map();
  const count = (...more: Parameters<typeof observation>) =>
    countObservation(totals, observation(...more));
  count();
  count();
  count({ envelopeFrom: null, spf: null, headerFrom: "sub.example.org" });
  count({
    time: 1,
    sourceIp: "2001:db8:0:1::25",
    dkim: [],
    record: "v=DMARC1; p=none; t=y; np=reject; rua=a:b",
  });
  countObservation(
    totals,
    forged({ overrides: [{ type: "local_policy", comment: 'a < "b" & c' }] }),
  );
  const types = ["mailing_list", "policy_test_mode", "trusted_forwarder", "other"] as const;
  const overrides = types.map((type) => ({ type, comment: "" }));
  countObservation(totals, forged({ disposition: "none", overrides }));
  const results: AuthResult[] = [
    ...["none", "pass", "fail", "neutral", "temperror", "permerror", "policy"] as const,
  ];
  for (const result of results) {
    const dkim = [{ domain: "a.example", selector: "s", result, reason: "why <not>?" }];
    count({ dkim, spf: { domain: "a.example", scope: "helo", result, reason: "é" } });
  }
  const counts = { ...totals.get("example.org")!, unlisted: 7 };
  const submitter = "example.net";
  const own = { organization: "Examples & Söhne", contact: "postmaster@example.net" };
  return { domain: "example.org", day: DAY, counts, ...own, submitter, generator: "Yizhan 1.0" };
}

interopTest("our reports of DMARC are by the schema of RFC 9990", ["xmllint"], async () => {
  await using folder = await makeTemporaryFolder();
  const [ours, sample, wrong] = ["ours", "sample", "wrong"].map((name) =>
    `${folder.path}/${name}.xml`
  );
  await Deno.writeTextFile(ours!, formatDmarcReport(facts()));
  await Deno.writeTextFile(sample!, RFC_9990);
  await Deno.writeTextFile(wrong!, formatDmarcReport(facts()).replace("<p>", "<p>no"));
  const validate = (...files: string[]) =>
    run("xmllint", ["--noout", "--nonet", "--schema", `${PEERS}dmarc_report.xsd`, ...files]);
  assertEnded(await validate(ours!, sample!));
  assertEnded(await validate(wrong!), 3);
});

interopTest("dmarc-cat reads our reports of DMARC", ["dmarc-cat"], async () => {
  await using folder = await makeTemporaryFolder();
  const path = `${folder.path}/${dmarcReportFileName(facts())}`;
  await Deno.writeFile(path, packDmarcReport(facts()));
  const read = await run("dmarc-cat", ["-N", path]);
  assertEnded(read);
  assertMatch(read.text, /^Reporting by: Examples & Söhne — postmaster@example\.net$/m);
  assertMatch(read.text, /^From 2026-11-22 00:00:00 .* to 2026-11-22 23:59:59 /m);
  assertMatch(read.text, /^Domain: example\.org\nPolicy: p=none; dkim=r; spf=r$/m);
  assertMatch(read.text, /^192\.0\.2\.7 +2 +example\.org +example\.org +pass +pass *$/m);
  assertMatch(read.text, /^2001:db8::bad +1 +example\.org +evil\.example .*softfail *$/m);
});

/** What `peers/dmarc_report.py` reads of a report. */
interface ReadReport {
  readonly type: string;
  readonly file: string;
  readonly subject: string;
  readonly root: string;
  readonly counts: Readonly<Record<string, number>>;
}

interopTest("Python's own libraries read the mail of a report of DMARC", ["python3"], async () => {
  const mail = formatDmarcReportMail(facts(), "a@example.org", Date.UTC(2026, 10, 23));
  const read = await runPython<ReadReport>("dmarc_report.py", { mail: encode(mail).toBase64() });
  assertEquals(read.type, "application/gzip");
  assertEquals(read.file, dmarcReportFileName(facts()));
  assertMatch(
    read.subject,
    /^Report Domain: example\.org Submitter: example\.net Report-ID: <[0-9a-f]{32}>$/,
  );
  assertEquals(read.root, "{urn:ietf:params:xml:ns:dmarc-2.0}feedback");
  assertEquals(read.counts, { "192.0.2.7": 10, "2001:db8:0:1::25": 1, "2001:db8::bad": 2 });
});

interopTest("yizhan dmarc reads what Mail::DMARC reports", ["perl"], async () => {
  const made = await run("perl", [`${PEERS}dmarc_report.pl`]);
  assertEnded(made);
  const [xml] = unpackReports(made.stdout);
  const read = parseAggregateReport(xml!);
  if (read.status === "fault") throw new Error(read.reason);
  const { organization, id, begin, end, domain, policy, rows, lost } = read.report;
  assertEquals([organization, id, domain, policy, lost], [
    ...["Perl & Sons", "1234.example.org", "example.org", "quarantine", 0],
  ]);
  assertEquals([begin, end], [Date.UTC(2026, 10, 22), Date.UTC(2026, 10, 23) - 1000]);
  const common = { headerFrom: "example.org", envelopeFrom: "bounces.example.org" };
  const spf = [{ domain: "bounces.example.org", result: "pass" }];
  assertEquals(rows, [
    {
      ...{ source: "192.0.2.7", count: 3, disposition: "none", reasons: ["mailing_list"] },
      ...{ ...common, dkimAligned: true, spfAligned: false, spf },
      dkim: [{ domain: "example.org", result: "pass" }],
    },
    {
      ...{ source: "2001:db8::66", count: 2, disposition: "quarantine", reasons: [] },
      ...{ ...common, dkimAligned: false, spfAligned: false, spf },
      dkim: [{ domain: "example.org", result: "fail" }],
    },
  ]);
});
