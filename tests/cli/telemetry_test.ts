import { assert, assertEquals } from "@std/assert";
import { harmless } from "../../src/cli/telemetry.ts";

/** A span as OTLP/JSON has it (opentelemetry-proto, trace.proto). */
interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly status: { readonly code?: number };
  readonly attributes: readonly {
    readonly key: string;
    readonly value: { readonly stringValue?: string; readonly doubleValue?: number };
  }[];
}

/** Runs the traced station; gives what it prints and what it sends to a receiver of OTLP over HTTP. */
async function run(environment: Record<string, string>): Promise<{ said: string; spans: Span[] }> {
  const spans: Span[] = [];
  const receiver = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      const body = await request.json();
      for (const { scopeSpans } of body.resourceSpans ?? []) {
        for (const { scope, spans: some } of scopeSpans) {
          if (scope.name === "yizhan") spans.push(...some);
        }
      }
      return Response.json({});
    },
  );
  const folder = await Deno.makeTempDir();
  try {
    const program = new URL("./traced_station.ts", import.meta.url).pathname;
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", "--quiet", "-A", program, folder],
      env: {
        ...environment,
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${receiver.addr.port}`,
        OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      },
    }).output();
    assert(success, new TextDecoder().decode(stderr));
    return { said: new TextDecoder().decode(stdout).trim(), spans };
  } finally {
    await receiver.shutdown();
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("startTelemetry() sends one trace of a mail, from its submission to the notice about it", async () => {
  const { said: id, spans } = await run({ OTEL_DENO: "true" });
  assertEquals(new Set(spans.map(({ traceId }) => traceId)).size, 1);
  const about = (span: Span, key: string) => {
    const value = span.attributes.find((attribute) => attribute.key === key)?.value;
    return value?.stringValue ?? value?.doubleValue;
  };
  const parentOf = ({ parentSpanId }: Span) =>
    spans.find(({ spanId }) => spanId === parentSpanId)?.name;
  const tree = spans.map((span) => `${parentOf(span) ?? ""} > ${span.name}`).sort();
  assertEquals(tree, [
    " > message",
    "message > deliver (failed)",
    "message > notice failed",
    "message > receive",
    "notice failed > deliver",
  ]);
  const named = (name: string) => spans.find((span) => span.name === name)!;
  const root = named("message");
  assertEquals(about(root, "yizhan.message"), id);
  assertEquals(about(root, "yizhan.failed"), 1);
  assertEquals(root.status.code, 2); // STATUS_CODE_ERROR
  assertEquals(about(named("deliver (failed)"), "yizhan.recipient"), "bob@b.test");
  assertEquals(`${about(named("deliver (failed)"), "yizhan.reply")}`.slice(0, 9), "550 5.1.1");
  assertEquals(about(named("notice failed"), "yizhan.about"), id);
  const copy = named("deliver");
  assertEquals(about(copy, "server.address"), "maildir:example.test/alice");
  for (const span of spans) {
    assert(BigInt(span.endTimeUnixNano) >= BigInt(span.startTimeUnixNano), span.name);
    assert(BigInt(span.startTimeUnixNano) >= BigInt(root.startTimeUnixNano), span.name);
    assert(Math.abs(Number(span.endTimeUnixNano) / 1e6 - Date.now()) < 600_000, span.name);
  }
});

Deno.test("startTelemetry() does nothing unless it is switched on", async () => {
  const { said, spans } = await run({ OTEL_DENO: "false" });
  assertEquals(spans, []);
  assertEquals(said.split("\n").length, 1);
});

Deno.test("harmless() keeps what a watcher throws from who is watched", () => {
  const seen: number[] = [];
  const watch = harmless((value: number) => {
    seen.push(value);
    throw new Error("no telemetry today");
  });
  watch(1);
  watch(2);
  assertEquals(seen, [1, 2]);
});
