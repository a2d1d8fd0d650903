/**
 * Messages as two files each: those that are large, deferred or held.
 *
 * @module
 */

import type { EventSink } from "../../events.ts";
import type { Clock, Files } from "../../runtime/runtime.ts";
import type { QueueEntry } from "../entry.ts";
import type { MessageSource } from "../local_delivery.ts";
import type { NewMessage } from "../store.ts";

/** What {@link MessageFiles} is made of. */
export interface MessageFilesOptions {
  /** The disk. */
  readonly files: Files;
  /** Gives events their time. */
  readonly clock: Clock;
  /** The folder of the spool; `deferred/`, `held/`, `bodies/`, `transit/` and `damaged/` in it are made when missing. */
  readonly directory: string;
  /** Is told `queue.damaged`. */
  readonly events: EventSink;
}

/** Who looks for entries that are due. Both are called synchronously. */
export interface DueVisitor {
  /** Whether nobody wants to see this entry now: it is claimed, or was given back for later. */
  skip(id: string): boolean;
  /**
   * An entry that is due, as it is on the disk at this very moment, and that is not skipped. Whoever wants it
   * claims it here and now. `false` ends the visit.
   */
  take(entry: QueueEntry): boolean;
}

/** The files. Every change of one message waits for the one before it. */
export class MessageFiles {
  constructor(_options: MessageFilesOptions) {}

  /** Makes the folders, ends what a crash left half done, reads the names of folders. Before anything else. */
  prepare(): Promise<void> {
    throw new Error("to be written");
  }

  /** Messages, durable when this resolves; those that are there already are passed over. All or none when it throws. */
  put(..._messages: readonly NewMessage[]): Promise<void> {
    throw new Error("to be written");
  }

  /** Whether there is a message of that id; one look at the disk where there is none. */
  has(_id: string): Promise<boolean> {
    throw new Error("to be written");
  }

  /** Another entry for a message that is there, moved to where it will be looked for, durable. @throws `ENOENT` */
  replace(_entry: QueueEntry): Promise<void> {
    throw new Error("to be written");
  }

  /** Removes a message, durably; harmless when there is none. */
  remove(_id: string): Promise<void> {
    throw new Error("to be written");
  }

  /** One entry; `null` when there is none. */
  get(_id: string): Promise<QueueEntry | null> {
    throw new Error("to be written");
  }

  /** A message. @throws `ENOENT` when there is none. */
  open(_id: string): Promise<MessageSource> {
    throw new Error("to be written");
  }

  /** Shows what is due at `now`, most overdue folder first, reading no more than the visitor takes. */
  due(_now: number, _visitor: DueVisitor): Promise<void> {
    throw new Error("to be written");
  }

  /** When something that is not skipped may be due: maybe too early, never too late; `Infinity` for never. */
  nextDue(_skip: (id: string) => boolean): number {
    throw new Error("to be written");
  }

  /** All entries, held ones too, while they change. */
  list(): AsyncIterable<QueueEntry> {
    throw new Error("to be written");
  }

  /** How many messages there are: counts names. */
  count(): Promise<number> {
    throw new Error("to be written");
  }

  /** Waits for what is under way. */
  close(): Promise<void> {
    throw new Error("to be written");
  }
}
