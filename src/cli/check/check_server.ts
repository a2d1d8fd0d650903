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
import { isNotCapable, NOT_PERMITTED } from "../trouble.ts";
import { type CheckFinding, findingsOf } from "./finding.ts";

const { ok, warning, error } = findingsOf("server");

/** What is known of the server with a queue, and what is doubtful about it. */
export interface AskedServer {
  readonly server: StationStatus | null;
  /** One runs that only its own user may ask. */
  readonly closed?: boolean;
  readonly findings: readonly CheckFinding[];
}

/** How the files are that a server would read. */
export interface FilesNow {
  /** When the configuration's file was changed last, in epoch milliseconds; `null` where there is none. */
  readonly changed: number | null;
  /** Whether nothing is wrong with configuration and users, as seen from here. */
  readonly right: boolean;
}

/** Asks the server, if one runs. */
export async function askServer(
  runtime: Runtime,
  paths: ConfigPaths,
  now: FilesNow,
): Promise<AskedServer> {
  const { network, clock, files } = runtime;
  try {
    if (await files.stat(paths.queue) === null) {
      const findings = [ok("no server runs: the queue's folder is not there yet")];
      return { server: null, findings };
    }
    let server: StationStatus | null = null;
    for await (const line of askControl(network, paths.control, { do: "status" })) {
      if (line.type === "status") server = line as unknown as StationStatus;
    }
    return { server, findings: server === null ? [] : checkStatus(server, now) };
  } catch (failure) {
    if (isNotCapable(failure) || (failure instanceof ControlError && isNotCapable(failure.cause))) {
      const what = `whether a server runs is not known: ${NOT_PERMITTED}`;
      return { server: null, findings: [warning(what)] };
    }
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

function checkStatus(status: StationStatus, { changed, right }: FilesNow): CheckFinding[] {
  const { pid, version, stopping, reloadFailed } = status;
  const findings = [ok(`Yizhan ${version} runs as process ${pid}`)];
  if (stopping) findings.push(warning("it is stopping"));
  if (reloadFailed !== undefined) {
    // The server knows of no file that it has not read: what is told may be mended by now.
    const what =
      `it goes by an older configuration, since its last reload was refused: ${reloadFailed}`;
    const advice = right
      ? "that was so then; the files are right now, as far as is seen from here: yizhan reload"
      : "mend what is wrong, then: yizhan reload";
    findings.push(warning(what, advice));
  } else if (isOutdated(status, changed)) {
    const what = "the configuration has been changed since the server read it";
    findings.push(warning(what, "yizhan reload, once it is as you want it"));
  }
  return findings;
}
