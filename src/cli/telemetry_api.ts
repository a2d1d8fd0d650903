/**
 * The package of OpenTelemetry, named once with its version. Only `telemetry.ts` loads this file, and only
 * where traces are switched on.
 *
 * @module
 */

export {
  type HrTime,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from "npm:@opentelemetry/api@1.9.0";
