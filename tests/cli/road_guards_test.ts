import { assertEquals } from "@std/assert";
import { RoadGuards } from "../../src/cli/road_guards.ts";
import type { TlsResult } from "../../src/delivery/tls_guard.ts";
import { memoryRuntime } from "../../src/runtime/memory.ts";

const RESULT: TlsResult = {
  domain: "example.org",
  host: "mx.example.org",
  guard: { kind: "none", why: "" },
  fault: null,
};

async function filesOf(files: ReturnType<typeof memoryRuntime>["files"], folder: string) {
  const names: string[] = [];
  try {
    for await (const { name } of files.list(folder)) names.push(name);
  } catch { /* there is no folder */ }
  return names.sort();
}

Deno.test("RoadGuards count how TLS goes, each thread in a file of its own, while reports are made", async () => {
  const runtime = memoryRuntime();
  const plan = { policies: "/data/mta-sts", results: "/data/tls-reports", reports: true };
  const troubles: string[] = [];
  const open = (more: { instance?: string; reports?: boolean }) =>
    RoadGuards.open(runtime, { ...plan, ...more }, (what) => troubles.push(what));
  const [first, second, silent] = [
    await open({}),
    await open({ instance: "w1" }),
    await open({ instance: "w2", reports: false }),
  ];
  for (const { guards } of [first, second, silent]) guards.note?.({ ...RESULT });
  for (const road of [first, second, silent]) await runtime.clock.runUntil(road.close());
  assertEquals(await filesOf(runtime.files, "/data/tls-reports"), [
    "2026-01-01.json",
    "2026-01-01.w1.json",
  ]);
  assertEquals(troubles, []);
});

Deno.test("RoadGuards.counts switches counting, as a reload does", async () => {
  const runtime = memoryRuntime();
  const plan = { policies: "/mta-sts", results: "/tls-reports", reports: false };
  const road = await RoadGuards.open(runtime, plan, () => {});
  road.guards.note?.({ ...RESULT });
  road.counts = true;
  road.guards.note?.({ ...RESULT });
  await runtime.clock.runUntil(road.close());
  const text = new TextDecoder().decode(
    await runtime.files.readFile("/tls-reports/2026-01-01.json"),
  );
  assertEquals(JSON.parse(text.split("\n")[1]!).policies[0].successes, 1);
});
