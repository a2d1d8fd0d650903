/**
 * What a configuration needs of the machine: the permissions of Deno, and the folders.
 *
 * @module
 */

import type { LoadedConfig } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import type { Files, SocketAddress } from "../runtime/runtime.ts";
import { makeFolders } from "./data_folder.ts";
import { CommandError, EXIT } from "./exit.ts";
import type { Needs } from "./permissions.ts";
import { describeFileError } from "./trouble.ts";

type Via = Config["relay"]["routes"][number]["via"];

/** What `serve` needs for a configuration. */
export function serveNeeds({ config, paths, file, authorities, secretFiles }: LoadedConfig): Needs {
  const { data, mail, queue, drop, users } = paths;
  const folders = [data, ...[mail, queue, drop].filter((path) => !isBelow(path, data))];
  const certificates = config.tls.certificates.flatMap((
    { certificate, key },
  ) => [certificate, key]);
  const ways = config.relay.routes.map(({ via }) => via);
  const sockets = ways.flatMap(socketOf);
  // Whom to ask for names, where nobody said so; and who owns what is left in the drop folder.
  const resolver = config.relay.enabled && config.relay.nameServers.length === 0
    ? ["/etc/resolv.conf"]
    : [];
  const accounts = config.drop.enabled ? ["/etc/passwd"] : [];
  const named = [...certificates, ...authorities.keys(), ...secretFiles];
  const others = [...named, ...resolver, ...accounts];
  return {
    read: [file, users, ...folders, ...others, ...sockets],
    write: [...folders, ...sockets],
    listen: listensAt(config),
    outward: config.relay.enabled,
    run: ways.flatMap((via) => via.kind === "pipe" ? [via.program] : []),
    sys: config.drop.enabled ? ["statfs", "uid"] : ["statfs"],
  };
}

function listensAt({ listeners, monitor }: Config): SocketAddress[] {
  const addresses = listeners.map(({ address }) => address);
  return monitor.address === undefined ? addresses : [...addresses, monitor.address];
}

function isBelow(path: string, folder: string): boolean {
  return path.startsWith(`${folder.replace(/\/+$/, "")}/`);
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
 * @throws {CommandError} where one cannot be made, or is none.
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
    }
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
