import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { formatMetrics, type MetricFamily } from "../../src/observe/open_metrics.ts";

const SECONDS: MetricFamily = {
  name: "wait_seconds",
  type: "histogram",
  unit: "seconds",
  help: 'A "wait".',
  samples: [{
    labels: { way: "smtp" },
    value: { bounds: [0.5, 1, 60], counts: [2, 0, 1, 4], sum: 401.25 },
  }],
};

Deno.test("formatMetrics() adds the buckets of a histogram up (OpenMetrics 1.0 §5.2.3.2)", () => {
  assertEquals(
    formatMetrics([SECONDS], "openmetrics"),
    `# TYPE wait_seconds histogram
# UNIT wait_seconds seconds
# HELP wait_seconds A \\"wait\\".
wait_seconds_bucket{way="smtp",le="0.5"} 2
wait_seconds_bucket{way="smtp",le="1.0"} 2
wait_seconds_bucket{way="smtp",le="60.0"} 3
wait_seconds_bucket{way="smtp",le="+Inf"} 7
wait_seconds_sum{way="smtp"} 401.25
wait_seconds_count{way="smtp"} 7
# EOF
`,
  );
});

Deno.test("formatMetrics() leaves a quote in help alone in the old format, which escapes none", () => {
  const [help] = formatMetrics([SECONDS], "text").split("\n");
  assertEquals(help, '# HELP wait_seconds A "wait".');
});

Deno.test("formatMetrics() says info as each format does", () => {
  const build: MetricFamily = {
    name: "build",
    type: "info",
    help: "Build.",
    samples: [{ labels: { version: "1.0" }, value: 1 }],
  };
  assertEquals(
    formatMetrics([build], "openmetrics"),
    '# TYPE build info\n# HELP build Build.\nbuild_info{version="1.0"} 1\n# EOF\n',
  );
  assertEquals(
    formatMetrics([build], "text"),
    '# HELP build_info Build.\n# TYPE build_info gauge\nbuild_info{version="1.0"} 1\n',
  );
});

Deno.test("formatMetrics() keeps any label value on its line and within its quotes", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (value) => {
    const family: MetricFamily = {
      ...{ name: "x", type: "gauge", help: "" },
      samples: [{ labels: { l: value }, value: 1 }],
    };
    const line = formatMetrics([family], "text").split("\n")[2]!;
    const quoted = /^x\{l="((?:[^"\\\n]|\\[\\"n])*)"\} 1$/.exec(line)![1]!;
    const read = quoted.replace(/\\(.)/g, (_, mark) => mark === "n" ? "\n" : mark);
    assertEquals(read, value.toWellFormed());
  }));
});
