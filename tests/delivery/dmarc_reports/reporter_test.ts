import { assertEquals, assertMatch } from "@std/assert";
import { DmarcCounts } from "../../../src/delivery/dmarc_reports/counts.ts";
import { DmarcReporter } from "../../../src/delivery/dmarc_reports/reporter.ts";
import type { SentReport, SubmittedReport } from "../../../src/delivery/reports/submit_report.ts";
import { attachedTo, HOUR, ReportWorld } from "../reports/report_world.ts";
import { forged, observation, RECORD } from "./observations.ts";

/** A station that reports about example.org. */
class DmarcWorld extends ReportWorld {
  constructor() {
    super("/data/dmarc-reports");
    this.record(RECORD);
  }

  record(text: string, domain = "example.org"): void {
    this.own.resolver.set(`_dmarc.${domain}`, { txt: [text] });
  }

  counts(instance?: string): Promise<DmarcCounts> {
    return DmarcCounts.open({ ...this.counting, ...(instance !== undefined && { instance }) });
  }

  start(): DmarcReporter {
    return DmarcReporter.start({ ...this.reporting, generator: "Yizhan" });
  }

  /** A day with this, and the time in which it is reported. */
  async day(...seen: ReturnType<typeof observation>[]): Promise<DmarcReporter> {
    const counts = await this.counts();
    for (const one of seen) counts.observe(one);
    await this.own.clock.runUntil(counts.close());
    const reporter = this.start();
    await this.pass(28.5 * HOUR);
    return reporter;
  }
}

Deno.test("DmarcReporter sends one report of a day, of all threads together, and forgets the day", async () => {
  const world = new DmarcWorld();
  const [first, other] = [await world.counts(), await world.counts("w1")];
  const reporter = world.start();
  first.observe(observation());
  other.observe(observation());
  other.observe(forged());
  first.observe(observation({ domain: "silent.example", record: "v=DMARC1; p=none" }));
  await world.pass(6000);
  assertEquals(await world.files(), ["2026-01-01.json", "2026-01-01.w1.json"]);
  await world.pass(24 * HOUR);
  assertEquals(world.submitted, []); // not before the day is over for all
  await world.pass(4 * HOUR);
  assertEquals(world.submitted.length, 1);
  const [{ id, sender, recipient }] = world.submitted as [SubmittedReport];
  assertMatch(id, /^dmarc-2026-01-01-[0-9a-f]{32}$/);
  assertEquals([sender, recipient], ["postmaster@example.net", "reports@example.org"]);
  const xml = attachedTo(world.submitted[0]!);
  assertEquals(xml.match(/<source_ip>.*|<count>.*/g), [
    "<source_ip>192.0.2.7</source_ip>",
    "<count>2</count>",
    "<source_ip>2001:db8::bad</source_ip>",
    "<count>1</count>",
  ]);
  assertMatch(xml, /<begin>1767225600<\/begin>\s*<end>1767311999<\/end>/);
  assertEquals(world.reports.map(({ domain, targets, troubles }) => [domain, targets, troubles]), [
    ["example.org", ["reports@example.org"], []],
  ]);
  assertEquals(await world.files(), []);
  await world.pass(48 * HOUR);
  assertEquals([world.submitted.length, world.troubles], [1, []]);
  await world.stop(reporter);
});

Deno.test("DmarcReporter asks who wants reports when it sends them, and believes no third party's address", async () => {
  const world = new DmarcWorld();
  world.record(
    "v=DMARC1; p=none; rua=mailto:a@example.org,mailto:b@willing.example,mailto:c@victim.example",
  );
  const grant = "example.org._report._dmarc.willing.example";
  world.own.resolver.set(grant, { txt: ["v=DMARC1; rua=mailto:d@willing.example"] });
  const reporter = await world.day(observation());
  assertEquals(world.submitted.map(({ recipient }) => recipient), [
    "a@example.org",
    "d@willing.example",
  ]);
  assertEquals(new Set(world.submitted.map(({ id }) => id)).size, 2);
  const [{ troubles }] = world.reports as [SentReport];
  assertEquals(troubles.length, 1);
  assertMatch(troubles[0]!, /^c@victim\.example: victim\.example has not said that it wants/);
  assertEquals(await world.files(), []);
  await world.stop(reporter);
});

Deno.test("DmarcReporter sends nothing where nobody wants it any more, or nothing but reports came", async () => {
  const gone = new DmarcWorld();
  gone.own.resolver.set("_dmarc.example.org", { txt: [RECORD, RECORD] });
  const unread = new DmarcWorld();
  unread.record("v=DMARC1; p=none; rua=https://example.org/");
  for (
    const [world, seen] of [
      [gone, observation()],
      [unread, observation()],
      [new DmarcWorld(), observation({ isReport: true })],
      [new DmarcWorld(), observation({ envelopeFrom: null })],
    ] as const
  ) {
    const reporter = await world.day(seen);
    assertEquals([world.submitted, world.reports, await world.files()], [[], [], []]);
    await world.stop(reporter);
  }
});

Deno.test("DmarcReporter says nothing of domains that name only others who want no reports", async () => {
  const world = new DmarcWorld();
  world.record("v=DMARC1; p=none; rua=mailto:c@victim.example");
  const reporter = await world.day(observation());
  assertEquals([world.submitted, world.reports, await world.files()], [[], [], []]);
  await world.stop(reporter);
});

Deno.test("DmarcReporter keeps to the size that a place takes", async () => {
  const world = new DmarcWorld();
  world.record("v=DMARC1; p=none; rua=mailto:small@example.org!1k,mailto:large@example.org!10m");
  const reporter = await world.day(observation());
  assertEquals(world.submitted.map(({ recipient }) => recipient), ["large@example.org"]);
  assertEquals(world.reports.map(({ troubles }) => troubles), [[
    "small@example.org: the report is larger than it takes (1024 octets)",
  ]]);
  await world.stop(reporter);
});

Deno.test("DmarcReporter tries again those who have none yet, by the same id, and not the others", async () => {
  const world = new DmarcWorld();
  world.record("v=DMARC1; p=none; rua=mailto:a@example.org,mailto:b@unsure.example");
  const grant = "example.org._report._dmarc.unsure.example";
  world.own.resolver.failures.set(grant, "servfail");
  const reporter = await world.day(observation());
  assertEquals(world.submitted.map(({ recipient }) => recipient), ["a@example.org"]);
  world.own.resolver.failures.clear();
  world.own.resolver.set(grant, { txt: ["v=DMARC1"] });
  world.refuses = (recipient) => recipient === "b@unsure.example";
  await world.pass(2 * HOUR);
  assertMatch(world.reports.at(-1)!.troubles[0]!, /^b@unsure\.example: 451 4\.3\.1 no room$/);
  world.refuses = () => false;
  await world.pass(2 * HOUR);
  assertEquals(world.submitted.map(({ recipient }) => recipient), [
    "a@example.org",
    "b@unsure.example",
  ]);
  assertEquals(new Set(world.reports.map(({ id }) => id)).size, 1);
  assertEquals(await world.files(), []);
  await world.stop(reporter);
});

Deno.test("DmarcReporter gives up after three days of a DNS that is down", async () => {
  const world = new DmarcWorld();
  world.own.resolver.failures.set("_dmarc.example.org", "servfail");
  const reporter = await world.day(observation());
  assertEquals(await world.files(), ["2026-01-01.json"]);
  await world.pass(72 * HOUR);
  assertEquals([world.submitted, await world.files()], [[], []]);
  await world.stop(reporter);
});

Deno.test("DmarcCounts go on with what was counted before a restart", async () => {
  const world = new DmarcWorld();
  const before = await world.counts();
  before.observe(observation());
  await world.own.clock.runUntil(before.close());
  const reporter = await world.day(observation());
  assertMatch(attachedTo(world.submitted[0]!), /<count>2<\/count>/);
  await world.stop(reporter);
});
