/**
 * What checks must know of the machine beside what a {@link Runtime} tells: owners and modes, kinds of file systems,
 * limits and privileges of the process. Nothing here changes anything. What cannot be known is `null`.
 *
 * @module
 */

import { constants } from "node:fs";
import { access, readFile, stat, statfs } from "node:fs/promises";
import process from "node:process";
import { errorCode } from "../../runtime/system_error.ts";

/** A file or folder, links followed. */
export interface PathFacts {
  readonly kind: "file" | "directory" | "other";
  /** Permission bits, with the sticky bit: such as 0o3733. */
  readonly mode: number;
  readonly uid: number;
  /** Epoch milliseconds. */
  readonly modified: number;
}

/** A file system. */
export interface DiskFacts {
  /** Such as `tmpfs`; `null` for all whose kind does not matter. */
  readonly kind: "tmpfs" | "overlay" | "nfs" | "smb" | null;
  /** Octets and inodes that are free to who is not root. 0 inodes: they are not counted there. */
  readonly bytes: number;
  readonly inodes: number;
}

/** The machine. */
export interface MachineFacts {
  /** `null`: nothing is there. @throws what the system says. */
  path(path: string): Promise<PathFacts | null>;
  /** The file system that holds a path that is there. */
  disk(path: string): Promise<DiskFacts>;
  /** Whether this process may write there, or run it; where that cannot be known, it may. */
  may(path: string, what: "write" | "run"): Promise<boolean>;
  /** Of the process; `null` where the system has none, or does not tell. */
  readonly uid: number | null;
  /** Files that may be open at once (`ulimit -n`). */
  openFiles(): Promise<number | null>;
  /** The lowest port that needs no privilege. */
  firstFreePort(): Promise<number>;
  /** Whether the process may listen on every port. */
  anyPort(): Promise<boolean>;
  /** Where programs are looked for. */
  readonly programFolders: readonly string[];
}

/** This machine. */
export const THIS_MACHINE: MachineFacts = {
  async path(path) {
    const found = await stat(path).catch((error) => {
      const code = errorCode(error);
      if (code === "ENOENT" || code === "ENOTDIR") return null;
      throw error;
    });
    if (found === null) return null;
    const kind = found.isFile() ? "file" : found.isDirectory() ? "directory" : "other";
    return { kind, mode: found.mode & 0o7777, uid: found.uid, modified: found.mtimeMs };
  },
  async disk(path) {
    const { type, bsize, bavail, ffree } = await statfs(path);
    return { kind: KINDS[type >>> 0] ?? null, bytes: bsize * bavail, inodes: ffree };
  },
  async may(path, what) {
    // Deno's access() breaks where it may not know who asks.
    if (THIS_MACHINE.uid === null) return true;
    const wanted = what === "write" ? constants.W_OK : constants.X_OK;
    return await access(path, wanted).then(() => true, () => false);
  },
  get uid() {
    try {
      return process.getuid?.() ?? null;
    } catch {
      return null; // Deno was not given that permission
    }
  },
  async openFiles() {
    const limit = /^Max open files\s+(\d+|unlimited)/m.exec(await read("/proc/self/limits"))?.[1];
    if (limit === undefined) return null;
    return limit === "unlimited" ? Infinity : Number(limit);
  },
  async firstFreePort() {
    const text = (await read("/proc/sys/net/ipv4/ip_unprivileged_port_start")).trim();
    return /^\d+$/.test(text) ? Number(text) : 1024;
  },
  async anyPort() {
    const effective = /^CapEff:\s*([0-9a-f]+)/m.exec(await read("/proc/self/status"))?.[1];
    if (effective === undefined) return THIS_MACHINE.uid === 0;
    return (BigInt(`0x${effective}`) >> CAP_NET_BIND_SERVICE & 1n) === 1n;
  },
  programFolders: ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"],
};

/** capabilities(7). */
const CAP_NET_BIND_SERVICE = 10n;

/** statfs(2). */
const KINDS: Readonly<Record<number, DiskFacts["kind"]>> = {
  0x01021994: "tmpfs",
  0x858458f6: "tmpfs", // ramfs
  0x794c7630: "overlay",
  0x6969: "nfs",
  0x517b: "smb",
  0xff534d42: "smb",
  0xfe534d42: "smb",
};

async function read(path: string): Promise<string> {
  return await readFile(path, "utf8").catch(() => "");
}
