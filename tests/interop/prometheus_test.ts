/**
 * Prometheus: what a station tells of itself, read by promtool and by a scrape; the alert rules and the
 * dashboard of examples/monitoring, read by those who are to evaluate them.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { StationMonitor } from "../../src/admin/station_monitor.ts";
import { processFacts } from "../../src/cli/process_facts.ts";
import { mapDirectory } from "../../src/directory/map_directory.ts";
import { startMta } from "../../src/mta.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { findFreePort } from "../support/free_port.ts";
import { assertEnded, findTool, interopTest, makeTemporaryFolder, run } from "./support.ts";

const EXAMPLES = new URL("../../examples/monitoring/", import.meta.url).pathname;
const LOOPBACK = { transport: "tcp", hostname: "127.0.0.1", port: 0 } as const;

/** A station through which mail went: to a mailbox, to a program that puts it off, and to one that refuses it. */
async function startWatched() {
  const folder = await makeTemporaryFolder();
  const runtime = denoRuntime();
  const over = Promise.withResolvers<void>();
  let done = 0;
  const via = (domain: string, code: number) => ({
    domains: [domain],
    via: { kind: "pipe", program: "sh", arguments: ["-c", `exit ${code}`] } as const,
  });
  const monitor: StationMonitor = new StationMonitor({
    runtime,
    status: () => ({
      ...mta.status(),
      ...{ version: "1.0", runtime: "deno", pid: 1, config: "yizhan.yaml" },
      certificates: [{ file: 'a "quoted"\\path.pem', expires: Date.now() + 86_400_000 }],
    }),
    queue: () => mta.queue,
    disk: () => ({ folders: { data: folder.path }, reserve: 1 }),
    process: () => processFacts(0),
    onFault: (error) => over.reject(error),
  });
  const mta = await startMta({
    ...{ runtime, hostname: "mail.example.test" },
    listeners: [{ role: "mx", address: LOOPBACK }],
    directory: mapDirectory({ accounts: { "alice@example.test": { password: "wonderland" } } }),
    delivery: { maildirRoot: `${folder.path}/mail` },
    queue: { directory: `${folder.path}/queue` },
    routes: [via("refused.test", 67), via("later.test", 75)],
    onEvent(event) {
      monitor.record(event);
      // The notice, and the attempt that is to be repeated.
      if (event.type === "message.done" || event.type === "delivery.deferred") done++;
      if (done === 3) over.resolve();
    },
  });
  for (const to of ["alice@example.test", "bob@refused.test", "bob@later.test"]) {
    await mta.submit({ sender: "alice@example.test", recipients: [to] }, "Subject: x\n\nx\n");
  }
  await over.promise;
  await monitor.listen(LOOPBACK);
  const { port } = monitor.address as { port: number };
  return {
    folder,
    host: `127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      await mta.stop({ grace: 0 });
      await monitor.stop();
      await folder[Symbol.asyncDispose]();
    },
  };
}

interopTest("promtool finds nothing to mend in /metrics", ["promtool"], async () => {
  await using station = await startWatched();
  const response = await fetch(`http://${station.host}/metrics`);
  assertEnded(await run("promtool", ["check", "metrics"], { input: await response.text() }));
});

interopTest("promtool agrees to the configuration and the alert rules", ["promtool"], async () => {
  assertEnded(await run("promtool", ["check", "config", `${EXAMPLES}prometheus.yaml`]));
  assertEnded(await run("promtool", ["check", "rules", `${EXAMPLES}alerts.yaml`]));
  assertEnded(await run("promtool", ["test", "rules", `${EXAMPLES}alerts_test.yaml`]));
});

interopTest(
  "Prometheus scrapes a station, and understands the dashboard",
  ["prometheus"],
  async () => {
    await using station = await startWatched();
    await using prometheus = await startPrometheus(station.folder.path, station.host);
    const { labels, health, lastError } = await prometheus.target();
    assertEquals([labels.job, health, lastError], ["yizhan", "up", ""]);
    assertEquals(await prometheus.value('yizhan_messages_total{outcome="accepted"}'), "3");
    assertEquals(await prometheus.value('yizhan_deliveries_total{outcome="deferred"}'), "1");
    assertEquals(await prometheus.value('yizhan_notices_total{kind="failed"}'), "1");
    assertEquals(await prometheus.value("yizhan_acceptance_duration_seconds_count"), "3");
    const expression =
      'count(yizhan_certificate_expiry_timestamp_seconds{certificate="a \\"quoted\\"\\\\path.pem"})';
    assertEquals(await prometheus.value(expression), "1");

    const dashboard = JSON.parse(await Deno.readTextFile(`${EXAMPLES}dashboard.json`));
    const expressions: string[] = dashboard.panels.flatMap((
      panel: { targets?: { expr: string }[] },
    ) => panel.targets?.map(({ expr }) => expr) ?? []);
    assert(expressions.length > 30);
    for (const each of expressions) {
      await prometheus.value(
        each.replaceAll("$__rate_interval", "5m").replaceAll(/\$(?:job|instance)/g, ".*"),
      );
    }
  },
);

/** Starts a Prometheus that asks a host each second; resolves when it has asked for the first time. */
async function startPrometheus(folder: string, host: string) {
  const port = findFreePort();
  const config = (await Deno.readTextFile(`${EXAMPLES}prometheus.yaml`))
    .replace(/127\.0\.0\.1:\d+"/, `${host}"`)
    .replace("rule_files: [", `rule_files: [${EXAMPLES}`)
    .replaceAll(/_interval: 30s/g, "_interval: 1s");
  await Deno.writeTextFile(`${folder}/prometheus.yaml`, config);
  const child = new Deno.Command(findTool("prometheus"), {
    args: [
      `--config.file=${folder}/prometheus.yaml`,
      `--storage.tsdb.path=${folder}/tsdb`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    ...{ stdin: "null", stdout: "null", stderr: "null" },
  }).spawn();
  const ask = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/${path}`);
    const { status, data, error } = await response.json();
    assertEquals(status, "success", error);
    return data;
  };
  const target = async () => (await ask("targets")).activeTargets[0];
  for (const end = Date.now() + 60_000;;) {
    const health = await target().then((found) => found?.health, () => undefined);
    if (health !== undefined && health !== "unknown") break;
    assert(Date.now() < end, "Prometheus has asked nobody");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return {
    target,
    /** The first value of an expression, as text. @throws where it cannot be read. */
    async value(expression: string): Promise<string | undefined> {
      return (await ask(`query?query=${encodeURIComponent(expression)}`)).result[0]?.value[1];
    },
    async [Symbol.asyncDispose]() {
      child.kill();
      await child.status;
    },
  };
}
