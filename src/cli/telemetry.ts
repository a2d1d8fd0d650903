/**
 * Traces of messages by OpenTelemetry, as Deno has it built in: switched on by `OTEL_DENO=true` in the
 * environment, sent where `OTEL_EXPORTER_OTLP_ENDPOINT` says. What they tell is for `observe/message_traces.ts`
 * to say; this gives them to Deno, which sends them, also at the end of the process.
 *
 * Only Deno has it: a program that was compiled by Bun says so, once, and goes on without.
 *
 * @module
 */

import process from "node:process";
import type { EventSink } from "../events.ts";
import {
  MessageTraces,
  type SpanAttributes,
  type SpanMaker,
  type SpanOptions,
} from "../observe/message_traces.ts";
import { VERSION } from "./version.ts";

/** Traces that are switched on. */
export interface Telemetry {
  /** Takes an event of the station. */
  readonly record: EventSink;
  /** Ends the spans of what waits in the queue; to be called last of all. */
  stop(): void;
}

/** The variable that switches Deno's OpenTelemetry on. */
const SWITCH = "OTEL_DENO";

/**
 * Starts traces where they are switched on; else `null`.
 *
 * @param warn is told, in words, where they are switched on and cannot be had.
 */
export async function startTelemetry(warn: (text: string) => void): Promise<Telemetry | null> {
  if (!isSwitchedOn()) return null;
  if (process.versions.deno === undefined) {
    warn(`${SWITCH} is set, but there are no traces: only Deno has OpenTelemetry built in`);
    return null;
  }
  const traces = new MessageTraces(spanMaker(await import("./telemetry_api.ts")));
  return {
    record: harmless(traces.record),
    stop: harmless(() => traces.stop(Date.now())),
  };
}

/** The same, whatever it throws: who only watches must not change what becomes of a mail. */
export function harmless<A extends unknown[]>(watch: (...given: A) => void): (...given: A) => void {
  return (...given) => {
    try {
      watch(...given);
    } catch {
      // A trace less.
    }
  };
}

/** Who may not read the variable was started without it in mind. */
function isSwitchedOn(): boolean {
  try {
    return ["true", "1"].includes(process.env[SWITCH] ?? "");
  } catch {
    return false;
  }
}

type Api = typeof import("./telemetry_api.ts");
type Span = import("./telemetry_api.ts").Span;
type HrTime = import("./telemetry_api.ts").HrTime;

function spanMaker({ trace, ROOT_CONTEXT, SpanKind, SpanStatusCode }: Api): SpanMaker<Span> {
  const tracer = trace.getTracer("yizhan", VERSION);
  const kinds = {
    server: SpanKind.SERVER,
    client: SpanKind.CLIENT,
    internal: SpanKind.INTERNAL,
  };
  return {
    start({ name, kind, start, attributes, parent }: SpanOptions<Span>): Span {
      const context = parent === undefined ? ROOT_CONTEXT : trace.setSpan(ROOT_CONTEXT, parent);
      const options = { kind: kinds[kind], startTime: timeOf(start), attributes };
      return tracer.startSpan(name, options, context);
    },
    end(span: Span, time: number, attributes?: SpanAttributes, error?: string): void {
      if (attributes !== undefined) span.setAttributes(attributes);
      if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: error });
      span.end(timeOf(time));
    },
  };
}

/** Seconds and nanoseconds: as one number it would lose some. */
function timeOf(milliseconds: number): HrTime {
  const whole = Math.floor(milliseconds / 1000);
  return [whole, Math.round((milliseconds - whole * 1000) * 1_000_000)];
}
