import { assertEquals } from "@std/assert";
import { CountingObserver, observerPlan } from "../../src/cli/dmarc_observer.ts";
import type { LoadedConfig } from "../../src/config/load.ts";
import { resolvePaths } from "../../src/config/paths.ts";
import { type ConfigInput, configSchema } from "../../src/config/schema.ts";
import { memoryRuntime } from "../../src/runtime/memory.ts";
import { observation } from "../delivery/dmarc_reports/observations.ts";

function plan(more: Partial<ConfigInput>, instance?: string) {
  const config = configSchema.parse({
    ...{ hostname: "mx.example.org", listeners: [{ role: "mx", address: "[::]:25" }] },
    ...{ data: "/var/lib/yizhan", ...more },
  });
  return observerPlan(
    { config, paths: resolvePaths(config, "") } as unknown as LoadedConfig,
    instance,
  );
}

Deno.test("observerPlan() says where each thread counts, and whether", () => {
  const folder = "/var/lib/yizhan/dmarc-reports";
  assertEquals(plan({}), { folder, reports: true });
  assertEquals(plan({}, "w2"), { folder, instance: "w2", reports: true });
  assertEquals(plan({ reports: { dmarc: { enabled: false } } })?.reports, false);
  assertEquals(plan({ authentication: { enabled: false } })?.reports, false);
  assertEquals(plan({ relay: { enabled: false } }), null);
});

Deno.test("CountingObserver counts while reports are made, and only what asks for them", async () => {
  const { clock, files } = memoryRuntime();
  const folder = "/data/dmarc-reports";
  const observer = await CountingObserver.open(
    { clock, files },
    { folder, reports: false },
    () => {},
  );
  observer.observe(observation());
  observer.counts = true;
  observer.observe(observation({ record: "v=DMARC1; p=none" }));
  await clock.runUntil(clock.sleep(10_000));
  assertEquals(await files.stat(folder), null);
  observer.observe(observation());
  observer.counts = false;
  observer.observe(observation());
  await clock.runUntil(observer.close());
  const text = new TextDecoder().decode(await files.readFile(`${folder}/2026-01-01.json`));
  assertEquals(text.match(/"count":\d+/g), ['"count":1']);
});
