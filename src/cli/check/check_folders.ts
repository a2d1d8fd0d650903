/**
 * The folders: there, or to be made; whose they are and who may look in; what kind of disk they are on, and how much
 * room is left.
 *
 * @module
 */

import type { ConfigPaths } from "../../config/paths.ts";
import { formatSize } from "../../observe/visible_text.ts";
import { SOCKET_PATH_LIMIT } from "../../runtime/network.ts";
import { describeError } from "../trouble.ts";
import { type CheckContext, type CheckFinding, findingsOf } from "./finding.ts";
import type { DiskFacts, MachineFacts, PathFacts } from "./machine_facts.ts";

const { ok, warning, error } = findingsOf("folders");

/** Inodes that the server keeps free (`queue/space_guard.ts`). */
const INODES = 1000;
const MIB = 1024 * 1024;

/** A folder and what it must be. */
interface Folder {
  /** Its key in the configuration. */
  readonly key: string;
  readonly path: string;
  /** The mode it is made with. */
  readonly mode: number;
  /** What is wrong with a mode; `null` for nothing. */
  readonly fault: (mode: number) => string | null;
  /** Whether others than its owner come through or leave something there. */
  readonly shared: boolean;
}

/** What is wrong with the folders. */
export async function checkFolders({ paths, loaded, facts }: CheckContext) {
  if (paths === null) return [];
  const drop = loaded?.config.drop.enabled ?? false;
  const findings: CheckFinding[] = [];
  const data = await facts.path(paths.data);
  if (new TextEncoder().encode(paths.control).length > SOCKET_PATH_LIMIT) {
    const what =
      `queue.directory: ${paths.control} is longer than the ${SOCKET_PATH_LIMIT} octets of a socket`;
    findings.push(error(what, "choose a shorter path"));
  }
  for (const folder of foldersOf(paths, drop)) {
    // What lies in a folder that is not there is as that folder is.
    if (data === null && folder.path.startsWith(`${paths.data}/`)) continue;
    findings.push(...await checkFolder(folder, data?.uid ?? facts.uid, facts));
  }
  if (facts.uid === 0 && data !== null && data.uid !== 0) {
    findings.push(warning(
      `this check was made by root, and the folders are those of user ${data.uid}`,
      `what that user may not do was not seen: setpriv --reuid ${data.uid} --clear-groups yizhan check`,
    ));
  }
  // Everything in `data` is mostly on one disk: it is told of once.
  const disks = new Map<string, string>();
  for (const path of [paths.data, paths.mail, paths.queue]) {
    const there = await nearest(path, facts);
    const disk = there.startsWith(`${paths.data}/`) ? paths.data : there;
    if (!disks.has(disk)) disks.set(disk, path);
  }
  const largest = loaded?.config.limits.messageSize ?? 0;
  for (const [there, path] of disks) {
    try {
      const reserve = Math.max(2 * largest, 256 * MIB);
      findings.push(...checkDisk(path, await facts.disk(there), reserve));
    } catch (failure) {
      findings.push(warning(`${path}: its disk cannot be asked: ${describeError(failure)}`));
    }
  }
  return findings;
}

function foldersOf({ data, mail, queue, drop }: ConfigPaths, dropEnabled: boolean): Folder[] {
  const own = (mode: number) => (mode & 0o077) === 0 ? null : "others may look into it or more";
  const through = (mode: number) => {
    if ((mode & 0o022) !== 0) return "others may write in it";
    if (!dropEnabled || (mode & 0o001) !== 0) return null;
    return "programs of other users cannot get to the drop folder in it";
  };
  const sticky = (mode: number) => {
    // Where a system has no setgid, a server leaves it out.
    if (mode === 0o3733 || mode === 0o1733) return null;
    return (mode & 0o1002) === 0o0002
      ? "others may remove what somebody left there"
      : "wanted 3733, so that everybody may leave mail there and nobody see or remove it";
  };
  return [
    { key: "data", path: data, mode: 0o711, fault: through, shared: true },
    { key: "mail.directory", path: mail, mode: 0o700, fault: own, shared: false },
    { key: "queue.directory", path: queue, mode: 0o700, fault: own, shared: false },
    ...dropEnabled
      ? [{ key: "drop.directory", path: drop, mode: 0o3733, fault: sticky, shared: true }]
      : [],
  ];
}

async function checkFolder(
  { key, path, mode, fault, shared }: Folder,
  owner: number | null,
  facts: MachineFacts,
): Promise<CheckFinding[]> {
  const found = await facts.path(path);
  const tell = (what: string) => `${key}: ${path}: ${what}`;
  if (found === null) return [await checkMissing(key, path, mode, facts)];
  if (found.kind !== "directory") return [error(tell("is not a folder"), "name another")];
  const findings: CheckFinding[] = [];
  if (owner !== null && found.uid !== owner) {
    const what = `it is user ${found.uid}'s, and not user ${owner}'s as the others`;
    findings.push(error(tell(what), `chown ${owner} ${path}`));
  } else if (!await facts.may(path, "write")) {
    const who = facts.uid === null ? "this user" : `user ${facts.uid}`;
    findings.push(error(tell(`${who} may not write there`), "run it as the user it belongs to"));
  }
  const wrong = fault(found.mode);
  const loose = !shared || (found.mode & 0o022) !== 0;
  if (wrong !== null) {
    const text = tell(`mode ${formatMode(found)}: ${wrong}`);
    const advice = `chmod ${mode.toString(8)} ${path}`;
    findings.push(
      loose && (found.mode & 0o002) !== 0 && key !== "drop.directory"
        ? error(text, advice)
        : warning(text, advice),
    );
  }
  return findings.length > 0 ? findings : [ok(tell(`mode ${formatMode(found)}`))];
}

async function checkMissing(
  key: string,
  path: string,
  mode: number,
  facts: MachineFacts,
): Promise<CheckFinding> {
  const above = await nearest(path, facts);
  const found = await facts.path(above);
  const what = `${key}: ${path}`;
  if (found?.kind !== "directory") {
    return error(`${what}: ${above} is not a folder`, "name another");
  }
  if (await facts.may(above, "write")) return ok(`${what}: is made at the start`);
  return error(
    `${what}: is not there, and this user may not make it in ${above}`,
    `make it: install -d -m ${mode.toString(8)} -o USER ${path}`,
  );
}

/** The path itself, or the lowest above it that is there. */
async function nearest(path: string, facts: MachineFacts): Promise<string> {
  for (let at = path;;) {
    if (await facts.path(at) !== null) return at;
    const slash = at.lastIndexOf("/");
    if (slash < 0) return ".";
    if (slash === 0) return "/";
    at = at.slice(0, slash);
  }
}

function checkDisk(path: string, { kind, bytes, inodes }: DiskFacts, reserve: number) {
  const findings: CheckFinding[] = [];
  if (kind !== null) findings.push(warning(`${path} is on ${KINDS[kind][0]}`, KINDS[kind][1]));
  const left = `${formatSize(bytes)} ${inodes === 0 ? "" : `and ${inodes} inodes `}free`;
  if (bytes < reserve) {
    const what = `${path}: ${left}, and new mail is refused (452) under ${formatSize(reserve)}`;
    findings.push(error(what, "make room"));
  } else if (inodes > 0 && inodes < INODES) {
    const what = `${path}: ${left}, and new mail is refused (452) under ${INODES} inodes`;
    findings.push(error(what, "make room: many small files use them up"));
  } else if (bytes < 4 * reserve) {
    findings.push(warning(`${path}: only ${left}`, "make room"));
  } else findings.push(ok(`${path}: ${left}`));
  return findings;
}

const KINDS: Readonly<Record<NonNullable<DiskFacts["kind"]>, readonly [string, string]>> = {
  tmpfs: ["a tmpfs: mail in it is gone after the next start of the machine", "put data on a disk"],
  overlay: [
    "the writable layer of a container: mail in it goes with the container",
    "mount a volume for data",
  ],
  nfs: [
    "NFS, where sockets and syncing are not what they are on a disk",
    "put data on a local disk",
  ],
  smb: [
    "SMB, where sockets and syncing are not what they are on a disk",
    "put data on a local disk",
  ],
};

function formatMode({ mode }: PathFacts): string {
  return mode.toString(8).padStart(3, "0");
}
