/**
 * The users of this machine, by number, as `/etc/passwd` has them. Who is known by other ways only (LDAP, systemd)
 * has a number and no name here.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { decode } from "../bytes.ts";
import type { Files } from "../runtime/files.ts";

/** A user of this machine. */
export interface MachineUser {
  readonly name: string;
  /** The full name; empty where nobody gave one. */
  readonly fullName: string;
}

const PASSWD = "/etc/passwd";
const LIMIT = 16 * 1024 * 1024;

/**
 * Reads the lines of `/etc/passwd`; those that are none are passed over, and of two with one number the first
 * counts.
 *
 * @example
 * ```ts
 * import { parsePasswd } from "./local_users.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const users = parsePasswd("root:x:0:0:root:/root:/bin/bash\nann:x:1000:1000:Ann B.,,,:/home/ann:/bin/sh\n");
 * assertEquals(users.get(1000), { name: "ann", fullName: "Ann B." });
 * ```
 */
export function parsePasswd(text: string): Map<number, MachineUser> {
  const users = new Map<number, MachineUser>();
  for (const line of text.split("\n")) {
    const [name = "", , number = "", , comment = ""] = line.split(":");
    const uid = Number(number);
    if (name === "" || !/^\d{1,10}$/.test(number) || users.has(uid)) continue;
    // `&` stands for the name, its first letter made large (passwd(5) of BSD).
    const capital = name.charAt(0).toUpperCase() + name.slice(1);
    users.set(uid, { name, fullName: comment.split(",")[0]!.replaceAll("&", capital).trim() });
  }
  return users;
}

/** Names by number for a server: read again when the file changes, `null` where nobody knows. */
export function localUserNames(files: Files): (uid: number) => Promise<string | null> {
  let users = new Map<number, MachineUser>();
  let read = NaN;
  return async (uid) => {
    try {
      const modified = (await files.stat(PASSWD, { follow: true }))?.modified ?? NaN;
      if (modified !== read) users = parsePasswd(decode(await files.readFile(PASSWD, LIMIT)));
      read = modified;
    } catch {
      // Without the file there are numbers only, which the configuration can name as well.
    }
    return users.get(uid)?.name ?? null;
  };
}

/** Who a command runs as; `null` where nobody knows the name. */
export function readUser(uid: number): MachineUser | null {
  try {
    const user = parsePasswd(readFileSync(PASSWD, "utf8")).get(uid);
    if (user !== undefined) return user;
  } catch {
    // As below.
  }
  try {
    // What the system knows beyond the file; Bun says "unknown".
    const { username } = userInfo();
    return username === "unknown" ? null : { name: username, fullName: "" };
  } catch {
    return null;
  }
}
