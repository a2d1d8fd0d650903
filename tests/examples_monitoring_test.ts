/**
 * The dashboard and the alert rules ask for numbers that there are: every metric, label and value that they
 * name is held against those that a station tells of.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { diskFamilies, processFamilies, stationFamilies } from "../src/admin/gauges.ts";
import type { StationStatus } from "../src/admin/station_requests.ts";
import type { MtaEvent, MtaFact } from "../src/events.ts";
import { Metrics } from "../src/observe/metrics.ts";
import { type MetricFamily, sampleName } from "../src/observe/open_metrics.ts";
import { QueueSampler } from "../src/observe/queue_sample.ts";
import type { QueueSummary } from "../src/queue/operator/queue_view.ts";
import { memoryRuntime } from "../src/runtime/memory.ts";

const FOLDER = new URL("../examples/monitoring/", import.meta.url);

/** One event of each kind that makes labels. */
function events(): MtaFact[] {
  const ids = { session: "s", message: "s.1" };
  const mail = { ...ids, sender: "<>", recipients: ["b@b.test"] };
  const about = { message: "s.1", recipient: "b@b.test", reply: "451 4.3.0 no" };
  const session = "s";
  const client = "::1";
  return [
    { type: "session.opened", session, listener: "mx", client },
    { type: "session.refused", listener: "mx", client, reason: "too many connections" },
    {
      ...{ type: "session.closed", session, listener: "mx", client, reason: "quit" } as const,
      ...{ messages: 0, duration: 1 },
    },
    { type: "session.fault", session, client, kind: "refused", detail: "" },
    { type: "client.banned", client, reason: "too many failed logins", duration: 1 },
    { type: "tls.started", session, protocol: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384" },
    {
      ...{ type: "auth.failed", session, client, identity: "", mechanism: "PLAIN" } as const,
      reason: "",
    },
    { type: "command.refused", session, client, stage: "sender", reply: "550 no" },
    {
      ...{ type: "message.authenticated", ...ids, client, from: [], spf: "none" } as const,
      ...{ spfDomain: "", dkim: "none", signatures: [], arc: "none", dmarc: "none" },
      ...{ policy: null, disposition: "accept" },
    },
    { type: "message.refused", ...mail, client, size: 1, reply: "550 no", policy: "rspamd" },
    {
      ...{ type: "delivery.done", message: "s.1", recipient: "b", took: 1 } as const,
      destination: "smtp:b.test",
    },
    { type: "delivery.deferred", ...about, attempts: 1, next: 0, took: 1 },
    {
      type: "message.queued",
      message: "n",
      sender: "<>",
      recipients: [],
      size: 1,
      notice: "failed",
    },
    { type: "queue.changed", message: "s.1", action: "held" },
    { type: "drop.taken", file: "f", uid: 1, user: null, message: "s.1" },
  ];
}

const STATUS: StationStatus = {
  ...{ version: "1", runtime: "deno 2", pid: 1, config: "yizhan.yaml", started: 0, loaded: 0 },
  ...{ reloads: 0, hostname: "mx.test", stopping: false, listeners: [], bodyMemory: 0 },
  queue: { paused: false, troubled: false, messages: 0, waiting: 0, running: 0, down: [] },
  certificates: [{ file: "c.pem", expires: 0, acme: { issued: true, next: 0 } }],
};

async function queueFamilies(): Promise<MetricFamily[]> {
  const { clock } = memoryRuntime();
  const message = {
    state: "waiting",
    received: "2026-11-23T00:00:00.000Z",
    recipients: ["b@b.test"],
  };
  const queue = {
    async *list() {
      await Promise.resolve();
      yield message as unknown as QueueSummary;
    },
  };
  const sampler = new QueueSampler({ queue, clock });
  const ending = new AbortController();
  const running = sampler.run(ending.signal);
  await clock.advance(1);
  ending.abort();
  await clock.runUntil(running);
  return sampler.families();
}

/** The labels of each name that can be asked for, and the values each has. */
async function numbers(): Promise<Map<string, Map<string, Set<string>>>> {
  const metrics = new Metrics();
  for (const event of events()) metrics.record({ time: 0, ...event } as MtaEvent);
  const { files } = memoryRuntime();
  const families = [
    ...metrics.families(),
    ...stationFamilies(STATUS),
    ...await queueFamilies(),
    ...await diskFamilies({ files, folders: { queue: "/" }, reserve: 1 }),
    ...processFamilies({ residentMemory: 1, heap: 1, cpu: 1, started: 0, droppedLogLines: 0 }),
  ];
  const known = new Map<string, Map<string, Set<string>>>();
  for (const family of families) {
    const labels = new Map<string, Set<string>>();
    for (const sample of family.samples) {
      for (const [label, value] of Object.entries(sample.labels)) {
        labels.set(label, (labels.get(label) ?? new Set()).add(value));
      }
    }
    if (family.type !== "histogram") known.set(sampleName(family), labels);
    else {for (const suffix of ["bucket", "sum", "count"]) {
        known.set(`${family.name}_${suffix}`, labels);
      }}
  }
  return known;
}

/** What an expression names: metrics with what it asks of their labels. */
function namesIn(expression: string): { name: string; label?: string; value?: RegExp }[] {
  const found: { name: string; label?: string; value?: RegExp }[] = [];
  for (
    const [, name = "", braces = ""] of expression.matchAll(
      /\b((?:yizhan|process)_\w+)(\{[^}]*\})?/g,
    )
  ) {
    found.push({ name });
    for (const [, label = "", operator, value = ""] of braces.matchAll(/(\w+)(!?=~?)"([^"]*)"/g)) {
      const values = operator === "=" ? [RegExp.escape(value)] : value.split("|");
      if (operator === "=" || operator === "=~") {
        found.push(...values.map((one) => ({ name, label, value: new RegExp(`^(?:${one})$`) })));
      } else found.push({ name, label });
    }
  }
  return found;
}

/** All strings under `expr`, and what a template asks for, wherever they are. */
function expressionsOf(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    ["expr", "definition"].includes(key) && typeof inner === "string"
      ? [inner]
      : expressionsOf(inner)
  );
}

const OF_PROMETHEUS = ["job", "instance", "le"];

async function check(expressions: readonly string[]): Promise<void> {
  const known = await numbers();
  for (const expression of expressions) {
    for (const { name, label, value } of namesIn(expression)) {
      const labels = known.get(name);
      assert(labels !== undefined, `${name} is no metric: ${expression}`);
      if (label === undefined || OF_PROMETHEUS.includes(label)) continue;
      assert(labels.has(label), `${name} has no label ${label}: ${expression}`);
      if (value !== undefined) {
        assert(
          [...labels.get(label)!].some((one) => value.test(one)),
          `${name}: no ${label} ${value}`,
        );
      }
    }
    const grouped = [...expression.matchAll(/\b(?:by|on) \(([^)]*)\)/g)].flatMap(([, some = ""]) =>
      some.split(",").map((label) => label.trim())
    );
    const all = namesIn(expression).flatMap(({ name }) => [...known.get(name)?.keys() ?? []]);
    for (const label of grouped) {
      assert([...OF_PROMETHEUS, ...all].includes(label), `nothing has ${label}: ${expression}`);
    }
  }
}

Deno.test("examples/monitoring/dashboard.json asks for numbers that there are", async () => {
  const text = await Deno.readTextFile(new URL("dashboard.json", FOLDER));
  const dashboard = JSON.parse(text);
  const expressions = expressionsOf(dashboard);
  assert(expressions.length > 40);
  await check(expressions);
  for (const panel of dashboard.panels) {
    assert(
      panel.type === "row" || panel.targets.every(({ expr }: { expr: string }) => expr !== ""),
    );
  }
  const ids = dashboard.panels.map(({ id }: { id: number }) => id);
  assertEquals(new Set(ids).size, ids.length);
});

Deno.test("examples/monitoring/dashboard.json shows every number there is", async () => {
  const text = await Deno.readTextFile(new URL("dashboard.json", FOLDER));
  const shown = new Set(expressionsOf(JSON.parse(text)).flatMap(namesIn).map(({ name }) => name));
  // Of use to rules only.
  const rest = [
    "listeners",
    "workers",
    "stopping",
    "queue_troubled",
    "certificate_order_failed",
    "configuration_loaded_timestamp_seconds",
  ];
  const silent = rest.map((name) => `yizhan_${name}`);
  for (const name of (await numbers()).keys()) {
    const family = name.replace(/_(?:bucket|sum|count)$/, "");
    const names = [name, ...["bucket", "sum", "count"].map((suffix) => `${family}_${suffix}`)];
    assert([...shown, ...silent].some((each) => names.includes(each)), `${name} is in no panel`);
  }
});

Deno.test("examples/monitoring/alerts.yaml asks for numbers that there are", async () => {
  const text = await Deno.readTextFile(new URL("alerts.yaml", FOLDER));
  const expressions = [...text.matchAll(/expr: (?:>-\n((?: {10,}.*\n)+)|(.*)\n)/g)]
    .map(([, folded, plain]) => folded ?? plain ?? "");
  assertEquals(expressions.length, text.match(/- alert: /g)?.length);
  await check(expressions);
});
