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
    readonly duration: number;
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
    readonly session: string;
    readonly message: string;
    readonly recipient: string;
    /** Where it lies, such as `maildir:example.org/alice`. */
    readonly destination: string;
  }
  | {
    readonly type: "delivery.failed";
    readonly session: string;
    readonly message: string;
    readonly recipient: string;
    readonly reply: string;
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
  };

/** An error in one line, for events: `TypeError: no such thing`. */
export function describeError(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
