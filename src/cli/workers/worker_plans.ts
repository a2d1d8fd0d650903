/**
 * What the others go by that serve beside the first station, from the same configuration: a share of its limits,
 * its addresses with the ports it got, and a spool of their own in the spool of the first.
 *
 * @module
 */

import process from "node:process";
import type { LoadedConfig } from "../../config/load.ts";
import type { Config } from "../../config/schema.ts";
import { policyPlan } from "../../config/policies/build.ts";
import { stationOptions } from "../../config/station.ts";
import type { MtaOptions } from "../../mta_options.ts";
import type { DkimKeyText } from "../../policy/mailauth/signing_keys.ts";
import { keepSrsSecret } from "../../routing/srs_secret.ts";
import type { Files } from "../../runtime/files.ts";
import type { Network, SocketAddress } from "../../runtime/network.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { errorCode } from "../../runtime/system_error.ts";
import type { TlsCertificate } from "../../runtime/tls.ts";
import { observerPlan } from "../dmarc_observer.ts";
import { roadPlan } from "../road_guards.ts";
import type { LogPlan } from "./messages.ts";
import { shareOf, sharePolicies } from "./shares.ts";
import type { PlanMaker } from "./worker_pool.ts";

/** What plans are made of. */
export interface PlanSource {
  readonly runtime: Pick<Runtime, "files" | "random">;
  readonly loaded: LoadedConfig;
  /** Those in force when a plan is made. */
  readonly certificates: () => readonly TlsCertificate[];
  /** The DKIM keys that sign then. */
  readonly keys: () => readonly DkimKeyText[];
  /** Where the first listens, in the order of the configuration. */
  readonly addresses: readonly SocketAddress[];
  /** How many serve, the first among them. */
  readonly workers: number;
  readonly log: LogPlan;
}

/** Makes plans by one configuration. */
export function planMaker(source: PlanSource): PlanMaker {
  const { runtime, loaded, certificates, keys, addresses, workers, log } = source;
  const { config, paths } = loaded;
  const shared = shareOf(stationOptions(loaded), workers);
  // Unix sockets are the first's alone: there is no way to share them.
  const listeners = shared.listeners
    .map((listener, index) => ({ ...listener, address: addresses[index]! }))
    .filter(({ address }) => address.transport === "tcp");
  return async ({ index, listens }) => ({
    options: {
      ...shared,
      certificates: certificates(),
      instance: `w${index}`,
      listeners: listens ? listeners : [],
      ...(shared.queue === undefined
        ? { temporary: `${paths.mail}/.incoming/w${index}` }
        : { queue: await ownQueue(shared.queue, index, paths.queue, runtime) }),
    },
    policies: sharePolicies(policyPlan(config), workers),
    keys: keys(),
    road: roadPlan(loaded, `w${index}`),
    observer: observerPlan(loaded, `w${index}`),
    users: paths.users,
    domains: config.domains,
    log,
  });
}

/** All believe the same senders of forwarded mail: its bounces come to any of them. */
async function ownQueue(
  queue: NonNullable<MtaOptions["queue"]>,
  index: number,
  folder: string,
  { files, random }: PlanSource["runtime"],
): Promise<NonNullable<MtaOptions["queue"]>> {
  const srsSecret = queue.srsSecret ?? await keepSrsSecret(files, random, `${folder}/srs.key`);
  return { ...queue, directory: spoolOf(folder, index), pid: process.pid, srsSecret };
}

/** The folder of a worker's spool. @param folder of the first's. */
export function spoolOf(folder: string, index: number): string {
  return `${folder}/w${index}`;
}

/** The numbers of spools that no worker has, where there are so many, the first among them. */
export async function findLeftovers(
  files: Files,
  folder: string,
  workers: number,
): Promise<number[]> {
  const found: number[] = [];
  try {
    for await (const { name, kind } of files.list(folder)) {
      const index = Number(/^w([1-9]\d{0,3})$/.exec(name)?.[1] ?? 0);
      if (kind === "directory" && index >= workers) found.push(index);
    }
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
  }
  return found.sort((a, b) => a - b);
}

/**
 * How many can serve by a configuration on this machine.
 *
 * @param warn is told, in a line, where it is only one though more are wanted.
 */
export function countWorkers(
  { workers, listeners }: Config,
  { canShare = false }: Network,
  warn: (text: string) => void,
): number {
  if (workers === 1) return 1;
  if (!listeners.some(({ address }) => address.transport === "tcp")) {
    warn(
      `workers: ${workers}: only TCP can be shared, and all listeners are unix sockets: one works`,
    );
    return 1;
  }
  if (canShare) return workers;
  const reason = typeof Deno === "undefined"
    ? "threads cannot share a port on this system"
    : "Deno lets threads share a port with --unstable-net only (deno run --unstable-net …)";
  warn(`workers: ${workers}: ${reason}; one works`);
  return 1;
}
