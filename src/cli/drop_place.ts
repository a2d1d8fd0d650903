/**
 * Where a program leaves its mail, and what it must know for that: found without a server, and also where the
 * configuration may not be read.
 *
 * Looked for as `--drop DIR`; then where the configuration says (`--config FILE`, `$YIZHAN_CONFIG`, for
 * `yizhan send` `./yizhan.yaml`, and `/etc/yizhan/yizhan.yaml`); then `/var/lib/yizhan/drop`. Under the name
 * of sendmail the folder where the caller happens to be is not looked at: any program may run there, and what lies
 * about must not lead its mail astray.
 *
 * @module
 */

import { accessSync, constants } from "node:fs";
import { hostname as machineName } from "node:os";
import process from "node:process";
import type { Address } from "../address.ts";
import { parseAddress, parseDomain } from "../address.ts";
import type { DropBulletin } from "../intake/drop/drop_bulletin.ts";
import { addressOfUser } from "../intake/drop/drop_senders.ts";
import type { LocalUser } from "../message/received.ts";
import type { CommandLine } from "./command.ts";
import { readBulletin } from "./drop_writer.ts";
import { CommandError, EXIT, UsageError } from "./exit.ts";
import { atHome, type Home, homeOf } from "./home.ts";
import { readUser } from "./local_users.ts";
import type { HeadCompletion } from "./message_input.ts";
import { isGranted, requirePermissions } from "./permissions.ts";

/** Where a server that was installed keeps the folder. */
const USUAL_FOLDER = "/var/lib/yizhan/drop";

const USUAL_CONFIG = "/etc/yizhan/yizhan.yaml";

/** Octets of a message where no server has said. */
const SIZE_LIMIT = 50 * 1024 * 1024;

/** Where mail goes, and who leaves it. */
export interface DropPlace extends Home {
  readonly folder: string;
  /** The socket where the server hears that there is something. */
  readonly nudge: string;
  readonly sizeLimit: number;
  /** What the server said; `null` where none has been there. */
  readonly bulletin: DropBulletin | null;
  /** Who this is. */
  readonly user: LocalUser;
  readonly fullName: string;
}

/** @throws {CommandError} where there is no folder that can be used. */
export async function findDropPlace(
  long: ReadonlyMap<string, string>,
  options: { readonly here: boolean; readonly words: readonly string[] },
): Promise<DropPlace> {
  const folder = (await findFolder(long, options.here)).replace(/(.)\/+$/, "$1");
  const nudge = `${folderOf(folder)}/nudge.sock`;
  requirePermissions({
    read: [folder, "/etc/passwd"],
    write: [folder],
    listen: [{ transport: "unix", path: nudge }],
    sys: ["uid"],
  }, options.words);
  const bulletin = readBulletin(folder);
  const machine = hostnameOfMachine();
  const uid = process.getuid?.() ?? 0;
  const user = readUser(uid);
  return {
    folder,
    nudge,
    ...homeOf(bulletin?.hostname ?? machine, machine),
    sizeLimit: bulletin?.sizeLimit ?? SIZE_LIMIT,
    bulletin,
    user: { uid, name: user?.name ?? null },
    fullName: user?.fullName ?? "",
  };
}

/**
 * The reverse-path: as it was said, `null` for none, or the user's own.
 *
 * @throws {UsageError} where it is no address.
 */
export function senderOf(given: string | undefined, place: DropPlace): Address | null {
  if (given === "") return null;
  if (given !== undefined) {
    const text = given.includes("@") ? given : `${given}@${place.hostname}`;
    const address = parseAddress(text, { smtputf8: true });
    if (address !== null) return atHome(address, place);
    throw new UsageError(`-f ${given}: wanted a mail address, such as me@example.org`);
  }
  const own = addressOfUser(place.user, place.hostname);
  if (own !== null) return own;
  throw new UsageError(
    `user ${place.user.uid} has no name on this machine: say who sends with -f ADDRESS`,
  );
}

/** What the head of a message is completed with that is handed in now. */
export function completionOf(
  place: DropPlace,
  author: { readonly address: Address; readonly fullName?: string },
): HeadCompletion {
  const { hostname, user, fullName } = place;
  return {
    author: { fullName, ...author },
    now: Date.now(),
    home: place,
    user: user.uid === 0 ? null : addressOfUser(user, hostname),
  };
}

async function findFolder(long: ReadonlyMap<string, string>, here: boolean): Promise<string> {
  const named = long.get("drop");
  if (named !== undefined) return named;
  // What reads configurations is large; mail mostly need not wait for it.
  const { findConfigPaths } = await import("./config_file.ts");
  const line = commandLineOf(long);
  if (here || saysConfig(long)) {
    try {
      return (await findConfigPaths(line)).drop;
    } catch (error) {
      const isDefault = !saysConfig(long) && error instanceof CommandError &&
        error.exitCode === EXIT.noInput;
      if (!isDefault) throw error;
      return USUAL_FOLDER;
    }
  }
  if (!mayBeRead(USUAL_CONFIG)) return USUAL_FOLDER;
  return (await findConfigPaths(commandLineOf(new Map([["config", USUAL_CONFIG]])))).drop;
}

/** Somebody named a configuration: then it counts, whatever is wrong with it. */
function saysConfig(long: ReadonlyMap<string, string>): boolean {
  if (long.has("config")) return true;
  return isGranted({ name: "env", variable: "YIZHAN_CONFIG" }) &&
    (process.env["YIZHAN_CONFIG"] ?? "") !== "";
}

/** The long flags, as other commands have theirs. */
export function commandLineOf(long: ReadonlyMap<string, string>): CommandLine {
  return {
    operands: [],
    has: (flag) => long.has(flag),
    value: (flag) => long.get(flag),
    values: (flag) => long.has(flag) ? [long.get(flag)!] : [],
  };
}

function mayBeRead(path: string): boolean {
  if (!isGranted({ name: "read", path })) return false;
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

function hostnameOfMachine(): string {
  const name = isGranted({ name: "sys", kind: "hostname" }) ? machineName() : "localhost";
  return parseDomain(name) ?? "localhost";
}

function folderOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "." : path.slice(0, slash) || "/";
}
