/**
 * What the process knows of itself, for metrics.
 *
 * @module
 */

import process from "node:process";
import type { ProcessFacts } from "../admin/gauges.ts";

const started = Date.now() - process.uptime() * 1000;

/** How the process is now. @param droppedLogLines as `EventLog.dropped` says. */
export function processFacts(droppedLogLines: number): ProcessFacts {
  const { rss, heapUsed } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  return {
    residentMemory: rss,
    heap: heapUsed,
    cpu: (user + system) / 1_000_000,
    started,
    droppedLogLines,
  };
}
