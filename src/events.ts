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
  /** A listener takes connections. */
  | { readonly type: "listener.started"; readonly listener: string; readonly address: string }
  /** A listener takes no more; its sessions may go on. */
  | { readonly type: "listener.stopped"; readonly listener: string; readonly address: string }
  /** A connection could not be accepted, such as for want of file descriptors; it goes on. */
  | { readonly type: "listener.trouble"; readonly listener: string; readonly error: string }
  /** A client has connected. */
  | {
    readonly type: "session.opened";
    readonly session: string;
    readonly listener: string;
    readonly client: string;
  }
  /** A client was turned away before a session began: there are too many. */
  | {
    readonly type: "session.refused";
    readonly listener: string;
    readonly client: string;
    readonly reason: string;
  }
  /** A session is over. */
  | {
    readonly type: "session.closed";
    readonly session: string;
    readonly listener: string;
    readonly client: string;
    /** `quit`, `closed by peer`, `timeout`, … */
    readonly reason: string;
    /** Messages it brought. */
    readonly messages: number;
    readonly duration: number;
  }
  /** A client did something wrong: its syntax, its order, or an attack. */
  | {
    readonly type: "session.fault";
    readonly session: string;
    readonly client: string;
    /** What it was: `refused` for a command that is none or comes at the wrong time, `early-talk`, … */
    readonly kind: string;
    /** More of it, in words. */
    readonly detail: string;
  }
  /** A client's session is secured. */
  | {
    readonly type: "tls.started";
    readonly session: string;
    /** Such as `TLSv1.3`. */
    readonly protocol: string;
    /** The suite's IANA name. */
    readonly cipher: string;
  }
  /** A client's handshake failed. */
  | {
    readonly type: "tls.failed";
    readonly session: string;
    readonly client: string;
    readonly error: string;
  }
  /** A client has logged in. */
  | {
    readonly type: "auth.succeeded";
    readonly session: string;
    readonly client: string;
    readonly identity: string;
    /** Of SASL, such as `PLAIN`. */
    readonly mechanism: string;
  }
  /** A login failed. */
  | {
    readonly type: "auth.failed";
    readonly session: string;
    readonly client: string;
    /** The name that was tried; a stranger's word. */
    readonly identity: string;
    /** Of SASL, as the client named it. */
    readonly mechanism: string;
    readonly reason: string;
  }
  /** A command was refused: by syntax of policy, directory or limit. */
  | {
    readonly type: "command.refused";
    readonly session: string;
    readonly client: string;
    /** What was asked: `connect`, `hello`, `auth`, `sender` (MAIL) or `recipient` (RCPT). */
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
  /** A client, or a whole network, is not served for a while. */
  | {
    readonly type: "client.banned";
    /** An IPv4 address, an IPv6 network such as `2001:db8:1:2::/64`, or a larger network. */
    readonly client: string;
    /** Such as `too many failed logins`. */
    readonly reason: string;
    /** Milliseconds. */
    readonly duration: number;
  }
  /** A message is safe, and who brought it was told so: a client, or a program (`client` is `unix` then). */
  | {
    readonly type: "message.accepted";
    readonly session: string;
    readonly message: string;
    readonly client: string;
    readonly identity: string | null;
    readonly sender: string;
    readonly recipients: readonly string[];
    readonly size: number;
    /** Decoded, and cut after 200 characters. */
    readonly subject: string;
    /** What TLS the session uses, such as `TLSv1.3`. */
    readonly tls: string | null;
    /** Since MAIL. */
    readonly duration: number;
    /**
     * How many messages of the queue it became, each of which ends in `message.done`: 0 or 1, and over LMTP one
     * for each recipient that goes on, whose ids are `MESSAGE.0`, `MESSAGE.1`, …
     */
    readonly queued: number;
  }
  /** Who sent a stranger's message was checked (SPF, DKIM, ARC, DMARC), and what is to become of it was decided. */
  | {
    readonly type: "message.authenticated";
    readonly session: string;
    readonly message: string;
    readonly client: string;
    /** The domains of its authors (From), mostly one; none where it names nobody. */
    readonly from: readonly string[];
    /** Of SPF, in the words of RFC 8601: `pass`, `fail`, `softfail`, `neutral`, `none`, `temperror`, `permerror`. */
    readonly spf: string;
    /** The domain SPF was asked about: of MAIL, or of HELO for mail without a sender. */
    readonly spfDomain: string;
    /** Of DKIM: `pass` where a signature is valid, else what the uppermost came to. */
    readonly dkim: string;
    /** Each signature that was looked at, as `DOMAIN/SELECTOR: RESULT`. */
    readonly signatures: readonly string[];
    /** Of ARC. */
    readonly arc: string;
    /** Of DMARC; of several authors the worst. */
    readonly dmarc: string;
    /** What the author's domain asks for mail that fails: `none`, `quarantine` or `reject`; `null` where it has no policy. */
    readonly policy: string | null;
    /** What was decided: `accept`, `junk`, `reject` or `defer`. */
    readonly disposition: string;
  }
  /** A message was refused at its end; nothing of it is kept. */
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
  /** A policy dropped a message, or its copies for some, as if it had been taken. */
  | {
    readonly type: "message.discarded";
    readonly session: string;
    readonly message: string;
    readonly sender: string;
    readonly recipients: readonly string[];
    readonly policy: string;
    readonly reason: string;
  }
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
  /**
   * An account has sent all that it may for now. Told once an hour for each account: either its password is stolen,
   * and needs another, or it needs a higher limit.
   */
  | {
    readonly type: "account.limited";
    readonly session: string;
    readonly client: string;
    /** The account. */
    readonly identity: string;
    /** What of, `mails`, `recipients, hourly`, `recipients, daily` or `new recipients`. */
    readonly limit: string;
    /** So many, … */
    readonly count: number;
    /** … in so many milliseconds. */
    readonly per: number;
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
  }
  /** A policy threw, or was too slow; its stated answer was given. */
  | {
    readonly type: "policy.failed";
    readonly session: string;
    readonly policy: string;
    /** What it had been asked about. */
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
