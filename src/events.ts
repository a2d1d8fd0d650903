/**
 * What happens in the server, as values: the log, metrics and traces are made of these. Names are
 * stable; adding one is a minor change, renaming one a breaking change.
 *
 * @module
 */

/** Whoever watches. Must not throw and must not block. */
export type EventSink = (event: MtaEvent) => void;

/** One thing that happened. `session` and `message` join the lines of one mail. */
export type MtaEvent = { readonly time: number } & MtaFact;

/** The facts, by name. Times are in milliseconds, sizes in octets. */
export type MtaFact =
  /** The station has other options: what a reload has changed of its sockets, as addresses. */
  | {
    readonly type: "station.reloaded";
    /** Sockets opened. */
    readonly started: readonly string[];
    /** Sockets closed; their sessions go on. */
    readonly stopped: readonly string[];
    /** How many sockets stayed. */
    readonly kept: number;
    /** Milliseconds from the request to the swap. */
    readonly duration: number;
  }
  /** A reload was refused, and the station goes on as it was. */
  | { readonly type: "station.reload-failed"; readonly error: string }
  | { readonly type: "listener.started"; readonly listener: string; readonly address: string }
  | { readonly type: "listener.stopped"; readonly listener: string; readonly address: string }
  | { readonly type: "listener.trouble"; readonly listener: string; readonly error: string }
  | {
    readonly type: "session.opened";
    readonly session: string;
    readonly listener: string;
    readonly client: string;
  }
  | {
    readonly type: "session.refused";
    readonly listener: string;
    readonly client: string;
    readonly reason: string;
  }
  | {
    readonly type: "session.closed";
    readonly session: string;
    readonly listener: string;
    readonly client: string;
    /** `quit`, `closed by peer`, `timeout`, … */
    readonly reason: string;
    readonly messages: number;
    readonly duration: number;
  }
  | {
    readonly type: "session.fault";
    readonly session: string;
    readonly client: string;
    readonly kind: string;
    readonly detail: string;
  }
  | {
    readonly type: "tls.started";
    readonly session: string;
    readonly protocol: string;
    readonly cipher: string;
  }
  | {
    readonly type: "tls.failed";
    readonly session: string;
    readonly client: string;
    readonly error: string;
  }
  | {
    readonly type: "auth.succeeded";
    readonly session: string;
    readonly client: string;
    readonly identity: string;
    readonly mechanism: string;
  }
  | {
    readonly type: "auth.failed";
    readonly session: string;
    readonly client: string;
    readonly identity: string;
    readonly mechanism: string;
    readonly reason: string;
  }
  /** A command was refused: by syntax of policy, directory or limit. */
  | {
    readonly type: "command.refused";
    readonly session: string;
    readonly client: string;
    readonly stage: string;
    /** The address it was about, where there is one. */
    readonly address?: string;
    /** The reverse-path of the transaction, where one is open; `<>` for none. */
    readonly sender?: string;
    /** Who had logged in. */
    readonly identity?: string;
    readonly reply: string;
    readonly policy?: string;
  }
  | {
    readonly type: "message.accepted";
    readonly session: string;
    readonly message: string;
    readonly client: string;
    readonly identity: string | null;
    readonly sender: string;
    readonly recipients: readonly string[];
    readonly size: number;
    readonly subject: string;
    readonly tls: string | null;
    /** Since MAIL. */
    readonly duration: number;
    /**
     * How many messages of the queue it became, each of which ends in `message.done`: 0 or 1, and over LMTP one
     * for each recipient that goes on, whose ids are `MESSAGE.0`, `MESSAGE.1`, …
     */
    readonly queued: number;
  }
  | {
    readonly type: "message.refused";
    readonly session: string;
    readonly message: string;
    readonly client: string;
    readonly sender: string;
    readonly recipients: readonly string[];
    readonly size: number;
    readonly reply: string;
    readonly policy?: string;
  }
  | {
    readonly type: "message.discarded";
    readonly session: string;
    readonly message: string;
    readonly sender: string;
    readonly recipients: readonly string[];
    readonly policy: string;
    readonly reason: string;
  }
  | {
    readonly type: "delivery.done";
    /** Absent when the queue delivered it. */
    readonly session?: string;
    readonly message: string;
    readonly recipient: string;
    /** Where it lies, such as `maildir:example.org/alice`, or who has it, `smtp:mx.example.org [192.0.2.7]:25`. */
    readonly destination: string;
    /** What the next station said. */
    readonly reply?: string;
    readonly tls?: string;
    /** Milliseconds since the message was accepted. */
    readonly duration?: number;
    /** Milliseconds of this attempt of the queue. */
    readonly took?: number;
  }
  | {
    readonly type: "delivery.failed";
    /** Absent when it was the queue that tried. */
    readonly session?: string;
    readonly message: string;
    readonly recipient: string;
    readonly reply: string;
    /** What went wrong here, where that is more than the reply. */
    readonly error?: string;
    /** Who said so. */
    readonly host?: string;
    /** What TLS was used there. */
    readonly tls?: string;
    /** Milliseconds of this attempt of the queue. */
    readonly took?: number;
  }
  /** An attempt of the queue that is to be repeated. */
  | {
    readonly type: "delivery.deferred";
    readonly message: string;
    readonly recipient: string;
    readonly reply: string;
    readonly host?: string;
    readonly tls?: string;
    /** Attempts so far. */
    readonly attempts: number;
    /** Milliseconds of this one; absent where nobody could be asked. */
    readonly took?: number;
    /** Epoch milliseconds of the next attempt. */
    readonly next: number;
  }
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
    readonly notice?: string;
  }
  /** Nothing of the message is left in the queue. */
  | {
    readonly type: "message.done";
    readonly message: string;
    readonly delivered: number;
    readonly failed: number;
    readonly duration: number;
  }
  /** A notice that could not be sent to anybody: a double bounce without a postmaster. */
  | {
    readonly type: "notice.dropped";
    readonly message: string;
    readonly reason: string;
  }
  /** A client asked for the mail that waits for a domain (ETRN, RFC 1985), and it is made due. */
  | {
    readonly type: "queue.started";
    readonly session: string;
    readonly client: string;
    readonly domain: string;
  }
  /** Somebody did something to a message in the queue: an operator, or `retried` by ETRN. */
  | {
    readonly type: "queue.changed";
    readonly message: string;
    readonly action: "retried" | "held" | "released" | "removed" | "bounced";
  }
  /** The queue was opened: what was found. */
  | {
    readonly type: "queue.opened";
    readonly path: string;
    /** Messages that wait. */
    readonly messages: number;
    readonly duration: number;
  }
  /** Something on the disk is not as it was written: it was set aside, and the rest goes on. */
  | {
    readonly type: "queue.damaged";
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
  }
  /** Something about a connection to another station that its outcomes do not tell. */
  | {
    readonly type: "relay.trouble";
    readonly host: string;
    /**
     * `tls`: the handshake failed, and mail goes in clear. `unanswered`: the whole message was sent and no reply
     * seen. `injection`: octets in clear after STARTTLS.
     */
    readonly kind: "tls" | "unanswered" | "injection";
    readonly error: string;
    readonly message?: string;
  }
  /** A program of this machine left a mail (`yizhan send`, sendmail), and it was taken. */
  | {
    readonly type: "drop.taken";
    /** Its file in the drop folder. */
    readonly file: string;
    /** The user it belonged to. */
    readonly uid: number;
    /** That user's name, where it is known. */
    readonly user: string | null;
    readonly message: string;
  }
  /** A mail that a program left cannot be taken now; it stays where it is. */
  | {
    readonly type: "drop.deferred";
    readonly file: string;
    readonly uid: number;
    readonly user: string | null;
    readonly reply: string;
    /** Epoch milliseconds of the next look at it. */
    readonly next: number;
  }
  /** What lay in the drop folder is no mail, or not one that its owner may send. */
  | {
    readonly type: "drop.refused";
    readonly file: string;
    /** Absent where that could not be seen. */
    readonly uid?: number;
    readonly user: string | null;
    readonly reason: string;
    /** Where it lies now; absent: there was nothing to keep. */
    readonly kept?: string;
  }
  /** The drop folder cannot be used as it should. */
  | {
    readonly type: "drop.trouble";
    readonly where: string;
    readonly error: string;
  }
  | {
    readonly type: "policy.failed";
    readonly session: string;
    readonly policy: string;
    readonly stage: string;
    readonly error: string;
  }
  /** A bug or a fault of the machine that was survived. */
  | {
    readonly type: "internal.error";
    readonly where: string;
    readonly error: string;
    readonly session?: string;
    readonly message?: string;
  };

/** An error in one line, for events: `TypeError: no such thing`. */
export function describeError(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
