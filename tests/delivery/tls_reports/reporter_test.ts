import { assert, assertEquals, assertMatch } from "@std/assert";
import { gunzipSync } from "node:zlib";
import type { SubmittedReport } from "../../../src/delivery/reports/submit_report.ts";
import { TlsReporter } from "../../../src/delivery/tls_reports/reporter.ts";
import { TlsResults } from "../../../src/delivery/tls_reports/results.ts";
import type { TlsResult } from "../../../src/delivery/tls_guard.ts";
import { mxCertificate, testAuthority } from "../../support/certificates.ts";
import { attachedTo, HOUR, ReportWorld } from "../reports/report_world.ts";
import { WebHost } from "../sts/web_host.ts";

const MAIL = "v=TLSRPTv1; rua=mailto:tls@other.test";

function result(domain: string, failed = false): TlsResult {
  const fault = failed ? { type: "certificate-expired", text: "it is old" } as const : null;
  return {
    domain,
    host: `mx.${domain}`,
    address: "192.0.2.25",
    guard: { kind: "none", why: "" },
    fault,
  };
}

/** A station that reports to other.test. */
class TlsWorld extends ReportWorld {
  constructor() {
    super("/data/tls-reports");
    this.own.resolver.set("_smtp._tls.other.test", { txt: [MAIL] });
  }

  results(instance?: string): Promise<TlsResults> {
    return TlsResults.open({ ...this.counting, ...(instance !== undefined && { instance }) });
  }

  start(): TlsReporter {
    const { network } = this.own;
    return TlsReporter.start({ ...this.reporting, network, authorities: [testAuthority] });
  }
}

Deno.test("TlsReporter sends one report of a day, of all threads together, and forgets the day", async () => {
  const world = new TlsWorld();
  const [first, other] = [await world.results(), await world.results("w1")];
  const reporter = world.start();
  first.note(result("other.test"));
  other.note(result("other.test"));
  other.note(result("other.test", true));
  first.note(result("silent.test"));
  await world.pass(6000);
  assertEquals(await world.files(), ["2026-01-01.json", "2026-01-01.w1.json"]);
  await world.pass(24 * HOUR);
  assertEquals(world.submitted, []); // not before the day is over for all
  await world.pass(4 * HOUR);
  assertEquals(world.submitted.length, 1);
  const [{ id, sender, recipient }] = world.submitted as [SubmittedReport];
  assertMatch(id, /^tlsrpt-2026-01-01-[0-9a-f]{32}$/);
  assertEquals([sender, recipient], ["postmaster@example.net", "tls@other.test"]);
  const report = JSON.parse(attachedTo(world.submitted[0]!));
  assertEquals(report["date-range"]["start-datetime"], "2026-01-01T00:00:00Z");
  assertEquals(report.policies.map((policy: { summary: unknown }) => policy.summary), [{
    "total-successful-session-count": 2,
    "total-failure-session-count": 1,
  }]);
  assertEquals(world.reports.map(({ domain, targets }) => [domain, targets]), [
    ["other.test", ["tls@other.test"]],
  ]);
  assertEquals(await world.files(), []);
  await world.pass(48 * HOUR);
  assertEquals(world.submitted.length, 1);
  await world.stop(reporter);
  assertEquals(world.troubles, []);
});

Deno.test("TlsReporter sends nothing twice after a restart, and what is left after one", async () => {
  const world = new TlsWorld();
  world.own.resolver.set("_smtp._tls.second.test", { txt: [MAIL] });
  const results = await world.results();
  results.note(result("other.test"));
  results.note(result("second.test"));
  await world.own.clock.runUntil(results.close());
  await world.pass(24 * HOUR);
  let sent = 0;
  for (let looks = 0; looks < 60; looks++) {
    const reporter = world.start();
    await world.pass(0.1 * HOUR);
    await world.stop(reporter);
    sent = Math.max(sent, world.submitted.length);
  }
  assertEquals(sent, 2);
  assertEquals(new Set(world.submitted.map(({ id }) => id)).size, 2);
});

Deno.test("TlsReporter tries again every hour, by the same id, until it is sent or useless", async () => {
  const world = new TlsWorld();
  const results = await world.results();
  results.note(result("other.test"));
  await world.own.clock.runUntil(results.close());
  world.refuses = () => true;
  const reporter = world.start();
  await world.pass(28.5 * HOUR);
  const failed = world.reports.length;
  assert(failed >= 1);
  assertMatch(world.reports[0]!.troubles[0]!, /^tls@other\.test: 451 4\.3\.1 no room$/);
  world.own.resolver.failures.set("_smtp._tls.other.test", "servfail");
  await world.pass(2 * HOUR);
  world.own.resolver.failures.clear();
  world.refuses = () => false;
  await world.pass(2 * HOUR);
  assertEquals(world.submitted.length, 1);
  assertEquals(new Set(world.reports.map(({ id }) => id)).size, 1);

  world.refuses = () => true;
  const later = await world.results();
  later.note(result("other.test"));
  await world.own.clock.runUntil(later.close());
  await world.pass(100 * HOUR);
  assertEquals([world.submitted.length, await world.files()], [1, []]);
  await world.stop(reporter);
});

Deno.test("TlsReporter posts reports by HTTPS, and is content with one target", async () => {
  const world = new TlsWorld();
  const rua = "https://web.other.test/tls?x=1,https://gone.test/,mailto:tls@other.test";
  world.own.resolver.set("_smtp._tls.other.test", { txt: [`v=TLSRPTv1; rua=${rua}`] });
  world.own.resolver.set("web.other.test", { a: ["192.0.2.80"] });
  const answer = () => "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n";
  const web = await WebHost.start(world.own, "192.0.2.80", answer);
  world.refuses = () => true;
  const results = await world.results();
  results.note(result("other.test"));
  const reporter = world.start();
  await world.pass(28.5 * HOUR);
  assertEquals(web.requests.length, 1);
  const [{ head, body }] = web.requests as [{ head: string; body: Uint8Array }];
  assertMatch(head, /^POST \/tls\?x=1 HTTP\/1\.1\r\n/);
  assertMatch(head, /^Content-Type: application\/tlsrpt\+gzip\r?$/m);
  const report = JSON.parse(gunzipSync(body).toString());
  assertEquals(report["organization-name"], "Example Net");
  const [sent] = world.reports;
  assertEquals([sent!.targets, sent!.troubles.length], [["https://web.other.test/tls?x=1"], 2]);
  assertEquals(await world.files(), []);
  await world.stop(reporter);
});

Deno.test("TlsReporter posts nothing to a host that is not who the record says, such as one of our own network", async () => {
  const world = new TlsWorld();
  const rua = "https://stranger.test:443/delete?all=1";
  world.own.resolver.set("_smtp._tls.other.test", { txt: [`v=TLSRPTv1; rua=${rua}`] });
  world.own.resolver.set("stranger.test", { a: ["192.168.0.80"] });
  const web = await WebHost.start(world.own, "192.168.0.80", () => null, mxCertificate);
  const results = await world.results();
  results.note(result("other.test"));
  const reporter = world.start();
  await world.pass(28.5 * HOUR);
  assertEquals(web.requests.length, 0);
  assertMatch(world.reports[0]!.troubles[0]!, /certificate is for .*, not for stranger\.test/);
  await world.stop(reporter);
});

Deno.test("TlsReporter sends nothing where reports are switched off, and keeps nothing", async () => {
  const world = new TlsWorld();
  const results = await world.results();
  results.note(result("other.test"));
  await world.own.clock.runUntil(results.close());
  world.settings = null;
  const reporter = world.start();
  await world.pass(28 * HOUR);
  assertEquals([world.submitted, await world.files()], [[], []]);
  await world.stop(reporter);
});

Deno.test("TlsReporter asks at a time of its own for each domain, in the first four hours", async () => {
  const world = new TlsWorld();
  const results = await world.results();
  for (let index = 0; index < 40; index++) {
    world.own.resolver.set(`_smtp._tls.d${index}.test`, { txt: [MAIL] });
    results.note(result(`d${index}.test`));
  }
  const reporter = world.start();
  await world.pass(24 * HOUR + 0.15 * HOUR);
  const counts = [world.submitted.length];
  for (let quarter = 0; quarter < 16; quarter++) {
    await world.pass(0.25 * HOUR);
    counts.push(world.submitted.length);
  }
  assertEquals([counts[0], counts.at(-1)], [0, 40]);
  assert(new Set(counts).size >= 10, `${counts}`);
  await world.stop(reporter);
});

Deno.test("TlsResults.open() goes on with what was counted before a restart", async () => {
  const world = new TlsWorld();
  const before = await world.results();
  before.note(result("other.test"));
  await world.own.clock.runUntil(before.close());
  const after = await world.results();
  after.note(result("other.test"));
  await world.own.clock.runUntil(after.close());
  const reporter = world.start();
  await world.pass(29 * HOUR);
  assertEquals(
    JSON.parse(attachedTo(world.submitted[0]!)).policies[0]
      .summary["total-successful-session-count"],
    2,
  );
  await world.stop(reporter);
});

Deno.test("TlsResults keep the days apart, and outlast a disk that fails for a while", async () => {
  const world = new TlsWorld();
  const results = await world.results();
  const { disk } = world.own.files;
  const room = disk.capacity;
  disk.capacity = 0;
  results.note(result("other.test"));
  await world.pass(10_000);
  assertEquals(world.troubles.length, 1);
  await world.pass(24 * HOUR);
  results.note(result("other.test", true));
  disk.capacity = room;
  await world.pass(120_000);
  assertEquals(await world.files(), ["2026-01-01.json", "2026-01-02.json"]);
  assertMatch(world.troubles.at(-1)!, /can be written again/);
  await world.own.clock.runUntil(results.close());
});
