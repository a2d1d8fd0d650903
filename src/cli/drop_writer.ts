/**
 * Leaves a mail in the drop folder: it is written under a name that nobody guesses and renamed when it is whole
 * and synced, and then the server is nudged. No server need run, and none is asked.
 *
 * Of durability: the file is synced before its rename, and once more after it. The folder itself can be opened
 * for a sync by its owner and by root only (others may not read it, which is its point). For others the second sync
 * has to do: ext4, XFS and btrfs make the name of a file durable with the file, when it was renamed before. Where
 * a file system does not, a power cut within some seconds after the command could take the mail away.
 *
 * What fails: a {@link CommandError} with an exit code by `sysexits`: 73 no such folder, 75 a full disk, 77 not
 * allowed; what was written is removed.
 *
 * @module
 */

import { randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  openSync,
  readSync,
  renameSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import {
  BULLETIN_LIMIT,
  BULLETIN_NAME,
  type DropBulletin,
  parseBulletin,
} from "../intake/drop/drop_bulletin.ts";
import {
  DROP_RECIPIENTS,
  formatDropHeader,
  MAIL_MODE,
  MAIL_MODE_WITHOUT_GROUP,
  UNFINISHED,
} from "../intake/drop/drop_file.ts";
import type { SubmitEnvelope } from "../intake/submit.ts";
import { errorCode } from "../runtime/system_error.ts";
import { CommandError, EXIT, type ExitCode } from "./exit.ts";
import { thisRuntime } from "./machine.ts";
import { describeError } from "./trouble.ts";

/** Milliseconds that a nudge may take; the mail is safe without it. */
const NUDGE_TIME = 500;

/** One file that is being written. */
interface Unfinished {
  readonly file: number;
  readonly path: string;
  readonly final: string;
}

/** A mail on its way into the drop folder; in several files where it has very many recipients. */
export class DropWriter {
  readonly #folder: string;
  readonly #files: Unfinished[] = [];

  /** Begins a mail. @throws {CommandError} */
  constructor(folder: string, envelope: SubmitEnvelope) {
    this.#folder = folder;
    const { recipients } = envelope;
    this.#attempt(() => {
      for (let at = 0; at < recipients.length; at += DROP_RECIPIENTS) {
        const part = { ...envelope, recipients: recipients.slice(at, at + DROP_RECIPIENTS) };
        const unfinished = this.#create();
        this.#files.push(unfinished);
        writeAll(unfinished.file, formatDropHeader(part));
      }
    });
  }

  /** More of the message. @throws {CommandError} */
  write(octets: Uint8Array): void {
    this.#attempt(() => this.#files.forEach(({ file }) => writeAll(file, octets)));
  }

  /** The message is whole; it is durable when this returns. @throws {CommandError} */
  finish(): void {
    this.#attempt(() => {
      const mode = modeFor(this.#folder, this.#files[0]!.file);
      for (const { file } of this.#files) {
        // Whatever the umask: the server is another user.
        fchmodSync(file, mode);
        fsyncSync(file);
      }
      for (const one of this.#files.splice(0)) {
        renameSync(one.path, one.final);
        fsyncSync(one.file);
        closeSync(one.file);
      }
      syncFolder(this.#folder);
    });
  }

  /** Takes back what was written. Harmless after the end. */
  abort(): void {
    for (const { file, path } of this.#files.splice(0)) {
      closeSync(file);
      try {
        unlinkSync(path);
      } catch {
        // The server removes it after a day.
      }
    }
  }

  #create(): Unfinished {
    const name = randomBytes(16).toString("hex");
    const path = `${this.#folder}/${UNFINISHED}${name}`;
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL |
      constants.O_NOFOLLOW;
    return { file: openSync(path, flags, 0o600), path, final: `${this.#folder}/mail-${name}` };
  }

  #attempt(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.abort();
      throw explainDropError(this.#folder, error);
    }
  }
}

/** What the server says of itself in the drop folder; `null` where nothing that can be believed is there. */
export function readBulletin(folder: string): DropBulletin | null {
  let file: number;
  try {
    file = openSync(
      `${folder}/${BULLETIN_NAME}`,
      constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    );
  } catch (error) {
    if (errorCode(error) === "ENOENT" && lookAt(folder)) return null;
    throw explainDropError(folder, error);
  }
  try {
    const { uid, size } = fstatSync(file);
    // Anybody may have put it there before the server did.
    if (uid !== lstatSync(folder).uid || size > BULLETIN_LIMIT) return null;
    const octets = new Uint8Array(size);
    return parseBulletin(octets.subarray(0, readSync(file, octets, { offset: 0 })));
  } catch (error) {
    throw explainDropError(folder, error);
  } finally {
    closeSync(file);
  }
}

/** Says to the server that there is something to look at, where one listens. Never fails. */
export async function nudge(path: string): Promise<void> {
  const signal = AbortSignal.timeout(NUDGE_TIME);
  try {
    const address = { transport: "unix" as const, path };
    (await thisRuntime().network.connect(address, { signal })).close();
  } catch {
    // It looks by itself within seconds, or when it starts.
  }
}

function lookAt(folder: string): boolean {
  try {
    return lstatSync(folder).isDirectory();
  } catch {
    return false;
  }
}

/** For the server alone, where the folder gives what is made in it the server's group (setgid). */
function modeFor(folder: string, file: number): number {
  const { mode, gid } = lstatSync(folder);
  const isShared = (mode & 0o2000) !== 0 && fstatSync(file).gid === gid;
  return isShared ? MAIL_MODE : MAIL_MODE_WITHOUT_GROUP;
}

function writeAll(file: number, octets: Uint8Array): void {
  for (let at = 0; at < octets.length;) at += writeSync(file, octets, at);
}

function syncFolder(folder: string): void {
  let file: number;
  try {
    file = openSync(folder, constants.O_RDONLY);
  } catch {
    return; // not ours to read: see above
  }
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** By errno: the exit code, and what to do. */
const TROUBLES: Readonly<Record<string, readonly [ExitCode, string]>> = {
  ENOENT: [
    EXIT.cantCreate,
    "there is none; start the server once (yizhan serve), which makes it, or say where it is: " +
    "--drop DIR, or --config FILE of its server",
  ],
  ENOTDIR: [EXIT.cantCreate, "a part of the path is not a folder"],
  ELOOP: [EXIT.cantCreate, "a link is in the way"],
  EACCES: [
    EXIT.noPermission,
    "the folder must have mode 3733, and those above it let others through",
  ],
  EPERM: [EXIT.noPermission, "the system does not allow it"],
  EROFS: [EXIT.cantCreate, "the file system is read-only"],
  ENOSPC: [EXIT.temporary, "the disk is full; try again later"],
  EDQUOT: [EXIT.temporary, "your share of the disk is used up; try again later"],
  EMFILE: [EXIT.temporary, "too many files are open; try again later"],
  ENFILE: [EXIT.temporary, "too many files are open; try again later"],
};

function explainDropError(folder: string, error: unknown): CommandError {
  if (error instanceof CommandError) return error;
  const [code, advice] = TROUBLES[errorCode(error) ?? ""] ?? [EXIT.ioError, describeError(error)];
  return new CommandError(code, `cannot leave mail in the drop folder ${folder}: ${advice}`, {
    cause: error,
  });
}
