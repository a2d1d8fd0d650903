import { assert, assertEquals, assertMatch } from "@std/assert";
import { gunzipSync } from "node:zlib";
import {
  packReport,
  reportFileName,
  reportId,
  reportOf,
} from "../../../src/delivery/tls_reports/report.ts";
import { formatTlsReportMail } from "../../../src/delivery/tls_reports/report_mail.ts";
import {
  addTotals,
  countFault,
  countResult,
  type Totals,
} from "../../../src/delivery/tls_reports/totals.ts";
import { formatTotals, parseTotals } from "../../../src/delivery/tls_reports/totals_text.ts";
import type { HostGuard, TlsResult } from "../../../src/delivery/tls_guard.ts";
import { APPENDIX_B } from "./appendix_b.ts";

const POLICY = {
  mode: "testing",
  mx: ["*.mail.company-y.example"],
  maxAge: 86_400,
} as const;
const STS: HostGuard = {
  kind: "sts",
  domain: "company-y.example",
  mode: "testing",
  policy: POLICY,
};

function result(more: Partial<TlsResult> = {}): TlsResult {
  return {
    domain: "company-y.example",
    host: "mx1.mail.company-y.example",
    guard: STS,
    fault: null,
    ...more,
  };
}

/** The counts of Appendix B of RFC 8460. */
function appendixB(): Totals {
  const totals: Totals = new Map();
  for (let count = 0; count < 5326; count++) countResult(totals, result());
  const failed = (
    type: "certificate-expired" | "starttls-not-supported",
    host: string,
    ip: string,
    source: string,
  ) => countResult(totals, result({ fault: { type, text: "" }, host, address: ip, source }));
  for (let count = 0; count < 100; count++) {
    failed(
      "certificate-expired",
      "mx1.mail.company-y.example",
      "203.0.113.58",
      "2001:db8:abcd:0012::1",
    );
  }
  for (let count = 0; count < 200; count++) {
    failed(
      "starttls-not-supported",
      "mx2.mail.company-y.example",
      "203.0.113.56",
      "2001:db8:abcd:0013::1",
    );
  }
  for (let count = 0; count < 3; count++) {
    const fault = {
      type: "validation-failure",
      text: "X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED",
    } as const;
    countResult(
      totals,
      result({
        fault,
        host: "mx-backup.mail.company-y.example",
        address: "203.0.113.57",
        source: "198.51.100.62",
      }),
    );
  }
  return totals;
}

function factsOf(totals: Totals) {
  return {
    domain: "company-y.example",
    day: "2016-04-01",
    policies: totals.get("company-y.example")!,
    organization: "Company-X",
    contact: "sts-reporting@company-x.example",
    submitter: "company-x.example",
  };
}

Deno.test("reportOf() says what Appendix B of RFC 8460 shows", () => {
  const report = reportOf(factsOf(appendixB()));
  assertMatch(report["report-id"], /^2016-04-01\.[0-9a-f]{24}@company-x\.example$/);
  assertEquals({ ...report, "report-id": "" }, {
    ...APPENDIX_B,
    "report-id": "",
    "policies": [{
      ...APPENDIX_B.policies[0],
      "failure-details": [{
        "result-type": "certificate-expired",
        "sending-mta-ip": "2001:db8:abcd:0012::1",
        "receiving-mx-hostname": "mx1.mail.company-y.example",
        "receiving-ip": "203.0.113.58",
        "failed-session-count": 100,
      }, {
        "result-type": "starttls-not-supported",
        "sending-mta-ip": "2001:db8:abcd:0013::1",
        "receiving-mx-hostname": "mx2.mail.company-y.example",
        "receiving-ip": "203.0.113.56",
        "failed-session-count": 200,
      }, {
        "result-type": "validation-failure",
        "sending-mta-ip": "198.51.100.62",
        "receiving-mx-hostname": "mx-backup.mail.company-y.example",
        "receiving-ip": "203.0.113.57",
        "failed-session-count": 3,
        "failure-reason-code": "X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED",
      }],
    }],
  });
});

Deno.test("countResult() tells policies apart: DANE by its base domain, none, and one that shut a host", () => {
  const totals: Totals = new Map();
  const record = { usage: 3, selector: 1, matching: 1, data: Uint8Array.of(0xab, 0xcd) };
  const dane: HostGuard = { kind: "dane", base: "mx.example.net", records: [record], names: [] };
  countResult(totals, result({ guard: dane }));
  countResult(totals, result({ guard: { kind: "none", why: "" } }));
  const fault = { type: "validation-failure", text: "not named" } as const;
  const shut = {
    kind: "shut",
    by: "sts",
    policy: POLICY,
    fault,
    reply: { code: 451, lines: [] },
  } as const;
  countResult(totals, result({ guard: shut, fault }));
  countFault(totals, "company-y.example", { type: "sts-policy-fetch-error", text: "404" });
  const policies = reportOf(factsOf(totals)).policies;
  assertEquals(
    policies.map(({ policy, summary }) => [
      policy["policy-type"],
      policy["policy-domain"],
      ...Object.values(summary),
    ]),
    [
      ["tlsa", "mx.example.net", 1, 0],
      ["no-policy-found", "company-y.example", 1, 1],
      ["sts", "company-y.example", 0, 1],
    ],
  );
  assertEquals(policies[0]!.policy["policy-string"], ["3 1 1 abcd"]);
  assertEquals(policies[1]!["failure-details"], [{
    "result-type": "sts-policy-fetch-error",
    "failed-session-count": 1,
    "failure-reason-code": "404",
  }]);
});

Deno.test("countResult() is bounded whatever strangers do", () => {
  const totals: Totals = new Map();
  for (let index = 0; index < 1000; index++) {
    const fault = { type: "validation-failure", text: `${index}\r\n${"x".repeat(1000)}` } as const;
    countResult(totals, result({ fault, host: `mx${index}.example` }));
    const guard: HostGuard = { kind: "dane", base: `mx${index}.example`, records: [], names: [] };
    countResult(totals, result({ guard }));
  }
  const counts = totals.get("company-y.example")!;
  assert(counts.length <= 8);
  const { failures } = counts[0]!;
  assert(failures.length <= 200);
  assertEquals(failures.reduce((sum, { count }) => sum + count, 0), 1000);
  assert(failures.every(({ reason = "" }) => reason.length <= 250 && !/[\r\n]/.test(reason)));
  for (let index = 0; index < 10_100; index++) {
    countResult(totals, result({ domain: `d${index}.example` }));
  }
  assertEquals(totals.size, 10_000);
  const large: Totals = new Map();
  const record = { usage: 3, selector: 0, matching: 0, data: new Uint8Array(60_000) };
  const guard: HostGuard = {
    ...{ kind: "dane", base: "mx.example", names: [] },
    records: Array(40).fill(record),
  };
  countResult(large, result({ guard }));
  assert(formatTotals(large).length < 10_000);
  const addresses: Totals = new Map();
  for (const domain of ["[192.0.2.1]", "[IPv6:2001:db8::1]", "192.0.2.1", "2001:db8::1"]) {
    countResult(addresses, result({ domain }));
  }
  assertEquals(addresses.size, 0);
});

Deno.test("parseTotals() reads what formatTotals() wrote, and addTotals() adds it up", () => {
  const totals = appendixB();
  assertEquals(parseTotals(formatTotals(totals)), totals);
  addTotals(totals, parseTotals(formatTotals(totals)));
  const [count] = totals.get("company-y.example")!;
  assertEquals([count!.successes, count!.failures.map(({ count }) => count)], [10_652, [
    200,
    400,
    6,
  ]]);
});

Deno.test("parseTotals() leaves out what it cannot read", () => {
  const [head, line] = formatTotals(appendixB()).split("\n");
  for (
    const wrong of [
      "",
      "{",
      "null",
      "[]",
      '{"domain":1}',
      '{"domain":"a","policies":[{}]}',
      line!.slice(0, -9),
    ]
  ) {
    assertEquals([...parseTotals(`${head}\n${wrong}\n${line}\n`).keys()], ["company-y.example"]);
  }
  assertEquals(parseTotals(`${line}\n`).size, 0);
});

Deno.test("reportFileName() and reportId() name a report for ever (RFC 8460 §5.1)", () => {
  const facts = factsOf(appendixB());
  assertMatch(
    reportFileName(facts),
    /^company-x\.example!company-y\.example!1459468800!1459555199![0-9a-f]{24}\.json\.gz$/,
  );
  assertEquals(reportId(facts), reportId({ ...facts, policies: [] } as typeof facts));
  assert(reportId(facts) !== reportId({ ...facts, day: "2016-04-02" }));
});

Deno.test("formatTlsReportMail() is the mail of RFC 8460 §5.3", () => {
  const facts = factsOf(appendixB());
  const mail = formatTlsReportMail(facts, "tls@company-y.example", Date.UTC(2016, 3, 2));
  assertEquals(mail.replaceAll("\r\n", "").includes("\n"), false);
  assert(mail.split("\r\n").every((line) => line.length <= 998));
  const [head = "", ...parts] = mail.split(/\r\n\r\n/);
  const unfolded = head.replace(/\r\n /g, " ");
  assertMatch(
    unfolded,
    /^Subject: Report Domain: company-y\.example Submitter: company-x\.example Report-ID: <2016-04-01\.\w+@company-x\.example>$/m,
  );
  assertMatch(unfolded, /^TLS-Report-Domain: company-y\.example$/m);
  assertMatch(unfolded, /^TLS-Report-Submitter: company-x\.example$/m);
  assertMatch(unfolded, /^Content-Type: multipart\/report; report-type="tlsrpt"; boundary="/m);
  const at = parts.findIndex((part) => part.includes("Content-Type: application/tlsrpt+gzip"));
  assertMatch(parts[at]!, /filename="company-x\.example!company-y\.example!\d+!\d+!\w+\.json\.gz"/);
  const octets = Uint8Array.fromBase64(parts[at + 1]!.replaceAll("\r\n", ""));
  assertEquals(octets, packReport(facts));
  assertEquals(JSON.parse(gunzipSync(octets).toString()), reportOf(facts));
});
