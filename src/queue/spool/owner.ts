/**
 * One process owns a spool: it listens on `owner.sock` in the folder, and tells whoever connects who it is.
 * Where nobody answers, the owner is gone, however it ended, and the spool is taken over. The folder is of
 * mode 0700: nobody else can connect, or take the socket's place.
 *
 * To take over is to remove the dead socket and to listen at its path, which is two steps: of two that do so at
 * once, one that is slow could remove the socket of the other, who owns the spool by then. So they take turns:
 * while `owner.taking` is there, somebody is at it, and the others wait. One who died at it leaves the file behind,
 * so it counts for a few seconds only.
 *
 * What fails: {@link SpoolBusyError} when the spool has an owner; and what the system says, such as `EACCES`
 * or, since the path of a socket has at most 107 octets, an error about its length.
 *
 * @module
 */

import { decode, encode } from "../../bytes.ts";
import type { Files } from "../../runtime/files.ts";
import type { Network, SocketAddress } from "../../runtime/network.ts";
import type { Clock, Random } from "../../runtime/runtime.ts";
import { errorCode } from "../../runtime/system_error.ts";

/** Another process owns the spool. */
export class SpoolBusyError extends Error {
  /** Its number, `null` where it did not say. */
  readonly pid: number | null;

  /**
   * A spool that is taken.
   *
   * @param directory of the spool. @param pid of its owner.
   */
  constructor(directory: string, pid: number | null) {
    super(`${directory} is in use by ${pid === null ? "another process" : `process ${pid}`}`);
    this.name = "SpoolBusyError";
    this.pid = pid;
  }
}

/** What owning takes. */
export interface OwnerOptions {
  readonly files: Files;
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
  /** The folder of the spool, which is there. */
  readonly directory: string;
  /** The number of this process, told to whoever asks; absent: it is not told. */
  readonly pid?: number;
}

/** The ownership of a spool. */
export interface Owner {
  /** Gives it up: whoever asks after this finds nobody. Harmless twice. */
  close(): Promise<void>;
}

/** Milliseconds an owner has to say who it is. */
const PATIENCE = 1000;

/** Milliseconds after which two that took over the same socket at the same moment see who has it. */
const SETTLING = 100;

/** Milliseconds after which `owner.taking` was left by somebody who died at it: he has {@link PATIENCE}, and little to do. */
const TAKING = 5000;

/** Milliseconds between two looks whether `owner.taking` is gone. */
const TURN = 100;

const ANSWER = /^yizhan (\d{1,10}|-) ([0-9a-f]{32})\n/;

/**
 * Takes the ownership.
 *
 * @throws {SpoolBusyError} when somebody has it.
 */
export async function ownSpool(options: OwnerOptions): Promise<Owner> {
  const { files, network, random, directory, pid } = options;
  const address: SocketAddress = { transport: "unix", path: `${directory}/owner.sock` };
  const stale = await files.stat(address.path) !== null;
  const before = await askOwner(options, address);
  if (before !== null) throw new SpoolBusyError(directory, before.pid);
  const token = random.bytes(16).toHex();
  const listen = async () => {
    // Somebody else may have taken over since.
    const owner = stale ? await askOwner(options, address) : null;
    if (owner !== null) throw new SpoolBusyError(directory, owner.pid);
    return await network.listen(address).catch(async (error) => {
      if (errorCode(error) !== "EADDRINUSE") throw error;
      throw new SpoolBusyError(directory, (await askOwner(options, address))?.pid ?? null);
    });
  };
  const listener = stale ? await takeOver(options, listen) : await listen();
  const accepting = (async () => {
    for (let peer; (peer = await listener.accept()) !== null;) {
      const connection = peer;
      connection.write(encode(`yizhan ${pid ?? "-"} ${token}\n`))
        .catch(() => {})
        .finally(() => connection.close());
    }
  })();
  if (stale) await checkAlone(options, address, token);
  const close = async () => {
    listener.close();
    await accepting;
  };
  return { close };
}

/** Does the work while nobody else takes the spool over. */
async function takeOver<T>(options: OwnerOptions, work: () => Promise<T>): Promise<T> {
  const { files, directory } = options;
  const path = `${directory}/owner.taking`;
  try {
    await takeTurn(options, path);
  } catch {
    // A full disk must not keep the mail from going out.
    return await work();
  }
  try {
    return await work();
  } finally {
    await files.remove(path).catch(() => {});
  }
}

/** Makes the file as soon as nobody has it any more. */
async function takeTurn({ files, clock }: OwnerOptions, path: string): Promise<void> {
  for (let waited = 0;; waited += TURN) {
    try {
      return (await files.open(path, { write: true, createNew: true })).close();
    } catch (error) {
      if (errorCode(error) !== "EEXIST" || waited > 2 * TAKING) throw error;
    }
    const left = await files.stat(path);
    // A clock that was set back makes it seem to be of a time to come.
    if (left !== null && Math.abs(clock.now() - left.modified) > TAKING) {
      await files.remove(path).catch(() => {});
    }
    // After a removal too: another who saw the same old file may be about to remove it, and must not find ours there.
    await clock.sleep(TURN);
  }
}

/** Two processes can find the same stale socket; the later one then has the path, and the other must see it. */
async function checkAlone(
  options: OwnerOptions,
  address: SocketAddress,
  token: string,
): Promise<void> {
  await options.clock.sleep(SETTLING);
  const owner = await askOwner(options, address);
  if (owner?.token === token) return;
  // Our listener stays: to close it would remove the path, which is the other's now.
  throw new SpoolBusyError(options.directory, owner?.pid ?? null);
}

/** Who owns the spool in a folder, for people; `null` when nobody does. */
export async function findSpoolOwner(
  services: Pick<OwnerOptions, "network" | "clock">,
  directory: string,
): Promise<{ readonly pid: number | null } | null> {
  return await askOwner(services, { transport: "unix", path: `${directory}/owner.sock` });
}

/** Who owns the spool; `null` when nobody does. */
async function askOwner(
  { network, clock }: Pick<OwnerOptions, "network" | "clock">,
  address: SocketAddress,
): Promise<{ readonly pid: number | null; readonly token: string | null } | null> {
  const connection = await network.connect(address).catch((error) => {
    const code = errorCode(error);
    // Reset: its owner ended at this moment.
    if (code === "ECONNREFUSED" || code === "ENOENT" || code === "ECONNRESET") return null;
    throw error;
  });
  if (connection === null) return null;
  const done = new AbortController();
  // One that does not answer is an owner all the same.
  clock.sleep(PATIENCE, done.signal).then(() => connection.close(), () => {});
  let text = "";
  try {
    const buffer = new Uint8Array(128);
    while (text.length < 128 && !text.includes("\n")) {
      const length = await connection.read(buffer);
      if (length === null) break;
      text += decode(buffer.subarray(0, length));
    }
  } catch {
    // It said nothing, or not enough.
  } finally {
    done.abort();
    connection.close();
  }
  const [, pid, token = null] = ANSWER.exec(text) ?? [];
  return { pid: pid === undefined || pid === "-" ? null : Number(pid), token };
}
