/**
 * Whether a filter answers, asked as the server asks, what becomes of mail while it does not, and what to do. A server
 * that asks for mail waits longer than this does: of who is slow nothing is said but that.
 *
 * @module
 */

import type { FilterConfig } from "../config/policies/filters.ts";
import { scanStream } from "../policy/clamav/clamd.ts";
import { FilterGone, MilterLink } from "../policy/milter/link.ts";
import { formatSocketAddress } from "../runtime/network.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { errorCode } from "../runtime/system_error.ts";
import { filterRemedy } from "./filter_remedy.ts";
import { describeError, isNotCapable, NOT_PERMITTED } from "./trouble.ts";

/** Milliseconds for each step of what is asked of one. */
const PATIENCE = 3000;

/** What a filter needs to be asked. */
type Machine = Pick<Runtime, "network" | "clock">;

/** What came of asking. */
export interface FilterProbe {
  /** Such as `the filter rspamd at 127.0.0.1:11332`. */
  readonly what: string;
  /**
   * `slow`: it may be busy; `untried`: Deno does not let this process ask; `denied`: the system does not let this user,
   * which says nothing about others.
   */
  readonly state: "answers" | "slow" | "untried" | "denied" | "failed";
  /** Why it is of no use now, and what that means for mail; `null`: it answers. */
  readonly trouble: string | null;
  /** What to do; `null`: it answers, or nothing is known. */
  readonly remedy: string | null;
}

/** Asks one. Never throws; gives up after some seconds. */
export async function probeFilter(filter: FilterConfig, machine: Machine): Promise<FilterProbe> {
  const what = `the filter ${nameOf(filter)} at ${placeOf(filter)}`;
  const began = machine.clock.now();
  let why: string;
  let error: unknown;
  try {
    const wrong = await reach(filter, machine);
    if (wrong === null) return { what, state: "answers", trouble: null, remedy: null };
    why = `does not answer as it should: ${wrong}`;
  } catch (thrown) {
    if (isNotCapable(thrown)) {
      const trouble = `cannot be tried: ${NOT_PERMITTED}`;
      return { what, state: "untried", trouble, remedy: null };
    }
    why = `cannot be asked: ${describeReason(filter, thrown)}`;
    error = thrown;
  }
  if (machine.clock.now() - began >= PATIENCE) {
    const trouble = `did not answer within ${PATIENCE / 1000} s`;
    return { what, state: "slow", trouble, remedy: "see whether it hangs, or has much to do" };
  }
  const code = errorCode(error);
  return {
    what,
    state: code === "EACCES" || code === "EPERM" ? "denied" : "failed",
    trouble: `${why}; ${meanwhile(filter)}`,
    remedy: await filterRemedy(filter, error),
  };
}

/** Who answers, and not as a milter does, is mostly another program, or another port of the same. */
function describeReason({ kind }: FilterConfig, error: unknown): string {
  const reason = describeError(error);
  const strange = kind === "milter" && errorCode(error) === undefined;
  return strange && !(error instanceof FilterGone) ? `${reason} (is it a milter?)` : reason;
}

/** A line for each filter that is of no use now, and what to do. Never throws. */
export async function filterTroubles(
  filters: readonly FilterConfig[],
  machine: Machine,
): Promise<string[]> {
  const probes = await Promise.all(filters.map((filter) => probeFilter(filter, machine)));
  return probes.flatMap(({ what, trouble, remedy }) =>
    trouble === null ? [] : [`${what} ${trouble}${remedy === null ? "" : `: ${remedy}`}`]
  );
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
    return result.status === "failed" ? result.reason : null;
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
