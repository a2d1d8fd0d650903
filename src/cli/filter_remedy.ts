/**
 * What to do about a filter that cannot be asked.
 *
 * @module
 */

import { readFile, stat } from "node:fs/promises";
import type { FilterConfig } from "../config/policies/filters.ts";
import { errorCode } from "../runtime/system_error.ts";
import { mayRead } from "./permissions.ts";

/** Where nothing more is known. */
const USUAL = "start it, or set another address or onTrouble for it";

/** Who owns a socket: what is known of it. */
export interface SocketOwner {
  /** The group's name, or its number where the name is not to be had. */
  readonly group: string;
  /** Permission bits. */
  readonly mode: number;
}

/** What an operator should do. Never throws. @param error why it cannot be asked. */
export async function filterRemedy(filter: FilterConfig, error: unknown): Promise<string> {
  const code = errorCode(error);
  const denied = code === "EACCES" || code === "EPERM";
  if (!denied || filter.kind === "http" || filter.address.transport !== "unix") return USUAL;
  return formatSocketRemedy(await ownerOf(filter.address.path).catch(() => null));
}

/**
 * How Yizhan gets to write to a socket. A process is in the groups it was started with: no reload brings another.
 *
 * @param owner `null`: it cannot be seen from here, since a folder above it is closed.
 *
 * @example
 * ```ts
 * import { formatSocketRemedy } from "./filter_remedy.ts";
 * import { assertMatch } from "@std/assert";
 *
 * const open = formatSocketRemedy({ group: "opendkim", mode: 0o770 });
 * assertMatch(open, /add it to the group opendkim, .* restart Yizhan/);
 * assertMatch(formatSocketRemedy({ group: "clamav", mode: 0o755 }), /chmod g\+w.* group, clamav;/);
 * assertMatch(formatSocketRemedy(null), /and enter its folder/);
 * ```
 */
export function formatSocketRemedy(owner: SocketOwner | null): string {
  const restart = "then restart Yizhan, as a reload brings no new group";
  if (owner === null) {
    return "let Yizhan's user write to the socket and enter its folder, such as by adding it to the " +
      `group that owns them, ${restart}`;
  }
  const { group, mode } = owner;
  const wanted = "let Yizhan's user write to the socket";
  if ((mode & 0o020) === 0) {
    return `${wanted}: have the filter make it writable for its group (chmod g+w), and add the user to ` +
      `that group, ${group}; ${restart}`;
  }
  return `${wanted}: add it to the group ${group}, which owns the socket; ${restart}`;
}

async function ownerOf(path: string): Promise<SocketOwner> {
  const { gid, mode } = await stat(path);
  return { group: await nameOfGroup(gid) ?? String(gid), mode };
}

/** By `/etc/group`; `null` where that does not tell. */
async function nameOfGroup(gid: number): Promise<string | null> {
  if (!mayRead("/etc/group")) return null;
  const text = await readFile("/etc/group", "utf8").catch(() => "");
  const line = text.split("\n").map((one) => one.split(":")).find((one) => one[2] === String(gid));
  return line?.[0] ?? null;
}
