/**
 * Whether the filters answer that see mail, and the lists in DNS that are asked about clients. All of it may pass by
 * itself, or be started after us, so nothing here is an error.
 *
 * @module
 */

import type { Config } from "../../config/schema.ts";
import { scanStream } from "../../policy/clamav/clamd.ts";
import { testDnsList } from "../../policy/dns/dns_list.ts";
import { MilterLink } from "../../policy/milter/link.ts";
import { formatSocketAddress, type Runtime } from "../../runtime/runtime.ts";
import { thisRuntime } from "../machine.ts";
import { describeError } from "../trouble.ts";
import { type CheckContext, type CheckFinding, findingsOf } from "./finding.ts";

const { ok, warning } = findingsOf("filters");

/** Milliseconds for each step of what is asked of one. */
const PATIENCE = 3000;

type Filter = Config["filters"][number];

/** Which of them answer. */
export async function checkFilters(
  { loaded, runtime }: Pick<CheckContext, "loaded" | "runtime">,
): Promise<CheckFinding[]> {
  if (loaded === null) return [];
  const { filters, abuse, relay } = loaded.config;
  const { nameServers } = relay;
  const { resolver } = nameServers.length > 0 ? thisRuntime({ nameServers }) : runtime;
  return await Promise.all([
    ...filters.map((filter) => checkFilter(filter, runtime)),
    ...abuse.dnsLists.lists.map((list) => checkList(list, resolver)),
  ]);
}

async function checkFilter(filter: Filter, runtime: Runtime): Promise<CheckFinding> {
  const where = filter.kind === "http" ? filter.url : formatSocketAddress(filter.address);
  const name = filter.kind === "clamav" ? filter.kind : filter.name;
  const what = `the filter ${name} at ${where}`;
  try {
    const wrong = await reach(filter, runtime);
    if (wrong === null) return ok(`${what} answers`);
    return warning(`${what} does not answer as it should: ${wrong}`, adviceFor(filter));
  } catch (error) {
    return warning(`${what} cannot be asked: ${describeError(error)}`, adviceFor(filter));
  }
}

/** Asks as the server does; `null`: it answers. @throws where it cannot be asked. */
async function reach(filter: Filter, { network, clock }: Runtime): Promise<string | null> {
  if (filter.kind === "milter") {
    (await MilterLink.open(filter.address, { network, clock }, PATIENCE)).quit();
    return null;
  }
  const signal = AbortSignal.timeout(PATIENCE);
  const address = filter.kind === "clamav" ? filter.address : addressOf(new URL(filter.url));
  const connection = await network.connect(address, { signal });
  const giveUp = () => connection.close();
  signal.addEventListener("abort", giveUp);
  try {
    // What a hook would make of a question that is about no mail, nobody knows.
    if (filter.kind === "http") return null;
    const result = await scanStream(connection, nothing());
    if (result.status !== "failed") return null;
    return signal.aborted ? `nothing within ${PATIENCE / 1000} seconds` : result.reason;
  } finally {
    signal.removeEventListener("abort", giveUp);
    connection.close();
  }
}

function addressOf({ protocol, hostname, port }: URL) {
  const usual = protocol === "https:" ? 443 : 80;
  const bare = hostname.replace(/^\[(.*)\]$/, "$1");
  return { transport: "tcp", hostname: bare, port: port === "" ? usual : Number(port) } as const;
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

function adviceFor({ onTrouble }: Filter): string {
  switch (onTrouble) {
    case "accept":
      return "start it; until then mail passes it by (onTrouble)";
    case "defer":
      return "start it; until then mail that it should see is put off with 451 (onTrouble)";
    case "reject":
      return "start it; until then mail that it should see is refused with 550 (onTrouble)";
  }
}

async function checkList(
  list: Config["abuse"]["dnsLists"]["lists"][number],
  resolver: Runtime["resolver"],
): Promise<CheckFinding> {
  const what = `the list ${list.name ?? list.zone}`;
  const wrong = await testDnsList(list, resolver, AbortSignal.timeout(PATIENCE));
  if (wrong === null) return ok(`${what} answers`);
  return warning(
    `${what} is of no use: ${wrong}`,
    "such a list is not asked; its web page says whom it serves (many refuse public name servers)",
  );
}
