/**
 * What routes lead to on this machine: programs of pipes, sockets of LMTP servers; and the program that publishes proofs
 * for certificates.
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
  const { challenge, dnsHook } = loaded?.config.acme ?? {};
  if (challenge === "dns-01" && dnsHook !== undefined) {
    findings.push(await checkProgram(dnsHook, "acme.dnsHook", "certificates wait", facts));
  }
  return findings;
}

async function checkWay(via: Via, facts: MachineFacts): Promise<CheckFinding[]> {
  if (via.kind === "pipe") {
    return [await checkProgram(via.program, "a route", "mail for it waits", facts)];
  }
  if (via.kind !== "lmtp" || via.address.transport !== "unix") return [];
  const { path } = via.address;
  if (await facts.path(path) !== null) return [ok(`the LMTP socket ${path} is there`)];
  const advice = "start the server it belongs to; until then mail waits";
  return [warning(`the LMTP socket ${path} is not there`, advice)];
}

async function checkProgram(
  program: string,
  whose: string,
  result: string,
  facts: MachineFacts,
): Promise<CheckFinding> {
  const places = program.includes("/")
    ? [program]
    : facts.programFolders.map((folder) => `${folder}/${program}`);
  for (const place of places) {
    const found = await facts.path(place);
    if (found?.kind !== "file") continue;
    if (await facts.may(place, "run")) return ok(`${place} can be run`);
    return error(`${place} cannot be run by this user`, `${result} until it can`);
  }
  return error(
    `the program ${program} of ${whose} is not there`,
    program.includes("/") ? `${result} until it is` : "give its whole path",
  );
}
