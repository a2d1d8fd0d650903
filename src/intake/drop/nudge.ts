/**
 * The nudge: a unix socket of mode 0666 beside the drop folder. Whoever connects says by that alone that there is
 * something to look at; nothing is read and nothing answered. However many connect, there are at most a hundred
 * nudges a second, and a client that finds no room has lost nothing: the folder is looked at anyway.
 *
 * What fails: `listen` throws {@link DropFolderError} where another server hears the nudges of this
 * folder, or something that is no socket is in the way, and what the system says.
 *
 * @module
 */

import type { Files } from "../../runtime/files.ts";
import type { Network } from "../../runtime/network.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { errorCode } from "../../runtime/system_error.ts";
import { DropFolderError } from "./drop_folder.ts";

/** Milliseconds between two nudges. */
const PAUSE = 10;

/** Everybody may connect, which takes write permission. */
const MODE = 0o666;

/** What hearing nudges takes. */
export interface NudgeOptions {
  readonly network: Network;
  readonly files: Files;
  readonly clock: Clock;
  /** Of the socket; it lies in a folder where nobody else may write. */
  readonly path: string;
  /** Somebody says: look now. */
  readonly onNudge: () => void;
  /** Is told of what goes wrong with the socket. */
  readonly onTrouble: (error: unknown) => void;
}

/** Listens; gives what ends that. */
export async function listenForNudges(options: NudgeOptions): Promise<() => Promise<void>> {
  const { network, files, clock, path, onNudge, onTrouble } = options;
  await removeStale(options);
  const listener = await network.listen({ transport: "unix", path });
  try {
    await files.setMode(path, MODE);
  } catch (error) {
    listener.close();
    throw error;
  }
  const stopped = new AbortController();
  const hearing = (async () => {
    for (let client; (client = await listener.accept(onTrouble)) !== null;) {
      client.close();
      onNudge();
      await clock.sleep(PAUSE, stopped.signal).catch(() => {});
    }
  })().catch(onTrouble);
  return async () => {
    stopped.abort();
    listener.close();
    await hearing;
  };
}

/** A socket that a dead process left is removed. */
async function removeStale({ network, files, path }: NudgeOptions): Promise<void> {
  const found = await files.stat(path);
  if (found === null) return;
  if (found.kind !== "other") {
    throw new DropFolderError(`${path} is no socket; remove it: nudges are heard there`);
  }
  const alive = await network.connect({ transport: "unix", path }).then((connection) => {
    connection.close();
    return true;
  }, (error) => {
    const code = errorCode(error);
    if (code === "ECONNREFUSED" || code === "ENOENT" || code === "ECONNRESET") return false;
    throw error;
  });
  if (alive) {
    throw new DropFolderError(`${path} is in use: another server looks after this drop folder`);
  }
  await files.remove(path).catch((error) => {
    if (errorCode(error) !== "ENOENT") throw error;
  });
}
