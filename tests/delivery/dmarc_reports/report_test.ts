import { assert, assertEquals, assertMatch } from "@std/assert";
import fc from "fast-check";
import { gunzipSync } from "node:zlib";
import {
  dmarcReportFileName,
  dmarcReportId,
  formatDmarcReport,
  formatDmarcReportMail,
  packDmarcReport,
} from "../../../src/delivery/dmarc_reports/report.ts";
import { countObservation, type DmarcTotals } from "../../../src/delivery/dmarc_reports/totals.ts";
import type { DmarcObservation } from "../../../src/mailauth/dmarc/observation.ts";
import { forged, observation } from "./observations.ts";

function factsOf(...seen: DmarcObservation[]) {
  const totals: DmarcTotals = new Map();
  for (const one of seen) countObservation(totals, one);
  return {
    ...{ domain: "example.org", day: "2026-11-23", counts: totals.get("example.org")! },
    ...{ organization: "Examples", contact: "postmaster@mx.example.net" },
    ...{ submitter: "mx.example.net", generator: "Yizhan 1" },
  };
}

Deno.test("formatDmarcReport() is laid out as RFC 9990's Appendix B", () => {
  const facts = factsOf(forged({
    overrides: [{ type: "local_policy", comment: "a < b" }],
    dkim: [
      { domain: "evil.example", selector: "x", result: "fail", reason: "body hash" },
      { domain: "other.example", selector: "y", result: "pass" },
    ],
    disposition: "quarantine",
  }));
  const id = dmarcReportId(facts);
  assertEquals(
    formatDmarcReport(facts),
    `<?xml version="1.0" encoding="UTF-8"?>
<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0">
<version>1.0</version>
<report_metadata>
  <org_name>Examples</org_name>
  <email>postmaster@mx.example.net</email>
  <report_id>${id}</report_id>
  <date_range>
    <begin>1795392000</begin>
    <end>1795478399</end>
  </date_range>
  <generator>Yizhan 1</generator>
</report_metadata>
<policy_published>
  <domain>example.org</domain>
  <p>reject</p>
  <sp>quarantine</sp>
  <np>quarantine</np>
  <adkim>r</adkim>
  <aspf>s</aspf>
  <discovery_method>treewalk</discovery_method>
  <fo>0</fo>
  <testing>n</testing>
</policy_published>
<record>
  <row>
    <source_ip>2001:db8::bad</source_ip>
    <count>1</count>
    <policy_evaluated>
      <disposition>quarantine</disposition>
      <dkim>fail</dkim>
      <spf>fail</spf>
      <reason>
        <type>local_policy</type>
        <comment>a &lt; b</comment>
      </reason>
    </policy_evaluated>
  </row>
  <identifiers>
    <header_from>example.org</header_from>
    <envelope_from>evil.example</envelope_from>
  </identifiers>
  <auth_results>
    <dkim>
      <domain>other.example</domain>
      <selector>y</selector>
      <result>pass</result>
    </dkim>
    <dkim>
      <domain>evil.example</domain>
      <selector>x</selector>
      <result>fail</result>
      <human_result>body hash</human_result>
    </dkim>
    <spf>
      <domain>evil.example</domain>
      <scope>mfrom</scope>
      <result>softfail</result>
      <human_result>~all</human_result>
    </spf>
  </auth_results>
</record>
</feedback>
`,
  );
});

Deno.test("formatDmarcReport() has no markup that a stranger wrote", () => {
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 40 }), (text) => {
    const dkim = [{ domain: text, selector: text, result: "fail", reason: text }] as const;
    const seen = observation({ headerFrom: text, envelopeFrom: text, dkim });
    const xml = formatDmarcReport({ ...factsOf(seen), organization: text, generator: text });
    const plain = formatDmarcReport({ ...factsOf(observation()), organization: "", generator: "" });
    const tags = (one: string) => one.match(/<[^>]*>/g)!.filter((tag) => !/human_result/.test(tag));
    assertEquals(tags(xml), tags(plain));
    assert(!/&(?!amp;|lt;|gt;|quot;|apos;)/.test(xml));
  }));
});

Deno.test("dmarcReportId() and dmarcReportFileName() name a report for ever (RFC 9990 §3.5.2)", () => {
  const facts = factsOf(observation());
  const id = dmarcReportId(facts);
  assertMatch(id, /^[0-9a-f]{32}$/);
  assertEquals(dmarcReportId(factsOf(forged())), id);
  assert(dmarcReportId({ ...facts, day: "2026-11-24" }) !== id);
  assert(dmarcReportId({ ...facts, domain: "example.com" }) !== id);
  assertEquals(
    dmarcReportFileName(facts),
    `mx.example.net!example.org!1795392000!1795478399!${id}.xml.gz`,
  );
});

Deno.test("formatDmarcReportMail() is the mail of RFC 9990 §3.5.2", () => {
  const facts = factsOf(observation());
  const id = dmarcReportId(facts);
  const mail = formatDmarcReportMail(facts, "reports@example.org", Date.UTC(2026, 10, 24));
  const [head, ...parts] = mail.split("\r\n\r\n");
  assertEquals(head!.split("\r\n"), [
    "From: postmaster@mx.example.net",
    "To: reports@example.org",
    "Date: Tue, 24 Nov 2026 00:00:00 +0000",
    "Subject: Report Domain: example.org",
    " Submitter: mx.example.net",
    ` Report-ID: <${id}>`,
    `Message-ID: <dmarc.${id}@mx.example.net>`,
    "Auto-Submitted: auto-generated",
    "MIME-Version: 1.0",
    "Content-Type: multipart/mixed;",
    ` boundary="report-${id}"`,
  ]);
  assertMatch(parts.join("\n\n"), /^Content-Type: application\/gzip\r$/m);
  assert(mail.includes(` filename="${dmarcReportFileName(facts)}"\r\n`));
  const base64 = parts.find((part) => /^[A-Za-z0-9+/=\r\n]+$/.test(part))!;
  const octets = Uint8Array.fromBase64(base64.replaceAll("\r\n", ""));
  assertEquals(gunzipSync(octets).toString(), formatDmarcReport(facts));
  assertEquals(octets, packDmarcReport(facts));
  assert(mail.split("\r\n").every((line) => line.length <= 998));
});
