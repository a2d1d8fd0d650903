/**
 * Whether a filter answers, asked as the server asks, and what becomes of mail while it does not. All of it may pass
 * by itself, or the filter be started after us, so nothing here is an error.
 *
 * @module
 */

import type { FilterConfig } from "../config/policies/filters.ts";
import { scanStream } from "../policy/clamav/clamd.ts";
import { MilterLink } from "../policy/milter/link.ts";
import { formatSocketAddress, type Runtime } from "../runtime/runtime.ts";
import { describeError } from "./trouble.ts";

/** Milliseconds for each step of what is asked of one. */
const PATIENCE = 3000;

/** What a filter needs to be asked. */
type Machine = Pick<Runtime, "network" | "clock">;

/** What came of asking. */
export interface FilterProbe {
  /** Such as `the filter rspamd at 127.0.0.1:11332`. */
  readonly what: string;
  /** Why it is of no use now, and what that means for mail; `null`: it answers. */
  readonly trouble: string | null;
}

/** Asks one. Never throws; gives up after some seconds. */
export async function probeFilter(filter: FilterConfig, machine: Machine): Promise<FilterProbe> {
  const what = `the filter ${nameOf(filter)} at ${placeOf(filter)}`;
  try {
    const wrong = await reach(filter, machine);
    if (wrong === null) return { what, trouble: null };
    return { what, trouble: `does not answer as it should: ${wrong}; ${meanwhile(filter)}` };
  } catch (error) {
    return { what, trouble: `cannot be asked: ${describeError(error)}; ${meanwhile(filter)}` };
  }
}

/** A line for each filter that is of no use now. Never throws. */
export async function filterTroubles(
  filters: readonly FilterConfig[],
  machine: Machine,
): Promise<string[]> {
  const probes = await Promise.all(filters.map((filter) => probeFilter(filter, machine)));
  return probes.flatMap(({ what, trouble }) => trouble === null ? [] : [`${what} ${trouble}`]);
}

/** The name in the log. */
export function nameOf(filter: FilterConfig): string {
  return filter.kind === "clamav" ? filter.kind : filter.name;
}

/** Where it is asked; of a URL without what may be secret in it. */
export function placeOf(filter: FilterConfig): string {
  if (filter.kind !== "http") return formatSocketAddress(filter.address);
  const { origin, pathname } = new URL(filter.url);
  return `${origin}${pathname}`;
}

/** What becomes of mail until it answers. */
function meanwhile(filter: FilterConfig): string {
  const roles = filter.kind === "milter" && filter.roles ? ` of ${filter.roles.join(", ")}` : "";
  switch (filter.onTrouble) {
    case "accept":
      return `mail${roles} passes unfiltered until it does (onTrouble: accept)`;
    case "defer":
      return `all mail${roles} is put off (451) until it does (onTrouble: defer)`;
    case "reject":
      return `all mail${roles} is refused (550) until it does (onTrouble: reject)`;
  }
}

/** `null`: it answers. @throws where it cannot be asked. */
async function reach(filter: FilterConfig, { network, clock }: Machine): Promise<string | null> {
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
