import { assertEquals, assertStringIncludes } from "@std/assert";
import { chooseFormat, monitorHandler, type MonitorOptions } from "../../src/admin/monitor.ts";
import type { MetricFamily } from "../../src/observe/open_metrics.ts";

const UP: MetricFamily = {
  name: "up",
  type: "gauge",
  help: "Whether it is up.",
  samples: [{ labels: {}, value: 1 }],
};

function ask(path: string, init: RequestInit = {}, options: Partial<MonitorOptions> = {}) {
  const handler = monitorHandler({ sources: [() => [UP]], obstacles: () => [], ...options });
  return handler(new Request(`http://localhost${path}`, init));
}

Deno.test("monitorHandler() gives the text of Prometheus to who does not ask for another", async () => {
  const response = await ask("/metrics");
  assertEquals(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  assertEquals(await response.text(), "# HELP up Whether it is up.\n# TYPE up gauge\nup 1\n");
});

Deno.test("monitorHandler() gives OpenMetrics to who asks as Prometheus does", async () => {
  const accept = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;" +
    "version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
  const response = await ask("/metrics", { headers: { accept } });
  assertStringIncludes(response.headers.get("content-type")!, "application/openmetrics-text");
  assertEquals((await response.text()).endsWith("# EOF\n"), true);
});

Deno.test("chooseFormat() weighs what is wanted (RFC 9110 §12.5.1)", () => {
  for (
    const [accept, format] of [
      ["", "text"],
      ["*/*", "text"],
      ["text/html,application/xhtml+xml", "text"],
      ["application/openmetrics-text", "openmetrics"],
      ["application/openmetrics-text;q=0", "text"],
      ["Application/OpenMetrics-Text; q=0.5 , text/plain;q=0.4", "openmetrics"],
      ["application/openmetrics-text;q=0.3, text/plain;q=0.4", "text"],
      ["application/openmetrics-text;q=bad", "text"],
    ]
  ) assertEquals(chooseFormat(accept!), format, accept);
});

Deno.test("monitorHandler() is alive though not ready, and says why it is not", async () => {
  const obstacles = () => Promise.resolve(["nothing listens", "the queue cannot be written"]);
  assertEquals((await ask("/healthz", {}, { obstacles })).status, 200);
  const response = await ask("/readyz", {}, { obstacles });
  assertEquals(response.status, 503);
  const reasons = ["nothing listens", "the queue cannot be written"];
  assertEquals(await response.json(), { status: "not ready", reasons });
  assertEquals((await ask("/readyz")).status, 200);
});

Deno.test("monitorHandler() knows no other page and no other method", async () => {
  assertEquals((await ask("/")).status, 404);
  assertEquals((await ask("/toString")).status, 404);
  const response = await ask("/metrics", { method: "POST" });
  assertEquals(response.status, 405);
  assertEquals(response.headers.get("allow"), "GET, HEAD"); // RFC 9110 §15.5.6
  assertEquals((await ask("/metrics", { method: "HEAD" })).status, 200);
});

Deno.test("monitorHandler() answers 500 where a source throws, and tells of it", async () => {
  const faults: unknown[] = [];
  const sources = [() => [UP], () => Promise.reject(new Error("no numbers"))];
  const onFault = (error: unknown) => faults.push(error);
  assertEquals((await ask("/metrics", {}, { sources, onFault })).status, 500);
  assertEquals(faults.length, 1);
});
