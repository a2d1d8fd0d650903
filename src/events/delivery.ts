/**
 * Events of delivering: to mailboxes, to other stations, and of the reports that domains ask for. Types only.
 *
 * @module
 */

/** What comes of delivering. */
export type DeliveryFact =
  /** A recipient's mail lies in its mailbox, or another station has it. */
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
    /** What TLS was used there, and what vouched for the server beside the usual: `TLSv1.3`, `TLSv1.3, DANE`. */
    readonly tls?: string;
    /** Milliseconds since the message was accepted. */
    readonly duration?: number;
    /** Milliseconds of this attempt of the queue. */
    readonly took?: number;
  }
  /** A recipient cannot be reached, for good; or now, where there is no queue. */
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
    /** Who said so. */
    readonly host?: string;
    /** What TLS was used there. */
    readonly tls?: string;
    /** Attempts so far. */
    readonly attempts: number;
    /** Milliseconds of this one; absent where nobody could be asked. */
    readonly took?: number;
    /** Epoch milliseconds of the next attempt. */
    readonly next: number;
  }
  /** Something about a connection to another station that its outcomes do not tell. */
  | {
    readonly type: "relay.trouble";
    /** The other station. */
    readonly host: string;
    /**
     * `tls`: the handshake failed, and mail goes in clear. `unanswered`: the whole message was sent and no reply
     * seen. `injection`: octets in clear after STARTTLS.
     */
    readonly kind: "tls" | "unanswered" | "injection";
    readonly error: string;
    readonly message?: string;
  }
  /** A domain that asked for it was told how things went with it on a day, or could not be told. */
  | {
    readonly type: "report.sent";
    /** What about: `tls` (RFC 8460) or `dmarc` (RFC 9990). */
    readonly kind: string;
    /** Whose it is. */
    readonly domain: string;
    /** The UTC day, such as `2026-11-23`. */
    readonly day: string;
    /** The report's own id. */
    readonly report: string;
    /** Mail addresses and URLs that have it. */
    readonly targets: readonly string[];
    /** Why others do not have it: tried again where nobody has. */
    readonly troubles: readonly string[];
  };
