/**
 * The start of a server that root runs, as the configuration has it: folders are made for the user, low ports are
 * bound, and then root is given up. What is read and written from there on is read and written by the user, so the
 * configuration is read once more: what the user cannot read shows at the start, and not at the first reload.
 *
 * @module
 */

import type { LoadedConfig } from "../config/load.ts";
import { formatSocketAddress } from "../runtime/network.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { BoundPorts, isPrivileged } from "./bound_ports.ts";
import { CommandError, EXIT } from "./exit.ts";
import {
  becomeUser,
  demandOwner,
  giveFolders,
  isRoot,
  missingFolders,
  readAccount,
} from "./privileges.ts";
import { listensAt, makeServerFolders } from "./serve_needs.ts";

/** What a server goes on with. */
export interface StartedAs {
  readonly config: LoadedConfig;
  /** Takes over what was bound. */
  readonly runtime: Runtime;
  /** Ports that nobody has asked for. */
  readonly bound: BoundPorts | null;
}

/** What is said of a server that stays root. */
export const STAYS_ROOT = "this process is root's and stays so; give user: NAME in the " +
  "configuration, or start it as a user of its own (examples/systemd)";

/**
 * Makes the folders, and becomes the user of the configuration where root starts it.
 *
 * @param reread reads the configuration again.
 * @throws {CommandError} for what an operator can mend; where root was not given up whole, always.
 */
export async function startAsUser(
  config: LoadedConfig,
  runtime: Runtime,
  { workers, reread }: {
    readonly workers: number;
    readonly reread: () => Promise<LoadedConfig>;
  },
): Promise<StartedAs> {
  const { user } = config.config;
  const { data, mail, queue } = config.paths;
  if (user === undefined || !isRoot()) {
    if (user !== undefined) becomeUser(readAccount(config.config));
    await makeServerFolders(runtime.files, config);
    return { config, runtime, bound: null };
  }
  const account = readAccount(config.config);
  const addresses = listensAt(config);
  demandOneBinder(addresses.filter(isPrivileged).map(formatSocketAddress), workers);
  const missing = [data, mail, queue].flatMap(missingFolders);
  await makeServerFolders(runtime.files, config);
  giveFolders([...new Set(missing)], account);
  demandOwner("data", data, account);
  demandOwner("mail.directory", mail, account);
  demandOwner("queue.directory", queue, account);
  const bound = await BoundPorts.bind(runtime.network, addresses);
  try {
    becomeUser(account);
    const again = await reread();
    return { config: again, runtime: { ...runtime, network: bound.over(runtime.network) }, bound };
  } catch (error) {
    bound.close();
    throw error;
  }
}

/** Threads bind for themselves, and again when one is started anew: after root was given up they could not. */
function demandOneBinder(ports: readonly string[], workers: number): void {
  if (ports.length === 0 || workers === 1) return;
  throw new CommandError(
    EXIT.config,
    `user: with workers: ${workers} root is given up before they listen on ${ports.join(", ")}; ` +
      "start it as that user with CAP_NET_BIND_SERVICE, as examples/systemd does",
  );
}
