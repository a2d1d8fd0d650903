/**
 * From what the disk says to what a client is told. The reply never holds a path; the message for the
 * log does, and where somebody can put it right, how.
 *
 * @module
 */

import { DeliveryError } from "../../queue/local_delivery.ts";
import { errorCode } from "../../runtime/system_error.ts";
import { type Reply, reply } from "../../smtp/reply.ts";

/** A failed `action` on `path` as a `DeliveryError`; one that already is stays as it is. */
export function toDeliveryError(error: unknown, action: string, path: string): DeliveryError {
  if (error instanceof DeliveryError) return error;
  const detail = error instanceof Error ? error.message : String(error);
  const { reply, remedy } = replyTo(errorCode(error));
  return new DeliveryError(reply, `cannot ${action} ${path}: ${detail}${remedy}`, { cause: error });
}

/** A delivery refused because of what lies at `path`. */
export function unsafePath(path: string, found: string): DeliveryError {
  return new DeliveryError(
    reply(451, "4.2.0", "Mailbox cannot be used at the moment"),
    `${path} is ${found}, not a folder; mail is not delivered through it: ` +
      `put a folder there (to move mail to another disk, mount it there)`,
  );
}

function replyTo(code: string | undefined): { reply: Reply; remedy: string } {
  switch (code) {
    case "ENOSPC":
    case "EDQUOT":
      return {
        reply: reply(452, "4.3.1", "Insufficient system storage"),
        remedy: "; free space or inodes on that file system",
      };
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return {
        reply: reply(451, "4.3.5", "Local delivery is not possible at the moment"),
        remedy: "; give the user this program runs as leave to write there",
      };
    default:
      return { reply: reply(451, "4.3.0", "Local delivery failed, try again later"), remedy: "" };
  }
}
