/**
 * What the runtime allows: the permissions of Deno that the server needs with this configuration. Other runtimes have
 * none to give or take.
 *
 * @module
 */

import type { LoadedConfig } from "../../config/load.ts";
import { formatDenoCommand, missingPermissions } from "../permissions.ts";
import { serveNeeds } from "../serve_needs.ts";
import { type CheckContext, type CheckFinding, findingsOf } from "./finding.ts";

const { ok, warning } = findingsOf("permissions");

/** Which are missing, and the command that grants just what is needed. */
export function checkPermissions({ loaded, runtime, facts }: CheckContext): CheckFinding[] {
  const findings: CheckFinding[] = [];
  const user = loaded?.config.user;
  if (facts.uid === 0) {
    findings.push(
      user === undefined
        ? warning(
          "this process is root's; a mail server should not be",
          "user: NAME in the configuration, or start it as a user of its own, as in examples/systemd",
        )
        : ok(`a server that root starts becomes ${user} once it listens`),
    );
  }
  if (runtime.name !== "deno") {
    const what =
      `${runtime.name} has no permissions to take away: a fault in the server may touch all that ` +
      "its user may";
    return [...findings, ok(`${what}; the systemd unit in examples/systemd keeps it in bounds`)];
  }
  if (loaded === null) return findings;
  const needs = serveNeeds({ authorities: new Map(), secretFiles: [], ...loaded } as LoadedConfig);
  const words = ["serve", "--config", loaded.file];
  const command = formatDenoCommand(needs, words);
  const missing = missingPermissions(needs);
  if (missing.length === 0) {
    return [
      ...findings,
      ok(`Deno grants all that the server needs; no more than that: ${command}`),
    ];
  }
  const what = `Deno does not grant here: ${missing.join(", ")}`;
  return [...findings, warning(what, `run the server with: ${command}`)];
}
