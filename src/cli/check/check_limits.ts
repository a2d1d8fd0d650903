/**
 * Whether as many files can be open as the configuration promises connections.
 *
 * @module
 */

import { type CheckContext, type CheckFinding, findingsOf } from "./finding.ts";

const { ok, warning } = findingsOf("limits");

/** For the queue, mailboxes and the log, beside connections. */
const OTHERS = 256;

/** Whether `ulimit -n` is enough. */
export async function checkLimits(
  { loaded, facts }: Pick<CheckContext, "loaded" | "facts">,
): Promise<CheckFinding[]> {
  if (loaded === null) return [];
  const { listeners, limits, queue, relay } = loaded.config;
  const out = relay.enabled ? queue.concurrency : 0;
  const wanted = listeners.length * limits.connections + out + OTHERS;
  const limit = await facts.openFiles();
  if (limit === null) return [];
  if (limit >= wanted) return [ok(`${limit} files may be open at once; ${wanted} would do`)];
  return [warning(
    `${limit} files may be open at once, and the configuration promises ${limits.connections} ` +
      `connections to each of ${listeners.length} listeners: clients beyond that wait`,
    `LimitNOFILE=${wanted} in the systemd unit, ulimit -n ${wanted}, or a lower limits.connections`,
  )];
}
