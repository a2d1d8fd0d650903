/**
 * Opens the queue on the disk: makes its folders, sees that this program knows its version and that no other process
 * owns it, and recovers what lies in it. What lies where is told in `spool_store.ts`.
 *
 * @module
 */

import { describeError } from "../../events.ts";
import type { QueueStore } from "../store.ts";
import { Folders } from "./folders.ts";
import { ownSpool } from "./owner.ts";
import { type SpoolOptions, SpoolStore } from "./spool_store.ts";
import { checkSpoolVersion, writeSpoolVersion } from "./spool_version.ts";

/**
 * Opens a spool: takes its ownership and recovers what is in it.
 *
 * @throws {SpoolBusyError} when another process owns it; {@link SpoolVersionError} when a later program made it, and
 * nothing is changed then; and what the disk says.
 *
 * @example
 * ```ts
 * import { openSpool } from "./open_spool.ts";
 * import { memoryRuntime } from "../../runtime/memory.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { files, network, clock, random } = memoryRuntime();
 * const opened: string[] = [];
 * const spool = await openSpool({
 *   files,
 *   network,
 *   clock,
 *   random,
 *   directory: "/var/spool/yizhan",
 *   emit: ({ type }) => opened.push(type),
 * });
 * assertEquals(opened, ["queue.opened"]);
 * assertEquals(await spool.claim(clock.now(), 10), []);
 * await spool.close();
 * ```
 */
export async function openSpool(options: SpoolOptions): Promise<QueueStore> {
  const { files, clock, directory, emit } = options;
  const start = clock.now();
  const folders = new Folders(files);
  const marked = await checkSpoolVersion(files, directory);
  await folders.makeAll(directory);
  const owner = await ownSpool(options);
  try {
    // Without it the version is 1; a full disk must not keep the mail from going out.
    if (!marked) {
      await writeSpoolVersion(files, folders, directory).catch((error) => {
        const facts = { where: "version", error: describeError(error) };
        emit({ type: "queue.trouble", time: clock.now(), ...facts });
      });
    }
    const store = new SpoolStore(options, folders, owner);
    const messages = await store.recover();
    const time = clock.now();
    emit({ type: "queue.opened", time, path: directory, messages, duration: time - start });
    return store;
  } catch (error) {
    await owner.close();
    throw error;
  }
}
