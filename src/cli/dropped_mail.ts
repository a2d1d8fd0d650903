/**
 * Mail in the drop folder, which is in no queue yet: who looks for a mail that he has handed in must not be told that
 * there is none.
 *
 * @module
 */

import { ControlError } from "../admin/control_protocol.ts";
import type { RunningServer } from "./control.ts";

/** What lies in the drop folder. */
export interface DroppedMail {
  readonly waiting: number;
  /** There may be more. */
  readonly more: boolean;
}

/** Asks the server; `null`: it has no drop folder, or cannot tell. Rejects only where the answer is not to be had at all. */
export async function countDropped(server: RunningServer): Promise<DroppedMail | null> {
  try {
    const { waiting, more } = await server.ask({ do: "drop" }, () => {});
    return { waiting: Number(waiting), more: more === true };
  } catch (error) {
    if (error instanceof ControlError) return null; // what was asked for is answered all the same
    throw error;
  }
}

/**
 * `2 mails wait to be taken`.
 *
 * @example
 * ```ts
 * import { formatDropped } from "./dropped_mail.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(formatDropped({ waiting: 1, more: false }), "1 mail waits to be taken");
 * assertEquals(formatDropped({ waiting: 10_000, more: true }), "10000 mails or more wait to be taken");
 * ```
 */
export function formatDropped({ waiting, more }: DroppedMail): string {
  if (waiting === 1 && !more) return "1 mail waits to be taken";
  return `${waiting} mails${more ? " or more" : ""} wait to be taken`;
}

/** The line for people who look at the queue; `null`: there is nothing to tell. */
export async function describeDropped(server: RunningServer): Promise<string | null> {
  const dropped = await countDropped(server);
  if (dropped === null || (dropped.waiting === 0 && !dropped.more)) return null;
  return `drop folder: ${formatDropped(dropped)} (the log says why, as drop.deferred)`;
}
