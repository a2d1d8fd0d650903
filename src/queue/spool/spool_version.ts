/**
 * The version of a spool, in the file `version` of its folder:
 *
 *     yizhan spool 1
 *
 * It stands for all that lies in the folder: segments, journals, entries, bodies, `transit/`, `srs.key`. Any
 * change of these that an older program would read wrongly takes another version here. A spool without the file
 * is of version 1: the first ones had none.
 *
 * What is of a later version is not touched at all, since a program that does not understand it would take for
 * damaged, or for left over, what is mail. The first lines of segments and journals are looked at too: they tell
 * it of a file that somebody put there.
 *
 * What fails: {@link SpoolVersionError}, and what the disk says.
 *
 * @module
 */

import { decode, encode } from "../../bytes.ts";
import type { Files } from "../../runtime/files.ts";
import { openFresh } from "../../runtime/fresh_file.ts";
import { errorCode } from "../../runtime/system_error.ts";
import type { Folders } from "./folders.ts";
import { parseSegmentName } from "./segment.ts";

/** The version this program writes, and the latest it reads. */
export const SPOOL_VERSION = 1;

/** Octets looked at in a file. */
const LOOK = 64;

const VERSION = /^yizhan spool (\d{1,9})\r?\n?$/;
const FIRST_LINE = /^yizhan-(?:segment|journal) (\d{1,9}) /;

/** A spool this program must not touch. The message names the file, what it says, and what to do. */
export class SpoolVersionError extends Error {
  /** The file that tells the version. */
  readonly path: string;

  /** @param path of the file. @param problem what it says, and what to do. */
  constructor(path: string, problem: string) {
    super(`${path}: ${problem}`);
    this.name = "SpoolVersionError";
    this.path = path;
  }
}

/**
 * Looks whether this program may work with what lies in a folder; changes nothing. Gives whether the version is
 * written there.
 *
 * @throws {SpoolVersionError} when it may not.
 */
export async function checkSpoolVersion(files: Files, directory: string): Promise<boolean> {
  const path = `${directory}/version`;
  const text = await readStart(files, path);
  if (text !== null) {
    const version = VERSION.exec(text)?.[1];
    if (version === undefined) {
      const advice = `it should hold "yizhan spool ${SPOOL_VERSION}"; restore it`;
      throw new SpoolVersionError(path, `found ${JSON.stringify(text)}; ${advice}`);
    }
    demandKnown(path, "the queue", Number(version));
  }
  for (const name of await listSegments(files, `${directory}/segments`)) {
    const segment = `${directory}/segments/${name}`;
    const version = FIRST_LINE.exec(await readStart(files, segment).catch(() => null) ?? "")?.[1];
    if (version !== undefined) demandKnown(segment, "it", Number(version));
  }
  return text !== null;
}

/** Writes the version, durably. The folder is there, and owned. */
export async function writeSpoolVersion(
  files: Files,
  folders: Folders,
  directory: string,
): Promise<void> {
  const path = `${directory}/version`;
  const file = await openFresh(files, `${path}.new`);
  try {
    await file.write(encode(`yizhan spool ${SPOOL_VERSION}\n`));
    await file.sync();
  } finally {
    file.close();
  }
  await files.rename(`${path}.new`, path);
  await folders.sync(directory);
}

function demandKnown(path: string, what: string, version: number): void {
  if (version === SPOOL_VERSION) return;
  const known = `this yizhan knows version ${SPOOL_VERSION} only`;
  const advice = "start the yizhan that wrote it, or a later one";
  const problem = `${what} is of version ${version}, and ${known}; nothing was changed: ${advice}`;
  throw new SpoolVersionError(path, problem);
}

async function listSegments(files: Files, folder: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const { name, kind } of files.list(folder)) {
      if (kind === "file" && parseSegmentName(name) !== null) names.push(name);
    }
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
  }
  return names;
}

/** The beginning of a file; `null` where there is none. */
async function readStart(files: Files, path: string): Promise<string | null> {
  let file;
  try {
    file = await files.open(path, { read: true, noFollow: true });
  } catch (error) {
    if (errorCode(error) === "ENOENT") return null;
    throw error;
  }
  try {
    const start = new Uint8Array(LOOK);
    return decode(start.subarray(0, await file.read(start) ?? 0));
  } finally {
    file.close();
  }
}
