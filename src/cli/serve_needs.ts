/**
 * What a configuration needs of the machine: the permissions of Deno, and the folders.
 *
 * @module
 */

import { ENVIRONMENT_KEYS } from "../config/environment.ts";
import type { LoadedConfig } from "../config/load.ts";
import { nudgePath } from "../config/paths.ts";
import { asksDns, policyPlan } from "../config/policies/build.ts";
import type { Config } from "../config/schema.ts";
import type { Files } from "../runtime/files.ts";
import type { SocketAddress } from "../runtime/network.ts";
import { type FolderNeeds, folderNeeds, makeFolders } from "./data_folder.ts";
import { THIS_MACHINE } from "./check/machine_facts.ts";
import { CONFIG_MACHINE } from "./config_file.ts";
import { CommandError, EXIT } from "./exit.ts";
import { thisRuntime } from "./machine.ts";
import { isRoot } from "./privileges.ts";
import { isBelow, mayRead, type Needs, requirePermissions } from "./permissions.ts";
import { describeFileError } from "./trouble.ts";
import { countWorkers } from "./workers/worker_plans.ts";

/** All that may say something; those that do shall go on doing so. */
const VARIABLES = ["YIZHAN_CONFIG", ...ENVIRONMENT_KEYS.map(({ name }) => name)];

type Via = Config["relay"]["routes"][number]["via"];

/** What `serve` needs for a configuration. */
export function serveNeeds(loaded: LoadedConfig): Needs {
  const { config, paths, file, authorities, secretFiles } = loaded;
  const { data, mail, queue, drop, users } = paths;
  const folders = [data, ...[mail, queue, drop].filter((path) => !isBelow(path, data))];
  const certificates = config.tls.certificates.flatMap((
    { certificate, key },
  ) => [certificate, key]);
  const ways = config.relay.routes.map(({ via }) => via);
  const filters = filterAddresses(config);
  const sockets = [
    ...ways.flatMap(socketOf),
    ...filters.flatMap((address) => address.transport === "unix" ? [address.path] : []),
  ];
  // Whom to ask for names, where nobody said so; and who owns what is left in the drop folder.
  const outward = config.relay.enabled || asksDns(policyPlan(config));
  const resolver = outward && config.relay.nameServers.length === 0 ? ["/etc/resolv.conf"] : [];
  const accounts = config.drop.enabled || config.user !== undefined ? ["/etc/passwd"] : [];
  if (config.group !== undefined) accounts.push("/etc/group");
  const named = [...certificates, ...authorities.keys(), ...secretFiles];
  const keys = config.dkim.sign ? [paths.dkim] : [];
  const others = [...named, ...keys, ...resolver, ...accounts];
  return {
    read: [file, users, ...folders, ...others, ...sockets],
    write: [...folders, ...sockets],
    listen: listensAt(loaded),
    outward,
    connect: [...filters, ...authorityAddress(config)],
    run: [
      ...ways.flatMap((via) => via.kind === "pipe" ? [via.program] : []),
      ...(config.acme?.dnsHook === undefined ? [] : [config.acme.dnsHook]),
    ],
    everyVariable: config.acme !== undefined,
    env: VARIABLES.filter((name) => CONFIG_MACHINE.environment(name) !== undefined),
    sys: config.drop.enabled || config.user !== undefined ? ["statfs", "uid"] : ["statfs"],
    becomesUser: config.user !== undefined && isRoot(),
    threads: countWorkers(config, thisRuntime().network, () => {}) > 1,
  };
}

/**
 * Demands what `serve` needs, also to make the folders that are missing yet: they are made in others.
 *
 * @param words the command line as given.
 * @throws {CommandError} with the whole command to run.
 */
export async function requireServePermissions(
  loaded: LoadedConfig,
  words: readonly string[],
): Promise<void> {
  const { files } = thisRuntime();
  const { data, mail, queue } = loaded.paths;
  let needs = serveNeeds(loaded);
  const withFolder = ({ read, write }: FolderNeeds): Needs => (
    { ...needs, read: [...needs.read, read], write: [...needs.write, write] }
  );
  for (const path of [data, mail, queue]) {
    // Whether it is there is not to be seen: then this says so, and the folders above are not asked for.
    if (!mayRead(path)) requirePermissions(needs, words);
    const folder = await folderNeeds(files, path, mayRead, (more) => {
      if (!mayRead(more.read)) requirePermissions(withFolder(more), words);
    });
    needs = withFolder(folder);
  }
  requirePermissions(needs, words);
}

/** Everywhere it listens, its own sockets included. */
export function listensAt(
  { config: { listeners, monitor, drop, web }, paths }: LoadedConfig,
): SocketAddress[] {
  const own = [paths.control, ...drop.enabled ? [nudgePath(paths)] : []];
  return [
    ...listeners.map(({ address }) => address),
    ...monitor.address === undefined ? [] : [monitor.address],
    ...web.listeners.map(({ address }) => address),
    ...own.map((path) => ({ transport: "unix" as const, path })),
  ];
}

/** Where certificates are from. */
function authorityAddress({ acme }: Config): SocketAddress[] {
  return acme === undefined ? [] : [addressOfUrl(acme.directory)];
}

/** Where filters are asked. */
function filterAddresses({ filters }: Config): SocketAddress[] {
  return filters.map((filter) => {
    return filter.kind === "http" ? addressOfUrl(filter.url) : filter.address;
  });
}

function addressOfUrl(url: string): SocketAddress {
  const { hostname, port, protocol } = new URL(url);
  const usual = protocol === "https:" ? 443 : 80;
  const bare = hostname.replace(/^\[(.*)\]$/, "$1");
  return { transport: "tcp", hostname: bare, port: port === "" ? usual : Number(port) };
}

/** The unix socket a way leads to: Deno wants to read and write its path, to connect to it. */
function socketOf(via: Via): string[] {
  if (via.kind === "hold") return socketOf(via.then);
  return via.kind === "lmtp" && via.address.transport === "unix" ? [via.address.path] : [];
}

/**
 * Makes the folders that are missing: `data`, through which others must get to the drop folder, and the mail
 * and the queue, where nobody else may look.
 *
 * @throws {CommandError} where one cannot be made, is none, or is one that somebody else has put there or may write in.
 */
export async function makeServerFolders(files: Files, { paths }: LoadedConfig): Promise<void> {
  await makeFolder(files, "data", paths.data, 0o711);
  await makeFolder(files, "mail.directory", paths.mail, 0o700);
  await makeFolder(files, "queue.directory", paths.queue, 0o700);
}

async function makeFolder(files: Files, key: string, path: string, mode: number): Promise<void> {
  try {
    const found = await files.stat(path, { follow: true });
    if (found === null) {
      await makeFolders(files, path);
      await files.setMode(path, mode);
    } else if (found.kind !== "directory") {
      throw new CommandError(EXIT.noInput, `${key}: ${path} is not a folder; name another`);
    } else await demandOurs(key, path, mode);
  } catch (error) {
    if (error instanceof CommandError) throw error;
    const advice = "give a folder in one where the user this runs as may write";
    throw new CommandError(
      EXIT.cantCreate,
      `${key}: ${path} cannot be made: ${describeFileError(error)}; ${advice}`,
      { cause: error },
    );
  }
}

/**
 * Whoever may write in a folder can put links, or mail, in place of what we keep there; in /tmp the folder itself may
 * have been made by somebody, before.
 */
async function demandOurs(key: string, path: string, wanted: number): Promise<void> {
  const found = await THIS_MACHINE.path(path);
  if (found === null) return;
  const bad = (what: string, advice: string) =>
    new CommandError(EXIT.config, `${key}: ${path} ${what}: ${advice}`);
  const mode = wanted.toString(8);
  if ((found.mode & 0o002) !== 0) {
    throw bad("may be written in by everybody", `see what is in it, then chmod ${mode} ${path}`);
  }
  const { uid } = THIS_MACHINE;
  if (uid === null || uid === 0 || found.uid === uid || found.uid === 0) return;
  throw bad(
    `belongs to user ${found.uid}, not to ${uid} as whom this runs`,
    "name another, or start it as that user",
  );
}
