import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { gzipSync } from "node:zlib";
import { encode } from "../../../src/bytes.ts";
import { parseTlsReport } from "../../../src/delivery/tls_reports/received_report.ts";
import { packReport } from "../../../src/delivery/tls_reports/report.ts";
import { APPENDIX_B } from "./appendix_b.ts";

function faultOf(value: unknown): string | null {
  const report = parseTlsReport(encode(JSON.stringify(value)));
  return "fault" in report ? report.fault : null;
}

Deno.test("parseTlsReport() reads Appendix B of RFC 8460, packed or not", () => {
  const plain = encode(JSON.stringify(APPENDIX_B));
  for (const octets of [plain, new Uint8Array(gzipSync(plain))]) {
    const report = parseTlsReport(octets);
    assert(!("fault" in report), JSON.stringify(report));
    assertEquals(
      [report.organization, report.contact, report.id, report.end - report.start],
      [
        "Company-X",
        "sts-reporting@company-x.example",
        "5065427c-23d3-47ca-b6e0-946ea0e8c4be",
        86_399_000,
      ],
    );
    const [policy] = report.policies;
    assertEquals([policy!.type, policy!.domain, policy!.successes, policy!.failures], [
      ...["sts", "company-y.example", 5326, 303],
    ]);
    assertEquals(policy!.mx, ["*.mail.company-y.example"]);
    assertEquals(policy!.details.map(({ type, count }) => [type, count]), [
      ["certificate-expired", 100],
      ["starttls-not-supported", 200],
      ["validation-failure", 3],
    ]);
    assertEquals(policy!.details[2], {
      type: "validation-failure",
      count: 3,
      source: "198.51.100.62",
      host: "mx-backup.mail.company-y.example",
      address: "203.0.113.58",
      reason: "X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED",
    });
  }
});

Deno.test("parseTlsReport() takes one text for a list of one, and does without what may be missing", () => {
  const [{ policy, summary }] = APPENDIX_B.policies as [typeof APPENDIX_B.policies[number]];
  const report = parseTlsReport(encode(JSON.stringify({
    ...APPENDIX_B,
    "contact-info": null,
    "policies": [{ policy: { ...policy, "policy-string": "x", "mx-host": undefined }, summary }],
  })));
  assert(!("fault" in report));
  assertEquals([report.contact, report.policies[0]!.lines, report.policies[0]!.mx], [
    "",
    ["x"],
    [],
  ]);
});

Deno.test("parseTlsReport() reads what we send", () => {
  const policy = { type: "no-policy-found", domain: "example.org", lines: [], mx: [] } as const;
  const failures = [{ type: "starttls-not-supported", count: 2, host: "mx.example.org" } as const];
  const report = parseTlsReport(packReport({
    ...{ domain: "example.org", day: "2026-11-23", policies: [{ policy, successes: 1, failures }] },
    ...{ organization: "Example", contact: "a@example.net", submitter: "example.net" },
  }));
  assert(!("fault" in report));
  assertEquals(report.policies, [{
    ...policy,
    ...{ successes: 1, failures: 2 },
    details: [{ type: "starttls-not-supported", count: 2, host: "mx.example.org" }],
  }]);
});

Deno.test("parseTlsReport() finds fault with every malformation", () => {
  assertEquals(faultOf(APPENDIX_B), null);
  const [policy] = APPENDIX_B.policies;
  const [detail] = policy!["failure-details"];
  const withPolicy = (more: object) => ({ ...APPENDIX_B, policies: [{ ...policy, ...more }] });
  const cases: [unknown, string][] = [
    [[], "the report is no object"],
    [null, "the report is no object"],
    [{ ...APPENDIX_B, "report-id": 5 }, "report-id is no text"],
    [{ ...APPENDIX_B, "report-id": undefined }, "report-id is missing"],
    [{ ...APPENDIX_B, "date-range": undefined }, "date-range is missing"],
    [
      { ...APPENDIX_B, "date-range": { "start-datetime": "yesterday", "end-datetime": "today" } },
      "start-datetime is no time",
    ],
    [{ ...APPENDIX_B, policies: {} }, "policies is no list"],
    [{ ...APPENDIX_B, policies: Array(10_001).fill(policy) }, "policies is too long"],
    [{ ...APPENDIX_B, policies: ["x"] }, "an item of policies is no object"],
    [withPolicy({ policy: undefined }), "policy is missing"],
    [withPolicy({ policy: { ...policy!.policy, "mx-host": [1] } }), "mx-host has what is no text"],
    [withPolicy({ summary: {} }), "total-successful-session-count is missing"],
    [
      withPolicy({ summary: { ...policy!.summary, "total-failure-session-count": -1 } }),
      "total-failure-session-count is no count",
    ],
    [
      withPolicy({ "failure-details": [{ ...detail, "failed-session-count": 1.5 }] }),
      "failed-session-count is no count",
    ],
    [
      withPolicy({ "failure-details": [{ ...detail, "result-type": undefined }] }),
      "result-type is missing",
    ],
  ];
  for (const [value, fault] of cases) assertEquals(faultOf(value), fault);
  for (const text of ["", "{", "\x1f\x8bnonsense"]) {
    assertEquals(
      parseTlsReport(Uint8Array.from(text, (c) => c.charCodeAt(0))),
      { fault: "it is no JSON, packed or not" },
    );
  }
  assertEquals(parseTlsReport(Uint8Array.of(0xff, 0xfe)), { fault: "it is no UTF-8" });
});

Deno.test("parseTlsReport() is not blown up by a bomb, and gives no control characters", () => {
  const bomb = new Uint8Array(gzipSync(new Uint8Array(64 * 1024 * 1024)));
  assert("fault" in parseTlsReport(bomb));
  const report = parseTlsReport(encode(JSON.stringify({
    ...APPENDIX_B,
    "organization-name": `a\x1b[31m\r\n${"b".repeat(5000)}`,
  })));
  assert(!("fault" in report));
  assert(report.organization.length <= 1000 && !/\p{Cc}/u.test(report.organization));
});

Deno.test("parseTlsReport() never throws", () => {
  fc.assert(fc.property(fc.json(), (text) => {
    parseTlsReport(encode(text));
  }));
  fc.assert(fc.property(fc.uint8Array(), (octets) => {
    parseTlsReport(octets);
    parseTlsReport(Uint8Array.of(0x1f, 0x8b, ...octets));
  }));
});
