/**
 * What routes lead to on this machine: programs of pipes, sockets of LMTP servers.
 *
 * @module
 */

import type { Config } from "../../config/schema.ts";
import { type CheckContext, type CheckFinding, findingsOf } from "./finding.ts";
import type { MachineFacts } from "./machine_facts.ts";

const { ok, warning, error } = findingsOf("programs");

type Via = Config["relay"]["routes"][number]["via"];

/** Which of them are not there. */
export async function checkPrograms({ loaded, facts }: Pick<CheckContext, "loaded" | "facts">) {
  const findings: CheckFinding[] = [];
  for (const { via } of loaded?.config.relay.routes ?? []) {
    findings.push(...await checkWay(via.kind === "hold" ? via.then : via, facts));
  }
  return findings;
}

async function checkWay(via: Via, facts: MachineFacts): Promise<CheckFinding[]> {
  if (via.kind === "pipe") return [await checkProgram(via.program, facts)];
  if (via.kind !== "lmtp" || via.address.transport !== "unix") return [];
  const { path } = via.address;
  if (await facts.path(path) !== null) return [ok(`the LMTP socket ${path} is there`)];
  const advice = "start the server it belongs to; until then mail waits";
  return [warning(`the LMTP socket ${path} is not there`, advice)];
}

async function checkProgram(program: string, facts: MachineFacts): Promise<CheckFinding> {
  const places = program.includes("/")
    ? [program]
    : facts.programFolders.map((folder) => `${folder}/${program}`);
  for (const place of places) {
    const found = await facts.path(place);
    if (found?.kind !== "file") continue;
    if (await facts.may(place, "run")) return ok(`${place} can be run`);
    return error(`${place} cannot be run by this user`, "mail for it waits until it can");
  }
  return error(
    `the program ${program} of a route is not there`,
    program.includes("/") ? "mail for it waits until it is" : "give its whole path",
  );
}
