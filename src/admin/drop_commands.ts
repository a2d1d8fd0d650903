/**
 * The drop folder over the control socket: a mail in it is in no queue yet.
 *
 * | `do` | lines |
 * | --- | --- |
 * | `drop` | none; the end says how many mails are `waiting` there, and whether there may be `more` |
 *
 * What fails: a folder that cannot be read, as any command does. Who has no drop folder does not know the command.
 *
 * @module
 */

import { MAIL_NAME } from "../intake/drop/drop_file.ts";
import type { Files } from "../runtime/files.ts";
import type { ControlLine, JsonObject } from "./control_protocol.ts";
import type { ControlCommand } from "./control_server.ts";

/** Files that are looked at: anybody on this machine may leave any number. */
const MOST = 10_000;

/** The command, for a control server. @param folder where programs leave mail. */
export function dropCommands(
  files: Pick<Files, "list">,
  folder: string,
): Readonly<Record<string, ControlCommand>> {
  return {
    // deno-lint-ignore require-yield -- the answer is its end
    async *drop(_request, signal): AsyncGenerator<ControlLine, JsonObject> {
      let [seen, waiting] = [0, 0];
      for await (const { name } of files.list(folder)) {
        signal.throwIfAborted();
        if (seen++ === MOST) return { waiting, more: true };
        if (MAIL_NAME.test(name)) waiting++;
      }
      return { waiting, more: false };
    },
  };
}
