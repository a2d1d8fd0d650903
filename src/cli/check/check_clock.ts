/**
 * Whether the clock can be right: not before this program was written, nor before files that are there already. That
 * it is right cannot be seen without asking somebody.
 *
 * @module
 */

import { type CheckContext, type CheckFinding, findingsOf } from "./finding.ts";

const { ok, warning, error } = findingsOf("clock");

/** This program is no older than that: 1 November 2026. */
const WRITTEN = Date.UTC(2026, 10, 1);
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** What speaks against the clock. */
export async function checkClock(
  { now, paths, loaded, facts }: Pick<CheckContext, "now" | "paths" | "loaded" | "facts">,
): Promise<CheckFinding[]> {
  const time = new Date(now).toISOString().slice(0, 16).replace("T", " ");
  const advice = "set it, and keep it so: timedatectl set-ntp true";
  if (now < WRITTEN) {
    return [error(`the clock says ${time} UTC, a time before this program was written`, advice)];
  }
  const files = [
    ...loaded === null ? [] : [loaded.file],
    ...paths === null ? [] : [paths.users, paths.mail, paths.queue, "/etc/passwd"],
  ];
  let newest = { path: "", modified: -Infinity };
  for (const path of files) {
    const modified = (await facts.path(path).catch(() => null))?.modified ?? -Infinity;
    if (modified > newest.modified) newest = { path, modified };
  }
  // A file server's clock may be a little ahead.
  if (newest.modified > now + HOUR) {
    const day = new Date(newest.modified).toISOString().slice(0, 16).replace("T", " ");
    const what = `the clock says ${time} UTC, and ${newest.path} was changed at ${day}`;
    return [error(`${what}: one of them is wrong`, advice)];
  }
  if (newest.path !== "" && now > newest.modified + 3650 * DAY) {
    const what =
      `the clock says ${time} UTC, ten years after the last change of any file looked at`;
    return [warning(what, advice)];
  }
  return [ok(`the clock says ${time} UTC, and nothing here speaks against it`)];
}
