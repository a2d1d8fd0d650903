/**
 * Whether a server runs with this queue, whether it is ours to ask, and whether it goes by the configuration in the
 * file.
 *
 * @module
 */

import { askControl } from "../../admin/control_client.ts";
import { ControlError } from "../../admin/control_protocol.ts";
import { isOutdated, type StationStatus } from "../../admin/station_requests.ts";
import type { ConfigPaths } from "../../config/paths.ts";
import { findSpoolOwner } from "../../queue/spool/owner.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { type CheckFinding, findingsOf } from "./finding.ts";

const { ok, warning, error } = findingsOf("server");

/** What is known of the server with a queue, and what is doubtful about it. */
export interface AskedServer {
  readonly server: StationStatus | null;
  /** One runs that only its own user may ask. */
  readonly closed?: boolean;
  readonly findings: readonly CheckFinding[];
}

/**
 * Asks the server, if one runs.
 *
 * @param changed when the configuration's file was changed last, in epoch milliseconds; `null` where there is none.
 */
export async function askServer(
  runtime: Runtime,
  paths: ConfigPaths,
  changed: number | null,
): Promise<AskedServer> {
  const { network, clock, files } = runtime;
  if (await files.stat(paths.queue).catch(() => null) === null) {
    return { server: null, findings: [ok("no server runs: the queue's folder is not there yet")] };
  }
  try {
    let server: StationStatus | null = null;
    for await (const line of askControl(network, paths.control, { do: "status" })) {
      if (line.type === "status") server = line as unknown as StationStatus;
    }
    return { server, findings: server === null ? [] : checkStatus(server, changed) };
  } catch (failure) {
    if (!(failure instanceof ControlError)) throw failure;
    if (failure.code === "forbidden") {
      const advice = "check as the user it runs as, or as root";
      return { server: null, closed: true, findings: [warning(failure.message, advice)] };
    }
    if (failure.code !== "unavailable") {
      return { server: null, findings: [warning(failure.message)] };
    }
  }
  const owner = await findSpoolOwner({ network, clock }, paths.queue);
  if (owner === null) return { server: null, findings: [ok("no server runs")] };
  const who = owner.pid === null ? "another process" : `process ${owner.pid}`;
  const what = `${paths.queue} is in use by ${who}, which does not answer to yizhan`;
  return { server: null, findings: [error(what, "stop it, or give another queue.directory")] };
}

function checkStatus(status: StationStatus, changed: number | null): CheckFinding[] {
  const { pid, version, stopping, reloadFailed } = status;
  const findings = [ok(`Yizhan ${version} runs as process ${pid}`)];
  if (stopping) findings.push(warning("it is stopping"));
  if (reloadFailed !== undefined) {
    const what = `a newer configuration is not in force: ${reloadFailed}`;
    findings.push(warning(what, "mend it, then: yizhan reload"));
  } else if (isOutdated(status, changed)) {
    const what = "the configuration has been changed since the server read it";
    findings.push(warning(what, "yizhan reload, once it is as you want it"));
  }
  return findings;
}
