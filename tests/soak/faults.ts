/**
 * What must not come of a soak.
 *
 * @module
 */

import type { SoakReport } from "./soak.ts";

/** How much more memory it may have late than early. */
const GROWTH = 1.1;
/** Memory that comes and goes with garbage, however little there is in all. */
const SLACK = 8 * 2 ** 20;
/** Files of the queue that are open at one time and not at another. */
const HANDLES = 8;
/** Of a long run. */
const LONG = 600;

/** What is wrong, in words; nothing where all is well. */
export function faults(report: SoakReport): string[] {
  const { seconds, memory, handles, lost, exitCode, acknowledged } = report;
  const found: string[] = [];
  if (acknowledged < seconds) found.push(`only ${acknowledged} mails were acknowledged`);
  if (lost.length > 0) found.push(`${lost.length} lost: ${lost.slice(0, 5).join(", ")} …`);
  if (report.repeated > 0) found.push(`${report.repeated} came more than once`);
  // A short run is over before the heap has its size.
  if (seconds >= LONG && memory.after > memory.before * GROWTH + SLACK) {
    found.push(`memory grew from ${memory.before} to ${memory.after}`);
  }
  if (handles.after > handles.before + HANDLES) {
    found.push(`${handles.after - handles.before} handles are left open`);
  }
  if (exitCode !== 0) found.push(`it ended with ${exitCode}`);
  found.push(...report.alarms);
  return found;
}
