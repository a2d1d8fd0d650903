/**
 * Parts of a segment or journal that are not as they were written are copied to `damaged/`, for a person to
 * look at, with an event: `00000012.log.1234-5678` are the octets from 1234 to before 5678. What was copied by
 * an earlier start is not told again.
 *
 * What fails: what the disk says; the file must stay then.
 *
 * @module
 */

import type { EventSink } from "../../events.ts";
import type { FileHandle, Files } from "../../runtime/files.ts";
import { openFresh } from "../../runtime/fresh_file.ts";
import type { Clock } from "../../runtime/runtime.ts";
import type { Folders } from "./folders.ts";

/** What copying takes. */
export interface DamagedRangeOptions {
  readonly files: Files;
  readonly folders: Folders;
  readonly clock: Clock;
  /** The folder of what was set aside. */
  readonly directory: string;
  readonly emit: EventSink;
}

/** Octets copied at once. */
const BLOCK = 64 * 1024;

/** Copies the octets of a file from one place to before another, durably, and says so. */
export async function setRangeAside(
  options: DamagedRangeOptions,
  path: string,
  from: number,
  to: number,
  reason: string,
): Promise<void> {
  const { files, folders, clock, directory, emit } = options;
  await folders.make(directory);
  const name = `${path.slice(path.lastIndexOf("/") + 1)}.${from}-${to}`;
  const kept = `${directory}/${name}`;
  if (await files.stat(kept) !== null) return;
  const source = await files.open(path, { read: true });
  try {
    const target = await openFresh(files, `${kept}.new`);
    try {
      await copy(source, target, from, to);
      await target.sync();
    } finally {
      target.close();
    }
  } finally {
    source.close();
  }
  await files.rename(`${kept}.new`, kept);
  await folders.sync(directory);
  emit({ type: "queue.damaged", time: clock.now(), path, reason, kept });
}

async function copy(
  source: FileHandle,
  target: FileHandle,
  from: number,
  to: number,
): Promise<void> {
  await source.seek(from);
  const buffer = new Uint8Array(BLOCK);
  for (let left = to - from; left > 0;) {
    const length = await source.read(buffer.subarray(0, Math.min(left, BLOCK)));
    if (length === null) return;
    await target.write(buffer.subarray(0, length));
    left -= length;
  }
}
