import { assert, assertEquals, assertMatch } from "@std/assert";
import { type AggregateReport, parseAggregateReport } from "../../../src/admin/dmarc/report.ts";
import { encode } from "../../../src/bytes.ts";
import { octetsOf, ODD, RFC_7489, RFC_9990 } from "./samples.ts";

function read(text: string | Uint8Array): AggregateReport {
  const read = parseAggregateReport(typeof text === "string" ? encode(text) : text);
  if (read.status === "fault") throw new Error(read.reason);
  return read.report;
}

function faultOf(text: string | Uint8Array): string {
  const read = parseAggregateReport(typeof text === "string" ? encode(text) : text);
  assertEquals(read.status, "fault");
  return read.status === "fault" ? read.reason : "";
}

Deno.test("parseAggregateReport() reads the sample of RFC 9990", () => {
  assertEquals(read(RFC_9990), {
    organization: "Sample Reporter",
    email: "report_sender@example-reporter.com",
    id: "3v98abbp8ya9n3va8yr8oa3ya",
    begin: Date.UTC(1979, 7, 7),
    end: Date.UTC(1979, 7, 8) - 1000,
    domain: "example.com",
    policy: "quarantine",
    rows: [{
      ...{ source: "192.0.2.123", count: 123, disposition: "none" },
      ...{ dkimAligned: true, spfAligned: false, reasons: [] },
      ...{ headerFrom: "example.com", envelopeFrom: "example.com" },
      dkim: [{ domain: "example.com", result: "pass" }],
      spf: [{ domain: "example.com", result: "fail" }],
    }],
    lost: 0,
    lostReason: "",
  });
});

Deno.test("parseAggregateReport() reads all of RFC 7489's schema", () => {
  const report = read(RFC_7489);
  assertEquals([report.organization, report.policy], ["acme.com", "none"]);
  assertEquals([report.begin, report.end], [Date.UTC(2012, 3, 28), Date.UTC(2012, 3, 29) - 1000]);
  assertEquals(report.rows, [{
    ...{ source: "72.150.241.94", count: 2, disposition: "none" },
    ...{ dkimAligned: false, spfAligned: true, reasons: ["mailing_list", "sampled_out"] },
    ...{ headerFrom: "example.com", envelopeFrom: "example.com" },
    dkim: [
      { domain: "example.com", result: "fail" },
      { domain: "list.example", result: "pass" },
    ],
    spf: [{ domain: "example.com", result: "pass" }],
  }]);
});

Deno.test("parseAggregateReport() reads what reporters make of it: prefixes, capitals, another encoding", () => {
  const report = read(octetsOf(ODD));
  assertEquals([report.organization, report.id], ["Réseau <SA>", "website.com_1504828800"]);
  assertEquals([report.domain, report.policy], ["website.com", "reject"]);
  assertEquals(report.rows, [{
    ...{ source: "2001:db8::1", count: 7, disposition: "reject" },
    ...{ dkimAligned: false, spfAligned: false, reasons: [] },
    ...{ headerFrom: "xn--bcher-kva.website.com", envelopeFrom: "" },
    dkim: [],
    spf: [{ domain: "", result: "none" }],
  }]);
  assertEquals([report.lost, report.lostReason], [1, "its source_ip is no address: not told"]);
});

Deno.test("parseAggregateReport() reads UTF-8 and UTF-16 with their marks", () => {
  const wide = (little: boolean) => {
    const view = new DataView(new ArrayBuffer(2 * (RFC_9990.length + 1)));
    [...`\ufeff${RFC_9990}`].forEach((one, at) =>
      view.setUint16(2 * at, one.charCodeAt(0), little)
    );
    return new Uint8Array(view.buffer);
  };
  const expected = read(RFC_9990);
  assertEquals(read(`\ufeff${RFC_9990}`), expected);
  assertEquals(read(wide(true)), expected);
  assertEquals(read(wide(false)), expected);
  assertEquals(read(`<?xml version="1.0" encoding="UTF-16"?>${RFC_9990}`), expected);
  assertMatch(faultOf(`<?xml version="1.0" encoding="EBCDIC-XY"?>${RFC_9990}`), /ebcdic-xy/);
  const broken = read(octetsOf(RFC_9990.replace("Sample Reporter", "R\xe9seau")));
  assertEquals(broken.organization, "R\ufffdseau");
});

Deno.test("parseAggregateReport() says what is wrong with what is no report", () => {
  const without = (element: RegExp) => RFC_9990.replace(element, "");
  assertMatch(faultOf(""), /there is no element|document must contain a root/);
  assertMatch(faultOf("hello"), /^line 1: /);
  assertMatch(faultOf(RFC_9990.slice(0, -40)), /^line \d+: /);
  assertMatch(faultOf("<html><body/></html>"), /it is no report: its element is html/);
  assertMatch(faultOf(without(/<report_metadata>[^]*<\/report_metadata>/)), /no report_metadata/);
  assertMatch(
    faultOf(without(/<policy_published>[^]*<\/policy_published>/)),
    /no policy_published/,
  );
  assertMatch(faultOf(without(/<domain>example.com<\/domain>/)), /names no domain/);
  assertMatch(faultOf(without(/<begin>.*<\/begin>/)), /its date_range has no begin/);
  assertMatch(faultOf(RFC_9990.replace("302918399", "tomorrow")), /its date_range has no end/);
  for (
    const [old, wrong, reason] of [
      ["192.0.2.123", "192.0.2.999", /source_ip is no address: 192\.0\.2\.999/],
      [">123<", ">-1<", /its count is no number: -1/],
      [">123<", ">1e99<", /its count is no number/],
      ["<header_from>example.com</header_from>", "<header_from/>", /header_from is no domain/],
    ] as const
  ) {
    assertMatch(faultOf(RFC_9990.replace(old, wrong)), reason);
  }
});

Deno.test("parseAggregateReport() expands no entity, and follows none", () => {
  const laughs = Array.from(
    { length: 9 },
    (_, at) => `<!ENTITY l${at + 1} "${`&l${at};`.repeat(10)}">`,
  );
  const doctype = `<!DOCTYPE feedback [<!ENTITY l0 "ha">${laughs.join("")}]>`;
  assertMatch(faultOf(doctype + RFC_9990.replace("Sample Reporter", "&l9;")), /document type/);
  const file = '<!DOCTYPE feedback [<!ENTITY x SYSTEM "file:///etc/passwd">]>';
  assertMatch(faultOf(file + RFC_9990.replace("Sample Reporter", "&x;")), /document type/);
  assertMatch(
    faultOf(`<!DOCTYPE feedback SYSTEM "http://x.example/">${RFC_9990}`),
    /document type/,
  );
  assertMatch(faultOf(RFC_9990.replace("Sample Reporter", "&l9;")), /entity/);
  assertEquals(read(RFC_9990.replace("Sample", "&lt;&#65;&#x42;")).organization, "<AB Reporter");
});

Deno.test("parseAggregateReport() is bounded in depth, elements, texts and records", () => {
  const inside = (xml: string) =>
    RFC_9990.replace("<extra_contact_info>...", `<extra_contact_info>${xml}`);
  const deep = "<x>".repeat(100_000);
  assertMatch(faultOf(inside(deep)), /more than 20 deep/);
  assertMatch(faultOf(inside("<x/>".repeat(20_000))), /more than 10000 elements/);
  const long = read(RFC_9990.replace("Sample Reporter", "x".repeat(1_000_000)));
  assertEquals(long.organization.length, 255);
  const comments = read(inside("<!-- x -->".repeat(50_000)));
  assertEquals(comments.rows.length, 1);
  const attributes = Array.from({ length: 20_000 }, (_, at) => `a${at}="x"`).join(" ");
  assertMatch(faultOf(inside(`<x ${attributes}/>`)), /more than 100 attributes/);
  const record = /<record>[^]*<\/record>/.exec(RFC_9990)![0];
  const small = record.replace(/\s+/g, "");
  const many = RFC_9990.replace(record, small.repeat(1000));
  assertEquals(read(many).rows.length, 1000);
  const pass = RFC_9990.replace(record, "<record/>".repeat(1000) + record);
  assertEquals([read(pass).rows.length, read(pass).lost], [1, 1000]);
  assert(read(pass).lostReason !== "");
});
