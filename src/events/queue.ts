/**
 * Events of the queue: what it takes up, what it is rid of, what is wrong with it. Types only.
 *
 * @module
 */

/** What happens in the queue. */
export type QueueFact =
  /**
   * A message was born in the queue: a notice. What sessions and programs bring is `message.accepted`, and what is
   * forwarded keeps its id.
   */
  | {
    readonly type: "message.queued";
    readonly message: string;
    readonly sender: string;
    readonly recipients: readonly string[];
    readonly size: number;
    /** The message it is about, where it is a notice (RFC 3464). */
    readonly about?: string;
    /** What it tells: `failed`, `delayed`, `delivered` or `relayed`. */
    readonly notice?: string;
  }
  /** Nothing of the message is left in the queue. */
  | {
    readonly type: "message.done";
    readonly message: string;
    /** Recipients that were reached. */
    readonly delivered: number;
    /** Recipients that were not. */
    readonly failed: number;
    /** Since it was accepted. */
    readonly duration: number;
  }
  /** A notice that could not be sent to anybody: a double bounce without a postmaster. */
  | {
    readonly type: "notice.dropped";
    /** The message it would have been about. */
    readonly message: string;
    readonly reason: string;
  }
  /** A client asked for the mail that waits for a domain (ETRN, RFC 1985), and it is made due. */
  | {
    readonly type: "queue.started";
    readonly session: string;
    readonly client: string;
    /** Whose mail it is. */
    readonly domain: string;
  }
  /** Somebody did something to a message in the queue: an operator, or `retried` by ETRN. */
  | {
    readonly type: "queue.changed";
    readonly message: string;
    /** What was done. */
    readonly action: "retried" | "held" | "released" | "removed" | "bounced";
  }
  /** The queue was opened: what was found. */
  | {
    readonly type: "queue.opened";
    /** Its folder. */
    readonly path: string;
    /** Messages that wait. */
    readonly messages: number;
    readonly duration: number;
  }
  /** Something on the disk is not as it was written: it was set aside, and the rest goes on. */
  | {
    readonly type: "queue.damaged";
    /** What is damaged. */
    readonly path: string;
    readonly reason: string;
    /** Where it lies now. */
    readonly kept?: string;
  }
  /** The queue cannot do what it should, and will try again. */
  | {
    readonly type: "queue.trouble";
    readonly where: string;
    readonly error: string;
    readonly message?: string;
  };
