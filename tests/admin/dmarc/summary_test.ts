import { assertEquals } from "@std/assert";
import type { AggregateReport, AggregateRow } from "../../../src/admin/dmarc/report.ts";
import { DmarcSummary } from "../../../src/admin/dmarc/summary.ts";

const DAY = 86_400_000;

function row(more: Partial<AggregateRow> = {}): AggregateRow {
  return {
    ...{ source: "192.0.2.1", count: 10, disposition: "none" },
    ...{ dkimAligned: true, spfAligned: true, reasons: [] },
    ...{ headerFrom: "example.org", envelopeFrom: "example.org" },
    dkim: [{ domain: "example.org", result: "pass" }],
    spf: [{ domain: "example.org", result: "pass" }],
    ...more,
  };
}

const FAILS = { dkimAligned: false, spfAligned: false, dkim: [], spf: [] } as const;

function report(
  rows: readonly AggregateRow[],
  more: Partial<AggregateReport> = {},
): AggregateReport {
  return {
    ...{ organization: "Other", email: "a@other.example", id: "1" },
    ...{ begin: DAY, end: 2 * DAY - 1000, domain: "example.org", policy: "none" },
    ...{ rows, lost: 0, lostReason: "" },
    ...more,
  };
}

Deno.test("DmarcSummary adds up domains and sources, those that fail most first", () => {
  const summary = new DmarcSummary();
  summary.add(report([row(), row({ ...FAILS, source: "192.0.2.2", disposition: "quarantine" })]));
  summary.add(report([
    row({ count: 5, spfAligned: false }),
    row({ ...FAILS, count: 90, source: "192.0.2.3", disposition: "reject" }),
  ], { id: "2", organization: "Another", begin: 3 * DAY, end: 4 * DAY, policy: "reject" }));
  summary.add(report([row({ count: 1 })], { domain: "a.example" }));
  const [first, second] = summary.finish();
  assertEquals(first!.domain, "a.example");
  const { sources, ...sums } = second!;
  assertEquals(sums, {
    ...{ domain: "example.org", policy: "reject", reports: 2, reporters: ["Another", "Other"] },
    ...{ begin: DAY, end: 4 * DAY, messages: 115, passed: 15, dkimAligned: 15, spfAligned: 10 },
    ...{ quarantined: 10, rejected: 90, moreSources: false },
  });
  assertEquals(sources.map(({ source, messages, passed }) => [source, messages, passed]), [
    ["192.0.2.3", 90, 0],
    ["192.0.2.2", 10, 0],
    ["192.0.2.1", 15, 15],
  ]);
});

Deno.test("DmarcSummary leaves out what came before, what is old and what nobody asked for", () => {
  const summary = new DmarcSummary({ since: 2 * DAY, wants: (domain) => domain !== "b.example" });
  const one = report([row()], { end: 3 * DAY });
  assertEquals(summary.add(one), "added");
  assertEquals(summary.add(one), "twice");
  assertEquals(summary.add({ ...one, domain: "c.example" }), "added");
  assertEquals(summary.add(report([row()])), "old");
  assertEquals(summary.add(report([row()], { domain: "b.example", end: 3 * DAY })), "other");
  assertEquals(summary.finish().map(({ domain, messages }) => [domain, messages]), [
    ["c.example", 10],
    ["example.org", 10],
  ]);
});

Deno.test("DmarcSummary tells what a source seems to be", () => {
  const kind = (...rows: AggregateRow[]) => {
    const summary = new DmarcSummary({ own: ["2001:DB8::25"] });
    summary.add(report(rows));
    return summary.finish()[0]!.sources[0]!.kind;
  };
  const own = { source: "2001:db8:0::25" };
  const service = { domain: "service.example", result: "pass" };
  assertEquals(kind(row()), "passes");
  assertEquals(kind(row({ dkimAligned: false })), "passes");
  assertEquals(kind(row(), row(FAILS)), "mixed");
  assertEquals(kind(row({ ...FAILS, ...own, source: "2001:db8::25" })), "own");
  assertEquals(kind(row({ ...FAILS, reasons: ["forwarded"] })), "forwarder");
  assertEquals(kind(row({ ...FAILS, reasons: ["local_policy"] })), "unknown");
  assertEquals(kind(row({ ...FAILS, dkim: [service] })), "service");
  assertEquals(kind(row({ ...FAILS, spf: [service] })), "service");
  assertEquals(kind(row({ ...FAILS, spf: [{ ...service, result: "fail" }] })), "unknown");
});

Deno.test("DmarcSummary names the other domains of what failed, the most frequent first", () => {
  const summary = new DmarcSummary();
  const of = (domain: string, count: number) =>
    row({ ...FAILS, count, dkim: [{ domain, result: "pass" }, { domain: "", result: "pass" }] });
  summary.add(report([of("a.example", 1), of("b.example", 2), of("example.org", 9)]));
  assertEquals(summary.finish()[0]!.sources[0]!.otherDomains, ["b.example", "a.example"]);
});

Deno.test("DmarcSummary is bounded in sources and names", () => {
  const summary = new DmarcSummary();
  const rows = Array.from({ length: 10_005 }, (_, at) => row({ source: `s${at}`, count: 1 }));
  const names = Array.from(
    { length: 100 },
    (_, at) => row({ source: "s0", headerFrom: `${at}.x` }),
  );
  summary.add(report([...rows, ...names]));
  const [found] = summary.finish();
  assertEquals([found!.sources.length, found!.moreSources, found!.messages], [
    10_000,
    true,
    11_005,
  ]);
  assertEquals(found!.sources.find(({ source }) => source === "s0")!.headerFrom.length, 50);
});
