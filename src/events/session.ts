/**
 * Events of clients' sessions, and of what is held against clients and accounts. Types only.
 *
 * @module
 */

/** What happens in the sessions of clients. */
export type SessionFact =
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
  /** A policy threw, or was too slow; its stated answer was given. */
  | {
    readonly type: "policy.failed";
    readonly session: string;
    readonly policy: string;
    /** What it had been asked about. */
    readonly stage: string;
    readonly error: string;
  };
