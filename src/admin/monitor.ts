/**
 * What monitoring asks over HTTP, as a function from a request to a response: the numbers at `/metrics`,
 * whether the process lives at `/healthz`, and whether it should be sent mail at `/readyz`. Sockets are
 * `http_server.ts`'s business, and who may ask is a matter of where it listens.
 *
 * What fails: a source of numbers that throws is told and answered 500; nothing is thrown to the caller.
 *
 * @module
 */

import { describeError } from "../events.ts";
import { formatMetrics, type MetricFamily, type MetricFormat } from "../observe/open_metrics.ts";

/** Gives some of the numbers, when they are asked for. */
export type MetricSource = () => readonly MetricFamily[] | Promise<readonly MetricFamily[]>;

/** What a monitor tells of. */
export interface MonitorOptions {
  /** Where the numbers come from; no name may come from two of them. */
  readonly sources: readonly MetricSource[];
  /** Why no mail should be sent here just now; none: it is ready. */
  readonly obstacles: () => readonly string[] | Promise<readonly string[]>;
  /** Is told what a source threw. */
  readonly onFault?: (error: unknown) => void;
}

/** Answers one request. */
export type HttpHandler = (request: Request) => Response | Promise<Response>;

/**
 * Makes the handler.
 *
 * @example
 * ```ts
 * import { monitorHandler } from "./monitor.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const handler = monitorHandler({ sources: [], obstacles: () => ["it is stopping"] });
 * const response = await handler(new Request("http://localhost/readyz"));
 * assertEquals(response.status, 503);
 * assertEquals(await response.json(), { status: "not ready", reasons: ["it is stopping"] });
 * ```
 */
export function monitorHandler(options: MonitorOptions): HttpHandler {
  const pages: Readonly<Record<string, HttpHandler>> = {
    "/metrics": (request) => metrics(options, request),
    "/healthz": () => json(200, { status: "alive" }),
    "/readyz": async () => {
      const reasons = await options.obstacles();
      return reasons.length === 0
        ? json(200, { status: "ready", reasons })
        : json(503, { status: "not ready", reasons });
    },
  };
  return async (request) => {
    const { pathname } = new URL(request.url);
    if (!Object.hasOwn(pages, pathname)) {
      return json(404, { error: `there are ${Object.keys(pages).join(", ")}` });
    }
    if (request.method !== "GET" && request.method !== "HEAD") {
      return json(405, { error: "GET and HEAD only" }, { allow: "GET, HEAD" });
    }
    try {
      return await pages[pathname]!(request);
    } catch (error) {
      options.onFault?.(error);
      return json(500, { error: describeError(error) });
    }
  };
}

async function metrics({ sources }: MonitorOptions, request: Request): Promise<Response> {
  const format = chooseFormat(request.headers.get("accept") ?? "");
  const families = await Promise.all(sources.map((source) => source()));
  return new Response(formatMetrics(families.flat(), format), {
    headers: { ...HEADERS, "content-type": CONTENT_TYPES[format], vary: "Accept" },
  });
}

const CONTENT_TYPES: Readonly<Record<MetricFormat, string>> = {
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
  text: "text/plain; version=0.0.4; charset=utf-8",
};

/**
 * What an Accept field (RFC 9110 §12.5.1) asks for. OpenMetrics only where it is named: who takes anything
 * is a person with a browser, or an older scraper.
 */
export function chooseFormat(accept: string): MetricFormat {
  const best = { openmetrics: 0, text: 0 };
  for (const range of accept.toLowerCase().split(",")) {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim());
    const format = type === "application/openmetrics-text" ? "openmetrics" : "text";
    if (format === "text" && !["text/plain", "text/*", "*/*"].includes(type)) continue;
    const quality = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2);
    const weight = quality === undefined ? 1 : Number(quality);
    best[format] = Math.max(best[format], Number.isFinite(weight) ? weight : 0);
  }
  return best.openmetrics > 0 && best.openmetrics >= best.text ? "openmetrics" : "text";
}

function json(status: number, value: unknown, more: Readonly<Record<string, string>> = {}) {
  return new Response(`${JSON.stringify(value)}\n`, {
    status,
    headers: { ...HEADERS, "content-type": "application/json", ...more },
  });
}

const HEADERS = { "cache-control": "no-store" };
