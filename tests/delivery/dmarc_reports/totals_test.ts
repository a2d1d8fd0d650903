import { assert, assertEquals } from "@std/assert";
import {
  addDmarcTotals,
  countObservation,
  type DmarcTotals,
} from "../../../src/delivery/dmarc_reports/totals.ts";
import {
  formatDmarcTotals,
  parseDmarcTotals,
} from "../../../src/delivery/dmarc_reports/totals_text.ts";
import type { DmarcObservation } from "../../../src/mailauth/dmarc/observation.ts";
import { forged, observation } from "./observations.ts";

function totalsOf(...seen: DmarcObservation[]): DmarcTotals {
  const totals: DmarcTotals = new Map();
  for (const one of seen) countObservation(totals, one);
  return totals;
}

function rowsOf(totals: DmarcTotals, domain = "example.org") {
  return [...totals.get(domain)!.rows.values()];
}

Deno.test("countObservation() makes one row of messages that are alike, and others of those that are not", () => {
  const totals = totalsOf(
    observation(),
    observation({ message: "m2", time: 5 }),
    observation({ headerFrom: "sub.example.org" }),
    observation({ sourceIp: "192.0.2.8" }),
    forged(),
    forged({ domain: "other.example" }),
  );
  assertEquals([...totals.keys()], ["example.org", "other.example"]);
  assertEquals(
    rowsOf(totals).map(({ source, count, disposition }) => [source, count, disposition]),
    [
      ["192.0.2.7", 2, "pass"],
      ["192.0.2.7", 1, "pass"],
      ["192.0.2.8", 1, "pass"],
      ["2001:db8::bad", 1, "reject"],
    ],
  );
});

Deno.test("countObservation() keeps the last policy that was seen, defaults in their places", () => {
  const totals = totalsOf(
    observation({
      time: 2,
      record: "v=DMARC1; p=none; sp=reject; fo=1:d; t=y; rua=mailto:a@b.example",
    }),
    observation({ time: 1 }),
  );
  assertEquals(totals.get("example.org")!.policy, {
    ...{ p: "none", sp: "reject", np: "reject", adkim: "r", aspf: "r" },
    ...{ fo: "1:d", testing: true, discovery: "treewalk" },
  });
});

Deno.test("countObservation() calls a pass under p=none by RFC 9990's none", () => {
  const [row] = rowsOf(totalsOf(observation({ requested: "none" })));
  assertEquals(row?.disposition, "none");
});

Deno.test("countObservation() finds reports and notices alone not worth a report, but forgeries of them", () => {
  const worth = (...seen: DmarcObservation[]) => totalsOf(...seen).get("example.org")!.worthwhile;
  const report = observation({ isReport: true });
  const notice = observation({ envelopeFrom: null });
  assertEquals(worth(report, notice), false);
  assertEquals(worth(report, observation()), true);
  assertEquals(worth(forged({ isReport: true })), true);
  assertEquals(worth(forged({ envelopeFrom: null })), true);
});

Deno.test("countObservation() is bounded whatever strangers do", () => {
  const totals: DmarcTotals = new Map();
  for (let index = 0; index < 1500; index++) {
    const selector = `${index}`.padEnd(400, "x");
    const dkim = Array.from({ length: 40 }, () => (
      { domain: "d".repeat(300), selector, result: "fail", reason: "é\n".repeat(300) } as const
    ));
    countObservation(totals, forged({ dkim }));
  }
  const { rows, unlisted } = totals.get("example.org")!;
  assertEquals([rows.size, unlisted], [1000, 500]);
  const [signature, ...more] = rowsOf(totals)[0]!.dkim;
  assertEquals(more.length, 19);
  assert(signature!.reason!.length <= 200 && !/[^ -~]/.test(signature!.reason!));
  for (let index = 0; index < 30_000; index++) {
    countObservation(
      totals,
      observation({ domain: `d${index % 6000}.example`, sourceIp: `${index}` }),
    );
  }
  const all = [...totals.values()];
  assertEquals(all.length, 5000);
  assertEquals(all.reduce((sum, { rows }) => sum + rows.size, 0), 20_000);
});

Deno.test("parseDmarcTotals() reads what formatDmarcTotals() wrote, and addDmarcTotals() adds it up", () => {
  const totals = totalsOf(
    observation(),
    forged({ overrides: [{ type: "local_policy", comment: "so" }] }),
    observation({ spf: null, domain: "other.example" }),
  );
  const again = parseDmarcTotals(formatDmarcTotals(totals));
  assertEquals(again, totals);
  addDmarcTotals(totals, again);
  addDmarcTotals(totals, totalsOf(observation({ time: 9, record: "v=DMARC1; p=none" })));
  assertEquals(rowsOf(totals).map(({ count }) => count), [3, 2]);
  assertEquals(totals.get("example.org")!.policy.p, "none");
});

Deno.test("parseDmarcTotals() leaves out what it cannot read", () => {
  const [head, line] = formatDmarcTotals(totalsOf(observation())).split("\n");
  const broken = [
    line!.slice(0, -9),
    "null",
    "7",
    line!.replace('"rows":[', '"rows":[null,'),
    line!.replace('"count":1', '"count":-1'),
    line!.replace('"testing":false', '"testing":0'),
    line!.replace('"spf":{', '"spf":{"domain":7},"x":{'),
    line!.replace('"domain":"example.org"', '"domain":null'),
  ];
  for (const wrong of broken) {
    assert(wrong !== line, wrong);
    const text = `${head}\n${wrong.replace('"example.org"', '"wrong.example"')}\n${line}\n`;
    assertEquals([...parseDmarcTotals(text).keys()], ["example.org"], wrong);
  }
  assertEquals(parseDmarcTotals(`${line}\n`).size, 0);
});
